// The public surface of @troupe/workflow/worker: for those who connect workers of other languages.

export type {
  ActivityItem,
  EntityBatchResult,
  EntityItem,
  CodeFilter,
  ExecutionOrigin,
  InstanceReader,
  InstanceRepeats,
  ItemInHand,
  Rerun,
  StoredInstance,
  WorkerConnection,
  WorkerFilters,
  WorkerHub,
  WorkerTurn,
  WorkflowItem,
  WorkItem,
} from './workers/worker-port.ts';
export type {
  EntityClient,
  EntityCleaned,
  EntityCleaning,
  EntityMetadata,
  EntityPage,
  EntityQuery,
  EntitySignalOptions,
} from './entities/entity-client.ts';
export { entityIdOf } from './entities/entity-id.ts';
export {
  asReceivedFromEntity,
  asSentToEntity,
  type EntityAction,
  type EntityCaller,
  type EntityMessageReceived,
  type EntityMessageSent,
  type EntityOperation,
  type EntityResult,
} from './entities/entity-message.ts';
export type { ActivityResult } from './activity-runner.ts';
export type { BufferedEvent, Command, Outcome } from './command.ts';
export { isCommandEvent, type EventDetails, type HistoryEvent, type InputEvent } from './history.ts';
export type { ParentLink } from './instance-state.ts';
export { checkInstanceId, workerChildId } from './name.ts';
export { RERUN, REWOUND } from './repeat.ts';
