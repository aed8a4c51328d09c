import type { Logger } from '@troupe/actors';
import type { ActivityDefinition, ActivityOptions } from './activity.ts';
import { checkName } from './name.ts';
import type { Schema } from './schema.ts';
import { noteDefinition } from './stray-rejection.ts';

/** The type of an external event's payload, with a schema if it is to be checked. Made by {@link event}. */
export interface EventDefinition<T> {
  readonly schema: Schema | undefined;
  /** Types only. */
  readonly type?: T;
}

/** Declares the payload of an external event: `event<{ by: string }>()`, or `event(schema)` to check it on arrival. */
export function event<T = unknown>(schema?: Schema<unknown, T>): EventDefinition<T> {
  return { schema };
}

// oxlint-disable-next-line typescript/no-explicit-any -- payloads vary with each definition
export type EventDefinitions = Record<string, EventDefinition<any>>;
type PayloadOf<D> = D extends EventDefinition<infer T> ? T : unknown;

export interface ChildOptions {
  /** Default: made of the parent's id, its execution and the number of the call. */
  readonly instanceId?: string;
  /** The parent does not wait: the promise resolves with the child's id when the start is recorded. Terminate and purge leave it alone. */
  readonly detached?: boolean;
  readonly version?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface StepOptions extends ActivityOptions {
  /**
   * Takes the step back. Runs, in reverse order and each recorded, when the workflow fails or is terminated with `undo`;
   * `result` is what the step returned.
   */
  readonly undo?: (result: never) => unknown;
  /** How the undo is run. Default: as the step. */
  readonly undoOptions?: ActivityOptions;
}

/**
 * What a workflow's code sees. Everything that it awaits must come from here: the code is run again from its history after
 * a crash, and must then do the same.
 */
export interface WorkflowContext<E extends EventDefinitions = EventDefinitions> {
  readonly instanceId: string;
  readonly executionId: string;
  readonly workflowName: string;
  readonly version: string;
  /** True while the code runs through what has happened before. */
  readonly isReplaying: boolean;
  readonly parent: { readonly instanceId: string } | undefined;
  /** Silent during replay. */
  readonly logger: Logger;
  /** The time of the event that is being handled: the same in every replay. */
  now(): Date;
  /** In [0, 1), derived from the execution: the same in every replay. */
  random(): number;
  /** A version 4 UUID, derived from the execution: the same in every replay. */
  uuid(): string;
  /**
   * Runs an activity on any host that has it.
   *
   * @throws {ActivityFailedError} when it failed for good
   */
  callActivity<I, O>(activity: ActivityDefinition<I, O>, ...args: Input<I, ActivityOptions>): Promise<Awaited<O>>;
  callActivity<O = unknown>(activity: string, input?: unknown, options?: ActivityOptions): Promise<O>;
  /** Runs a function once on this host and records its result: an activity without a name of its own. */
  step<O>(
    name: string,
    run: (signal: AbortSignal) => O | Promise<O>,
    options?: Omit<StepOptions, 'undo'> & { readonly undo?: (result: Awaited<O>) => unknown },
  ): Promise<Awaited<O>>;
  /**
   * Starts another workflow and waits for its output.
   *
   * @throws {ChildWorkflowFailedError} when it failed, was terminated, or could not be started
   */
  callChildWorkflow<W extends AnyWorkflow>(
    workflow: W,
    input: WorkflowInput<W>,
    options: ChildOptions & { readonly detached: true },
  ): Promise<string>;
  callChildWorkflow<W extends AnyWorkflow>(
    workflow: W,
    ...args: Input<WorkflowInput<W>, ChildOptions>
  ): Promise<WorkflowOutput<W>>;
  callChildWorkflow<O = unknown>(workflow: string, input?: unknown, options?: ChildOptions): Promise<O>;
  /** Resolves after `delay` milliseconds, or at a time. Survives everything. */
  createTimer(delay: number | Date): Promise<void>;
  /**
   * The next event of this name; names compare case-insensitively. Events that came before are kept, first in, first out.
   *
   * @throws {EventTimeoutError} when none came in time
   */
  waitForExternalEvent<N extends keyof E & string>(
    name: N,
    options?: { readonly timeoutMs?: number },
  ): Promise<PayloadOf<E[N]>>;
  waitForExternalEvent<T = unknown>(name: string, options?: { readonly timeoutMs?: number }): Promise<T>;
  /** Shown by `get` at once. */
  setCustomStatus(value: unknown): void;
  /**
   * When the function returns, the instance begins again with this input and an empty history; what the function returns
   * is ignored. Events that nobody has taken are kept unless `keepEvents` is false.
   */
  continueAsNew(input?: unknown, options?: { readonly keepEvents?: boolean }): void;
  /** Raises an event at another instance: durable, applied once. */
  raiseEvent(instanceId: string, name: string, payload?: unknown): void;
}

/** Input may be left out only where its type allows undefined. */
type Input<I, P> = undefined extends I ? [input?: I, options?: P] : [input: I, options?: P];

/** A durable function. Made by {@link workflow}. */
export interface WorkflowDefinition<I, O, E extends EventDefinitions> {
  readonly kind: 'workflow';
  readonly name: string;
  readonly version: string;
  readonly options: WorkflowOptions<I, O, E>;
  readonly run: WorkflowFunction<I, O, E>;
}

export interface WorkflowOptions<I, O, E extends EventDefinitions> {
  /** Versions may be registered side by side: a new instance takes the newest, a running one keeps its own. Default `"1"`. */
  readonly version?: string;
  /** Checks, and gives the type of, the input. */
  readonly input?: Schema<unknown, I>;
  readonly output?: Schema<unknown, O>;
  /** Names and payloads of the external events that it waits for. */
  readonly events?: E;
  /** How long an instance is kept after its end, by how it ended. Default: for ever. */
  readonly retention?: Retention;
}

/** Milliseconds from the end to the purge. */
export interface Retention {
  readonly completed?: number;
  readonly failed?: number;
  readonly terminated?: number;
}

/** An async function, or a generator that yields what it would await. */
export type WorkflowFunction<I, O, E extends EventDefinitions> = (
  ctx: WorkflowContext<E>,
  input: I,
) => O | Promise<O> | Generator<unknown, O, never> | AsyncGenerator<unknown, O, never>;

// oxlint-disable-next-line typescript/no-explicit-any -- the base of all workflows
export type AnyWorkflow = WorkflowDefinition<any, any, any>;
export type WorkflowInput<W> = W extends WorkflowDefinition<infer I, infer _O, infer _E> ? I : unknown;
export type WorkflowOutput<W> = W extends WorkflowDefinition<infer _I, infer O, infer _E> ? Awaited<O> : unknown;
export type WorkflowEvents<W> = W extends WorkflowDefinition<infer _I, infer _O, infer E> ? E : EventDefinitions;
export type EventPayload<W, N extends string> = N extends keyof WorkflowEvents<W>
  ? PayloadOf<WorkflowEvents<W>[N]>
  : unknown;

/** Defines a workflow. The name `dapr` is taken by Dapr's paths. */
export function workflow<I = undefined, O = unknown, E extends EventDefinitions = EventDefinitions>(
  name: string,
  run: WorkflowFunction<I, O, E>,
): WorkflowDefinition<I, O, E>;
export function workflow<I = undefined, O = unknown, const E extends EventDefinitions = EventDefinitions>(
  name: string,
  options: WorkflowOptions<I, O, E>,
  run: WorkflowFunction<I, O, E>,
): WorkflowDefinition<I, O, E>;
export function workflow<I, O, E extends EventDefinitions>(
  name: string,
  optionsOrRun: WorkflowOptions<I, O, E> | WorkflowFunction<I, O, E>,
  maybeRun?: WorkflowFunction<I, O, E>,
): WorkflowDefinition<I, O, E> {
  const options = typeof optionsOrRun === 'function' ? {} : optionsOrRun;
  const run = typeof optionsOrRun === 'function' ? optionsOrRun : maybeRun;
  checkName('workflow', name);
  if (name === 'dapr')
    throw new TypeError('a workflow cannot be named "dapr": paths of that name belong to the Dapr API');
  if (typeof run !== 'function') throw new TypeError(`workflow ${name} needs a function`);
  const version = options.version ?? '1';
  checkName('version', version);
  for (const eventName of Object.keys(options.events ?? {})) checkName('event', eventName);
  for (const [status, keptMs] of Object.entries(options.retention ?? {})) {
    if (!(typeof keptMs === 'number' && keptMs >= 0))
      throw new RangeError(`retention.${status} of workflow ${name} is a number of milliseconds`);
  }
  noteDefinition(workflow);
  return { kind: 'workflow', name, version, options, run };
}
