// One turn: what user code sees as its context, and what it did, collected until the turn ends. Nothing here reaches
// the activation before `Activation` takes it over at the end of the turn; a turn that throws is simply dropped.

import type { Activation } from './activation.ts';
import type { AnyActorDefinition, RecordContext, ReminderTime } from './actor.ts';
import { checkId, type ActorAddress } from './address.ts';
import type { Call, CallOptions } from './call.ts';
import { checkPayload, copyPayload, flatBytes, pack, type PackedEntry } from './codec.ts';
import type { Gated } from './commit.ts';
import { LimitError, NotDefinedError, OutcomeUnknownError } from './errors.ts';
import { OUTBOX_LENGTH_MAX, REMINDERS_MAX } from './limits.ts';
import type { ReadTurns } from './read-turns.ts';
import type { Reminder } from './record.ts';
import { reference, type ActorRef, type SendRef } from './reference.ts';
import type { Summary, Tombstone } from './store.ts';
import type { Timer, TimerChange } from './timer.ts';

/** A durable send that the turn asked for. */
export interface TurnSend {
  readonly to: ActorAddress;
  readonly method: string;
  readonly args: Uint8Array;
}

/** Why a turn runs. */
export type TurnCause =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'reminder'; readonly reminder: Reminder }
  | { readonly kind: 'timer'; readonly timer: Timer }
  | { readonly kind: 'activate' }
  | { readonly kind: 'work' };

/** A turn in progress; user code sees it as one of the contexts of `actor.ts`. */
export class Turn implements RecordContext<unknown>, Gated {
  readonly cause: TurnCause;
  /** The turn that this one interrupts, if the actor is reentrant. */
  readonly outer: Turn | undefined;
  readonly readOnly: boolean;
  /** Those that it is one of, if it is a read beside the turn in progress. */
  reads: ReadTurns | undefined;
  sends: TurnSend[] | undefined;
  reminderChanges: Map<string, Reminder | null> | undefined;
  timerChanges: Map<string, TimerChange> | undefined;
  /** Undefined: none. */
  entries: PackedEntry[] | undefined;
  entryCount = 0;
  /** Of the entries, about. */
  entryBytes = 0;
  keepFrom: number | undefined;
  /** Set by `changed`, or by the end of the turn when the packed state differs. */
  stateChanged = false;
  work: boolean | undefined;
  newSummary: Summary | null | undefined;
  callbacks: (() => void)[] | undefined;
  purging: { readonly tombstone: Tombstone | undefined } | undefined;
  deactivating = false;
  replyDropped = false;
  /** How the turn ended; delivered when the gate opens. */
  result: unknown;
  error: unknown;
  failed = false;
  /** From now on its context changes nothing. */
  ended = false;
  /** It must fail whatever its method returns: an entry could not be applied and left the state between two entries. */
  broken: unknown;
  /** Ends it, when the method of a reentrant turn ended before one inside it. */
  ending: (() => void) | undefined;
  /** Replies of reentrant turns inside it that had an idempotency key. */
  repliesInside: { readonly call: Call; readonly result: unknown }[] | undefined;
  readonly #activation: Activation;
  #mark: string | undefined;
  #abort: AbortController | undefined;
  #abortedWith: Error | undefined;

  constructor(activation: Activation, cause: TurnCause, outer: Turn | undefined, readOnly: boolean) {
    this.#activation = activation;
    this.cause = cause;
    this.outer = outer;
    this.readOnly = readOnly;
  }

