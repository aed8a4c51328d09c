// What tells the kinds of actors apart: how user state is held, rolled back and packed. Each activation has one.

import type { ActorDefinition } from './actor.ts';
import { formatAddress } from './address.ts';
import { checkPayload, copyPayload, pack, unpack } from './codec.ts';
import type { Opening } from './entries.ts';
import { CorruptRecordError } from './errors.ts';
import { JOURNAL_SNAPSHOT_ENTRIES } from './limits.ts';
import { isThenable } from './outcome.ts';

/** How one activation holds the state of its actor. */
export interface Persistence {
  /** The live state, or what a record actor's `open` returned. */
  local: unknown;
  /** False: the actor is volatile and nothing may be stored. */
  readonly durable: boolean;
  /** What read-only methods see. */
  readState(): unknown;
  /** Builds the state of a new activation. */
  open(opening: Opening): void | Promise<void>;
  /** An entry was appended by the turn in progress. */
  appended(entry: unknown): void;
  /** The turn ended well; true when there is new state to store. `changed`: the turn said so itself. */
  endTurn(changed: boolean): boolean;
  /** The turn threw. False: the live state cannot be restored and the activation must go. */
  rollback(): boolean;
  /** What to come back to, when a reentrant turn throws. */
  save(): unknown;
  /** Comes back to it. False: that cannot be done and the activation must go. */
  restore(saved: unknown): boolean;
  /** The packed user state for a commit. */
  stateBytes(): Uint8Array | null;
  /** Estimate, for the activation cache. */
  bytes(): number;
  close(): void;
}

/** The persistence that goes with a definition. */
export function persistenceOf(definition: ActorDefinition<unknown, unknown>): Persistence {
  if (definition.kind === 'record') return new RecordPersistence(definition);
  if (definition.kind === 'journal') return new JournalPersistence(definition);
  return definition.initialState === undefined
    ? new VolatilePersistence()
    : new StatePersistence(definition.type, definition.initialState);
}

class VolatilePersistence implements Persistence {
  local: unknown = undefined;
  readonly durable = false;
  readState(): unknown {
    return undefined;
  }
  open(): void {}
  appended(): void {
    throw new TypeError('only journal actors and record actors have ctx.append');
  }
  endTurn(): boolean {
    return false;
  }
  rollback(): boolean {
    return true;
  }
  save(): unknown {
    return undefined;
  }
  restore(): boolean {
    return true;
  }
  stateBytes(): null {
    return null;
  }
  bytes(): number {
    return 0;
  }
  close(): void {}
}

class StatePersistence implements Persistence {
  local: unknown;
  readonly durable = true;
  readonly #what: string;
  readonly #initial: () => unknown;
  /** As the last turn left it; null until the first turn has ended. */
  #packed: Uint8Array | null = null;
  #view: { readonly value: unknown } | undefined;
  /** The packed state of an actor that has changed nothing yet. */
  #blank: Uint8Array | undefined;

  constructor(type: string, initial: () => unknown) {
    this.#what = `the state of an actor of type ${type}`;
    this.#initial = initial;
  }

  readState(): unknown {
    this.#view ??= { value: frozen(unpack(this.#packed ?? this.#blank!)) };
    return this.#view.value;
  }

