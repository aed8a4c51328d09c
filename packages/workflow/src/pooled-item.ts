// What the worker pool knows of each request and of each worker.

import type { Alarmed } from './alarms.ts';
import { Link } from './chain.ts';
import { CoveredCode } from './covered-code.ts';
import { LEFT_TO_OTHER_KIND_MAX } from './limits.ts';
import type { ActivityRequest, TurnRequest } from './pool-request.ts';
import type { ItemInHand, WorkerConnection, WorkItem } from './worker-port.ts';

export type WorkKind = WorkItem['kind'];

/** What a worker has been sent. */
export interface Dispatch extends ItemInHand<WorkItem> {
  readonly worker: ConnectedWorker;
}

/** A request on its way. */
export class PooledItem implements Alarmed {
  readonly request: TurnRequest | ActivityRequest;
  readonly key: string;
  /**
   * `waiting` for a worker that has room; `resting` until it may wait again; `out`; `over`.
   * Its alarm: when it need not avoid a worker any more; when it has rested; when its lease runs out.
   */
  phase: 'waiting' | 'resting' | 'out' | 'over' = 'waiting';
  alarmAtMs: number | undefined;
  /** While it is out. */
  dispatch: Dispatch | undefined;
  /** While it waits: among those that wait, the lower the earlier. */
  order = 0;
  /** While it waits: the worker that shall rather not have it. */
  avoided: ConnectedWorker | undefined;
  /** Its places among all that wait, and among those that need the same code. */
  readonly inLane = new Link<PooledItem>(this);
  readonly inCode = new Link<PooledItem>(this);
  leasesLost = 0;
  timesAbandoned = 0;

  constructor(request: TurnRequest | ActivityRequest, key: string) {
    this.request = request;
    this.key = key;
  }
}

/** A worker whose stream is open. */
export class ConnectedWorker {
  readonly connection: WorkerConnection;
  readonly covered: Readonly<Record<WorkKind, CoveredCode>>;
  /** In the order in which they were sent. */
  readonly inHand = new Set<PooledItem>();
  readonly inHandOf: Record<WorkKind, number> = { workflow: 0, activity: 0 };
  readonly #max: Readonly<Record<WorkKind, number>>;
  /** The kind that it was given last: next comes the other one, if there is any. */
  lastKind: WorkKind = 'activity';
  /** The number of the dispatch that it was given last. */
  lastDispatch = 0;
  connected = true;

  constructor(connection: WorkerConnection) {
    this.connection = connection;
    const { filters, workflowsMax, activitiesMax, itemsMax } = connection;
    const covered = (list: CoveredCode, max: number): CoveredCode => (max > 0 && itemsMax > 0 ? list : NOTHING);
    this.covered = {
      workflow: covered(new CoveredCode(filters?.workflows ?? 'any'), workflowsMax),
      activity: covered(new CoveredCode(filters?.activities ?? 'any'), activitiesMax),
    };
    // Else what takes long would leave no room for what could go on.
    const left = (to: CoveredCode, max: number): number =>
      to.isNothing ? 0 : Math.min(Math.floor(itemsMax / 8), LEFT_TO_OTHER_KIND_MAX, max);
    this.#max = {
      workflow: Math.min(workflowsMax, itemsMax - left(this.covered.activity, activitiesMax)),
      activity: Math.min(activitiesMax, itemsMax - left(this.covered.workflow, workflowsMax)),
    };
  }

  mayTake({ kind, name, version }: TurnRequest | ActivityRequest): boolean {
    return this.covered[kind].covers(name, version);
  }

  hasRoom(kind: WorkKind): boolean {
    return this.inHandOf[kind] < this.#max[kind] && this.inHand.size < this.connection.itemsMax;
  }

  add(item: PooledItem): void {
    this.inHand.add(item);
    this.inHandOf[item.request.kind] += 1;
  }

  remove(item: PooledItem): void {
    this.inHand.delete(item);
    this.inHandOf[item.request.kind] -= 1;
  }
}

const NOTHING = new CoveredCode([]);
