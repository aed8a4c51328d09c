// What the worker pool knows of each request and of each worker.

import type { Alarmed } from './alarms.ts';
import { Link } from './chain.ts';
import { CoveredCode, type ListedCode } from './covered-code.ts';
import { LEFT_TO_OTHER_KIND_MAX } from '../limits.ts';
import type { AnyRequest } from './pool-request.ts';
import type { ItemInHand, WorkerConnection, WorkItem } from './worker-port.ts';

export type WorkKind = WorkItem['kind'];

/** In the order in which a worker is given them by turns. */
export const WORK_KINDS = ['workflow', 'activity', 'entity'] as const satisfies readonly WorkKind[];

/** The same for each kind. */
export function ofEachKind<T>(make: (kind: WorkKind) => T): Record<WorkKind, T> {
  return { workflow: make('workflow'), activity: make('activity'), entity: make('entity') };
}

/** What a worker has been sent. */
export interface Dispatch extends ItemInHand<WorkItem> {
  readonly worker: ConnectedWorker;
}

/** A request on its way. */
export class PooledItem implements Alarmed {
  readonly request: AnyRequest;
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

  constructor(request: AnyRequest, key: string) {
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
  readonly inHandOf = ofEachKind(() => 0);
  readonly #max: Readonly<Record<WorkKind, number>>;
  /** The kind that it was given last: next comes another one, if there is any. */
  lastKind: WorkKind = 'entity';
  /** The number of the dispatch that it was given last. */
  lastDispatch = 0;
  connected = true;

  constructor(connection: WorkerConnection) {
    this.connection = connection;
    const { filters, workflowsMax, activitiesMax, entitiesMax, itemsMax } = connection;
    const max: Readonly<Record<WorkKind, number>> = {
      workflow: workflowsMax,
      activity: activitiesMax,
      entity: entitiesMax,
    };
    const listed: Readonly<Record<WorkKind, ListedCode>> = {
      workflow: filters?.workflows ?? 'any',
      activity: filters?.activities ?? 'any',
      entity: filters?.entities.map((name) => ({ name, versions: [] })) ?? 'any',
    };
    this.covered = ofEachKind((kind) => (max[kind] > 0 && itemsMax > 0 ? new CoveredCode(listed[kind]) : NOTHING));
    // Else what takes long would leave no room for what could go on.
    const left = ofEachKind((kind) =>
      this.covered[kind].isNothing ? 0 : Math.min(Math.floor(itemsMax / 8), LEFT_TO_OTHER_KIND_MAX, max[kind]),
    );
    const leftInAll = left.workflow + left.activity + left.entity;
    this.#max = ofEachKind((kind) => Math.min(max[kind], itemsMax - (leftInAll - left[kind])));
  }

  mayTake({ kind, name, version }: AnyRequest): boolean {
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
