// What can be done with workflow instances from outside. The same whether the engine is in this process or behind HTTP.

import type { InstanceMetadata, InstanceSummary, WorkflowStatus } from './status.ts';
import type { AnyWorkflow, EventPayload, WorkflowEvents, WorkflowInput, WorkflowOutput } from './workflow.ts';

/** What to do when the instance id is taken. Default `'fail'`: {@link AlreadyExistsError}. */
export type IfExists =
  | 'fail'
  | 'attach'
  | 'restart-if-terminal'
  | 'terminate-and-restart'
  /** One in any of these statuses is replaced, terminated first if it has not ended. */
  | { readonly replace: readonly WorkflowStatus[] };

/** How an instance is started. */
export interface StartOptions<I = unknown> {
  /** Unique per application, whatever the workflow. Default: a random UUID. */
  readonly instanceId?: string | undefined;
  readonly input?: I;
  readonly ifExists?: IfExists | undefined;
  /** Not before this time. */
  readonly startAt?: Date | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Default: the newest registered one. */
  readonly version?: string | undefined;
  /**
   * The same key and payload hash start one instance for as long as it and its tombstone live: later ones are answered as
   * the first was. An instance of the same id that this key did not create is {@link AlreadyExistsError}.
   */
  readonly idempotencyKey?: string | undefined;
  /** Compared between starts of the same key: {@link IdempotencyMismatchError} when they differ. */
  readonly payloadHash?: string | undefined;
  /**
   * How long after the purge of the instance its key still stops the same start: to the millisecond, however it was purged.
   * Default 7 days, at most 366. It is that of the start that created the instance. For a host in this process: over HTTP
   * it is a TypeError.
   */
  readonly keyKeptMs?: number | undefined;
  /** Accept a workflow that nobody has registered: it stays pending until somebody does. Default false. */
  readonly allowUnregistered?: boolean | undefined;
  readonly traceparent?: string | undefined;
}

/** Settings of the other calls. */
export interface InstanceCallOptions {
  /** Only if the instance is of this workflow; else {@link InstanceNotFoundError}. */
  readonly workflowName?: string | undefined;
  /** Takes effect once per key (a day, the last 1,000 keys of the instance). */
  readonly idempotencyKey?: string | undefined;
  readonly payloadHash?: string | undefined;
  readonly traceparent?: string | undefined;
}

export interface TerminateOptions extends InstanceCallOptions {
  /** Saved as the output. */
  readonly output?: unknown;
  /** Terminates its children too, and theirs. Default false. */
  readonly recursive?: boolean | undefined;
  /** Runs the undos of its steps first. Default false. */
  readonly undo?: boolean | undefined;
}

export interface PurgeOptions extends InstanceCallOptions {
  /** Purges its children too, and theirs. Default false. */
  readonly recursive?: boolean | undefined;
  /** Terminates first what has not ended. Default false. */
  readonly force?: boolean | undefined;
}

