import { copyPayload, TextPayload, waitAtMost, type Clock, type Logger } from '@troupe/actors';
import type { ActivityContext, ActivityOptions, AnyActivity } from './activity.ts';
import type { CodeDirectory } from './code-directory.ts';
import { SessionBody, type StepBody } from './command.ts';
import { ActivityTimeoutError, NonRetryableError, ValidationError } from './errors.ts';
import { failureOf } from './failure.ts';
import { NOT_REGISTERED_WAIT_MS } from './limits.ts';
import { checkPayload } from './payload.ts';
import { Queue } from './queue.ts';
import type { Registry } from './registry.ts';
import { validated } from './schema.ts';
import { SmallMap } from './small-map.ts';
import type { RetryPolicy } from './retry.ts';
import type { EventDetails } from './history.ts';
import type { WorkerPool } from './workers/worker-pool.ts';
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
  /** A closure of the workflow's code, here or on another host; undefined: a registered activity. */
  readonly body: StepBody | SessionBody | undefined;
  readonly lastHeartbeat: unknown;
  readonly traceparent: string | undefined;
  /** For workers, who are told it again. */
  readonly details: EventDetails | undefined;
  /** It waits for somebody who has its definition for as long as it takes. */
  readonly patient: boolean;
  /** It may be under way already, on a host that had the instance before or was asked by it. */
  readonly again: boolean;
}

/** How an attempt ended. */
export type ActivityResult =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false;
      readonly failure: Failure;
      readonly retryable: boolean;
      readonly heartbeat: unknown;
      /** The policy of the definition, without its function, where that is on another host. */
      readonly definedRetry?: RetryPolicy | undefined;
      /** `retryable` says what a function of the code says. */
      readonly decided?: true;
    };

/** Takes attempts to other hosts. */
export interface Elsewhere {
  /** Takes it to another host, now or when one answers. False: there is none for it. `mayStay`: it could wait here. */
  take(attempt: Attempt, mayStay: boolean): boolean;
  /** Nobody has the definition: waits for a host that has it. */
  await(attempt: Attempt): void;
  /** Looks for a host that has it under way; `begin` is called if there is none. */
  find(attempt: Attempt, begin: () => void): void;
  /** Whoever has it lets go of it. */
  abort(attempt: Attempt): void;
  /** Everybody lets go of what they have of an execution. */
  abortEverywhere(executionId: string): void;
  /** It was not done here. True: it is another host's, who is told. */
  giveBack(task: ActivityTask): boolean;
}

