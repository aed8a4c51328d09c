import type { ActivityResult } from '../activity-runner.ts';
import type { ActivityItem, EntityBatchResult, EntityItem, WorkerTurn, WorkflowItem, WorkItem } from './worker-port.ts';

/** No worker that is connected may take it, or another was offered in its place. */
export type LossReason = 'no-worker' | 'replaced';

/** Something for a worker to do, until it is answered, lost or withdrawn: one of the three, once. */
export interface PoolRequest<I extends WorkItem> {
  readonly kind: I['kind'];
  /** Of an entity: its id. One turn of an instance is asked for at a time, one batch of an entity, an activity by its number. */
  readonly instanceId: string;
  readonly sequence: I extends ActivityItem ? number : undefined;
  /** Of an entity: the id of the batch. */
  readonly executionId: string;
  /** The code that it needs. An empty version: whichever there is. */
  readonly name: string;
  readonly version: string;
  /** Of a turn: how many events of the history the worker will have seen after it. */
  readonly length: I extends WorkflowItem ? number : undefined;
  /** Makes the item, anew for each dispatch. `kept`: so many events of the history this worker remembers. */
  item(token: string, kept: number): I;
  /** Called from within the call that hands the answer in. */
  answered(
    answer: I extends WorkflowItem ? WorkerTurn : I extends EntityItem ? EntityBatchResult : ActivityResult,
  ): void;
  /** Offered again at once it would be lost again, or what replaced it would. */
  lost(why: LossReason): void;
}

export type TurnRequest = PoolRequest<WorkflowItem>;
export type ActivityRequest = PoolRequest<ActivityItem>;
export type EntityRequest = PoolRequest<EntityItem>;
export type AnyRequest = TurnRequest | ActivityRequest | EntityRequest;
