// The workers that are connected to this host, and what there is for them to do. Requests come from the engine; each is handed
// out as an item, to one worker at a time, until one of them answers.
//
// The pool knows nothing of what is durable, of other hosts or of how workers are reached: whoever offers a request offers it
// again after a crash, takes it elsewhere when it is lost here, and decides what an answer is worth.
//
//  P1  A request ends once: answered, lost or withdrawn. Whoever offered it hears of the first two.
//  P2  Of one instance one turn is out at a time, of one activity one attempt and of one entity one batch: what is offered
//      under the key of another request replaces that, which is lost. For two hosts may take an instance for theirs, and the
//      one that was first may be the one that goes on.
//  P3  Only the answer to the dispatch that is out counts. What was taken back is out no more, and goes out under a new token.
//  P4  A worker has never more in hand than it said, and nothing that its filters leave out. Nothing is sent to it once it is
//      closed; what it had in hand then waits in front of all others.
//  P5  Nothing waits that a worker with room may take, but for what shall rather not go to that one: for so long at most.
//      No kind waits for another, nor anything for what needs other code.
//  P6  Else a request is lost as soon as no worker that is connected may take it, and not before.
//  P7  A worker remembers the history of an execution from its answer to a turn until the next turn of that execution goes
//      out, to whomever: what becomes of a turn that is not answered nobody knows.
//  P8  Items go out, and requests are lost, from a microtask of the pool: never inside a call of the engine or of whoever
//      connects workers. These may call the pool from inside whatever it calls.

import type { Clock, Logger } from '@troupe/actors';
import type { ActivityResult } from '../activity-runner.ts';
import { Alarms } from './alarms.ts';
import { ConnectedWorkers } from './connected-workers.ts';
import type { ListedCode } from './covered-code.ts';
import { KeptHistories } from './kept-histories.ts';
import {
  ABANDON_DELAY_MS_MAX,
  ABANDON_DELAY_MS_MIN,
  ACTIVITY_LEASE_MS,
  ENTITY_LEASE_MS,
  LEASE_GROWTH_MAX,
  RATHER_ANOTHER_MS,
  TURN_LEASE_MS,
} from '../limits.ts';
import type { ActivityRequest, AnyRequest, TurnRequest } from './pool-request.ts';
import { ConnectedWorker, ofEachKind, PooledItem, WORK_KINDS, type WorkKind } from './pooled-item.ts';
import { WaitingItems } from './waiting-items.ts';
import type {
  ActivityItem,
  EntityBatchResult,
  ItemInHand,
  WorkerConnection,
  WorkerHub,
  WorkerTurn,
  WorkflowItem,
} from './worker-port.ts';

/** What the workers of a host may run: plain data, for other hosts. */
export interface WorkerSummary {
  readonly workflows: ListedCode;
  readonly activities: ListedCode;
  readonly entities: ListedCode;
}

/** How much there is of what. */
export interface WorkerPoolCounts {
  readonly connected: number;
  /** Until a worker has room, or until they may be given out again. */
  readonly waiting: Readonly<Record<WorkKind, number>>;
  readonly inHand: Readonly<Record<WorkKind, number>>;
}

export class WorkerPool implements WorkerHub {
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #leaseMs: Readonly<Record<WorkKind, number>>;
  readonly #onChanged: () => void;
  readonly #workers = new ConnectedWorkers();
  /** Requests that are not over, by kind and key. */
  readonly #items = ofEachKind(() => new Map<string, PooledItem>());
  readonly #waiting = ofEachKind(() => new WaitingItems());
  readonly #resting = new Set<PooledItem>();
  /** Over, and whoever offered them has not heard of it. */
  readonly #replaced = new Set<PooledItem>();
  readonly #out = new Map<string, PooledItem>();
  readonly #alarms: Alarms<PooledItem>;
  readonly #kept = new KeptHistories();
  /** The summary, as text, that was last told. */
  #told: string;
  /** Workers have come or gone, or something was offered that none may take. */
  #unsettled = false;
  #scheduled = false;
  #stopped = false;
  #dispatches = 0;

