// Reads the last message of every subject that a filter names, by a consumer that lives as long as the reading. It pulls, so
// that the server never sends more than was asked for.
//
// N1  What was acknowledged before the reading began is in it. A replica that lags is found by a barrier: a message that
//     is written first, and that the consumer delivers after everything that is older.
// N2  A message that did not arrive is noticed by the numbers of the consumer; then the reading begins again.

import { StoreUnavailableError, type Clock } from '@troupe/actors';
import { asBuffer, json, type JetStream } from './jetstream.ts';
import { SCAN_BATCH, SCAN_INACTIVE_MS, SCAN_SILENCE_MS } from './limits.ts';
import { UNCONDITIONAL, type Publisher } from './publication.ts';
import type { Patience } from './patience.ts';
import type { StreamNames } from './stream-names.ts';
import type { Wire, WireMessage } from './wire.ts';

export interface ScannedMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly writtenAtMs: number;
  readonly data: Buffer;
  header(name: string): string | undefined;
}

/** Readings that begin again because the server fell silent, before the reading is given up. */
const ATTEMPTS_MAX = 4;

export class Scanner {
  readonly #wire: Wire;
  readonly #names: StreamNames;
  readonly #jetstream: JetStream;
  readonly #publisher: Publisher;
  readonly #patience: Patience;
  readonly #clock: Clock;
  readonly #token: string;
  readonly #replicas: number;
  #count = 0;

  constructor(
    wire: Wire,
    names: StreamNames,
    jetstream: JetStream,
    publisher: Publisher,
    patience: Patience,
    clock: Clock,
    token: string,
    replicas: number,
  ) {
    this.#wire = wire;
    this.#names = names;
    this.#jetstream = jetstream;
    this.#publisher = publisher;
    this.#patience = patience;
    this.#clock = clock;
    this.#token = token;
    this.#replicas = replicas;
  }

  /**
   * Calls `found` for each message, in the order of their sequences; a reading that begins again calls `begin` again.
   * A message that is written meanwhile may be found, beside the one that it replaces.
   *
   * @throws {StoreUnavailableError} when the store cannot serve
   */
  async read(
    stream: string,
    filter: string,
    options: { readonly headersOnly: boolean },
    begin: () => void,
    found: (message: ScannedMessage) => void,
  ): Promise<void> {
    // The leader knows at once that there is nothing, which is what readers of an index find most of the time.
    const first = await this.#patience.within(() => this.#jetstream.firstMessage(stream, filter));
    begin();
    if (first === undefined) return;
    for (let attempt = 1; ; attempt++) {
      const barrier = this.#replicas > 1 ? await this.#writeBarrier(stream) : undefined;
      const ended = await this.#readOnce(stream, filter, options.headersOnly, barrier, found);
      if (ended) return;
      if (attempt === ATTEMPTS_MAX) {
        throw new StoreUnavailableError(`reading stream ${stream} ended too early ${attempt} times`, {
          wroteNothing: true,
        });
      }
      begin();
    }
  }

  #barrierOf(stream: string): string {
    return this.#names.barrier(this.#names.streams.indexOf(stream), this.#token);
  }

  async #writeBarrier(stream: string): Promise<number> {
    const sequence = await this.#publisher.write(this.#barrierOf(stream), NOTHING, UNCONDITIONAL);
    return sequence!;
  }

  /** Whether everything was read. */
  async #readOnce(
    stream: string,
    filter: string,
    headersOnly: boolean,
    barrier: number | undefined,
    found: (message: ScannedMessage) => void,
  ): Promise<boolean> {
    const name = `${this.#token}-${++this.#count}`;
    const barrierSubject = this.#barrierOf(stream);
    const config = {
      filter_subjects: barrier === undefined ? [filter] : [filter, barrierSubject],
      deliver_policy: 'last_per_subject',
      ack_policy: 'none',
      replay_policy: 'instant',
      headers_only: headersOnly,
      inactive_threshold: SCAN_INACTIVE_MS * 1e6,
      mem_storage: true,
      num_replicas: 1,
    };
    const pending = await this.#patience.within(() => this.#jetstream.createConsumer(stream, name, config));
    if (pending === 0 && barrier === undefined) {
      await this.#end(stream, name);
      return true;
    }
    const inbox = `${this.#wire.inboxPrefix}-scan.${name}`;
    let end: (complete: boolean) => void = () => {};
    const ended = new Promise<boolean>((resolve) => (end = resolve));
    let heard = true;
    let cancelWatch = (): void => {};
    const watch = (): void => {
      cancelWatch = this.#clock.setTimeout(() => {
        if (!heard) end(false);
        heard = false;
        watch();
      }, SCAN_SILENCE_MS);
    };
    watch();
    let next = 1;
    let left = SCAN_BATCH;
    const pull = (): void => {
      left = SCAN_BATCH;
      const request = json({ batch: SCAN_BATCH, expires: SCAN_INACTIVE_MS * 1e6 });
      this.#wire.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, request, { reply: inbox });
    };
    const endSubscription = this.#wire.subscribe(inbox, (message) => {
      heard = true;
      const delivery = deliveryOf(message);
      if (delivery === undefined) {
        // A status: the request is over (its time, its bytes, the consumer). What is missing is asked for again.
        end(false);
        return;
      }
      if (delivery.number !== next++) {
        end(false);
        return;
      }
      if (message.subject !== barrierSubject) {
        found({
          subject: message.subject,
          sequence: delivery.sequence,
          writtenAtMs: delivery.writtenAtMs,
          data: asBuffer(message.data),
          header: (header) => message.header(header),
        });
      }
      // What is replaced while it is read comes again behind everything else.
      if (delivery.pending === 0 && (barrier === undefined || delivery.sequence >= barrier)) end(true);
      else if (--left === 0) pull();
    });
    const endStatus = this.#wire.onStatus((status) => {
      if (status !== 'connected') end(false);
    });
    try {
      pull();
      return await ended;
    } finally {
      cancelWatch();
      endStatus();
      endSubscription();
      await this.#end(stream, name);
    }
  }

  /** One that is not ended ends by itself. */
  async #end(stream: string, name: string): Promise<void> {
    await this.#jetstream.deleteConsumer(stream, name).catch(() => {});
  }
}

const NOTHING = new Uint8Array(0);

/** What the reply subject says: $JS.ACK.<stream>.<consumer>.<times>.<sequence>.<number>.<time>.<pending> */
function deliveryOf({
  reply,
}: WireMessage):
  | { readonly sequence: number; readonly number: number; readonly writtenAtMs: number; readonly pending: number }
  | undefined {
  if (reply === undefined || !reply.startsWith('$JS.ACK.')) return undefined;
  // Servers may put a domain and an account before the stream, and a token behind.
  const tokens = reply.split('.');
  const start = tokens.length === 9 ? 5 : 7;
  return {
    sequence: Number(tokens[start]),
    number: Number(tokens[start + 1]),
    writtenAtMs: Math.floor(Number(tokens[start + 2]) / 1e6),
    pending: Number(tokens[start + 3]),
  };
}
