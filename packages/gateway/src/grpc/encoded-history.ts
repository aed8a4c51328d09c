// Histories in the bytes of one dialect. A worker is sent the whole history with each turn, and its events are the same objects
// each time: what they are on the wire is kept beside them for as long as they live.

import type { HistoryEvent } from '@troupe/workflow/worker';
import {
  eventIdOf,
  inWireOrder,
  outsideEvents,
  turnEvent,
  workerEvent,
  type ExecutionOf,
  type FindCommand,
} from './history-event.ts';
import type { Codec } from './schema.ts';

/** What is sent of an event that is not sent. */
const NOTHING = new Uint8Array(0);

export class EncodedHistory {
  readonly #codec: Codec;
  readonly #encoded = new WeakMap<HistoryEvent, Uint8Array>();

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** What a worker is sent of these events; `past` is where what they refer to stands. */
  forWorker(
    events: readonly HistoryEvent[],
    past: readonly HistoryEvent[],
    execution: ExecutionOf,
  ): readonly Uint8Array[] {
    const find = finder(past);
    const bytes: Uint8Array[] = [];
    for (const event of inWireOrder(events)) {
      let one = this.#encoded.get(event);
      if (one === undefined) {
        const fields = workerEvent(event, execution, find, this.#codec) ?? this.#failedEnd(event, past);
        one = fields === undefined ? NOTHING : this.#codec.encode('HistoryEvent', fields);
        this.#encoded.set(event, one);
      }
      if (one !== NOTHING) bytes.push(one);
    }
    return bytes;
  }

  /** Code that is rewound is told how it had failed; only Microsoft's fork rewinds. */
  #failedEnd(event: HistoryEvent, past: readonly HistoryEvent[]): object | undefined {
    if (event.type !== 'WorkflowFailed' || this.#codec.dialect !== 'microsoft') return undefined;
    const lastId = past.reduce((last, one) => Math.max(last, eventIdOf(one)), -1);
    return outsideEvents(event, lastId + 1)[0];
  }

  turnBegan(atMs: number): Uint8Array {
    return this.#codec.encode('HistoryEvent', turnEvent(atMs, undefined));
  }
}

/** The history of an execution for those who look at it, page by page. */
export class ShownHistory {
  readonly #codec: Codec;
  readonly #execution: ExecutionOf;
  readonly #commands = new Map<number, HistoryEvent>();
  #nextEventId = 0;
  /** The start, held back until it is known whether a turn follows. */
  #start: HistoryEvent | undefined;

  constructor(codec: Codec, execution: ExecutionOf) {
    this.#codec = codec;
    this.#execution = execution;
  }

  /** The next page of events, each in bytes. */
  page(events: readonly HistoryEvent[]): Uint8Array[] {
    const bytes: Uint8Array[] = [];
    for (const event of events) {
      if (event.type === 'WorkflowStarted') {
        this.#start = event;
        continue;
      }
      if (event.type !== 'TurnBegan') this.#flush(bytes);
      this.#show(event, bytes);
      this.#flush(bytes);
    }
    return bytes;
  }

  /** What is left when there are no more pages. */
  end(): Uint8Array[] {
    const bytes: Uint8Array[] = [];
    this.#flush(bytes);
    return bytes;
  }

  #flush(bytes: Uint8Array[]): void {
    const start = this.#start;
    this.#start = undefined;
    if (start !== undefined) this.#show(start, bytes);
  }

  #show(event: HistoryEvent, bytes: Uint8Array[]): void {
    this.#nextEventId = Math.max(this.#nextEventId, eventIdOf(event) + 1);
    if (event.type === 'TimerCreated' || event.type === 'ActivityScheduled') this.#commands.set(event.sequence, event);
    const fields = workerEvent(event, this.#execution, (sequence) => this.#commands.get(sequence), this.#codec);
    for (const one of fields === undefined ? outsideEvents(event, this.#nextEventId) : [fields]) {
      bytes.push(this.#codec.encode('HistoryEvent', one));
    }
  }
}

/** Looks through the history once, and only if somebody asks. */
function finder(past: readonly HistoryEvent[]): FindCommand {
  let commands: Map<number, HistoryEvent> | undefined;
  return (sequence) => {
    if (commands === undefined) {
      commands = new Map();
      for (const event of past)
        if (event.type === 'TimerCreated' || event.type === 'ActivityScheduled') commands.set(event.sequence, event);
    }
    return commands.get(sequence);
  };
}
