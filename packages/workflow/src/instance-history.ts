// What an instance writes to its record and reads of it: the events of the execution that is under way, or was the last.

import type { RecordOpening } from '@troupe/actors';
import { decodeEvent, encodeEvent, isEndEvent, type HistoryEvent } from './history.ts';
import type { Context } from './instance-services.ts';
import type { InstanceState } from './instance-state.ts';
import { HISTORY_PAGE_LENGTH } from './limits.ts';

/** The entries that were looked for are no longer there: the instance was purged, or began anew. */
export class EntriesGone extends Error {
  override readonly name = 'EntriesGone';
}

/** In place of an input that is not known yet; undefined is one. */
const UNREAD = Symbol('unread');

/** The history of one instance, with what this activation remembers of both of its ends. */
export class InstanceHistory {
  readonly #opening: RecordOpening;
  #input: unknown = UNREAD;
  #last: HistoryEvent | undefined;

  constructor(opening: RecordOpening) {
    this.#opening = opening;
  }

  append(ctx: Context, state: InstanceState, event: HistoryEvent, traceparent = ctx.traceparent): void {
    this.#last = event;
    ctx.appendOwned(encodeEvent(event, state, traceparent));
  }

  /** The input of this execution, so that it need not be read. */
  noteInput(value: unknown): void {
    this.#input = value;
  }

  /** What is appended from here on is another execution's. */
  forget(): void {
    this.#input = UNREAD;
    this.#last = undefined;
  }

  /**
   * The events of this execution. All of them are committed when there is no live code.
   *
   * @throws {EntriesGone} when another owner has begun the next execution meanwhile, or another life
   */
  async past(state: InstanceState, nextEntry = Infinity): Promise<HistoryEvent[]> {
    const past: HistoryEvent[] = [];
    for (let from = state.firstEntry; ; from += HISTORY_PAGE_LENGTH) {
      // No further than what was loaded: what another owner wrote since does not fit the state.
      const limit = Math.min(HISTORY_PAGE_LENGTH, nextEntry - from);
      const entries = limit > 0 ? await this.#opening.read(from, limit) : [];
      for (const entry of entries) {
        const { event, stamp } = decodeEvent(entry);
        // Where it was trimmed, the first that are kept are read instead.
        const isFirst = past.length === 0;
        if (stamp.generation !== state.generation || (isFirst && !begins(event, state))) throw new EntriesGone();
        past.push(event);
      }
      if (entries.length < HISTORY_PAGE_LENGTH) return past;
    }
  }

  /** The last event, if this activation has appended it. */
  get lastAppended(): HistoryEvent | undefined {
    return this.#last;
  }

  /** @throws {EntriesGone} */
  async last(state: InstanceState, nextEntry: number): Promise<HistoryEvent | undefined> {
    if (this.#last === undefined && nextEntry > state.firstEntry) {
      const [entry] = await this.#opening.read(nextEntry - 1, 1);
      const event = entry === undefined ? undefined : decodeEvent(entry).event;
      // Where it was trimmed, the first that is kept is read instead: it is no end.
      if (event !== undefined && (state.ended === undefined || isEndEvent(event))) this.#last ??= event;
      if (this.#last === undefined) throw new EntriesGone();
    }
    return this.#last;
  }

  /** @throws {EntriesGone} */
  async input(state: InstanceState): Promise<unknown> {
    if (this.#input === UNREAD) {
      const waiting = state.inbox[0]?.event;
      if (waiting?.type === 'WorkflowStarted') this.#input = waiting.input;
      else {
        const [entry] = await this.#opening.read(state.firstEntry, 1);
        const event = entry === undefined ? undefined : decodeEvent(entry).event;
        // Somebody else may have read it meanwhile.
        if (event?.type === 'WorkflowStarted' && this.#input === UNREAD) this.#input = event.input;
        if (this.#input === UNREAD) throw new EntriesGone();
      }
    }
    return this.#input;
  }

  /** Committed events of this execution from a number on, as they are stored. */
  async page(
    state: InstanceState,
    from: number,
    limit: number,
  ): Promise<{ entries: readonly unknown[]; from: number; birth: string }> {
    const first = Math.max(from, state.firstEntry);
    return { entries: await this.#opening.read(first, limit), from: first, birth: state.birth };
  }
}

/** Whether an execution begins with this event. */
function begins(event: HistoryEvent, { generation, createdAtMs }: InstanceState): boolean {
  return event.type === 'WorkflowStarted' && (generation > 1 || event.at === createdAtMs);
}
