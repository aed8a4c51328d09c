import type { ActorHost } from '@troupe/actors';
import type { WorkflowClient } from './client-interface.ts';
import type { EntityClient } from './entities/entity-client.ts';
import type { InstanceReader, InstanceRepeats, WorkerHub } from './workers/worker-port.ts';

/** A workflow that this host has code for. */
export interface RegisteredWorkflow {
  readonly name: string;
  /** Oldest first; a new instance takes the last. */
  readonly versions: readonly string[];
}

/** Whether this host can take work. */
export interface HostStatus {
  /** The store can be written, partitions are held, it is not stopping. */
  readonly ready: boolean;
  /** Why not. */
  readonly reason: string | undefined;
  /** Workflow instances in memory. */
  readonly activeInstances: number;
  readonly runningActivities: number;
  readonly waitingActivities: number;
}

/** Counts since the start, for metrics. */
export interface HostCounters {
  readonly started: number;
  readonly completed: number;
  readonly failed: number;
  readonly terminated: number;
  readonly activitiesCompleted: number;
  readonly activitiesFailed: number;
}

/** A host of workflows. Made by {@link startHost}. */
export interface WorkflowHost extends AsyncDisposable {
  readonly workflows: WorkflowClient;
  /** Instances as they are stored: for those who pass payloads on as they came. */
  readonly stored: InstanceReader;
  /** Instances that workers ran, once more in part. */
  readonly repeats: InstanceRepeats;
  /** The actors below, and those that were registered beside the workflows. */
  readonly actors: ActorHost;
  /** Entities, which workers of other languages run. */
  readonly entities: EntityClient;
  /** For whoever speaks with workers of other languages. */
  readonly workers: WorkerHub;
  registered(): { readonly workflows: readonly RegisteredWorkflow[]; readonly activities: readonly string[] };
  status(): HostStatus;
  counters(): HostCounters;
  /** Stops gracefully within `graceMs` (default 10 s). Running activities see their signal abort and are run again later. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}