  /** @param parts `onChanged` is called when the summary has changed, never inside another call. */
  constructor(parts: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly random: () => number;
    readonly onChanged: () => void;
    readonly turnLeaseMs?: number | undefined;
    readonly activityLeaseMs?: number | undefined;
  }) {
    this.#logger = parts.logger;
    this.#random = parts.random;
    this.#onChanged = parts.onChanged;
    this.#leaseMs = {
      workflow: parts.turnLeaseMs ?? TURN_LEASE_MS,
      activity: parts.activityLeaseMs ?? ACTIVITY_LEASE_MS,
      entity: ENTITY_LEASE_MS,
    };
    this.#alarms = new Alarms(parts.clock, (due) => {
      // As when a worker is closed.
      for (const item of due.toReversed()) this.#rung(item);
    });
    this.#told = JSON.stringify(this.summary());
  }

  get connected(): number {
    return this.#workers.size;
  }

  counts(): WorkerPoolCounts {
    const inHand = this.#workers.inHand();
    const waiting = ofEachKind((kind) => this.#items[kind].size - inHand[kind]);
    return { connected: this.connected, waiting, inHand };
  }

  /** Whether a worker that is connected may be given this. */
  mayRun(kind: WorkKind, name: string, version: string): boolean {
    return this.#workers.covered[kind].covers(name, version);
  }

  summary(): WorkerSummary {
    const { workflow, activity, entity } = this.#workers.covered;
    return { workflows: workflow.listed(), activities: activity.listed(), entities: entity.listed() };
  }

  /** Gives it to a worker, now or when one has room. Once it is withdrawn nobody hears of it any more. */
  offer(request: AnyRequest): { withdraw(): void } {
    const key = keyOf(request.instanceId, request.sequence);
    const items = this.#items[request.kind];
    const former = items.get(key);
    if (former !== undefined) {
      this.#end(former);
      this.#replaced.add(former);
    }
    const item = new PooledItem(request, key);
    items.set(key, item);
    this.#waiting[request.kind].push(item);
    if (!this.mayRun(request.kind, request.name, request.version)) this.#unsettled = true;
    this.#workers.wake(item);
    this.#schedule();
    return {
      withdraw: () => {
        this.#replaced.delete(item);
        this.#end(item);
      },
    };
  }

  /** What workers remember of an execution does not hold: it goes on from what is stored. */
  forget(executionId: string): void {
    this.#kept.forget(executionId);
  }

  connect(connection: WorkerConnection): { close(): void } {
    const worker = new ConnectedWorker(connection);
    if (this.#stopped) return { close: () => {} };
    this.#workers.add(worker);
    this.#unsettled = true;
    this.#schedule();
    return { close: () => this.#close(worker) };
  }

  turnInHand(instanceId: string): ItemInHand<WorkflowItem> | undefined {
    return this.#items.workflow.get(instanceId)?.dispatch as ItemInHand<WorkflowItem> | undefined;
  }

  activityInHand(instanceId: string, sequence: number): ItemInHand<ActivityItem> | undefined {
    return this.#items.activity.get(keyOf(instanceId, sequence))?.dispatch as ItemInHand<ActivityItem> | undefined;
  }

  completeTurn(instanceId: string, token: string, turn: WorkerTurn): boolean {
    const item = this.#items.workflow.get(instanceId);
    if (!isOut(item, token)) return false;
    const { worker } = item.dispatch!;
    const request = item.request as TurnRequest;
    this.#end(item);
    const goesOn = turn.outcome === undefined && turn.history === undefined && turn.stalled === undefined;
    if (worker.connection.keepsHistory && goesOn) this.#kept.keep(request.executionId, worker, request.length);
    request.answered(turn);
    return true;
  }

  completeActivity(instanceId: string, sequence: number, token: string, result: ActivityResult): boolean {
    const item = this.#items.activity.get(keyOf(instanceId, sequence));
    if (!isOut(item, token)) return false;
    this.#end(item);
    (item.request as ActivityRequest).answered(result);
    return true;
  }

  completeEntity(token: string, result: EntityBatchResult): boolean {
    const item = this.#out.get(token);
    if (item?.request.kind !== 'entity') return false;
    this.#end(item);
    item.request.answered(result);
    return true;
  }

  abandon(token: string): boolean {
    const item = this.#out.get(token);
    if (item === undefined) return false;
    item.avoided = this.#takenBack(item);
    item.phase = 'resting';
    this.#resting.add(item);
    const delayMs = Math.min(ABANDON_DELAY_MS_MIN * 2 ** item.timesAbandoned, ABANDON_DELAY_MS_MAX);
    item.timesAbandoned += 1;
    this.#alarms.set(item, delayMs);
    return true;
  }

  /** Whatever has not ended is lost. Nothing is sent any more. */
  stop(): void {
    this.#stopped = true;
    this.#workers.clear();
    this.#loseAll(WORK_KINDS.flatMap((kind) => [...this.#items[kind].values()]));
    this.#alarms.stop();
  }

  #close(worker: ConnectedWorker): void {
    if (!worker.connected) return;
    this.#workers.remove(worker);
    this.#kept.forgetAll(worker);
    // From the last to the first: in front of all others they are in their order again.
    for (const item of [...worker.inHand].toReversed()) {
      this.#takenBack(item);
      this.#await(item, undefined);
    }
    this.#unsettled = true;
    this.#schedule();
  }

  /** Ends it, wherever it is. */
  #end(item: PooledItem): void {
    const { request, key, phase } = item;
    if (phase === 'over') return;
    if (phase === 'out') this.#takenBack(item);
    else if (phase === 'resting') this.#resting.delete(item);
    else this.#waiting[request.kind].remove(item);
    this.#alarms.clear(item);
    item.phase = 'over';
    this.#items[request.kind].delete(key);
  }

  /** It is out no more. Whoever calls this says what it is instead. Gives the worker that had it. */
  #takenBack(item: PooledItem): ConnectedWorker {
    const { worker, item: sent } = item.dispatch!;
    item.dispatch = undefined;
    this.#out.delete(sent.token);
    this.#alarms.clear(item);
    worker.remove(item);
    this.#workers.ready(worker);
    this.#schedule();
    return worker;
  }

  /** In front of all others; not for the worker to avoid, if there is another one that may take it. */
  #await(item: PooledItem, avoided: ConnectedWorker | undefined): void {
    item.phase = 'waiting';
    item.avoided = this.#workers.canAvoid(item, avoided) ? avoided : undefined;
    this.#waiting[item.request.kind].unshift(item);
    if (item.avoided !== undefined) this.#alarms.set(item, RATHER_ANOTHER_MS);
    this.#workers.wake(item);
    this.#schedule();
  }

  #rung(item: PooledItem): void {
    if (item.phase === 'resting') {
      this.#resting.delete(item);
      this.#await(item, item.avoided);
    } else if (item.phase === 'waiting') {
      this.#waiting[item.request.kind].remove(item);
      this.#await(item, undefined);
    } else {
      const { kind, instanceId, name } = item.request;
      this.#logger.warn({ kind, name, instanceId }, 'a worker did not answer in time: it is given out again');
      item.leasesLost += 1;
      this.#await(item, this.#takenBack(item));
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const item of this.#replaced) {
        this.#replaced.delete(item);
        item.request.lost('replaced');
      }
      if (this.#unsettled) this.#settle();
      this.#giveOut();
    });
  }

  /** Takes in that workers have come or gone. */
  #settle(): void {
    this.#unsettled = false;
    for (const kind of WORK_KINDS) {
      const alone = this.#waiting[kind].avoiding().filter((item) => !this.#workers.canAvoid(item, item.avoided));
      for (const item of alone.sort((a, b) => b.order - a.order)) {
        this.#waiting[kind].remove(item);
        this.#alarms.clear(item);
        this.#await(item, undefined);
      }
    }
    const summary = JSON.stringify(this.summary());
    if (summary !== this.#told && !this.#stopped) {
      this.#told = summary;
      this.#onChanged();
    }
    const { covered } = this.#workers;
    const resting = [...this.#resting].filter(
      ({ request }) => !this.mayRun(request.kind, request.name, request.version),
    );
    this.#loseAll([...WORK_KINDS.flatMap((kind) => this.#waiting[kind].uncovered(covered[kind])), ...resting]);
  }

  #loseAll(items: readonly PooledItem[]): void {
    for (const item of items) {
      // Whoever heard of one before may have withdrawn it.
      if (item.phase === 'over') continue;
      this.#end(item);
      item.request.lost('no-worker');
    }
  }

  #giveOut(): void {
    for (let worker = this.#workers.leastLoaded(); worker !== undefined; worker = this.#workers.leastLoaded()) {
      const item = this.#nextFor(worker);
      if (item === undefined) this.#workers.rest(worker);
      else this.#give(item, worker);
    }
  }

  #nextFor(worker: ConnectedWorker): PooledItem | undefined {
    const last = WORK_KINDS.indexOf(worker.lastKind);
    for (let step = 1; step <= WORK_KINDS.length; step++) {
      const kind = WORK_KINDS[(last + step) % WORK_KINDS.length]!;
      const item = worker.hasRoom(kind) ? this.#waiting[kind].first(worker, worker.covered[kind]) : undefined;
      if (item !== undefined) return item;
    }
    return undefined;
  }

  #give(item: PooledItem, worker: ConnectedWorker): void {
    const { request } = item;
    const { connection } = worker;
    const { kind, executionId } = request;
    const number = ++this.#dispatches;
    const token = `${number.toString(36)}-${Math.floor(this.#random() * 2 ** 50).toString(36)}`;
    const sent = request.item(token, kind === 'workflow' ? this.#kept.take(executionId, worker) : 0);
    this.#waiting[kind].remove(item);
    // It may avoid another worker until then.
    this.#alarms.set(item, this.#leaseMs[kind] * Math.min(2 ** item.leasesLost, LEASE_GROWTH_MAX));
    item.phase = 'out';
    item.dispatch = { item: sent, connection, worker };
    this.#out.set(token, item);
    worker.add(item);
    worker.lastKind = kind;
    worker.lastDispatch = number;
    try {
      connection.send(sent);
    } catch (error) {
      // It is in hand until it is closed, or until its lease runs out.
      this.#logger.error({ kind, instanceId: request.instanceId, err: error }, 'an item could not be sent to a worker');
    }
  }
}

function isOut(item: PooledItem | undefined, token: string): item is PooledItem {
  const current = item?.dispatch?.item.token;
  return current !== undefined && (token === '' || token === current);
}

function keyOf(instanceId: string, sequence: number | undefined): string {
  return sequence === undefined ? instanceId : `${sequence} ${instanceId}`;
}
