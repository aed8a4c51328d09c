// One execution of a workflow's code: history events in, commands out. No I/O, no clock, no randomness of its own.
//
// R1  The code resumes only through `feed`, one event at a time; the caller waits for quiescence before `take`.
// R2  What a command's number is depends on the order of the code's calls alone.
// R3  A call from outside a drain, or an end outside one, is a fault: the code waited for something that is not durable.
// R4  Once the code has ended, or its undos have begun, nothing that is left of it is heard.
// R5  What came as text the code sees as what it says, read anew each time; what is kept for later stays text.

import { copyPayload, LimitError, plainPayload } from '@troupe/actors';
import type { Logger } from '@troupe/actors';
import { checkActivityOptions, type ActivityOptions } from './activity.ts';
import type { BufferedEvent, Command, Outcome, StepBody } from './command.ts';
import { RunContext } from './context.ts';
import {
  ActivityFailedError,
  ChildWorkflowFailedError,
  EventTimeoutError,
  NonDurableWaitError,
  OutsideTurnError,
} from './errors.ts';
import { failureOf } from './failure.ts';
import type { GlobalWatch } from './global-watch.ts';
import type { InputEvent } from './history.ts';
import { CUSTOM_STATUS_BYTES_MAX } from './limits.ts';
import { childInstanceId } from './name.ts';
import { checkPayload, jsonLengthOf } from './payload.ts';
import { DeterministicRandom } from './random.ts';
import { callSite } from './call-site.ts';
import { driven, isGenerator } from './driver.ts';
import { Deferred, EventPromise, never } from './durable-promise.ts';
import { SmallMap } from './small-map.ts';
import type { Failure } from './status.ts';
import type { AnyWorkflow, ChildOptions, StepOptions } from './workflow.ts';

/** Who is being run. */
export interface RunIdentity {
  readonly instanceId: string;
  readonly executionId: string;
  readonly parent: { readonly instanceId: string } | undefined;
}

interface Pending {
  readonly name: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const NO_COMMANDS: readonly Command[] = [];

/** What the code waits for under a number. */
class PendingResult extends Deferred implements Pending {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** Somebody who waits for an event. */
class Waiter extends Deferred<EventPromise> {
  readonly key: string;
  /** The drain that it began to wait in. */
  readonly drain: number;
  /** Number of the timer that ends the wait. */
  readonly timer: number | undefined;
  readonly #run: WorkflowRun;

  constructor(run: WorkflowRun, key: string, drain: number, timer: number | undefined) {
    super(EventPromise);
    this.#run = run;
    this.key = key;
    this.drain = drain;
    this.timer = timer;
    this.promise.waiter = this;
  }

  /** Somebody begins to listen to the promise. */
  listened(): void {
    this.#run.listenedAgain(this);
  }
}

/** An event that nobody has taken, and its place among all that came. */
type NumberedEvent = BufferedEvent & { readonly number: number };

interface Undo {
  readonly name: string;
  readonly run: () => unknown;
  readonly options: ActivityOptions;
}

/** The code of one execution, running or suspended. */
export class WorkflowRun {
  readonly identity: RunIdentity;
  readonly definition: AnyWorkflow;
  /** How the code ended; commands of the same drain come before it. */
  outcome: Outcome | undefined;
  /** Why it cannot go on: it broke rule R3. */
  fault: Error | undefined;
  replaying = false;
  nowMs = 0;
  readonly context: RunContext;
  #draining = false;
  #drain = 0;
  #sequence = 0;
  #commands: Command[] | undefined;
  readonly #trace: boolean;
  readonly #watch: GlobalWatch | undefined;
  // Made for the first of each: many runs have none.
  #pending: SmallMap<number, Pending> | undefined;
  #waiters: SmallMap<string, Waiter[]> | undefined;
  #buffered: Map<string, NumberedEvent[]> | undefined;
  #bufferedCount = 0;
  #bufferedEver = 0;
  #undos: Undo[] | undefined;
  /** Steps with an undo that have not ended. */
  #undoable: Set<Promise<unknown>> | undefined;
  #continuing: { readonly input: unknown; readonly keepEvents: boolean } | undefined;
  /** The code has ended, or its undos have taken over: what it still does is not heard. */
  #deaf = false;

  /**
   * @param trace records where each command was asked for; costs a stack per command
   * @param watch notes what the code uses of the process
   */
  constructor(definition: AnyWorkflow, identity: RunIdentity, logger: Logger, trace: boolean, watch?: GlobalWatch) {
    this.definition = definition;
    this.identity = identity;
    this.#trace = trace;
    this.#watch = watch;
    this.context = new RunContext(this, logger);
  }

  get random(): DeterministicRandom {
    this.#random ??= new DeterministicRandom(this.identity.executionId);
    return this.#random;
  }

