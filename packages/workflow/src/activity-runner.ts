import { copyPayload, type Clock, type Logger } from '@troupe/actors';
import type { ActivityContext, ActivityOptions, AnyActivity } from './activity.ts';
import type { StepBody } from './command.ts';
import { ActivityTimeoutError, NonRetryableError, ValidationError } from './errors.ts';
import { failureOf } from './failure.ts';
import { NOT_REGISTERED_WAIT_MS } from './limits.ts';
import { checkPayload } from './payload.ts';
import { Queue } from './queue.ts';
import type { Registry } from './registry.ts';
import { validated } from './schema.ts';
import { SmallMap } from './small-map.ts';
import type { Failure } from './status.ts';

/** One attempt of an activity. */
export interface ActivityTask {
  readonly instanceId: string;
  readonly executionId: string;
  readonly workflowName: string;
  readonly sequence: number;
  readonly attempt: number;
  readonly name: string;
  readonly input: unknown;
  readonly options: ActivityOptions;
  /** A closure of the workflow's code; undefined: a registered activity. */
  readonly body: StepBody | undefined;
  readonly lastHeartbeat: unknown;
  readonly traceparent: string | undefined;
}

/** How an attempt ended. */
export type ActivityResult =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: Failure; readonly retryable: boolean; readonly heartbeat: unknown };

/** Runs activity bodies, so many at once, and hands each result to `deliver`, which takes care of it from there. */
export class ActivityRunner {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #concurrency: number;
  readonly #deliver: (task: ActivityTask, result: ActivityResult) => void;
  /** Attempts that wait or run, by execution and sequence. An execution keeps its place between two of them. */
  readonly #attempts = new Map<string, AttemptTable>();
  readonly #queue = new Queue<Attempt>();
  #running = 0;
  #stopped = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: {
    registry: Registry;
    clock: Clock;
    logger: Logger;
    concurrency: number;
    deliver: (task: ActivityTask, result: ActivityResult) => void;
  }) {
    this.#registry = parts.registry;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#concurrency = parts.concurrency;
    this.#deliver = parts.deliver;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Begins an attempt as soon as there is room. What waits or runs already is not begun again. */
  start(task: ActivityTask): void {
    if (this.#stopped) return;
    let ofExecution = this.#attempts.get(task.executionId);
    if (ofExecution === undefined) this.#attempts.set(task.executionId, (ofExecution = new AttemptTable()));
    else if (ofExecution.get(task.sequence) !== undefined) return;
    const attempt = new Attempt(task, this.#clock, this.#logger);
    ofExecution.left = false;
    ofExecution.set(task.sequence, attempt);
    if (task.body === undefined && this.#registry.activity(task.name) === undefined) this.#awaitDefinition(attempt);
    else if (this.#running < this.#concurrency) this.#run(attempt);
    else this.#queue.push(attempt);
  }

  /** Aborts what runs for an execution; its results are dropped. */
  abort(executionId: string, reason: Error): void {
    const aborted = this.#attempts.get(executionId);
    if (aborted === undefined) return;
    this.#attempts.delete(executionId);
    for (const attempt of aborted.values()) attempt.abort(reason);
  }

  /** The execution is in memory no more: when the attempts that still run have ended there will be no others. */
  leave(executionId: string): void {
    const attempts = this.#attempts.get(executionId);
    if (attempts === undefined) return;
    if (attempts.size === 0) this.#attempts.delete(executionId);
    else attempts.left = true;
  }

  /** Aborts everything and begins nothing more. Resolves when the bodies have ended, or after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#queue.clear();
    const reason = new Error('the host is stopping');
    for (const attempts of this.#attempts.values()) for (const attempt of attempts.values()) attempt.abort(reason);
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.setTimeout(resolve, graceMs);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Nobody here has it. Another host may: it fails only after a while. */
  #awaitDefinition(attempt: Attempt): void {
    const { name, instanceId } = attempt.task;
    this.#logger.warn({ activity: name, instanceId }, 'an activity is not registered');
    this.#clock.setTimeout(() => {
      const failure = failureOf(this.#registry.activityMissing(name));
      this.#ended(attempt, { ok: false, failure, retryable: false, heartbeat: undefined });
    }, NOT_REGISTERED_WAIT_MS);
  }

  /** The plain case does without a promise of its own: a body that neither validates nor is watched is just called. */
  #run(attempt: Attempt): void {
    this.#running += 1;
    if (attempt.aborted !== undefined) {
      this.#left();
      return;
    }
    const { task } = attempt;
    const definition = task.body === undefined ? this.#registry.activity(task.name)! : undefined;
    try {
      const ended =
        (definition !== undefined && (isChecked(definition) || needsWatch(definition.options))) ||
        needsWatch(task.options)
          ? this.#runChecked(attempt, definition)
          : runBody(attempt, definition, task.input);
      if (isThenable(ended)) {
        ended.then(
          (result) => this.#succeeded(attempt, result),
          (error: unknown) => this.#failed(attempt, error),
        );
      } else this.#succeeded(attempt, ended);
    } catch (error) {
      this.#failed(attempt, error);
    }
  }

  async #runChecked(attempt: Attempt, definition: AnyActivity | undefined): Promise<unknown> {
    const { name } = attempt.task;
    const options = { ...definition?.options, ...attempt.task.options };
    const input = await validated(definition?.options.input, attempt.task.input, `the input of activity ${name}`);
    const body = (): unknown => runBody(attempt, definition, input);
    const result = await (needsWatch(options) ? attempt.watched(body, options) : body());
    return validated(definition?.options.output, result, `the result of activity ${name}`);
  }

  #succeeded(attempt: Attempt, result: unknown): void {
    try {
      checkPayload(result, `the result of ${attempt.task.name}`);
    } catch (error) {
      this.#failed(attempt, error);
      return;
    }
    // A copy: the body may hold on to what it returned, and change it.
    this.#ended(attempt, { ok: true, result: copyPayload(result) });
    this.#left();
  }

  #failed(attempt: Attempt, error: unknown): void {
    const retryable = !(error instanceof NonRetryableError || error instanceof ValidationError);
    this.#ended(attempt, { ok: false, failure: failureOf(error), retryable, heartbeat: attempt.heartbeatDetail });
    this.#left();
  }

  #ended(attempt: Attempt, result: ActivityResult): void {
    attempt.end();
    const { executionId, sequence } = attempt.task;
    const ofExecution = this.#attempts.get(executionId);
    // Aborted: whoever aborted it has no use for the result. A stop is an exception: what came in time is kept.
    if (ofExecution?.get(sequence) !== attempt) return;
    ofExecution.delete(sequence);
    if (ofExecution.size === 0 && ofExecution.left) this.#attempts.delete(executionId);
    if (!this.#stopped || result.ok) this.#deliver(attempt.task, result);
  }

  /** Makes room for the next. */
  #left(): void {
    this.#running -= 1;
    const next = this.#queue.shift();
    if (next === undefined) {
      if (this.#running === 0) this.#onIdle?.();
      return;
    }
    // Not from inside the end of another: thousands of bodies that end at once would nest.
    queueMicrotask(() => this.#run(next));
  }
}

