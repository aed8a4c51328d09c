// What a worker is to the engine: a process elsewhere, of any language, that runs the code of workflows and of activities and
// is reached by a stream of work items. Whoever speaks with workers (the gRPC gateway) connects them here and hands back what
// they answer. What is acknowledged is the engine's, what runs on a worker may be lost at any time.

import type { ActivityResult } from '../activity-runner.ts';
import type { Command, Outcome } from '../command.ts';
import type { EventDetails, HistoryEvent, InputEvent } from '../history.ts';
import type { EntityAction, EntityOperation, EntityResult } from '../entities/entity-message.ts';
import type { ParentLink } from '../instance-state.ts';
import type { Failure, InstanceMetadata } from '../status.ts';

/** Code by its name, and in these versions; in any if none is named. */
export interface CodeFilter {
  readonly name: string;
  readonly versions: readonly string[];
}

/** All that a worker says that it runs: an empty list is nothing of that kind. */
export interface WorkerFilters {
  readonly workflows: readonly CodeFilter[];
  readonly activities: readonly CodeFilter[];
  /** Names of entities, in lower case. */
  readonly entities: readonly string[];
}

/** A worker as whoever speaks with it describes it. */
export interface WorkerConnection {
  /** Undefined: it does not say what it runs, and may be given anything. */
  readonly filters: WorkerFilters | undefined;
  /** Items of each kind, and of all together, that it is given before it has answered. */
  readonly workflowsMax: number;
  readonly activitiesMax: number;
  readonly entitiesMax: number;
  readonly itemsMax: number;
  /** It remembers the history of executions whose turns it has answered: then only what is new goes out. */
  readonly keepsHistory: boolean;
  /** Sends it an item. Must not throw: what cannot be sent comes back when the connection is closed. */
  send(item: WorkItem): void;
}

/** How an execution began. */
export interface ExecutionOrigin {
  readonly workflowName: string;
  readonly version: string;
  readonly createdAtMs: number;
  readonly startAtMs: number | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly parent: ParentLink | undefined;
  readonly traceparent: string | undefined;
}

/** A turn for the code of a workflow. One is out at a time for each instance. */
export interface WorkflowItem {
  readonly kind: 'workflow';
  /** Names this dispatch: the same turn that is given out once more has another. */
  readonly token: string;
  readonly instanceId: string;
  readonly executionId: string;
  readonly origin: ExecutionOrigin;
  /** The history so far; the same objects in every turn of an execution. */
  readonly past: readonly HistoryEvent[];
  /** So many of `past` the worker has been sent for this execution; 0 unless it keeps them. */
  readonly kept: number;
  /** When the turn begins: to the code it is now. */
  readonly beganAtMs: number;
  /** What is new, in the order in which it came; at least one. */
  readonly events: readonly InputEvent[];
}

/** One attempt of an activity. */
export interface ActivityItem {
  readonly kind: 'activity';
  readonly token: string;
  readonly instanceId: string;
  readonly executionId: string;
  /** Its number among what the execution asked for. */
  readonly sequence: number;
  readonly name: string;
  readonly input: unknown;
  readonly details: EventDetails | undefined;
  readonly traceparent: string | undefined;
}

/** Operations of an entity, to be run one after the other. One batch is out at a time for each entity. */
export interface EntityItem {
  readonly kind: 'entity';
  readonly token: string;
  /** `@name@key`. */
  readonly entityId: string;
  readonly state: string | undefined;
  /** At least one. */
  readonly operations: readonly EntityOperation[];
}

export type WorkItem = WorkflowItem | ActivityItem | EntityItem;

/** What the code of an entity made of a batch. */
export interface EntityBatchResult {
  /** In the order of the operations; those that have none are given out again. */
  readonly results: readonly EntityResult[];
  /** The state after those that have a result; undefined: none. */
  readonly state: string | undefined;
  readonly actions: readonly EntityAction[];
  /** Why the batch could not be run at all: then nothing of it counts, and it is given out again. */
  readonly failed?: Failure | undefined;
}