  #random: DeterministicRandom | undefined;

  /** Resumes the code with an event. Wait for quiescence, then {@link take}. */
  feed(event: InputEvent): void {
    this.nowMs = event.at;
    this.#draining = true;
    this.#drain += 1;
    switch (event.type) {
      case 'MessageReceived':
        // Nothing that is written in this language waits for one.
        return;
      case 'WorkflowStarted': {
        const input = plainPayload(event.input);
        if (this.#watch === undefined) void this.#main(input);
        else this.#watch.run(() => void this.#main(input));
        return;
      }
      case 'ActivityCompleted':
        this.#settle(event.sequence)?.resolve(plainPayload(event.result));
        return;
      case 'ActivityFailed': {
        const pending = this.#settle(event.sequence);
        pending?.reject(new ActivityFailedError(pending.name, event.failure, event.attempts));
        return;
      }
      case 'TimerFired':
        this.#settle(event.sequence)?.resolve(undefined);
        return;
      case 'ChildCompleted':
        this.#settle(event.sequence)?.resolve(plainPayload(event.output));
        return;
      case 'ChildFailed': {
        const pending = this.#settle(event.sequence);
        pending?.reject(new ChildWorkflowFailedError(pending.name, event.failure));
        return;
      }
      case 'EventRaised':
        this.#raised({ name: event.name, payload: event.payload, at: event.at });
        return;
      case 'UndoRequested':
        // Its undos run already, or it has ended.
        if (this.#deaf) return;
        this.#deaf = true;
        void this.#undoAll().then(
          () => this.#end({ type: 'terminated', output: event.output }),
          (error: unknown) => this.#end({ type: 'failed', failure: failureOf(error) }),
        );
    }
  }

  /** Ends the drain and hands out what the code asked for in it. */
  take(): readonly Command[] {
    this.#draining = false;
    const commands = this.#commands ?? NO_COMMANDS;
    this.#commands = undefined;
    if (this.outcome === undefined && this.fault === undefined && !this.#waitsForSomething()) {
      this.fault = new NonDurableWaitError(
        `workflow ${this.definition.name} waits for something that is not durable: await only what comes from ctx ` +
          `(an activity, a timer, an event, a child); use ctx.step for fetch, files and the like`,
      );
    }
    return commands;
  }

  /** Events that came and that nobody has waited for, oldest first. */
  buffered(): BufferedEvent[] {
    return [...(this.#buffered?.values() ?? [])].flat().sort((a, b) => a.number - b.number);
  }

  get bufferedCount(): number {
    return this.#bufferedCount;
  }

  #waitsForSomething(): boolean {
    return (
      (this.#pending !== undefined && this.#pending.size > 0) || (this.#waiters !== undefined && this.#waiters.size > 0)
    );
  }

  // ── The code's life ────────────────────────────────────────────────────────────────────────────────────────────────

  async #main(input: unknown): Promise<void> {
    let outcome: Outcome;
    try {
      const started = this.definition.run(this.context, input);
      // One async function less around each instance that is parked.
      const output = isGenerator(started) ? await driven(started) : await started;
      if (this.#deaf) return;
      if (this.#continuing === undefined) {
        checkPayload(output, `the output of workflow ${this.definition.name}`);
        outcome = { type: 'completed', output: copyPayload(output) };
      } else {
        const kept = this.#continuing.keepEvents ? this.buffered() : [];
        outcome = { type: 'continued', input: this.#continuing.input, kept };
      }
    } catch (error) {
      if (this.#deaf) return;
      outcome = { type: 'failed', failure: await this.#failureAfterUndos(error) };
    }
    this.#end(outcome);
  }

  async #failureAfterUndos(error: unknown): Promise<Failure> {
    const failure = failureOf(error);
    if (this.#undos === undefined || this.#undos.length === 0) return failure;
    this.#deaf = true;
    try {
      await this.#undoAll();
      return failure;
    } catch (undoError) {
      const undoFailure = failureOf(undoError);
      return {
        ...failure,
        message: `${failure.message} (then an undo failed: ${undoFailure.message})`,
        cause: undoFailure,
      };
    }
  }

  async #undoAll(): Promise<void> {
    const running = this.#undoable === undefined || this.#undoable.size === 0 ? undefined : this.#undoable;
    if (running !== undefined || (this.#undos !== undefined && this.#undos.length > 0)) {
      this.#ask({ type: 'Undoing' });
    }
    // What runs beside the failure may yet succeed, and would then be what is to be undone first.
    if (running !== undefined) await Promise.allSettled(running);
    for (let undo = this.#undos?.pop(); undo !== undefined; undo = this.#undos?.pop()) {
      await this.#schedule(`undo ${undo.name}`, undefined, undo.options, 'undo', async () => {
        await undo.run();
      });
    }
  }

  #end(outcome: Outcome): void {
    if (!this.#draining) {
      this.#outside('its code ended');
      return;
    }
    this.outcome = outcome;
    this.#deaf = true;
  }

  #outside(what: string): void {
    this.fault ??= new OutsideTurnError(
      `workflow ${this.definition.name}: ${what} while no history event was being handled${
        callSite() ?? ''
      }; it had waited for something that is not durable`,
    );
  }

  /** Whether the code may do what it is about to do. */
  #listens(what: string): boolean {
    if (this.#deaf) return false;
    if (this.#draining) return true;
    this.#outside(`ctx.${what} was called`);
    return false;
  }

  // ── What the context offers ────────────────────────────────────────────────────────────────────────────────────────

  activity(name: string, input: unknown, options: ActivityOptions): Promise<unknown> {
    if (!this.#listens('callActivity')) return never();
    checkPayload(input, `the input of activity ${name}`);
    checkActivityOptions(options, `activity ${name}`);
    return this.#schedule(name, copyPayload(input), options, 'activity', undefined);
  }

  step(name: string, body: StepBody, options: StepOptions): Promise<unknown> {
    if (!this.#listens('step')) return never();
    checkActivityOptions(options, `step ${name}`);
    const { undo, undoOptions, ...stepOptions } = options;
    const result = this.#schedule(name, undefined, stepOptions, 'step', body);
    if (undo === undefined) return result;
    const undoable = result.then((value) => {
      // A copy: the code may change what it was given before the undo is run.
      const kept = copyPayload(value);
      (this.#undos ??= []).push({
        name,
        run: () => (undo as (value: unknown) => unknown)(kept),
        options: undoOptions ?? stepOptions,
      });
      return value;
    });
    (this.#undoable ??= new Set()).add(undoable);
    const ended = (): void => void this.#undoable!.delete(undoable);
    undoable.then(ended, ended);
    return undoable;
  }

  #schedule(
    name: string,
    input: unknown,
    options: ActivityOptions,
    kind: 'activity' | 'step' | 'undo',
    body: StepBody | undefined,
  ): Promise<unknown> {
    const sequence = ++this.#sequence;
    this.#ask({
      type: 'ScheduleActivity',
      event: { type: 'ActivityScheduled', at: this.nowMs, sequence, name, input, kind },
      options,
      body,
      at: this.#traced(),
    });
    return this.#wait(sequence, name);
  }

  timer(dueAtMs: number): Promise<unknown> {
    if (!this.#listens('createTimer')) return never();
    // Not a number either, when the delay was a string.
    if (typeof dueAtMs !== 'number' || !(Math.abs(dueAtMs) <= DATE_MS_MAX)) {
      throw new RangeError(
        'createTimer takes a number of milliseconds, or a Date, that ends within the range of dates',
      );
    }
    return this.#wait(this.#createTimer(dueAtMs, undefined), 'timer');
  }

  #createTimer(dueAtMs: number, eventName: string | undefined): number {
    const sequence = ++this.#sequence;
    this.#ask({
      type: 'CreateTimer',
      event: { type: 'TimerCreated', at: this.nowMs, sequence, dueAtMs: Math.ceil(dueAtMs), eventName },
      at: this.#traced(),
    });
    return sequence;
  }

