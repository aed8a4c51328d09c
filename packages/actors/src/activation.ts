// One actor in memory on this host: its phases, its mailbox and its turns.
// It leaves to the host which activations exist; to the commit pipeline what becomes of what a turn did; and to parts
// of its own, each made when it is first needed, the reads beside a turn, the calls inside one, reminders, timers and
// the outbox.
//
// A1  At most one turn runs at a time; reentrant turns run only inside the one that waits for them. Read-only methods
//     may run beside it and see what the last ended turn left. A turn has ended when those inside it have.
// A2  What a turn did is taken over whole when it ends well, and dropped whole when it throws.
// A3, A4  The gate and the pipeline: `commit-pipeline.ts`.
// A5  A refused commit loses the activation: everybody behind the gate is told that the outcome is unknown, calls that
//     had not begun go to the next activation.
// A6  Once `gone`, nothing it does is seen: late ends of turns and late answers of the store are dropped.
// A7  A record that was written under another epoch of the partition is written again before anything of it is answered
//     (the touch commit): a former owner that does not know yet can write it no more.

import type { ActorMethod, AnyActorDefinition } from './actor.ts';
import { formatAddress, type ActorAddress, type PartitionId } from './address.ts';
import type { ActivationRuntime } from './activation-runtime.ts';
import type { Call } from './call.ts';
import { copyPayload } from './codec.ts';
import { CommitPipeline } from './commit-pipeline.ts';
import { Opening } from './entries.ts';
import {
  asError,
  LimitError,
  NotDefinedError,
  NotExecutedError,
  OutcomeUnknownError,
  StoreUnavailableError,
} from './errors.ts';
import { ACTIVATION_OVERHEAD_BYTES, MAILBOX_LENGTH_MAX, SEND_MARK_TTL_MS, TURNS_PER_ROUND_MAX } from './limits.ts';
import { Mailbox } from './mailbox.ts';
import { checkedResult, errorOfThisCall, isThenable } from './outcome.ts';
import { OutboxSender } from './outbox.ts';
import { persistenceOf, type Persistence } from './persistence.ts';
import { Purge } from './purge.ts';
import { ReadTurns } from './read-turns.ts';
import { ActorRecord } from './record.ts';
import { Reentrancy } from './reentrancy.ts';
import { Reminders } from './reminder.ts';
import { NOTHING_LOADED, type Loaded, type Tombstone } from './store.ts';
import { replyKey, takeOver } from './takeover.ts';
import { Timers, type TimerChange } from './timer.ts';
import { Turn, type TurnCause } from './turn.ts';

const NOT_ACTIVATED = 'it could not be activated';

export type ActivationPhase = 'activating' | 'active' | 'deactivating' | 'gone';

/** The actor in memory on this host. */
export class Activation {
  readonly address: ActorAddress;
  readonly definition: AnyActorDefinition;
  readonly runtime: ActivationRuntime;
  readonly persistence: Persistence;
  /** The partition's number, for its host. */
  readonly partition: PartitionId;
  /** No other activation has it. It names commits and turns. */
  readonly writer: string;
  readonly commits: CommitPipeline;
  /** Kept by the host: the others of the partition. */
  nextInPartition: Activation | undefined;
  previousInPartition: Activation | undefined;
  record = new ActorRecord();
  phase: ActivationPhase = 'activating';
  lastUsedMs: number;
  /** It was activated because it was due, not for a call. */
  woken = false;
  /** It may have left something undone that only its record knows. */
  lost = false;
  /** The turn in progress. */
  running: Turn | undefined;
  /** Made for the first durable send. */
  outbox: OutboxSender | undefined;
  /** There while messages wait. */
  #mailbox: Mailbox<TurnCause> | undefined;
  #pumpDeferred = false;
  #markPrefix: string | undefined;
  #turnNumber = 0;
  #reads: ReadTurns | undefined;
  #reentrancy: Reentrancy | undefined;
  #reminders: Reminders | undefined;
  #timers: Timers | undefined;
  #purge: Purge | undefined;
  #deactivateWanted = false;
  #draining = false;
  #whenGone: (() => void)[] | undefined;
  #bytesNoted = 0;
  /** What the definition opened is to be closed. */
  #opened = false;

