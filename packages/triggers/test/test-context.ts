import { systemClock, type Clock } from '@troupe/actors';
import type { WorkflowHost } from '@troupe/workflow';
import { readEvent } from '../src/cloud-event.ts';
import { StaleReaderError } from '../src/errors.ts';
import type { Settlement, SourceContext, SourceCursor, SourceMessage } from '../src/source.ts';
import type { TriggerEvent } from '../src/trigger-event.ts';

/** What a test decides for each message. */
export type Decide = (event: TriggerEvent, message: SourceMessage) => Settlement | Promise<Settlement>;

/** The cursor of a trigger, whoever reads: what it holds outlives the readers. */
export class TestCursor {
  value: unknown;
  saves = 0;
  #session = 0;

  /** The cursor of a new reader; those of the readers before are stale from now on. */
  session(): SourceCursor {
    const session = ++this.#session;
    return {
      value: structuredClone(this.value),
      save: async (value) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (session !== this.#session) throw new StaleReaderError('another reads now');
        this.value = structuredClone(value);
        this.saves++;
      },
    };
  }
}

/** The counterpart of a source in tests: takes what it hands over, with as much room as the trigger has. */
export class TestContext implements SourceContext {
  readonly trigger: string;
  readonly app = 'default';
  readonly host = undefined as unknown as WorkflowHost; // no source of ours looks at it
  readonly clock: Clock;
  readonly logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  readonly random = Math.random;
  readonly concurrency: number;
  readonly cursor: SourceCursor | undefined;
  /** All that was handed over, in order. */
  readonly events: TriggerEvent[] = [];
  readonly messages: SourceMessage[] = [];
  readonly settlements: Settlement[] = [];
  failure: unknown;
  /** How often the source said that it fails. */
  failures = 0;
  /** The most that were out at once. */
  outMax = 0;
  #out = 0;
  #paused = false;
  readonly #waiting = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #decide: Decide;

  constructor(
    options: {
      readonly trigger?: string;
      readonly concurrency?: number;
      readonly cursor?: SourceCursor;
      readonly clock?: Clock;
      readonly decide?: Decide;
    } = {},
  ) {
    this.trigger = options.trigger ?? 'test';
    this.clock = options.clock ?? systemClock;
    this.concurrency = options.concurrency ?? 4;
    this.cursor = options.cursor;
    this.#decide = options.decide ?? (() => ({ outcome: 'started' }));
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get out(): number {
    return this.#out;
  }

  async room(): Promise<number> {
    for (;;) {
      if (this.signal.aborted) return 0;
      const free = this.free();
      if (free > 0) return free;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  free(): number {
    return this.#paused || this.signal.aborted ? 0 : Math.max(0, this.concurrency - this.#out);
  }

  async deliver(message: SourceMessage): Promise<Settlement> {
    this.#out++;
    this.messages.push(message);
    this.outMax = Math.max(this.outMax, this.#out);
    let settlement: Settlement;
    try {
      settlement = await this.#settle(message);
    } catch (error) {
      settlement = { outcome: 'dead-lettered', error: error as Error };
    }
    this.settlements.push(settlement);
    this.#out--;
    this.#wake();
    return settlement;
  }

  failing(error: unknown): void {
    this.failure = error;
    this.failures++;
  }

  working(): void {
    this.failure = undefined;
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.#wake();
  }

  /** As a trigger that stops: before `drain`. */
  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  async #settle(message: SourceMessage): Promise<Settlement> {
    if (message.raw !== undefined && message.refused !== undefined) throw message.refused;
    const event = message.event ?? readEvent(message.raw);
    this.events.push(event);
    return await this.#decide(event, message);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
