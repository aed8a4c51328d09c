import type { ActorAddress, ActorId } from './address.ts';
import { checkType } from './address.ts';
import type { CallOptions } from './call.ts';
import { NotDefinedError } from './errors.ts';
import type { Reminder } from './record.ts';
import type { ActorRef, SendRef } from './reference.ts';
import type { Summary, Tombstone } from './store.ts';

/**
 * What every turn of every kind of actor can see and do. What it does takes effect together, when the turn ends well.
 */
export interface TurnContext {
  readonly address: ActorAddress;
  readonly actorId: ActorId;
  /** Aborts when the caller gives up, and when the activation is lost. */
  readonly signal: AbortSignal;
  /** Whether {@link signal} has aborted; costs less than making one. */
  readonly abandoned: boolean;
  /** The key of the call, if the caller gave one. */
  readonly idempotencyKey: string | undefined;
  readonly traceparent: string | undefined;
  nowMs(): number;
  /** A number in [0, 1) from the host's source of randomness. */
  random(): number;
  /**
   * A reference whose calls belong to this turn: they wait until what earlier turns did is durable, and a call that
   * would come back to this actor fails instead of waiting for itself.
   */
  actor<D extends AnyActorDefinition>(definition: D, id: ActorId, options?: CallOptions): ActorRef<D>;
}

/** What a turn may change beside the state. */
export interface WritingContext extends TurnContext {
  /**
   * A durable send: delivered at least once after this turn's commit, applied once, in order for each receiver. The
   * methods return nothing.
   */
  send<D extends AnyActorDefinition>(definition: D, id: ActorId): SendRef<D>;
  /** Sets or moves a wake-up that survives everything. Give `delayMs` or `dueAtMs`; `periodMs` makes it come again. */
  setReminder(name: string, when: ReminderTime): void;
  cancelReminder(name: string): void;
  /** The reminders as this turn would leave them. */
  reminders(): readonly Reminder[];
  /** Sets or moves a wake-up that dies with the activation. */
  setTimer(name: string, delayMs: number, payload?: unknown): void;
  cancelTimer(name: string): void;
  /** Says what lists show of this actor; null takes it out of them. */
  summarize(summary: Summary | null): void;
  /** Runs once this turn's commit is durable; not at all if it fails. */
  afterCommit(callback: () => void): void;
  /**
   * Removes the actor, once this turn and its durable sends are done. The reply of this turn waits for it. The next
   * call meets a new actor.
   */
  purge(tombstone?: Tombstone): void;
  /** A repeat of the call's idempotency key is to be executed anew: this reply is not one to keep. */
  dropReply(): void;
  /** Deactivates after this turn, as if the actor had been idle for long. */
  deactivate(): void;
}

export interface ReminderTime {
  readonly delayMs?: number;
  readonly dueAtMs?: number;
  readonly periodMs?: number;
  readonly payload?: unknown;
}

/** The context of a state actor's turns. */
export interface StateContext<S> extends WritingContext {
  /** The state; change it in place or assign a new one. A turn that throws leaves it as it was. */
  state: S;
}

/** The context of read-only methods: the state as the last turn left it. */
export interface ReadContext<S> extends TurnContext {
  readonly state: S;
}

/** The context of a journal actor's turns. */
export interface JournalContext<S, E> extends WritingContext {
  /** The fold of all entries. Only `append` changes it. */
  readonly state: S;
  /** Appends an entry to the journal and applies it to the state. */
  append(entry: E): void;
}

/** The context of a record actor's turns: the actor keeps its own structures and says what to persist of them. */
export interface RecordContext<L> extends WritingContext {
  /** What `open` returned. */
  readonly local: L;
  /** Number that the next entry will get. */
  readonly nextEntry: number;
  /** Number of the oldest entry that is kept. */
  readonly firstEntry: number;
  /** Appends entries. They are packed at once: later changes to the values are not seen. */
  append(...entries: unknown[]): void;
  /**
   * Appends one entry that is the runtime's from now on: nobody may change it. A flat array (numbers, booleans, null,
   * undefined, short strings) is packed only when the commit is sealed, together with the others of the commit; any other
   * is packed at once. Costs less than {@link append} for actors that append at every turn.
   */
  appendOwned(entry: readonly unknown[]): void;
  /** Entries below this number may go. */
  trim(keepFrom: number): void;
  /** Says that `snapshot` would now give something else. */
  changed(): void;
  /** Whether something is unfinished that no reminder stands for: then the actor is activated again after a crash. */
  setWork(hasWork: boolean): void;
}