  /** How this turn is named in call chains. */
  get mark(): string {
    return (this.#mark ??= this.#activation.nextMark());
  }

  get address(): ActorAddress {
    return this.#activation.address;
  }

  get actorId(): string {
    return this.#activation.address.id;
  }

  get idempotencyKey(): string | undefined {
    return this.cause.kind === 'call' ? this.cause.call.idempotencyKey : undefined;
  }

  get traceparent(): string | undefined {
    return this.cause.kind === 'call' ? this.cause.call.traceparent : undefined;
  }

  get chain(): readonly string[] {
    return this.cause.kind === 'call' ? this.cause.call.chain : [];
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortedWith !== undefined) this.#abort.abort(this.#abortedWith);
    }
    return this.#abort.signal;
  }

  get abandoned(): boolean {
    return this.#abortedWith !== undefined;
  }

  abort(reason: Error): void {
    this.#abortedWith = reason;
    this.#abort?.abort(reason);
  }

  /** Its caller gave up. */
  callerGone(reason: Error): void {
    this.reads?.forget(this);
    this.abort(reason);
  }

  nowMs(): number {
    return this.#activation.runtime.clock.nowMs();
  }

  random(): number {
    return this.#activation.runtime.random();
  }

  get local(): unknown {
    return this.#activation.persistence.local;
  }

  get state(): unknown {
    return this.readOnly ? this.#activation.persistence.readState() : this.#activation.persistence.local;
  }

  set state(value: unknown) {
    this.#mustWrite('state');
    this.#activation.persistence.local = value;
  }

  get nextEntry(): number {
    return (this.outer?.nextEntry ?? this.#activation.commits.nextEntry) + this.entryCount;
  }

  get firstEntry(): number {
    return this.keepFrom ?? this.outer?.firstEntry ?? this.#activation.commits.firstEntry;
  }

  append(...entries: unknown[]): void {
    this.#mustWrite('append');
    for (const entry of entries) {
      checkPayload(entry, `an entry of ${this.address.type}`);
      try {
        this.#activation.persistence.appended(entry);
      } catch (error) {
        this.broken = error;
        throw error;
      }
      const packed = pack(entry);
      this.#addEntry(packed, packed.length);
    }
  }

  appendOwned(entry: readonly unknown[]): void {
    const bytes = flatBytes(entry);
    if (bytes === -1 || this.#activation.definition.kind !== 'record') {
      this.append(entry);
      return;
    }
    this.#mustWrite('append');
    this.#addEntry(entry, bytes);
  }

  #addEntry(entry: PackedEntry, bytes: number): void {
    // Most turns of a journal append two. A list that grows by one gets room for many.
    if (this.entries === undefined) this.entries = [entry];
    else if (this.entries.length === 1) this.entries = [this.entries[0]!, entry];
    else this.entries.push(entry);
    this.entryCount += 1;
    this.entryBytes += bytes;
  }

  trim(keepFrom: number): void {
    this.#mustWrite('trim');
    if (!Number.isSafeInteger(keepFrom) || keepFrom < this.firstEntry || keepFrom > this.nextEntry) {
      throw new RangeError(`trim takes a number from ${this.firstEntry} to ${this.nextEntry}, got ${keepFrom}`);
    }
    this.keepFrom = keepFrom;
  }

  changed(): void {
    this.#mustWrite('changed');
    this.stateChanged = true;
  }

  setWork(hasWork: boolean): void {
    this.#mustWrite('setWork');
    this.work = hasWork;
  }

  actor<D extends AnyActorDefinition>(definition: D, id: string, options: CallOptions = {}): ActorRef<D> {
    const invoke = (address: ActorAddress, method: string, args: unknown[]): Promise<unknown> =>
      this.#activation.runtime.router.call(address, method, args, {
        traceparent: this.traceparent,
        ...options,
        chain: [...this.chain, this.mark],
        after: this.#activation.commits.earlierTurnsDurable(this),
      });
    return reference(definition, id, invoke) as ActorRef<D>;
  }

  send<D extends AnyActorDefinition>(definition: D, id: string): SendRef<D> {
    const invoke = (to: ActorAddress, method: string, args: unknown[]): void => {
      this.#mustWrite('send');
      if (definition.hostBound)
        throw new TypeError(`${to.type} is bound to a host: what is sent to one that is gone would wait for ever`);
      this.#activation.requireDurable('send');
      if (!this.#activation.runtime.defines(to.type, method)) {
        throw new NotDefinedError(`a durable send needs method ${method} of actor type ${to.type} on this host`);
      }
      checkPayload(args, `the arguments of ${to.type}.${method}`);
      if (this.#activation.record.outbox.size + (this.sends?.length ?? 0) >= OUTBOX_LENGTH_MAX) {
        throw new LimitError(`${this.mark} has ${OUTBOX_LENGTH_MAX} durable sends that nobody has acknowledged`);
      }
      (this.sends ??= []).push({ to, method, args: pack(args) });
    };
    return reference(definition, id, invoke) as SendRef<D>;
  }

  setReminder(name: string, when: ReminderTime): void {
    this.#mustWrite('setReminder');
    this.#activation.requireDurable('setReminder');
    checkId('reminder', name);
    if (this.#activation.definition.hooks.onReminder === undefined) {
      throw new NotDefinedError(`a reminder needs an onReminder: actor type ${this.address.type} has none`);
    }
    const dueAtMs = when.dueAtMs ?? this.nowMs() + (when.delayMs ?? 0);
    if (!Number.isFinite(dueAtMs)) throw new RangeError(`reminder ${name} needs a finite delayMs or dueAtMs`);
    if (when.periodMs !== undefined && !(when.periodMs >= 1)) {
      throw new RangeError(`the period of reminder ${name} is at least 1 ms, got ${when.periodMs}`);
    }
    checkPayload(when.payload, `the payload of reminder ${name}`);
    const { reminders } = this.#activation.record;
    if (!reminders.has(name) && reminders.size + (this.reminderChanges?.size ?? 0) >= REMINDERS_MAX) {
      throw new LimitError(`${this.mark} has ${REMINDERS_MAX} reminders`);
    }
    (this.reminderChanges ??= new Map()).set(name, {
      name,
      // The epoch itself would say "work outstanding" in a due index.
      dueAtMs: Math.max(1, Math.ceil(dueAtMs)),
      periodMs: when.periodMs,
      payload: copyPayload(when.payload),
      failedAttempts: 0,
    });
  }

  cancelReminder(name: string): void {
    this.#mustWrite('cancelReminder');
    if (this.#keptReminders().has(name)) (this.reminderChanges ??= new Map()).set(name, null);
    else this.reminderChanges?.delete(name);
  }

  reminders(): readonly Reminder[] {
    if (this.reminderChanges === undefined && this.#keptReminders().size === 0) return [];
    return [...this.#withChanges().values()];
  }

  /** The reminders as they were when this turn began. */
  #keptReminders(): ReadonlyMap<string, Reminder> {
    return this.outer === undefined ? this.#activation.record.reminders : this.outer.#withChanges();
  }

  #withChanges(): ReadonlyMap<string, Reminder> {
    const merged = new Map(this.#keptReminders());
    for (const [name, reminder] of this.reminderChanges ?? []) {
      if (reminder === null) merged.delete(name);
      else merged.set(name, reminder);
    }
    return merged;
  }

  setTimer(name: string, delayMs: number, payload?: unknown): void {
    this.#mustWrite('setTimer');
    if (Number.isNaN(delayMs)) throw new RangeError(`timer ${name} needs a delay in milliseconds`);
    if (this.#activation.definition.hooks.onTimer === undefined) {
      throw new NotDefinedError(`a timer needs an onTimer: actor type ${this.address.type} has none`);
    }
    (this.timerChanges ??= new Map()).set(name, { delayMs, payload });
  }

  cancelTimer(name: string): void {
    this.#mustWrite('cancelTimer');
    (this.timerChanges ??= new Map()).set(name, null);
  }

  summarize(summary: Summary | null): void {
    this.#mustWrite('summarize');
    this.#activation.requireDurable('summarize');
    checkPayload(summary, `the summary of ${this.address.type}`);
    this.newSummary = summary === null ? null : { ...summary, tags: { ...summary.tags } };
  }

  afterCommit(callback: () => void): void {
    this.#mustWrite('afterCommit');
    if (this.callbacks === undefined) this.callbacks = [callback];
    else this.callbacks.push(callback);
  }

  purge(tombstone?: Tombstone): void {
    this.#mustWrite('purge');
    this.purging = { tombstone };
  }

  dropReply(): void {
    this.replyDropped = true;
  }

  deactivate(): void {
    this.deactivating = true;
  }

  #mustWrite(what: string): void {
    if (this.readOnly)
      throw new TypeError(`a read-only method of ${this.address.type} used ctx.${what}, which changes the actor`);
    if (this.ended) throw new TypeError(`ctx.${what} of ${this.address.type} was used after its turn had ended`);
  }

  /** Takes over what a reentrant turn inside this one did. */
  absorb(inner: Turn): void {
    if (inner.sends !== undefined) (this.sends ??= []).push(...inner.sends);
    for (const [name, change] of inner.reminderChanges ?? []) (this.reminderChanges ??= new Map()).set(name, change);
    for (const [name, change] of inner.timerChanges ?? []) (this.timerChanges ??= new Map()).set(name, change);
    if (inner.entries !== undefined) this.entries = [...(this.entries ?? []), ...inner.entries];
    this.entryCount += inner.entryCount;
    this.entryBytes += inner.entryBytes;
    this.keepFrom = inner.keepFrom ?? this.keepFrom;
    this.stateChanged ||= inner.stateChanged;
    this.work = inner.work ?? this.work;
    if (inner.newSummary !== undefined) this.newSummary = inner.newSummary;
    if (inner.callbacks !== undefined) (this.callbacks ??= []).push(...inner.callbacks);
    this.purging ??= inner.purging;
    this.deactivating ||= inner.deactivating;
    if (inner.repliesInside !== undefined) (this.repliesInside ??= []).push(...inner.repliesInside);
  }

  /** It failed: nothing of what it asked for is done. */
  fail(error: unknown): void {
    this.failed = true;
    this.error = error;
    this.purging = undefined;
    this.callbacks = undefined;
  }

  /** Delivers how the turn ended to whoever waits. The gate is open. */
  release(): void {
    if (this.cause.kind === 'call') {
      if (this.failed) this.cause.call.reject(this.error);
      else this.cause.call.resolve(this.result);
    }
    if (this.callbacks !== undefined) for (const callback of this.callbacks) this.#activation.runCallback(callback);
  }

  /** What it did, or what it saw, is lost. */
  lose(error: Error): void {
    if (this.cause.kind !== 'call') return;
    const { call } = this.cause;
    if (!this.readOnly) call.reject(error);
    else {
      const lost = new OutcomeUnknownError(this.address, 'what it had read was lost', { cause: error });
      this.#activation.runtime.readLost(call, lost);
    }
  }
}