export interface WaitOptions {
  readonly workflowName?: string | undefined;
  /** Default: for ever. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which instances to list; every given field must match. */
export interface ListQuery {
  readonly workflowName?: string | undefined;
  readonly status?: WorkflowStatus | readonly WorkflowStatus[] | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly idPrefix?: string | undefined;
  /** At or after. */
  readonly createdAfter?: Date | undefined;
  /** Before. */
  readonly createdBefore?: Date | undefined;
  /** Default 50, at most 1,000. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface InstancePage {
  /** Newest first. */
  readonly instances: readonly InstanceSummary[];
  /** Give it back for the next page; absent on the last. */
  readonly cursor?: string;
}

export interface HistoryQuery {
  readonly workflowName?: string | undefined;
  /** Number of the first event. Default: the first that is kept. */
  readonly from?: number | undefined;
  /** Default and at most 1,000. */
  readonly limit?: number | undefined;
}

/** One history event as a person or a tool reads it. */
export interface HistoryEntry {
  readonly number: number;
  /** `WorkflowStarted`, `ActivityScheduled`, … */
  readonly type: string;
  readonly at: Date;
  readonly executionId: string;
  readonly version: string;
  /** Ties a result to what it is the result of. */
  readonly sequence?: number;
  /** What else the event holds: names, payloads, failures. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface HistoryPage {
  readonly events: readonly HistoryEntry[];
  /** Number to go on from; absent at the end. */
  readonly next?: number;
}

/** What a start did. */
export type StartOutcome = 'started' | 'attached' | 'duplicate';

/** Starts, finds and steers workflow instances. */
export interface WorkflowClient {
  /**
   * Starts an instance and resolves when that is durable.
   *
   * @throws {AlreadyExistsError} | {@link NotRegisteredError} | {@link ValidationError} | {@link InstanceIdError} |
   *   {@link IdempotencyMismatchError} | PayloadError
   */
  start<W extends AnyWorkflow>(workflow: W, options?: StartOptions<WorkflowInput<W>>): Promise<WorkflowInstance<W>>;
  start(workflow: string, options?: StartOptions): Promise<WorkflowInstance>;
  /** A handle of an instance, whether it exists or not. */
  instance<W extends AnyWorkflow = AnyWorkflow>(instanceId: string, workflow?: W): WorkflowInstance<W>;
  /** Undefined when there is no such instance. */
  get(
    instanceId: string,
    options?: { readonly workflowName?: string | undefined },
  ): Promise<InstanceMetadata | undefined>;
  list(query?: ListQuery): Promise<InstancePage>;
  /** How many instances match, by status. */
  count(query?: Omit<ListQuery, 'limit' | 'cursor'>): Promise<Readonly<Partial<Record<WorkflowStatus, number>>>>;
  /** Resolves when the event is durable; the workflow may see it later. Events that nobody waits for are kept. */
  raiseEvent(instanceId: string, eventName: string, payload?: unknown, options?: InstanceCallOptions): Promise<void>;
  /** The state has changed when it resolves. Harmless when it is suspended already. */
  suspend(instanceId: string, options?: InstanceCallOptions): Promise<void>;
  resume(instanceId: string, options?: InstanceCallOptions): Promise<void>;
  /** The state has changed when it resolves (with `undo`: when the undos have begun). */
  terminate(instanceId: string, options?: TerminateOptions): Promise<void>;
  /** Everything of the instance is gone when it resolves. */
  purge(instanceId: string, options?: PurgeOptions): Promise<void>;
  /**
   * Waits for the end and resolves with the output. Pushed, not polled.
   *
   * @throws {WorkflowFailedError} | {@link WorkflowTerminatedError} | {@link InstanceNotFoundError} | {@link ResultTimeoutError}
   */
  result(instanceId: string, options?: WaitOptions): Promise<unknown>;
  /** Waits for the end, at most `timeoutMs`, and resolves with what is known then. */
  wait(instanceId: string, options?: WaitOptions): Promise<InstanceMetadata | undefined>;
  history(instanceId: string, query?: HistoryQuery): Promise<HistoryPage>;
}

/** One instance, typed by its workflow. */
export interface WorkflowInstance<W extends AnyWorkflow = AnyWorkflow> {
  readonly instanceId: string;
  /** What the start did; undefined for handles that did not start it. */
  readonly outcome?: StartOutcome;
  get(): Promise<InstanceMetadata | undefined>;
  raiseEvent<N extends keyof WorkflowEvents<W> & string>(
    eventName: N,
    payload?: EventPayload<W, N>,
    options?: InstanceCallOptions,
  ): Promise<void>;
  suspend(options?: InstanceCallOptions): Promise<void>;
  resume(options?: InstanceCallOptions): Promise<void>;
  terminate(options?: TerminateOptions): Promise<void>;
  purge(options?: PurgeOptions): Promise<void>;
  result(options?: WaitOptions): Promise<WorkflowOutput<W>>;
  wait(options?: WaitOptions): Promise<InstanceMetadata | undefined>;
  history(query?: HistoryQuery): Promise<HistoryPage>;
}
