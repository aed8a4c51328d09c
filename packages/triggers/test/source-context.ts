// The other side of the port of sources, for tests of one source alone: it takes what is handed over and settles it as the
// test says, when the test says.

import type { WorkflowHost } from '@troupe/workflow';
import { systemClock, type Logger } from '@troupe/actors';
import type { EventOutcome, Settlement, SourceContext, SourceCursor, SourceMessage } from '../src/source.ts';
import type { RawMessage } from '../src/trigger-event.ts';
import { StaleReaderError } from '../src/errors.ts';

/** A message that the source has handed over. */
export interface HandedOver {
  readonly message: SourceMessage;
  readonly text: string;
  settle(outcome: EventOutcome, more?: Omit<Settlement, 'outcome'>): void;
  extended: number;
}

export interface TestContextOptions {
  readonly trigger?: string;
  readonly concurrency?: number;
  /** What becomes of each message at once; without it the test settles them. */
  readonly settleAs?: EventOutcome;
  readonly cursor?: TestCursor;
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export class TestSourceContext implements SourceContext {
  readonly trigger: string;
  readonly app = 'shop';
  readonly clock = systemClock;
  readonly random = Math.random;
  readonly concurrency: number;
  readonly cursor: SourceCursor | undefined;
  readonly warnings: { readonly details: object; readonly message: string }[] = [];
  readonly logger: Logger = { ...silent, warn: (details, message) => void this.warnings.push({ details, message }) };
  /** In the order in which they came. */
  readonly handedOver: HandedOver[] = [];
  /** All that were out at once. */
  outMax = 0;
  /** As `failing` and `working` have said it last. */
  failure: unknown;
  readonly failures: unknown[] = [];
  works = 0;
  settleAs: EventOutcome | undefined;
  #paused = false;
  #out = 0;
  readonly #stopping = new AbortController();
  #wake: (() => void)[] = [];

  constructor({ trigger = 'orders', concurrency = 8, settleAs, cursor }: TestContextOptions = {}) {
    this.trigger = trigger;
    this.concurrency = concurrency;
    this.settleAs = settleAs;
    this.cursor = cursor;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  get host(): WorkflowHost {
    throw new Error('a source of messages has no use for the host');
  }

  get texts(): string[] {
    return this.handedOver.map(({ text }) => text);
  }

  get raws(): RawMessage[] {
    return this.handedOver.map(({ message }) => message.raw!);
  }

  /** There is no room while it is. */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.#wakeAll();
  }

  /** As a trigger stops: before `drain`. */
  stop(): void {
    this.#stopping.abort();
    this.#wakeAll();
  }

  free(): number {
    return this.#paused || this.signal.aborted ? 0 : Math.max(0, this.concurrency - this.#out);
  }

  async room(): Promise<number> {
    for (;;) {
      if (this.signal.aborted) return 0;
      const room = this.free();
      if (room > 0) return room;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  deliver(message: SourceMessage): Promise<Settlement> {
    this.#out++;
    this.outMax = Math.max(this.outMax, this.#out);
    return new Promise((resolve) => {
      let extending: NodeJS.Timeout | undefined;
      const one: HandedOver = {
        message,
        text: new TextDecoder().decode(message.raw!.body),
        extended: 0,
        settle: (outcome, more) => {
          clearInterval(extending);
          this.#out--;
          this.#wakeAll();
          resolve({ outcome, ...more });
        },
      };
      if (message.extend !== undefined) {
        extending = setInterval(() => {
          one.extended++;
          void message.extend!();
        }, message.extendEveryMs);
      }
      this.handedOver.push(one);
      if (this.settleAs !== undefined) one.settle(this.settleAs);
    });
  }

  failing(error: unknown): void {
    this.failure = error;
    this.failures.push(error);
  }

  working(): void {
    this.failure = undefined;
    this.works++;
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** A cursor in memory: another reader makes it stale. */
export class TestCursor implements SourceCursor {
  value: unknown;
  saves = 0;
  stale = false;

  async save(value: unknown): Promise<void> {
    if (this.stale) throw new StaleReaderError('another host reads now');
    this.saves++;
    this.value = value;
  }
}