/** Runs activity bodies, so many at once, and hands each result to `deliver`, which takes care of it from there. */
export class ActivityRunner {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #concurrency: number;
  readonly #deliver: (task: ActivityTask, result: ActivityResult) => void;
  readonly #directory: CodeDirectory;
  readonly #workers: WorkerPool;
  #elsewhere: Elsewhere | undefined;
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
    directory: CodeDirectory;
    workers: WorkerPool;
    deliver: (task: ActivityTask, result: ActivityResult) => void;
  }) {
    this.#registry = parts.registry;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#concurrency = parts.concurrency;
    this.#directory = parts.directory;
    this.#workers = parts.workers;
    this.#deliver = parts.deliver;
  }

  /** Says who takes attempts to other hosts. */
  connect(elsewhere: Elsewhere): void {
    this.#elsewhere = elsewhere;
  }

  /** Slots that nobody waits for; less than 0: so many wait. */
  get free(): number {
    return this.#concurrency - this.#running - this.#queue.length;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Attempts that are on other hosts. */
  away = 0;

  /** Whether any attempt is on another host: read for every result that comes. */
  get anyAway(): boolean {
    return this.away > 0;
  }

  /** A result has come to its instance. */
  arrived(executionId: string, sequence: number, attempt: number): void {
    const found = this.find(executionId, sequence);
    if (found?.where !== undefined && found.task.attempt <= attempt) this.drop(found);
  }

  /** Of which instance it is, if any of its attempts is here. */
  instanceOf(executionId: string): string | undefined {
    for (const { task } of this.#attempts.get(executionId)?.values() ?? []) return task.instanceId;
    return undefined;
  }

  find(executionId: string, sequence: number): Attempt | undefined {
    return this.#attempts.get(executionId)?.get(sequence);
  }

  /** An attempt that is on another host, or was to go to one, is nobody's business here any more. */
  drop(attempt: Attempt): void {
    this.settle(attempt, undefined);
    const { executionId, sequence } = attempt.task;
    const ofExecution = this.#attempts.get(executionId);
    if (ofExecution?.get(sequence) !== attempt) return;
    ofExecution.delete(sequence);
    if (ofExecution.size === 0 && ofExecution.left) this.#attempts.delete(executionId);
  }

  /** Notes where an attempt is; undefined: here. */
  settle(attempt: Attempt, where: string | undefined): void {
    if ((attempt.where === undefined) !== (where === undefined)) this.away += where === undefined ? -1 : 1;
    attempt.where = where;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Begins an attempt as soon as there is room. What waits or runs already is not begun again. */
  start(task: ActivityTask): void {
    const attempt = this.#added(task);
    if (attempt === undefined) return;
    if (task.again && !this.#directory.alone) {
      this.settle(attempt, LOOKED_FOR);
      this.#elsewhere!.find(attempt, () => this.place(attempt));
    } else this.place(attempt);
  }

  /** Undefined: it waits or runs already. */
  #added(task: ActivityTask): Attempt | undefined {
    if (this.#stopped) return undefined;
    let ofExecution = this.#attempts.get(task.executionId);
    if (ofExecution === undefined) this.#attempts.set(task.executionId, (ofExecution = new AttemptTable()));
    else {
      const known = ofExecution.get(task.sequence);
      if (known !== undefined) {
        // A closure of a session that is gone: unless somebody runs it, nobody will.
        if (!(known.task.body instanceof SessionBody) || known.task.body === task.body) return undefined;
        this.settle(known, undefined);
      }
    }
    const attempt = new Attempt(task, this.#clock, this.#logger);
    ofExecution.left = false;
    ofExecution.set(task.sequence, attempt);
    return attempt;
  }

  /** Begins it here if there is room and code for it, else where there is; else it waits. */
  place(attempt: Attempt): void {
    if (this.#stopped || attempt.aborted !== undefined) return;
    this.settle(attempt, undefined);
    const { body, name } = attempt.task;
    if (body instanceof SessionBody) this.#elsewhere!.take(attempt, false);
    else if (body === undefined && this.#registry.activity(name) === undefined) {
      // Whoever registers it has it; workers that do not say what they run only may.
      const isElsewhere = !this.#directory.alone && this.#directory.activityIsRegistered(name);
      if (isElsewhere && this.#elsewhere!.take(attempt, false)) return;
      if (this.#mayOffer(attempt.task)) this.#offer(attempt);
      else if (this.#directory.alone || !this.#elsewhere!.take(attempt, false)) this.#awaitDefinition(attempt);
    } else if (this.#running < this.#concurrency) this.#run(attempt);
    else if (this.#directory.alone || body !== undefined || !this.#elsewhere!.take(attempt, true))
      this.#queue.push(attempt);
  }

  /** As {@link start}, for another host: it is run here or not at all. */
  startFor(task: ActivityTask, mayRefuse: boolean): 'taken' | 'full' | 'missing' {
    const known = this.find(task.executionId, task.sequence);
    // It may have come here from a host that does not know that it did.
    if (known !== undefined && known.where === undefined && !known.missing) return 'taken';
    const isForWorkers = task.body === undefined && this.#registry.activity(task.name) === undefined;
    if (this.#stopped || (isForWorkers && !this.#mayOffer(task))) return 'missing';
    if (mayRefuse && this.free <= 0) return 'full';
    if (known !== undefined) this.drop(known);
    const attempt = this.#added(task)!;
    if (isForWorkers) this.#offer(attempt);
    else this.enqueue(attempt);
    this.leave(task.executionId);
    return 'taken';
  }

  #mayOffer({ name, details }: ActivityTask): boolean {
    return this.#workers.mayRun('activity', name, versionIn(details));
  }

  /** Has a worker of this host run it. */
  #offer(attempt: Attempt): void {
    const { task } = attempt;
    const { instanceId, executionId, sequence, name, input, details, traceparent } = task;
    attempt.missing = false;
    attempt.offered = this.#workers.offer({
      kind: 'activity',
      instanceId,
      executionId,
      sequence,
      name,
      version: versionIn(details),
      length: undefined,
      item: (token) => ({
        kind: 'activity',
        token,
        instanceId,
        executionId,
        sequence,
        name,
        input,
        details,
        traceparent,
      }),
      answered: (result) => {
        attempt.offered = undefined;
        this.#ended(attempt, result);
      },
      lost: (why) => {
        attempt.offered = undefined;
        if (attempt.task !== task || this.find(executionId, sequence) !== attempt) return;
        // Whoever asked for it finds somebody else. If that is nobody else, another execution has taken its place.
        if (this.#elsewhere?.giveBack(task) === true || why === 'replaced') this.drop(attempt);
        else this.place(attempt);
      },
    });
  }

  /** It can wait here, whatever the others say. */
  enqueue(attempt: Attempt): void {
    if (this.#stopped) return;
    if (this.#running < this.#concurrency) this.#run(attempt);
    else this.#queue.push(attempt);
  }

  /**
   * Aborts what runs for an execution; its results are dropped.
   *
   * @param everywhere other hosts may run what this one does not know of
   */
  abort(executionId: string, reason: Error, everywhere: boolean): void {
    const aborted = this.#attempts.get(executionId);
    if (everywhere && !this.#directory.alone) this.#elsewhere!.abortEverywhere(executionId);
    if (aborted === undefined) return;
    this.#attempts.delete(executionId);
    for (const attempt of aborted.values()) {
      if ((attempt.where !== undefined && !everywhere) || attempt.missing) this.#elsewhere?.abort(attempt);
      this.settle(attempt, undefined);
      attempt.abort(reason);
    }
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
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      this.#elsewhere?.giveBack(next.task);
    for (const attempts of this.#attempts.values())
      for (const attempt of attempts.values())
        if (attempt.offered !== undefined) this.#elsewhere?.giveBack(attempt.task);
    const reason = new Error('the host is stopping');
    for (const attempts of this.#attempts.values()) for (const attempt of attempts.values()) attempt.abort(reason);
    if (this.#running === 0) return;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    await waitAtMost(this.#clock, graceMs, idle);
  }

  /** Nobody has it. A host that comes may: it fails only after a while. */
  #awaitDefinition(attempt: Attempt): void {
    const { name, instanceId } = attempt.task;
    this.#elsewhere?.await(attempt);
    if (attempt.missing) return;
    attempt.missing = true;
    const wait = ++attempt.waits;
    if (attempt.task.patient) return;
    this.#logger.warn({ activity: name, instanceId }, 'an activity is not registered');
    this.#clock.setTimeout(() => {
      // Somebody had it meanwhile, who may be gone since.
      if (!attempt.missing || attempt.waits !== wait) return;
      this.settle(attempt, undefined);
      const failure = failureOf(this.#directory.activityMissing(name));
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
    attempt.missing = false;
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
    else this.#elsewhere?.giveBack(attempt.task);
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
  return definition === undefined
    ? (attempt.task.body as StepBody)(attempt.signal)
    : definition.run(attempt, input instanceof TextPayload ? input.value : copyPayload(input));
}

/** The version that workers were asked for; empty: any. */
export function versionIn(details: EventDetails | undefined): string {
  const version = details?.['version'];
  return typeof version === 'string' ? version : '';
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

/** In place of a host: somebody may have it, and is being asked. */
export const LOOKED_FOR = '';

class AttemptTable extends SmallMap<number, Attempt> {
  /** Nobody of the execution is there to begin another. */
  left = false;
}

/** One attempt that waits or runs. What it hardly ever needs is made when it is asked for. */
export class Attempt implements ActivityContext {
  task: ActivityTask;
  readonly logger: Logger;
  heartbeatDetail: unknown;
  aborted: Error | undefined;
  /** The other host that has it; undefined: none. */
  where: string | undefined;
  /** It waits for somebody who has its definition. */
  missing = false;
  /** So often it has begun to wait for somebody. */
  waits = 0;
  /** A worker of this host is to run it. */
  offered: { withdraw(): void } | undefined;
  /** Hosts that would not have it. */
  refusedBy: Set<string> | undefined;
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
    this.offered?.withdraw();
    this.offered = undefined;
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