/** What the code of a workflow made of a turn. */
export interface WorkerTurn {
  /** Their events carry the time of the turn, or later. */
  readonly commands: readonly Command[];
  readonly outcome: Outcome | undefined;
  /** Recorded with the beginning of the turn. */
  readonly details?: EventDetails | undefined;
  /** In place of the whole history: the code was rewound. Then there are no commands and there is no outcome. */
  readonly history?: readonly HistoryEvent[] | undefined;
  /** Why this worker's code cannot go on: then nothing of the turn counts, and the instance stalls. */
  readonly stalled?: Error | undefined;
}

/** An item that a worker has been sent and has not answered. */
export interface ItemInHand<I extends WorkItem> {
  readonly item: I;
  readonly connection: WorkerConnection;
}

/** Where workers are connected and hand in what they have done. */
export interface WorkerHub {
  /** Takes a worker on. `close` when its stream has ended: what it had in hand goes to others. */
  connect(connection: WorkerConnection): { close(): void };
  /** Workers that are connected to this host. */
  readonly connected: number;
  turnInHand(instanceId: string): ItemInHand<WorkflowItem> | undefined;
  activityInHand(instanceId: string, sequence: number): ItemInHand<ActivityItem> | undefined;
  /**
   * Takes an answer in. False: nothing of the kind is out, or the token is that of another dispatch; then it counts for
   * nothing. An empty token, as of workers that do not know of tokens, is taken for that of the dispatch that is out.
   */
  completeTurn(instanceId: string, token: string, turn: WorkerTurn): boolean;
  completeActivity(instanceId: string, sequence: number, token: string, result: ActivityResult): boolean;
  /** Entities have no other name for what is out than its token. */
  completeEntity(token: string, result: EntityBatchResult): boolean;
  /** The worker would not have it: it is given out again after a moment, rather to another. False: no such token. */
  abandon(token: string): boolean;
}

/** An instance as it is stored: payloads that came as text are `TextPayload`s. */
export interface StoredInstance {
  readonly metadata: InstanceMetadata;
  readonly origin: ExecutionOrigin;
}

/** What another instance begins with. */
export interface Rerun {
  readonly sourceId: string;
  /** The number of the activity, timer or child that is carried out again. */
  readonly sequence: number;
  readonly newId: string;
  /** In place of that of the activity or child; undefined: it stays. */
  readonly input?: { readonly value: unknown } | undefined;
  /** The id of the child; by default one that is made of `newId` and its number. */
  readonly newChildId?: string | undefined;
  /** Told with what is carried out again, beside what was told with it before. */
  readonly details?: EventDetails | undefined;
  readonly traceparent?: string | undefined;
}

/** Has instances that workers ran, and that have ended, run once more in part. */
export interface InstanceRepeats {
  /**
   * Has an instance that failed go on before what failed in it: a worker takes that out of its history, children that failed
   * are rewound too. Resolves when that is under way.
   *
   * @param body what is told with the message that asks for it
   * @throws {InstanceNotFoundError} | {@link NotRewindableError}
   */
  rewind(instanceId: string, body: unknown, options?: { readonly traceparent?: string | undefined }): Promise<void>;
  /**
   * Starts another instance with the history of one that has ended, up to something that its code asked for; that is carried
   * out again, as is what has no result there. Whole or not at all.
   *
   * @throws {InstanceNotFoundError} | {@link NotRerunnableError} | {@link CommandNotFoundError} | {@link AlreadyExistsError}
   */
  rerun(rerun: Rerun): Promise<void>;
}

/** Reads instances for those who pass payloads on as they came. */
export interface InstanceReader {
  /** Undefined when there is no such instance. */
  describe(instanceId: string): Promise<StoredInstance | undefined>;
  /** As {@link describe}, when it is no longer pending; undefined as soon as there is no such instance or `signal` aborts. */
  untilStarted(instanceId: string, options: { readonly signal: AbortSignal }): Promise<StoredInstance | undefined>;
  /** … when it has ended. */
  untilEnded(instanceId: string, options: { readonly signal: AbortSignal }): Promise<StoredInstance | undefined>;
  /** Durable events of the current execution; `from` counts from 1 on the first. Fewer than `limit`: there are no more. */
  events(instanceId: string, from: number, limit: number): Promise<readonly HistoryEvent[]>;
}