  constructor(
    address: ActorAddress,
    partition: PartitionId,
    definition: AnyActorDefinition,
    runtime: ActivationRuntime,
  ) {
    this.address = address;
    this.partition = partition;
    this.definition = definition;
    this.runtime = runtime;
    this.persistence = persistenceOf(definition);
    this.lastUsedMs = runtime.clock.nowMs();
    this.writer = runtime.token();
    this.commits = new CommitPipeline(this);
  }

  // ── Beginning ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Loads the actor and begins to serve, at once if it can. Called once, when what it is activated for waits already:
   * failures reject whoever waits.
   */
  activate(): void {
    try {
      const loaded = this.persistence.durable ? this.runtime.store.load(this.address) : NOTHING_LOADED;
      if (isThenable(loaded)) {
        loaded.then(
          (found) => this.#loaded(found),
          (error: unknown) => this.#fail(error, NOT_ACTIVATED),
        );
      } else this.#loaded(loaded);
    } catch (error) {
      this.#fail(error, NOT_ACTIVATED);
    }
  }

  #loaded({ record, tombstone }: Loaded): void {
    if (this.phase !== 'activating') return;
    try {
      let snapshot: Uint8Array | undefined;
      if (record !== undefined) {
        this.commits.loaded(record);
        this.record = ActorRecord.decode(this.runtime.codec.decode(record.state));
        this.record.dropOldMarks(this.runtime.clock.nowMs() - SEND_MARK_TTL_MS);
        if (this.record.outbox.size > 0) this.outbox = new OutboxSender(this);
        snapshot = this.record.userState ?? undefined;
      }
      const epoch = this.runtime.epochOf(this.partition);
      const touch = record !== undefined && this.record.epoch !== epoch;
      this.record.epoch = epoch;
      // Everything that ends before it is accepted waits behind it, reads as well.
      if (touch) this.commits.recordChanged();
      const opened = this.persistence.open(new Opening(this.runtime, this.address, this.commits, snapshot, tombstone));
      if (isThenable(opened)) {
        opened.then(
          () => this.#hasOpened(),
          (error: unknown) => this.#fail(error, NOT_ACTIVATED),
        );
        return;
      }
    } catch (error) {
      this.#fail(error, NOT_ACTIVATED);
      return;
    }
    this.#hasOpened();
  }

  #hasOpened(): void {
    this.#opened = true;
    if (this.phase !== 'activating') {
      this.#close();
      return;
    }
    this.phase = 'active';
    this.#noteBytes();
    if (this.definition.hooks.onActivate === undefined) this.#resume();
    else this.#begin({ kind: 'activate' });
  }

  /** Goes on with what the record says is unfinished, then with the mailbox. */
  #resume(): void {
    if (this.#draining) {
      this.settle();
      return;
    }
    if (this.record.hasWork && this.definition.onWork !== undefined) this.#begin({ kind: 'work' });
    // The turn may have lost the activation already.
    if (this.phase !== 'active') return;
    this.outbox?.resume();
    this.wake();
    this.pump();
  }

  // ── Messages ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes a call: read-only ones start at once, the others await their turn. */
  deliver(call: Call): void {
    this.lastUsedMs = this.runtime.clock.nowMs();
    const inside = this.continues(call);
    if (this.#draining && !inside) {
      this.runtime.turnedAway(call);
      return;
    }
    if (this.phase === 'active') {
      if (this.definition.readOnly[call.method] !== undefined && (inside || !this.hidesState)) {
        this.#read(call);
        return;
      }
      if (inside) {
        (this.#reentrancy ??= new Reentrancy(this)).meet(call);
        return;
      }
    }
    if (this.#mailbox !== undefined && this.#mailbox.length >= MAILBOX_LENGTH_MAX) {
      const cause = new LimitError(`its mailbox holds ${MAILBOX_LENGTH_MAX} messages`);
      call.reject(new NotExecutedError(this.address, 'it is overloaded', { cause }));
      return;
    }
    const cause: TurnCause = { kind: 'call', call };
    const isNext = this.#purge === undefined && (this.#mailbox === undefined || this.#mailbox.length === 0);
    if (isNext && this.#mayBegin()) this.#begin(cause);
    else this.#queue(cause);
    this.pump();
  }

  #queue(cause: TurnCause): void {
    (this.#mailbox ??= new Mailbox()).push(cause);
  }

  /** Whether it takes the call although no new ones are taken: the running turn may be waiting for it. */
  accepts(call: Call): boolean {
    return !this.#draining || this.continues(call);
  }

  /** Whether the call comes from the turn that is running, however long its way was. */
  continues(call: Call): boolean {
    return (
      call.chain.length > 0 &&
      this.running !== undefined &&
      this.phase === 'active' &&
      call.chain.includes(this.running.mark)
    );
  }

  /** There is no state to show to others while an actor begins, or while the turn in progress changes it in place. */
  get hidesState(): boolean {
    return this.running !== undefined && (this.definition.kind === 'record' || this.running.cause.kind === 'activate');
  }

  /** Queues a turn for every reminder that is due. */
  wake(): void {
    if (this.phase !== 'active' || this.#draining) return;
    const reminders = this.#remindersIfAny();
    if (reminders === undefined) return;
    const due = reminders.takeDue();
    for (const reminder of due) this.#queue({ kind: 'reminder', reminder });
    reminders.noteDue();
    if (due.length > 0) this.pump();
  }

  #remindersIfAny(): Reminders | undefined {
    if (this.#reminders === undefined && this.record.reminders.size > 0) this.#reminders = new Reminders(this);
    return this.#reminders;
  }

  /** Tells the host when to look at the actor again. Work outstanding needs no look: this activation does it. */
  noteDue(): void {
    this.#remindersIfAny()?.noteDue();
  }

  /**
   * The index says when the actor is due. What the activation knows is better, unless nothing of it is on its way to the
   * store: then another owner may have written, and a commit tells.
   */
  compareDue(dueAtMs: number): void {
    if (this.phase === 'active' && this.commits.settled && dueAtMs !== this.commits.dueAtMs) {
      this.commits.recordChanged();
    } else this.noteDue();
  }

  /** Begins turns while there are messages and none runs. */
  pump(): void {
    for (let count = 0; this.#mayBegin(); count++) {
      if (count === TURNS_PER_ROUND_MAX) {
        if (!this.#pumpDeferred) {
          this.#pumpDeferred = true;
          setImmediate(() => {
            this.#pumpDeferred = false;
            this.pump();
          });
        }
        return;
      }
      const cause = this.#purge === undefined ? this.#mailbox?.shift() : this.#sendBeforePurge();
      if (cause === undefined) break;
      this.#begin(cause);
    }
    if (this.#mailbox !== undefined && this.#mailbox.length === 0) this.#mailbox = undefined;
    this.settle();
  }

  #mayBegin(): boolean {
    return (
      this.running === undefined && this.phase === 'active' && !this.#draining && !this.commits.full && this.mayAnswer
    );
  }

  /** Whether its host may serve it now. A host actor, which shows nothing that others could own by now, always. */
  get mayAnswer(): boolean {
    return this.runtime.serving || this.definition.hostBound;
  }

  /** Its host may serve it again. */
  servingAgain(): void {
    if (this.phase === 'gone') return;
    this.commits.releaseHeld();
    this.pump();
  }

  /**
   * While a purge waits until the actor's own durable sends are taken, those of others are taken as well: two actors that
   * are purged and send to each other, or one that sends to itself, would wait for ever. The rest is for the next life.
   */
  #sendBeforePurge(): TurnCause | undefined {
    if (this.record.outbox.size === 0) return undefined;
    return this.#mailbox?.takeFirst((cause) => cause.kind === 'call' && cause.call.stamp !== undefined);
  }

  // ── Turns ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #begin(cause: TurnCause): void {
    if (!this.#stillWanted(cause)) return;
    const turn = new Turn(this, cause, undefined, false);
    this.commits.turnBegins(cause);
    this.running = turn;
    this.run(turn);
  }

  /** Runs the method of a turn that has begun. */
  run(turn: Turn): void {
    const { cause } = turn;
    if (cause.kind === 'call') {
      cause.call.begun = true;
      cause.call.turn = turn;
    }
    let result: unknown;
    try {
      result = this.#invoke(turn);
    } catch (error) {
      this.end(turn, undefined, error, true);
      return;
    }
    if (isThenable(result)) {
      result.then(
        (value) => {
          this.end(turn, value, undefined, false);
          this.pump();
        },
        (error: unknown) => {
          this.end(turn, undefined, error, true);
          this.pump();
        },
      );
    } else {
      this.end(turn, result, undefined, false);
    }
  }

  #invoke(turn: Turn): unknown {
    const { cause } = turn;
    const { hooks, methods } = this.definition;
    switch (cause.kind) {
      case 'call':
        return methods[cause.call.method]!(turn, ...cause.call.args);
      case 'reminder':
        if (hooks.onReminder === undefined) {
          throw new NotDefinedError(`actor type ${this.address.type} has reminders but no onReminder`);
        }
        return hooks.onReminder(turn, cause.reminder);
      case 'timer':
        return hooks.onTimer?.(turn, cause.timer.name, cause.timer.payload);
      case 'activate':
        return hooks.onActivate!(turn);
      case 'work':
        return (this.definition.onWork as ActorMethod<Turn>)(turn);
    }
  }

  /** How a turn is named in call chains: no other turn of any activation has the name. */
  nextMark(): string {
    this.#markPrefix ??= `${formatAddress(this.address)}#${this.writer}.`;
    return `${this.#markPrefix}${++this.#turnNumber}`;
  }

  /** Whether there is still something to run. */
  #stillWanted(cause: TurnCause): boolean {
    switch (cause.kind) {
      case 'call':
        return this.wantsTurn(cause.call);
      case 'reminder':
        return this.#reminders!.holds(cause.reminder);
      case 'timer':
        return this.#timers?.take(cause.timer) === true;
      case 'activate':
        return true;
      case 'work':
        return this.record.hasWork;
    }
  }

  /** False: the call is answered without a turn. */
  wantsTurn(call: Call): boolean {
    if (call.settled) return false;
    if (this.definition.methods[call.method] === undefined) {
      if (this.definition.readOnly[call.method] !== undefined) this.#read(call);
      else call.reject(new NotDefinedError(`actor type ${this.address.type} has no method ${call.method}`));
      return false;
    }
    if (call.stamp !== undefined && this.record.hasTaken(call.stamp)) {
      this.#answerAgain(call, undefined);
      return false;
    }
    if (call.idempotencyKey !== undefined) {
      const kept = this.record.keptReply(replyKey(call), this.runtime.clock.nowMs());
      if (kept !== undefined) {
        this.#answerAgain(call, copyPayload(kept.result));
        return false;
      }
    }
    return true;
  }

  #read(call: Call): void {
    (this.#reads ??= new ReadTurns(this)).begin(call);
  }

  /** Answers a duplicate as soon as what the first one did is durable. */
  #answerAgain(call: Call, result: unknown): void {
    const turn = new Turn(this, { kind: 'call', call }, undefined, true);
    turn.result = result;
    this.commits.throughGate(turn);
  }

  /** The method of the turn has ended, well or not. */
  end(turn: Turn, result: unknown, error: unknown, failed: boolean): void {
    if (this.phase === 'gone') return;
    if (turn.outer !== undefined) {
      this.#reentrancy!.end(turn, result, error, failed);
      return;
    }
    if (this.#reentrancy?.postpones(result, error, failed) === true) return;
    this.running = undefined;
    turn.ended = true;
    let changed = false;
    if (turn.broken !== undefined && !failed) {
      failed = true;
      error = turn.broken;
    }
    if (!failed) {
      try {
        turn.result = checkedResult(this.address, this.definition, result);
        changed = this.persistence.endTurn(turn.stateChanged);
      } catch (unstorable) {
        failed = true;
        error = unstorable;
      }
    }
    if (failed) this.#endFailed(turn, errorOfThisCall(this.address, error));
    else this.#endWell(turn, changed);
    if (!this.#isActive()) return;
    // Reentrant calls that came too late to belong to the turn: its method no longer waits for them.
    if (this.#reentrancy?.holdsCalls === true)
      for (const call of this.#reentrancy.takeHeld()) this.#queue({ kind: 'call', call });
    this.#reads?.releaseHeld();
    this.commits.turnEnded();
    if (turn.cause.kind === 'activate') this.#resume();
  }

  // A method, since the compiler does not know that ending a turn can change the phase.
  #isActive(): boolean {
    return this.phase === 'active';
  }

  /** Takes over what the turn did. */
  #endWell(turn: Turn, stateChanged: boolean): void {
    const { cause } = turn;
    let recordChanged = stateChanged;
    if (cause.kind === 'reminder') {
      this.#reminders!.fired(cause.reminder, turn);
      recordChanged = true;
    }
    if (turn.sends !== undefined) this.#makeOutbox();
    if (takeOver(this.record, turn, this.persistence.durable, this.runtime.clock)) recordChanged = true;
    if (turn.timerChanges !== undefined) this.#applyTimers(turn.timerChanges);
    if (recordChanged || turn.entries !== undefined || turn.keepFrom !== undefined || turn.newSummary !== undefined) {
      this.commits.join(turn, recordChanged);
    } else {
      this.commits.throughGate(turn);
    }
    if (turn.deactivating) this.#deactivateWanted = true;
  }

  #endFailed(turn: Turn, error: unknown): void {
    const { cause } = turn;
    turn.fail(error);
    if (!this.persistence.rollback()) {
      this.runtime.logger.error(
        { actor: formatAddress(this.address), err: error },
        'a turn of a record actor failed; the activation is dropped',
      );
      if (cause.kind === 'call') cause.call.reject(this.#outcomeOf(error));
      this.lose(new OutcomeUnknownError(this.address, 'an earlier turn failed', { cause: error }));
      return;
    }
    switch (cause.kind) {
      case 'call':
        if (cause.call.stamp !== undefined) {
          this.runtime.logger.error(
            { actor: formatAddress(this.address), method: cause.call.method, err: error },
            'a durable send failed; it is not tried again',
          );
          this.record.markTaken(cause.call.stamp, this.runtime.clock.nowMs());
          this.commits.recordChanged();
        }
        this.commits.throughGate(turn);
        return;
      case 'reminder':
        this.#reminders!.failed(cause.reminder, error);
        this.commits.recordChanged();
        return;
      case 'activate':
        this.#fail(error, 'its onActivate failed');
        return;
      case 'timer':
      case 'work':
        this.runtime.logger.error({ actor: formatAddress(this.address), err: error }, `a ${cause.kind} turn failed`);
    }
  }

  /** What the caller hears: that the store did not serve the turn is no answer of the actor, and no reason to give up. */
  #outcomeOf(error: unknown): unknown {
    if (!(error instanceof StoreUnavailableError)) return error;
    return new OutcomeUnknownError(this.address, `the store did not serve its turn: ${error.message}`, {
      cause: error,
    });
  }

  /** Before the record has the first send in its outbox. */
  #makeOutbox(): void {
    if (this.outbox !== undefined) return;
    this.outbox = new OutboxSender(this);
    if (this.#draining) this.outbox.stop();
  }

  #applyTimers(changes: ReadonlyMap<string, TimerChange>): void {
    this.#timers ??= new Timers(this.runtime.clock, (timer) => {
      this.#queue({ kind: 'timer', timer });
      this.pump();
    });
    this.#timers.apply(changes);
  }

  runCallback(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.runtime.logger.error({ actor: formatAddress(this.address), err: error }, 'an afterCommit callback threw');
    }
  }

  requireDurable(what: string): void {
    if (!this.persistence.durable) {
      throw new NotDefinedError(`ctx.${what} needs a record: give actor type ${this.address.type} a state`);
    }
  }

  // ── Afterwards ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A commit was accepted, and the gate has opened for what it covers. */
  committed(): void {
    if (this.mayAnswer) this.outbox?.committed();
    // Turns may have waited for room in the next commit.
    if (this.#mailbox !== undefined && this.#mailbox.length > 0) this.pump();
    else this.settle();
    if (!this.#isGone()) this.#noteBytes();
  }

  #noteBytes(): void {
    const { bytes } = this;
    if (Math.abs(bytes - this.#bytesNoted) * 4 < this.#bytesNoted) return;
    this.#bytesNoted = bytes;
    this.runtime.resized(this);
  }

  // ── Ending ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing runs, waits, is unfinished or on its way to the store. */
  get idle(): boolean {
    return (
      this.phase === 'active' &&
      this.running === undefined &&
      (this.#mailbox === undefined || this.#mailbox.length === 0) &&
      (this.#reads === undefined || this.#reads.size === 0) &&
      this.commits.settled &&
      this.#purge === undefined &&
      !this.record.hasWork &&
      this.record.outbox.size === 0
    );
  }

  /** Estimate of what this activation costs. */
  get bytes(): number {
    return ACTIVATION_OVERHEAD_BYTES + this.persistence.bytes();
  }

  /** Ends an idle activation: `onDeactivate` runs, calls that come meanwhile go to the next one. */
  async deactivate(): Promise<void> {
    if (!this.idle && !(this.#draining && this.#drained)) return;
    this.phase = 'deactivating';
    const { onDeactivate } = this.definition.hooks;
    if (onDeactivate !== undefined) {
      try {
        await onDeactivate(new Turn(this, { kind: 'activate' }, undefined, true));
      } catch (error) {
        this.runtime.logger.error({ actor: formatAddress(this.address), err: error }, 'onDeactivate failed');
      }
    }
    // It may have been abandoned meanwhile.
    if (this.#isGone()) return;
    // A reminder may have come due meanwhile, and found nobody who would take it.
    this.#reminders?.letGo();
    this.noteDue();
    this.leave();
  }

  #isGone(): boolean {
    return this.phase === 'gone';
  }

  /** No new turns; what runs finishes and is committed; then it deactivates. Resolves when it is gone. */
  drain(): Promise<void> {
    if (this.phase === 'gone') return Promise.resolve();
    if (!this.#draining) {
      this.#draining = true;
      this.outbox?.stop();
      for (const cause of this.#mailbox?.drain() ?? []) if (cause.kind === 'call') this.runtime.turnedAway(cause.call);
      this.#reads?.turnAway();
    }
    const gone = new Promise<void>((resolve) => (this.#whenGone ??= []).push(resolve));
    this.settle();
    return gone;
  }

  /** Drops an activation that did not end in time. */
  abandon(reason: string): void {
    if (this.phase !== 'gone') this.lose(new OutcomeUnknownError(this.address, reason));
  }

  get #drained(): boolean {
    return this.phase === 'active' && this.running === undefined && this.commits.settled;
  }

  /** Between turns: purges, drains or deactivates if that is wanted and possible. */
  settle(): void {
    if (this.#purge !== undefined && this.#drained && this.record.outbox.size === 0) {
      this.phase = 'deactivating';
      this.#purge.begin();
    } else if (this.#draining && this.#drained) void this.deactivate();
    else if (this.#deactivateWanted && this.idle) void this.deactivate();
  }

  /** A turn that ended well asked for the end of the actor; its caller waits for that. False: one has asked before. */
  wantPurge(turn: Turn, tombstone: Tombstone | undefined): boolean {
    if (this.#purge !== undefined) return false;
    this.#purge = new Purge(this, turn, tombstone);
    return true;
  }

  /** The record is durably gone, or there was none. */
  purged({ turn }: Purge): void {
    this.#purge = undefined;
    this.record = new ActorRecord();
    this.noteDue();
    this.commits.letOut({
      release: () => {
        turn.release();
        this.leave();
      },
      lose: (error) => turn.lose(error),
    });
  }

  /** It could not begin: everybody who waits is told that nothing was executed. */
  #fail(cause: unknown, reason: string): void {
    if (this.phase === 'gone') return;
    const error = asError(cause);
    this.phase = 'gone';
    this.lost = this.woken || this.commits.dueAtMs !== null;
    this.runtime.logger.error({ actor: formatAddress(this.address), err: error }, `an activation failed: ${reason}`);
    const notBegun = new NotExecutedError(this.address, `${reason}: ${error.message}`, { cause: error });
    for (const message of this.#mailbox?.drain() ?? []) if (message.kind === 'call') message.call.reject(notBegun);
    this.#reads?.reject(notBegun);
    for (const call of this.#reentrancy?.takeHeld() ?? []) call.reject(notBegun);
    this.commits.lose(new OutcomeUnknownError(this.address, reason, { cause: error }));
    this.#finish([]);
  }

  /** The truth went on without this activation: everything behind the gate is lost, what had not begun is not. */
  lose(error: OutcomeUnknownError): void {
    if (this.phase === 'gone') return;
    this.phase = 'gone';
    this.lost = true;
    this.commits.lose(error);
    for (const turn of [this.running, ...(this.#reentrancy?.nested ?? []), this.#purge?.turn]) {
      if (turn === undefined) continue;
      if (turn.cause.kind === 'call') turn.cause.call.reject(error);
      turn.abort(error);
    }
    for (const call of this.#reentrancy?.takeHeld() ?? []) {
      call.reject(new NotExecutedError(this.address, 'the turn that it belongs to is lost', { cause: error }));
    }
    this.leave();
  }

  /** Ends. What waits is for the next activation. */
  leave(): void {
    this.phase = 'gone';
    this.#purge?.fail('its host stops or gives it away before it was purged');
    const waiting: Call[] = [];
    for (const cause of this.#mailbox?.drain() ?? [])
      if (cause.kind === 'call' && !cause.call.settled) waiting.push(cause.call);
    for (const call of this.#reads?.leave() ?? []) waiting.push(call);
    this.#finish(waiting);
  }

  #finish(waiting: readonly Call[]): void {
    this.outbox?.stop();
    this.#timers?.stop();
    // First of all, so that nobody finds this activation any more.
    this.runtime.gone(this, waiting);
    this.runtime.store.release?.(this.commits);
    this.#close();
    if (this.#whenGone !== undefined) for (const resolve of this.#whenGone) resolve();
  }

  #close(): void {
    if (!this.#opened) return;
    this.#opened = false;
    try {
      this.persistence.close();
    } catch (error) {
      this.runtime.logger.error({ actor: formatAddress(this.address), err: error }, 'closing a record actor failed');
    }
  }
}
