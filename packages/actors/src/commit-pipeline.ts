// The commits of one activation, and the output gate: what ended turns did is collected in the open bundle; when the
// store begins a write the bundle is sealed into a commit; when that is accepted everybody who waited behind it is let
// through, when it is refused for good they are told that it is lost. It leaves what a turn did to the record to the
// activation, as well as what a loss means; and to the store when a write begins.
//
// A3  Nothing leaves (replies, durable sends, callbacks) before the commit that covers it is accepted.
// A4  At most one commit is requested or in flight. Turns go on meanwhile; what they do joins the next one.
// C1  A sealed commit is asked for again with the same bytes under the same id, until the store says what became of it
//     or the attempts are used up: whether an earlier attempt landed or not, exactly one is in the record.
// C2  Nothing is sealed in the middle of a turn that changes the state in place, unless what the turns before it left
//     is packed already. What is asked for meanwhile is asked for again at the end of that turn.
// C3  Of an activation that is gone nothing is sealed, and late answers of the store are dropped (A6).
// C4  While the host may not answer, what passes the gate is held back: until it may, or until it is lost.

import type { Activation } from './activation.ts';
import { formatAddress, type ActorAddress } from './address.ts';
import { packEntries, type PackedEntry } from './codec.ts';
import { Bundle, type Gated } from './commit.ts';
import { asError, ConflictError, LimitError, OutcomeUnknownError, StoreUnavailableError } from './errors.ts';
import {
  COMMIT_ATTEMPTS_MAX,
  BUNDLE_BYTES_MAX,
  COMMIT_BYTES_MAX,
  RETRY_DELAY_MS_MAX,
  RETRY_DELAY_MS_MIN,
  SEND_MARK_LINGER_MS,
} from './limits.ts';
import { Mailbox } from './mailbox.ts';
import type { Commit, CommitSource, EntryRun, LoadedRecord } from './store.ts';
import type { SendStamp } from './transport.ts';
import { bodyOf, mayAwait, noteAwaiting } from './turn-body.ts';
import type { Turn, TurnCause } from './turn.ts';

/** The commits of one activation, and who waits for them. */
export class CommitPipeline implements CommitSource {
  readonly address: ActorAddress;
  storeSlot: unknown;
  /** Number that the next entry gets, counting those that are not committed yet. */
  nextEntry = 1;
  firstEntry = 1;
  /** Of the record as it was loaded or last accepted; 0: there is none. */
  revision = 0;
  /** What the store's index says about the actor. */
  dueAtMs: number | null = null;
  /** No commit was accepted. */
  barren = true;
  readonly #activation: Activation;
  #sequence = 0;
  #open: Bundle | undefined;
  #inFlight: Bundle | undefined;
  #sealed: Commit | undefined;
  /** What C4 holds back, in order. */
  #held: Bundle | undefined;
  #attempts = 0;
  #requested = false;
  #sealWanted = false;
  /** Marks of senders that have nothing left to send, in the order in which they may go. */
  #forgetting: Mailbox<{ readonly stamp: SendStamp; readonly afterMs: number }> | undefined;

  constructor(activation: Activation) {
    this.#activation = activation;
    this.address = activation.address;
  }

  loaded(record: LoadedRecord): void {
    this.revision = record.revision;
    this.firstEntry = record.firstEntry;
    this.nextEntry = record.nextEntry;
    this.dueAtMs = record.dueAtMs;
  }

  /** Nothing waits for the store, or to be let out. */
  get settled(): boolean {
    return this.#open === undefined && this.#inFlight === undefined && this.#held === undefined;
  }

  /** The next commit is large enough: no further turn should join it. */
  get full(): boolean {
    return this.#open !== undefined && this.#open.bytes >= BUNDLE_BYTES_MAX;
  }

  // ── What the next commit takes ─────────────────────────────────────────────────────────────────────────────────────