  child(name: string, input: unknown, options: ChildOptions): Promise<unknown> {
    if (!this.#listens('callChildWorkflow')) return never();
    checkPayload(input, `the input of child workflow ${name}`);
    const sequence = ++this.#sequence;
    const instanceId = options.instanceId ?? childInstanceId(this.identity, sequence);
    const detached = options.detached === true;
    this.#ask({
      type: 'StartChild',
      event: {
        type: 'ChildScheduled',
        at: this.nowMs,
        sequence,
        name,
        instanceId,
        input: copyPayload(input),
        detached,
      },
      version: options.version,
      tags: options.tags,
      at: this.#traced(),
    });
    return detached ? Promise.resolve(instanceId) : this.#wait(sequence, instanceId);
  }

  event(name: string, timeoutMs: number | undefined): Promise<unknown> {
    if (!this.#listens('waitForExternalEvent')) return never();
    const key = name.toLowerCase();
    const buffered = this.#buffered?.get(key);
    if (buffered !== undefined) {
      const taken = new Deferred();
      taken.resolve(this.#unbuffered(key, buffered));
      return taken.promise;
    }
    if (timeoutMs !== undefined && timeoutMs <= 0) {
      const expired = new Deferred();
      expired.reject(new EventTimeoutError(name, timeoutMs));
      return expired.promise;
    }
    const limited = timeoutMs !== undefined && this.nowMs + timeoutMs <= DATE_MS_MAX;
    const timer = limited ? this.#createTimer(this.nowMs + timeoutMs, name) : undefined;
    const waiter = new Waiter(this, key, this.#drain, timer);
    this.#waiters ??= new SmallMap();
    const waiters = this.#waiters.get(key);
    if (waiters === undefined) this.#waiters.set(key, [waiter]);
    else waiters.push(waiter);
    if (timer !== undefined) {
      const expire = (): void => {
        this.#removeWaiter(waiter);
        waiter.reject(new EventTimeoutError(name, timeoutMs!));
      };
      (this.#pending ??= new SmallMap()).set(timer, { name, resolve: expire, reject: expire });
    }
    return waiter.promise;
  }

  #removeWaiter(waiter: Waiter): void {
    const waiters = this.#waiters!.get(waiter.key)!;
    waiters.splice(waiters.indexOf(waiter), 1);
    waiter.promise.waiter = undefined;
    if (waiters.length === 0) this.#waiters!.delete(waiter.key);
  }

  #unbuffered(key: string, buffered: BufferedEvent[]): unknown {
    const { payload } = buffered.shift()!;
    this.#bufferedCount -= 1;
    if (buffered.length === 0) this.#buffered!.delete(key);
    return plainPayload(payload);
  }

  /** A wait that a race had left behind is listened to once more: what came meanwhile is for it. */
  listenedAgain(waiter: Waiter): void {
    const buffered = this.#buffered?.get(waiter.key);
    if (buffered !== undefined && this.#draining) this.#give(waiter, this.#unbuffered(waiter.key, buffered));
  }

  #give(waiter: Waiter, payload: unknown): void {
    this.#removeWaiter(waiter);
    if (waiter.timer !== undefined) {
      this.#pending!.delete(waiter.timer);
      this.#ask({ type: 'CancelTimer', sequence: waiter.timer });
    }
    waiter.resolve(payload);
  }

  #raised(event: BufferedEvent): void {
    const key = event.name.toLowerCase();
    // Not to a wait that lost its race: what it took would be lost. Waits that began in the latest drain come first, in
    // their order, since an older one may be of a branch that was left behind.
    let waiter: Waiter | undefined;
    for (const candidate of this.#waiters?.get(key) ?? []) {
      if ((waiter === undefined || candidate.drain > waiter.drain) && candidate.promise.matters) waiter = candidate;
    }
    if (waiter !== undefined) {
      this.#give(waiter, plainPayload(event.payload));
      return;
    }
    const buffered = this.#buffered?.get(key);
    const numbered = { ...event, number: ++this.#bufferedEver };
    if (buffered === undefined) (this.#buffered ??= new Map()).set(key, [numbered]);
    else buffered.push(numbered);
    this.#bufferedCount += 1;
  }

  customStatus(value: unknown): void {
    if (!this.#listens('setCustomStatus')) return;
    checkPayload(value, 'the custom status');
    if (jsonLengthOf(value) > CUSTOM_STATUS_BYTES_MAX) {
      throw new LimitError(`a custom status has at most ${CUSTOM_STATUS_BYTES_MAX} characters of JSON`);
    }
    this.#ask({ type: 'SetCustomStatus', value: copyPayload(value) });
  }

  continueAsNew(input: unknown, keepEvents: boolean): void {
    if (!this.#listens('continueAsNew')) return;
    checkPayload(input, 'the input of continueAsNew');
    this.#continuing = { input: copyPayload(input), keepEvents };
  }

  sendEvent(instanceId: string, name: string, payload: unknown): void {
    if (!this.#listens('raiseEvent')) return;
    checkPayload(payload, `the payload of event ${name}`);
    this.#ask({
      type: 'SendEvent',
      event: {
        type: 'EventSent',
        at: this.nowMs,
        sequence: ++this.#sequence,
        instanceId,
        name,
        payload: copyPayload(payload),
      },
      at: this.#traced(),
    });
  }

  #wait(sequence: number, name: string): Promise<unknown> {
    const pending = new PendingResult(name);
    (this.#pending ??= new SmallMap()).set(sequence, pending);
    return pending.promise;
  }

  #settle(sequence: number): Pending | undefined {
    const pending = this.#pending?.get(sequence);
    this.#pending?.delete(sequence);
    return pending;
  }

  #ask(command: Command): void {
    // Most drains ask for one thing.
    if (this.#commands === undefined) this.#commands = [command];
    else this.#commands.push(command);
  }

  #traced(): string | undefined {
    return this.#trace ? callSite() : undefined;
  }
}

/** The last instant that a Date can hold. */
const DATE_MS_MAX = 8_640_000_000_000_000;