  open(opening: Opening): void {
    this.#packed = opening.snapshot === undefined ? null : (opening.snapshot as Uint8Array);
    if (this.#packed === null) {
      this.local = this.#initial();
      checkPayload(this.local, this.#what);
      this.#blank = pack(this.local);
    } else this.local = unpack(this.#packed);
  }

  appended(): void {
    throw new TypeError('only journal actors and record actors have ctx.append');
  }

  endTurn(): boolean {
    checkPayload(this.local, this.#what);
    const packed = pack(this.local);
    if (Buffer.compare(packed, this.#packed ?? this.#blank!) === 0) return false;
    this.#packed = packed;
    this.#view = undefined;
    return true;
  }

  rollback(): boolean {
    this.local = unpack(this.#packed ?? this.#blank!);
    return true;
  }

  save(): unknown {
    checkPayload(this.local, this.#what);
    return pack(this.local);
  }

  restore(saved: unknown): boolean {
    this.local = unpack(saved as Uint8Array);
    return true;
  }

  stateBytes(): Uint8Array | null {
    return this.#packed;
  }

  bytes(): number {
    return (this.#packed?.length ?? 0) * 3;
  }

  close(): void {}
}

class JournalPersistence implements Persistence {
  local: unknown;
  readonly durable = true;
  readonly #definition: ActorDefinition<unknown, unknown>;
  /** The state before the turn in progress, packed when its first entry comes. */
  #before: Uint8Array | null = null;
  #appendedInTurn = 0;
  /** Entries that the state is the fold of. */
  #entries = 0;
  #bytes = 0;
  #snapshot: { readonly entries: number; readonly state: unknown } | undefined;
  #view: { readonly value: unknown } | undefined;

  constructor(definition: ActorDefinition<unknown, unknown>) {
    this.#definition = definition;
  }

  readState(): unknown {
    this.#view ??= { value: frozen(unpack(this.#before ?? pack(this.local))) };
    return this.#view.value;
  }

  async open(opening: Opening): Promise<void> {
    const kept = (): [number, unknown] =>
      opening.snapshot === undefined
        ? [0, this.#definition.initialState!()]
        : (unpack(opening.snapshot as Uint8Array) as [number, unknown]);
    // Two values: entries are applied to one in place.
    const [count, state] = kept();
    this.#snapshot = { entries: count, state };
    this.local = kept()[1];
    this.#entries = count;
    while (this.#entries + 1 < opening.nextEntry) {
      // No further than what was loaded: an entry of another owner would not fit the revision.
      const limit = Math.min(1_000, opening.nextEntry - this.#entries - 1);
      const entries = await opening.read(this.#entries + 1, limit);
      if (entries.length === 0) {
        throw new CorruptRecordError(
          `${formatAddress(opening.address)} has ${opening.nextEntry - 1} entries, ` +
            `but none after number ${this.#entries} is found`,
        );
      }
      for (const entry of entries) this.#apply(entry);
    }
  }

  appended(entry: unknown): void {
    this.#before ??= pack(this.local);
    // What is applied is what a replay would apply.
    this.#apply(copyPayload(entry));
    this.#appendedInTurn += 1;
  }

  #apply(entry: unknown): void {
    const next = this.#definition.apply!(this.local, entry);
    if (next !== undefined) this.local = next;
    this.#entries += 1;
  }

  endTurn(): boolean {
    if (this.#appendedInTurn === 0) return false;
    checkPayload(this.local, `the state of an actor of type ${this.#definition.type}`);
    this.#view = undefined;
    this.#bytes = this.#before!.length;
    this.#before = null;
    this.#appendedInTurn = 0;
    if (this.#entries - this.#snapshot!.entries < JOURNAL_SNAPSHOT_ENTRIES) return false;
    this.#snapshot = { entries: this.#entries, state: unpack(pack(this.local)) };
    return true;
  }

  rollback(): boolean {
    if (this.#before !== null) this.local = unpack(this.#before);
    this.#entries -= this.#appendedInTurn;
    this.#before = null;
    this.#appendedInTurn = 0;
    return true;
  }

  save(): unknown {
    return { state: pack(this.local), entries: this.#entries, appended: this.#appendedInTurn };
  }

  restore(saved: unknown): boolean {
    const { state, entries, appended } = saved as { state: Uint8Array; entries: number; appended: number };
    this.local = unpack(state);
    this.#entries = entries;
    this.#appendedInTurn = appended;
    return true;
  }

  stateBytes(): Uint8Array | null {
    return pack([this.#snapshot!.entries, this.#snapshot!.state]);
  }

  bytes(): number {
    return this.#bytes * 3;
  }

  close(): void {}
}

class RecordPersistence implements Persistence {
  local: unknown;
  #bytes = 0;
  readonly durable = true;
  readonly #definition: ActorDefinition<unknown, unknown>;

  constructor(definition: ActorDefinition<unknown, unknown>) {
    this.#definition = definition;
  }

  readState(): unknown {
    return this.local;
  }

  open(opening: Opening): void | Promise<void> {
    const packed = opening.snapshot as Uint8Array | undefined;
    if (packed !== undefined) opening.snapshot = unpack(packed);
    const local = this.#definition.open!(opening);
    this.#bytes = packed?.length ?? 0;
    if (!isThenable(local)) {
      this.local = local;
      return undefined;
    }
    return Promise.resolve(local).then((opened) => {
      this.local = opened;
    });
  }

  appended(): void {}

  endTurn(changed: boolean): boolean {
    return changed;
  }

  rollback(): boolean {
    return false;
  }

  save(): unknown {
    return undefined;
  }

  restore(): boolean {
    return false;
  }

  stateBytes(): Uint8Array | null {
    const snapshot = this.#definition.snapshot!(this.local);
    checkPayload(snapshot, `the snapshot of an actor of type ${this.#definition.type}`);
    // A copy, since it is kept: what is packed lies in a block that it would keep as well.
    const bytes = Buffer.from(pack(snapshot));
    this.#bytes = bytes.length;
    return bytes;
  }

  bytes(): number {
    return 1_000 + this.#bytes * 3;
  }

  close(): void {
    this.#definition.close?.(this.local);
  }
}

/** Makes a fresh value safe to show to many readers. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const part of Object.values(value)) frozen(part);
    Object.freeze(value);
  }
  return value;
}