/** The context of a record actor's read-only methods. */
export interface RecordReadContext<L> extends TurnContext {
  readonly local: L;
  readonly nextEntry: number;
  readonly firstEntry: number;
}

/** What a record actor is opened with. */
export interface RecordOpening {
  readonly address: ActorAddress;
  /** What `snapshot` gave at the last commit; undefined for an actor that has no record. */
  readonly snapshot: unknown;
  readonly firstEntry: number;
  readonly nextEntry: number;
  /** Left by a purge, if there is no record. */
  readonly tombstone: Tombstone | undefined;
  /** Entries of the record, committed ones only, from a number on, at most `limit`. */
  read(fromEntry: number, limit: number): Promise<readonly unknown[]>;
}

// Method parameters vary with each definition: `any` is what lets them all be assigned here.
// oxlint-disable-next-line typescript/no-explicit-any
export type ActorMethod<C> = (ctx: C, ...args: any[]) => unknown;
export type ActorMethods<C> = Record<string, ActorMethod<C>>;

/** Hooks and settings that every kind of definition has. */
export interface CommonDefinition<C, R> {
  /** Runs as a turn before the first other turn of an activation. Its failure rejects everybody who waits for it. */
  readonly onActivate?: (ctx: C) => unknown;
  /** Runs after the last turn. What it would change is not kept. */
  readonly onDeactivate?: (ctx: R) => unknown;
  /** Runs when a reminder is due. If it throws it is run again later, with growing delays. */
  readonly onReminder?: (ctx: C, reminder: Reminder) => unknown;
  readonly onTimer?: (ctx: C, name: string, payload: unknown) => unknown;
  /** Lets calls that come back to this actor in its own chain of calls run while its turn waits. Default false. */
  readonly reentrant?: boolean;
}

/** How the runtime sees a definition of any kind; made by {@link actor}, {@link journalActor}, {@link recordActor}. */
export interface ActorDefinition<M, R> {
  readonly type: string;
  readonly kind: 'state' | 'journal' | 'record';
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly methods: Record<string, ActorMethod<any>>;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly readOnly: Record<string, ActorMethod<any>>;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly hooks: CommonDefinition<any, any>;
  readonly initialState: (() => unknown) | undefined;
  readonly apply: ((state: unknown, entry: unknown) => unknown) | undefined;
  readonly open: ((opening: RecordOpening) => unknown) | undefined;
  readonly snapshot: ((local: unknown) => unknown) | undefined;
  readonly close: ((local: unknown) => void) | undefined;
  readonly onWork: ActorMethod<never> | undefined;
  readonly handsOver: boolean;
  /** The id is that of the host on which it lives. */
  readonly hostBound: boolean;
  /** Types only. */
  readonly types?: { readonly methods: M; readonly readOnly: R };
}

export type AnyActorDefinition = ActorDefinition<unknown, unknown>;

/**
 * Defines a type of actor whose state is one value, stored whole by each turn that changes it.
 *
 * @param definition `state` makes the state of a new actor; without it the actor is volatile and nothing is stored.
 *   `methods` run as turns, one at a time; `readOnly` methods may overlap with them, see what the last turn left and
 *   change nothing. `hostBound`: a **host actor**, by which hosts reach each other: its id is the id of a host, and it
 *   lives there, whoever owns which partition, for as long as that host is a member. Calls go straight to it; while that
 *   host is no member, or cannot be reached, they are not executed, at once. A host actor is volatile and takes no durable
 *   sends. Default false.
 * @throws {TypeError} when a host actor has a state or an `onReminder`
 */
export function actor<
  S,
  const M extends ActorMethods<StateContext<S>>,
  const R extends ActorMethods<ReadContext<S>> = Record<never, never>,
>(
  type: string,
  definition: CommonDefinition<StateContext<S>, ReadContext<S>> & {
    readonly state?: () => S;
    readonly hostBound?: boolean;
    readonly methods: M;
    readonly readOnly?: R & ActorMethods<ReadContext<S>>;
  },
): ActorDefinition<M, R> {
  const hostBound = definition.hostBound === true;
  if (hostBound && (definition.state !== undefined || definition.onReminder !== undefined))
    throw new TypeError(`actor type ${type} is bound to a host, where nothing of it is stored: no state, no reminders`);
  return { ...defined(type, 'state', definition), initialState: definition.state, hostBound };
}