function runBody(attempt: Attempt, definition: AnyActivity | undefined, input: unknown): unknown {
  return definition === undefined ? attempt.task.body!(attempt.signal) : definition.run(attempt, copyPayload(input));
}

function isChecked({ options }: AnyActivity): boolean {
  return options.input !== undefined || options.output !== undefined;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function needsWatch(options: ActivityOptions): boolean {
  return options.startToCloseTimeoutMs !== undefined || options.heartbeatTimeoutMs !== undefined;
}

class AttemptTable extends SmallMap<number, Attempt> {
  /** Nobody of the execution is there to begin another. */
  left = false;
}

/** One attempt that waits or runs. What it hardly ever needs is made when it is asked for. */
class Attempt implements ActivityContext {
  readonly task: ActivityTask;
  readonly logger: Logger;
  heartbeatDetail: unknown;
  aborted: Error | undefined;
  readonly #clock: Clock;
  #controller: AbortController | undefined;
  #onHeartbeat: (() => void) | undefined;
  #cancels: (() => void)[] | undefined;

  constructor(task: ActivityTask, clock: Clock, logger: Logger) {
    this.task = task;
    this.#clock = clock;
    this.logger = logger;
    this.heartbeatDetail = task.lastHeartbeat;
  }

  get activityName(): string {
    return this.task.name;
  }

  get workflowName(): string {
    return this.task.workflowName;
  }

  get instanceId(): string {
    return this.task.instanceId;
  }

  get attempt(): number {
    return this.task.attempt;
  }

  get idempotencyKey(): string {
    const { instanceId, executionId, sequence } = this.task;
    return `${instanceId}/${executionId}/${sequence}`;
  }

  get lastHeartbeat(): unknown {
    return this.task.lastHeartbeat;
  }

  get traceparent(): string | undefined {
    return this.task.traceparent;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted !== undefined) this.#controller.abort(this.aborted);
    }
    return this.#controller.signal;
  }

  heartbeat(detail?: unknown): void {
    if (detail !== undefined) {
      checkPayload(detail, `the heartbeat of activity ${this.task.name}`);
      this.heartbeatDetail = copyPayload(detail);
    }
    this.#onHeartbeat?.();
  }

  abort(reason: Error): void {
    this.aborted = reason;
    this.#controller?.abort(reason);
  }

  /** Runs the body against its time limits. A body that outlives them goes on unheard, with its signal aborted. */
  watched(body: () => unknown, options: ActivityOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const expire = (what: string, limitMs: number): void => {
        const error = new ActivityTimeoutError(
          `attempt ${this.task.attempt} of ${this.task.name} ${what} within ${limitMs} ms`,
        );
        this.abort(error);
        reject(error);
      };
      const { startToCloseTimeoutMs, heartbeatTimeoutMs } = options;
      this.#cancels = [];
      if (startToCloseTimeoutMs !== undefined && startToCloseTimeoutMs !== Infinity) {
        this.#cancels.push(
          this.#clock.setTimeout(() => expire('did not end', startToCloseTimeoutMs), startToCloseTimeoutMs),
        );
      }
      if (heartbeatTimeoutMs !== undefined && heartbeatTimeoutMs !== Infinity) {
        let cancel: (() => void) | undefined;
        this.#onHeartbeat = () => {
          cancel?.();
          cancel = this.#clock.setTimeout(() => expire('gave no heartbeat', heartbeatTimeoutMs), heartbeatTimeoutMs);
        };
        this.#onHeartbeat();
        this.#cancels.push(() => cancel?.());
      }
      // In a promise job: what the body throws at once rejects as well.
      Promise.resolve().then(body).then(resolve, reject);
    });
  }

  end(): void {
    this.#onHeartbeat = undefined;
    if (this.#cancels !== undefined) for (const cancel of this.#cancels) cancel();
  }
}
