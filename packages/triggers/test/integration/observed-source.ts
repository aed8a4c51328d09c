// Stands between a source and its trigger: notes how each message is settled before the source hears of it, and kills the
// process at that very moment if it is asked to: after the create is durable, before anything is acknowledged.

import type { Settlement, Source, SourceContext, SourceMessage, SourceReader } from '../../src/index.ts';
import type { Settled } from './evidence.ts';
import type { JsonLines } from './json-lines.ts';
import type { ShiftedClock } from './shifted-clock.ts';

/** Memory is looked at once for so many messages. */
const MEMORY_EVERY = 20;

export interface Observed {
  readonly open: boolean;
  readonly failing: boolean;
  /** It is open, and waits for a time. */
  readonly resting: boolean;
  readonly handedOver: number;
  readonly settled: number;
  readonly inFlightPeak: number;
  /** Of buffers that are held, which hang on the heap and are not in it. */
  readonly externalBytesPeak: number;
}

export class ObservedSource implements Source {
  readonly kind: string;
  readonly runsOn: Source['runsOn'];
  readonly listens?: NonNullable<Source['listens']>;
  readonly #source: Source;
  readonly #clock: ShiftedClock;
  readonly #by: string;
  readonly #notes: JsonLines<Settled>;
  #createsLeft: number;
  #readers = 0;
  #failing = false;
  #handedOver = 0;
  #settled = 0;
  #inFlightPeak = 0;
  #externalBytesPeak = 0;

  /** @param killAfter kill this process after so many creates */
  constructor(
    source: Source,
    clock: ShiftedClock,
    by: string,
    notes: JsonLines<Settled>,
    killAfter: number | undefined,
  ) {
    this.#source = source;
    this.kind = source.kind;
    this.runsOn = source.runsOn;
    if (source.listens !== undefined) this.listens = source.listens;
    this.#clock = clock;
    this.#by = by;
    this.#notes = notes;
    this.#createsLeft = killAfter ?? Infinity;
  }

  async open(context: SourceContext): Promise<SourceReader> {
    const reader = await this.#source.open({
      ...context,
      clock: this.#clock,
      deliver: (message) => this.#deliver(context, message),
      failing: (error) => {
        this.#failing = true;
        context.failing(error);
      },
      working: () => {
        this.#failing = false;
        context.working();
      },
    });
    this.#readers++;
    return {
      drain: () => reader.drain(),
      close: async () => {
        await reader.close();
        this.#readers--;
      },
      ...(reader.lag === undefined ? {} : { lag: () => reader.lag!() }),
      ...(reader.receive === undefined ? {} : { receive: (request) => reader.receive!(request) }),
    };
  }

  observed(): Observed {
    return {
      open: this.#readers > 0,
      failing: this.#failing,
      resting: this.#readers > 0 && this.#clock.waits,
      handedOver: this.#handedOver,
      settled: this.#settled,
      inFlightPeak: this.#inFlightPeak,
      externalBytesPeak: this.#externalBytesPeak,
    };
  }

  async #deliver(context: SourceContext, message: SourceMessage): Promise<Settlement> {
    this.#handedOver++;
    this.#inFlightPeak = Math.max(this.#inFlightPeak, this.#handedOver - this.#settled);
    if (this.#handedOver % MEMORY_EVERY === 1) {
      // What nobody holds any more does not count; exposed to hosts with a heap of a given size.
      globalThis.gc?.();
      this.#externalBytesPeak = Math.max(this.#externalBytesPeak, process.memoryUsage().external);
    }
    const settlement = await context.deliver(message);
    const { instanceId, outcome } = settlement;
    const killed = outcome === 'started' && --this.#createsLeft === 0;
    this.#notes.append({ by: this.#by, outcome, instanceId, ...(killed ? { killed } : {}) });
    if (killed) process.kill(process.pid, 'SIGKILL');
    this.#settled++;
    return settlement;
  }
}