/**
 * Defines a type of actor whose truth is its journal: the state is the fold of the entries that its turns append. A
 * snapshot is kept now and then, so that activation reads few of them; the entries stay.
 *
 * @param definition `apply` folds one entry into the state and returns the new state (or nothing when it changed it in
 *   place); it must do the same for the same entry for ever.
 */
export function journalActor<
  S,
  E,
  const M extends ActorMethods<JournalContext<S, E>>,
  const R extends ActorMethods<ReadContext<S>> = Record<never, never>,
>(
  type: string,
  definition: CommonDefinition<JournalContext<S, E>, ReadContext<S>> & {
    readonly state: () => S;
    readonly apply: (state: S, entry: E) => S | void;
    readonly methods: M;
    readonly readOnly?: R & ActorMethods<ReadContext<S>>;
  },
): ActorDefinition<M, R> {
  return {
    ...defined(type, 'journal', definition),
    initialState: definition.state,
    apply: definition.apply as (state: unknown, entry: unknown) => unknown,
  };
}

/**
 * Defines a type of actor that keeps structures of its own and says what to persist: entries as they are appended, and
 * a snapshot that is taken when a commit is sealed. A turn that throws loses the activation (the structures may be half
 * changed); the next call opens the actor afresh from what is committed.
 *
 * @param definition `open` builds the structures, `snapshot` gives the small part of what to keep (synchronous, at any
 *   moment between turns' changes), `close` frees what an activation held, `onWork` runs as the first turn of an
 *   activation whose record says that work is unfinished. `handsOver`: what methods return is plain data that nobody else
 *   holds, so it is given to callers in the same process as it is, neither checked nor copied. Default false.
 */
export function recordActor<
  L,
  const M extends ActorMethods<RecordContext<L>>,
  const R extends ActorMethods<RecordReadContext<L>> = Record<never, never>,
>(
  type: string,
  definition: CommonDefinition<RecordContext<L>, RecordReadContext<L>> & {
    readonly open: (opening: RecordOpening) => L | Promise<L>;
    readonly snapshot: (local: L) => unknown;
    readonly close?: (local: L) => void;
    readonly onWork?: (ctx: RecordContext<L>) => unknown;
    readonly handsOver?: boolean;
    readonly methods: M;
    readonly readOnly?: R;
  },
): ActorDefinition<M, R> {
  return {
    ...defined(type, 'record', definition),
    open: definition.open,
    snapshot: definition.snapshot as (local: unknown) => unknown,
    close: definition.close as ((local: unknown) => void) | undefined,
    onWork: definition.onWork,
    handsOver: definition.handsOver === true,
  };
}

/** Names that a reference cannot have as methods. */
const RESERVED_METHODS = new Set(['then', 'constructor', '__proto__', 'toString', 'valueOf', 'toJSON']);

function defined<C, R, M, Q>(
  type: string,
  kind: AnyActorDefinition['kind'],
  definition: CommonDefinition<C, R> & {
    // oxlint-disable-next-line typescript/no-explicit-any
    methods: Record<string, ActorMethod<any>>;
    // oxlint-disable-next-line typescript/no-explicit-any
    readOnly?: Record<string, ActorMethod<any>>;
  },
): ActorDefinition<M, Q> {
  checkType(type);
  // Without a prototype no inherited name is a method.
  const methods: typeof definition.methods = Object.assign(Object.create(null), definition.methods);
  const readOnly: typeof definition.methods = Object.assign(Object.create(null), definition.readOnly);
  for (const [name, method] of [...Object.entries(methods), ...Object.entries(readOnly)]) {
    if (typeof method !== 'function')
      throw new NotDefinedError(`method ${name} of actor type ${type} is not a function`);
    if (RESERVED_METHODS.has(name)) throw new NotDefinedError(`actor type ${type} cannot have a method named ${name}`);
    if (Object.hasOwn(methods, name) && Object.hasOwn(readOnly, name)) {
      throw new NotDefinedError(`method ${name} of actor type ${type} is defined twice, as read-only and not`);
    }
  }
  return {
    type,
    kind,
    methods,
    readOnly,
    hooks: definition,
    initialState: undefined,
    apply: undefined,
    open: undefined,
    snapshot: undefined,
    close: undefined,
    onWork: undefined,
    handsOver: false,
    hostBound: false,
  };
}
