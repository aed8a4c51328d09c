// The public surface of @troupe/workflow/worker: for those who connect workers of other languages.

export type {
  ActivityItem,
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
} from './worker-port.ts';
export type { ActivityResult } from './activity-runner.ts';
export type { BufferedEvent, Command, Outcome } from './command.ts';
export type { EventDetails, HistoryEvent, InputEvent } from './history.ts';
export type { ParentLink } from './instance-state.ts';
export { RERUN, REWOUND } from './repeat.ts';
