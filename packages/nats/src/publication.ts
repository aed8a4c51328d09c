// Writes to streams, sent until they are decided.
//
// P1  An answer decides: stored with a sequence, or refused since the subject is not at the expected sequence. Whatever else
//     happens (no answer, no leader, no room, no connection) the same bytes are sent again, with the same expectation.
// P2  What may have been sent without an answer stays ambiguous: a later refusal may come from its own first copy.
// P3  Only a stop gives up what is not decided.

import { asError, StoreUnavailableError, waitAtMost, type CancelTimeout, type Clock } from '@troupe/actors';
import { isWrongSequence, sequenceOrError } from './jetstream.ts';
import type { Health } from './health.ts';
import { WRITE_TIMEOUT_MS } from './limits.ts';
import { resendDelayMs } from './patience.ts';
import type { RequestFailure, RequestReceiver, Requests } from './requests.ts';
import { WireHeaders } from './wire-headers.ts';
import type { WireMessage } from './wire.ts';

/** One message on its way into a stream. One of the three is called, once. */
export abstract class Publication implements RequestReceiver {
  subject = '';
  body: Uint8Array = NOTHING;
  headers: WireHeaders | undefined;
  /** A copy of it may be in the stream although nobody said so (P2). */
  ambiguous = false;
  attempts = 0;
  #publisher: Publisher | undefined;

  abstract stored(sequence: number): void;
  /** The subject is not at the expected sequence. */
  abstract refused(): void;
  /** The store stops. */
  abstract abandoned(error: StoreUnavailableError): void;

  /** @internal */
  begin(publisher: Publisher): void {
    this.#publisher = publisher;
  }

  answered(message: WireMessage): void {
    const answer = sequenceOrError(message.data);
    if (typeof answer === 'number') {
      this.#publisher!.decided(this);
      this.stored(answer);
    } else if (isWrongSequence(answer)) {
      this.#publisher!.decided(this);
      this.refused();
    } else {
      this.#publisher!.resend(this, `JetStream says ${answer.code} ${answer.description} (${answer.err_code})`);
    }
  }

  failed(failure: RequestFailure): void {
    if (failure !== 'no-responders') this.ambiguous = true;
    this.#publisher!.resend(this, FAILURES[failure]);
  }
}

const NOTHING = new Uint8Array(0);

const FAILURES: Readonly<Record<RequestFailure, string>> = {
  'no-responders': 'no stream takes its messages',
  timeout: 'JetStream does not answer',
  disconnected: 'the connection to NATS is lost',
  closed: 'the connection to NATS is closed',
};

export class Publisher {
  readonly #requests: Requests;
  readonly #clock: Clock;
  readonly #health: Health;
  readonly #underWay = new Set<Publication>();
  /** Those that wait to be sent again. */
  readonly #waiting = new Map<Publication, CancelTimeout>();
  #stopped: StoreUnavailableError | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(requests: Requests, clock: Clock, health: Health) {
    this.#requests = requests;
    this.#clock = clock;
    this.#health = health;
  }

  /** Whether something was sent in vain, and is to be sent again. */
  get isStuck(): boolean {
    return this.#waiting.size > 0;
  }

  /** Sends it until it is decided. @throws {TypeError} when the server takes no message of its size */
  publish(publication: Publication): void {
    publication.begin(this);
    this.#underWay.add(publication);
    try {
      this.#send(publication);
    } catch (error) {
      this.#end(publication);
      throw error;
    }
  }

  /** As a promise: the sequence, or undefined when the subject is not at the one that it expects. */
  write(subject: string, body: Uint8Array, expected: number | WireHeaders): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const publication = new PromisedPublication(resolve, reject);
      publication.subject = subject;
      publication.body = body;
      publication.headers = typeof expected === 'number' ? expecting(expected) : expected;
      this.publish(publication);
    });
  }

  /** The connection is back: what waits goes at once. */
  reconnected(): void {
    for (const [publication, cancel] of [...this.#waiting]) {
      cancel();
      this.#waiting.delete(publication);
      this.#sendAgain(publication);
    }
  }

  /** Resolves when nothing is under way, or gives it up after `timeoutMs`. What is published later is sent once. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.#underWay.size > 0) {
      const idle = new Promise<void>((resolve) => (this.#whenIdle = resolve));
      await waitAtMost(this.#clock, timeoutMs, idle);
    }
    this.#stopped = new StoreUnavailableError('the store was stopped before its server answered', {
      wroteNothing: false,
    });
    for (const publication of [...this.#underWay]) this.#abandon(publication);
  }

  /** @internal */
  decided(publication: Publication): void {
    this.#health.worked();
    this.#end(publication);
  }

  /** @internal */
  resend(publication: Publication, reason: string): void {
    if (!this.#underWay.has(publication)) return;
    if (this.#stopped !== undefined) {
      this.#abandon(publication);
      return;
    }
    this.#health.failing(reason);
    const delayMs = resendDelayMs(publication.attempts++);
    const cancel = this.#clock.setTimeout(() => {
      this.#waiting.delete(publication);
      this.#sendAgain(publication);
    }, delayMs);
    this.#waiting.set(publication, cancel);
  }

  #send(publication: Publication): void {
    this.#requests.send(publication.subject, publication.body, publication, WRITE_TIMEOUT_MS, publication.headers);
  }

  /** A server that takes no message of its size has come in the place of one that did: there may be another. */
  #sendAgain(publication: Publication): void {
    try {
      this.#send(publication);
    } catch (error) {
      this.resend(publication, asError(error).message);
    }
  }

  #end(publication: Publication): void {
    this.#underWay.delete(publication);
    if (this.#underWay.size === 0) this.#whenIdle?.();
  }

  #abandon(publication: Publication): void {
    this.#waiting.get(publication)?.();
    this.#waiting.delete(publication);
    this.#end(publication);
    publication.abandoned(this.#stopped!);
  }
}

class PromisedPublication extends Publication {
  readonly stored: (sequence: number) => void;
  readonly abandoned: (error: StoreUnavailableError) => void;
  readonly refused: () => void;

  constructor(resolve: (sequence: number | undefined) => void, reject: (error: Error) => void) {
    super();
    this.stored = resolve;
    this.refused = () => resolve(undefined);
    this.abandoned = reject;
  }
}

const EXPECTED_BYTES = Buffer.from('NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: ');
const END_BYTES = Buffer.from('\r\n\r\n');

/** Takes the place of whatever is there. */
export const UNCONDITIONAL = new WireHeaders({});

/**
 * Accepts the message only if the last one of its subject has this sequence; 0: if there is none. `rest` are more headers,
 * made by `furtherHeader`. They come after it: servers before 2.11 look for its name wherever it stands.
 */
export function expecting(sequence: number, rest: Uint8Array = END_BYTES): WireHeaders {
  const start = EXPECTED_BYTES.length;
  let end = start + 1;
  for (let bound = 10; bound <= sequence; bound *= 10) end++;
  const bytes = Buffer.allocUnsafe(end + rest.length);
  bytes.set(EXPECTED_BYTES, 0);
  let left = sequence;
  for (let at = end - 1; at >= start; at--) {
    bytes[at] = 48 + (left % 10);
    left = Math.floor(left / 10);
  }
  bytes.set(rest, end);
  return new WireHeaders(bytes);
}