  /** Adds what the turn did to the next commit, which also opens the gate for it. */
  join(turn: Turn, recordChanged: boolean): void {
    const bundle = this.#bundle();
    if (recordChanged) {
      bundle.stateChanged = true;
      bundle.userStateChanged = true;
      bundle.userState = undefined;
    }
    if (turn.entries !== undefined) {
      if (bundle.entries === undefined) bundle.entries = turn.entries;
      else for (const entry of turn.entries) bundle.entries.push(entry);
      bundle.bytes += turn.entryBytes;
      bundle.entryCount += turn.entryCount;
      this.nextEntry += turn.entryCount;
    }
    if (turn.keepFrom !== undefined) {
      bundle.keepFrom = turn.keepFrom;
      this.firstEntry = turn.keepFrom;
    }
    if (turn.newSummary !== undefined) bundle.summary = turn.newSummary;
    if (!this.#waitsForPurge(turn)) bundle.gate(turn);
  }

  /** The outbox, the marks, the reminders or the epoch changed otherwise than by a turn that ended well. */
  recordChanged(): void {
    if (this.#activation.phase !== 'gone') this.#bundle().stateChanged = true;
  }

  /** The sender will not send these again. The mark goes some time later, with whatever commit there is then. */
  forgetSender(stamp: SendStamp): void {
    this.#forgetting ??= new Mailbox();
    this.#forgetting.push({ stamp, afterMs: this.#activation.runtime.clock.nowMs() + SEND_MARK_LINGER_MS });
  }

  #forgetMarks(): void {
    if (this.#forgetting === undefined) return;
    const nowMs = this.#activation.runtime.clock.nowMs();
    for (
      let next = this.#forgetting.peek();
      next !== undefined && next.afterMs <= nowMs;
      next = this.#forgetting.peek()
    ) {
      this.#forgetting.shift();
      this.#activation.record.dropMark(next.stamp);
    }
  }

  // ── The gate ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Releases the turn once everything that it may have seen is durable. */
  throughGate(turn: Turn): void {
    const bundle = this.#open ?? this.#inFlight;
    if (this.#waitsForPurge(turn)) return;
    if (bundle !== undefined) bundle.gate(turn);
    else this.letOut(turn);
  }

  /** Releases what is durable. */
  letOut(gated: Gated): void {
    if (this.#activation.mayAnswer) gated.release();
    else (this.#held ??= new Bundle()).gate(gated);
  }

  /** The host may answer again. */
  releaseHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.release();
    // Else with the commit that is under way: the outbox does not tell it from those before.
    if (this.#sealed === undefined) this.#activation.outbox?.committed();
  }

  #waitsForPurge(turn: Turn): boolean {
    return turn.purging !== undefined && this.#activation.wantPurge(turn, turn.purging.tombstone);
  }

  /** Resolves once what the turns before now did is durable; rejects when it is lost. */
  earlierTurnsDurable(turn: Turn): Promise<void> | undefined {
    if (this.#activation.phase === 'gone') return Promise.reject(this.#isLost());
    const bundle = this.#open ?? this.#inFlight;
    if (bundle === undefined) return undefined;
    if (!turn.ended && !turn.readOnly && this.#open !== undefined && this.#keepsFromSealing(this.#open)) {
      // Waiting would be for ever. The next turn of this method comes prepared.
      return Promise.reject(new LimitError(`${formatAddress(this.address)} cannot commit in the middle of this turn`));
    }
    return new Promise((resolve, reject) => bundle.gate({ release: resolve, lose: reject }));
  }

  /** Runs the callback after a commit that is asked for now; not at all if that is refused. */
  whenCommitted(callback: () => void): void {
    if (this.#activation.phase === 'gone') return;
    const bundle = this.#bundle();
    bundle.stateChanged = true;
    bundle.gate({ release: callback, lose: () => {} });
  }

  /** Everybody behind the gate is told that what they wait for is lost. */
  lose(error: OutcomeUnknownError): void {
    const inFlight = this.#inFlight;
    const open = this.#open;
    const held = this.#held;
    this.#inFlight = undefined;
    this.#open = undefined;
    this.#held = undefined;
    held?.lose(error);
    inFlight?.lose(error);
    open?.lose(error);
  }

  // ── Turns that change the state in place ───────────────────────────────────────────────────────────────────────────

  /**
   * A turn of a record actor changes in place what the next commit would take. What earlier turns left for it is packed
   * before a turn that may still be running when the store seals: that of an async function, or of a method that was
   * seen to do so. Else sealing waits for the end of the turn.
   */
  turnBegins(cause: TurnCause): void {
    const bundle = this.#open;
    if (bundle === undefined || !bundle.userStateChanged || bundle.userState !== undefined) return;
    const { definition, persistence } = this.#activation;
    if (definition.kind !== 'record') return;
    const body = bodyOf(definition, cause);
    if (body !== undefined && mayAwait(body)) bundle.userState = persistence.stateBytes();
  }

  /** Asks again for the commit that could not be sealed during the turn. */
  turnEnded(): void {
    if (!this.#sealWanted) return;
    this.#sealWanted = false;
    this.#request();
  }

  /** Whether the running turn keeps earlier ones from being sealed; notes that its method does such a thing. */
  #keepsFromSealing(bundle: Bundle): boolean {
    const { definition, running } = this.#activation;
    if (running === undefined || definition.kind !== 'record') return false;
    if (!bundle.userStateChanged || bundle.userState !== undefined) return false;
    const body = bodyOf(definition, running.cause);
    if (body !== undefined) noteAwaiting(body);
    return true;
  }

  // ── Towards the store ──────────────────────────────────────────────────────────────────────────────────────────────

  #bundle(): Bundle {
    if (this.#open === undefined) {
      this.#open = new Bundle();
      this.#request();
    }
    return this.#open;
  }

  #request(): void {
    if (this.#requested || this.#inFlight !== undefined || this.#open === undefined) return;
    this.#commit();
  }

  #commit(): void {
    this.#requested = true;
    try {
      this.#activation.runtime.store.commit(this);
    } catch (error) {
      queueMicrotask(() => this.refused(asError(error)));
    }
  }

  seal(): Commit {
    // What a lost activation holds may be half of a turn, and its callers were told that nobody knows.
    if (this.#activation.phase === 'gone') throw this.#isLost();
    if (this.#sealed !== undefined) {
      this.#requested = false;
      return this.#sealed;
    }
    const bundle = this.#open!;
    if (this.#keepsFromSealing(bundle)) throw SEAL_LATER;
    this.#requested = false;
    this.#open = undefined;
    this.#inFlight = bundle;
    const { record, runtime, writer } = this.#activation;
    this.#activation.outbox?.sealed();
    if (record.birth === '') {
      record.birth = runtime.token();
      bundle.stateChanged = true;
    }
    const state = bundle.stateChanged || this.revision === 0 ? this.#stateOf(bundle) : 'same';
    const entries = bundle.entries === undefined ? null : this.#entriesOf(bundle, bundle.entries);
    const size = (state === 'same' ? 0 : state.length) + (entries?.bytes.length ?? 0);
    if (size > COMMIT_BYTES_MAX) {
      const name = formatAddress(this.address);
      throw new LimitError(`a commit of ${name} has ${size} bytes; the limit is ${COMMIT_BYTES_MAX}`);
    }
    this.#sealed = {
      id: { writer, sequence: ++this.#sequence },
      expectedRevision: this.revision,
      state,
      entries,
      keepFrom: bundle.keepFrom ?? 'same',
      dueAtMs: record.dueAtMs(),
      summary: bundle.summary === undefined ? 'same' : bundle.summary,
    };
    return this.#sealed;
  }

  #stateOf(bundle: Bundle): Uint8Array {
    const { persistence, record, runtime } = this.#activation;
    this.#forgetMarks();
    if (bundle.userStateChanged || record.userState === null) {
      record.userState = bundle.userState === undefined ? persistence.stateBytes() : bundle.userState;
    }
    return runtime.codec.encode(record.encode());
  }

  #entriesOf({ entryCount }: Bundle, entries: readonly PackedEntry[]): EntryRun {
    return {
      first: this.nextEntry - entryCount,
      count: entryCount,
      bytes: this.#activation.runtime.codec.encode(packEntries(entries)),
    };
  }

  accepted(revision: number): void {
    const bundle = this.#inFlight;
    if (this.#activation.phase === 'gone' || bundle === undefined) return;
    this.revision = revision;
    this.barren = false;
    this.dueAtMs = this.#sealed!.dueAtMs;
    this.#sealed = undefined;
    this.#attempts = 0;
    this.#inFlight = undefined;
    this.#request();
    if (bundle.stateChanged) this.#activation.noteDue();
    this.letOut(bundle);
    this.#activation.committed();
  }

  refused(error: Error): void {
    if (this.#activation.phase === 'gone') return;
    this.#requested = false;
    if (error === SEAL_LATER) {
      this.#sealWanted = true;
      return;
    }
    const { clock, logger, store } = this.#activation.runtime;
    const again =
      error instanceof StoreUnavailableError &&
      this.#sealed !== undefined &&
      store.failure() === undefined &&
      ++this.#attempts < COMMIT_ATTEMPTS_MAX;
    if (again) {
      const delayMs = Math.min(RETRY_DELAY_MS_MIN * 2 ** this.#attempts, RETRY_DELAY_MS_MAX);
      clock.setTimeout(() => {
        if (this.#activation.phase !== 'gone' && !this.#requested) this.#commit();
      }, delayMs);
      return;
    }
    const actor = formatAddress(this.address);
    if (error instanceof ConflictError) {
      logger.warn({ actor, err: error }, 'another owner wrote; the activation is dropped');
    } else {
      logger.error({ actor, err: error }, 'a commit failed; the activation is dropped');
    }
    const reason = `its commit was refused: ${error.message}`;
    this.#activation.lose(new OutcomeUnknownError(this.address, reason, { cause: error }));
  }

  #isLost(): OutcomeUnknownError {
    return new OutcomeUnknownError(this.address, 'the activation is lost');
  }
}

/** Refuses a request that came in the middle of a turn whose actor's state cannot be told apart from it. */
const SEAL_LATER = new Error('a turn is running; the commit is asked for again when it ends');
