// Events over HTTP: CloudEvents in each mode, and webhooks of those who have a format of their own. The gateway takes the
// request and gives it to the trigger that its path names.
//
// H1. 2xx is given only for events that are settled, durably: the sender may forget them. Everything else is for it to send again,
//     but for 4xx, which will not do.
// H2. A request keeps room from its beginning until its events are handed over: bodies that are still coming are as many as there
//     is room for. A batch has one room for all of its events, which wait for theirs.
// H3. Nothing of the body is believed, and none of it parsed, before the signature over its raw bytes is checked.

import { waitAtMost } from '@troupe/actors';
import { isBatch, readBatch, readEvent, STRUCTURED } from './cloud-event.ts';
import { EventFormatError, SignatureError } from './errors.ts';
import { busyAnswer, problemAnswer, type HttpAnswer, type HttpRequest } from './http-exchange.ts';
import { readHttpHeaders } from './http-message.ts';
import { HTTP_ANSWER_MS } from './limits.ts';
import { checkRateLimit, RateLimiter, type RateLimit } from './rate-limiter.ts';
import type { SignatureScheme } from './signatures/signature.ts';
import type { Settlement, Source, SourceContext, SourceMessage, SourceReader } from './source.ts';
import type { RawMessage, TriggerEvent } from './trigger-event.ts';

export { bearer } from './signatures/bearer.ts';
export { github } from './signatures/github.ts';
export { hmac, type HmacOptions } from './signatures/hmac.ts';
export { slack, type SlackOptions } from './signatures/slack.ts';
export { standardWebhooks, type StandardWebhooksOptions } from './signatures/standard-webhooks.ts';
export { stripe, type StripeOptions } from './signatures/stripe.ts';
export { Secret, secretFrom, type SecretOrigin, type Secrets } from './signatures/secret.ts';
export type { HmacAlgorithm, SignatureScheme } from './signatures/signature.ts';
export type { RateLimit } from './rate-limiter.ts';

/** What both kinds of HTTP sources take. */
export interface HttpSourceOptions {
  /** How senders show who they are. Without it the gateway asks them for its token, if it has one. */
  readonly verify?: SignatureScheme | undefined;
  /** Larger bodies are refused with 413. Default: what the gateway takes. */
  readonly bodyBytesMax?: number | undefined;
  /** More requests are refused with 429, on each host. Default: no limit. */
  readonly rateLimit?: RateLimit | undefined;
}

export interface CloudEventsOptions extends HttpSourceOptions {
  /**
   * Origins that may send, of those that ask first: the handshake of CloudEvents' web hooks. `'*'` for all. Default: none, and
   * the handshake is refused; it is no protection, since senders need not ask.
   */
  readonly allowedOrigins?: readonly string[] | '*' | undefined;
}

/**
 * CloudEvents 1.0 over HTTP, in the binary, structured and batched modes.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
 */
export function cloudEvents(options: CloudEventsOptions = {}): Source {
  return httpSource('cloudevents', options, (raw) => {
    if (isBatch(raw)) {
      return readBatch(raw.body, raw.headers).map((element): SourceMessage =>
        element.event === undefined
          ? { raw: { ...raw, body: element.body, contentType: STRUCTURED } }
          : { event: element.event },
      );
    }
    if (raw.attributes['specversion'] === undefined && !raw.contentType?.startsWith('application/cloudevents'))
      throw new EventFormatError(
        'the request is no CloudEvent: it has neither the header ce-specversion nor the content type application/cloudevents+json',
      );
    return readEvent(raw);
  });
}

export interface WebhookOptions extends HttpSourceOptions {
  /** The source of its events. Default: `webhook:` and the name of the trigger. */
  readonly source?: string | undefined;
  /** The header with the id of the event, if `verify` knows none. Default: `Idempotency-Key`. Without an id the hash of the data is it. */
  readonly idHeader?: string | undefined;
  /** The header with the type of the event, if `verify` knows none. Default: none, and the type is `webhook`. */
  readonly typeHeader?: string | undefined;
}

/** Webhooks: the body is the data. A CloudEvent is taken for what it says. */
export function webhook(options: WebhookOptions = {}): Source {
  const { verify, source, idHeader = 'idempotency-key', typeHeader } = options;
  return httpSource('webhook', options, (raw, headers, trigger) => {
    const id = verify?.idOf(headers, raw.body) ?? textOf(headers, idHeader);
    const type = verify?.typeOf(headers, raw.body) ?? textOf(headers, typeHeader) ?? 'webhook';
    return readEvent({ ...raw, plain: { source: source ?? `webhook:${trigger}`, id, type } });
  });
}

type ReadRequest = (raw: RawMessage, headers: Headers, trigger: string) => TriggerEvent | readonly SourceMessage[];

function httpSource(kind: string, options: CloudEventsOptions, read: ReadRequest): Source {
  const { bodyBytesMax, rateLimit } = options;
  if (bodyBytesMax !== undefined && !(Number.isSafeInteger(bodyBytesMax) && bodyBytesMax > 0))
    throw new TypeError(`${kind}: bodyBytesMax is a whole number of bytes, got ${String(bodyBytesMax)}`);
  if (rateLimit !== undefined) checkRateLimit(rateLimit);
  return {
    kind,
    runsOn: 'every-host',
    verifies: options.verify !== undefined,
    open: (context) => Promise.resolve(new HttpReader(context, options, read)),
  };
}

interface FoundMessages {
  readonly messages: readonly SourceMessage[];
  /** It is one event, and no batch of one. */
  readonly single: boolean;
}

class HttpReader implements SourceReader {
  readonly #context: SourceContext;
  readonly #options: CloudEventsOptions;
  readonly #read: ReadRequest;
  readonly #limiter: RateLimiter | undefined;
  #draining = false;
  /** Requests whose events are not handed over yet. */
  #coming = 0;

  constructor(context: SourceContext, options: CloudEventsOptions, read: ReadRequest) {
    this.#context = context;
    this.#options = options;
    this.#read = read;
    const { rateLimit } = options;
    this.#limiter = rateLimit === undefined ? undefined : new RateLimiter(rateLimit, context.clock.nowMs());
  }

  drain(): Promise<void> {
    this.#draining = true;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async receive(request: HttpRequest): Promise<HttpAnswer> {
    if (request.method === 'OPTIONS') return this.#handshake(request.headers);
    if (this.#draining) return busyAnswer('the host is stopping');
    const waitMs = this.#limiter?.take(this.#context.clock.nowMs()) ?? 0;
    if (waitMs > 0)
      return problemAnswer(
        429,
        'RATE_LIMITED',
        'there are too many requests to this trigger',
        Math.ceil(waitMs / 1000),
      );
    if (this.#context.free() <= this.#coming) return busyAnswer('it has no room just now');
    let found: FoundMessages | HttpAnswer;
    let settling: Promise<readonly Settlement[] | undefined>;
    this.#coming++;
    try {
      found = await this.#messagesOf(request);
      if ('status' in found) return found;
      settling = this.#settled(found.messages);
    } finally {
      this.#coming--;
    }
    const settlements = await settling;
    if (settlements === undefined || settlements.some(({ outcome }) => outcome === 'released'))
      return busyAnswer('the event could not be handled yet');
    const results = settlements.map(resultOf);
    return { status: 202, body: found.single ? results[0] : { events: results } };
  }

  /** What a request brings, or the answer to one that brings nothing. */
  async #messagesOf(request: HttpRequest): Promise<FoundMessages | HttpAnswer> {
    const body = await request.body();
    const { bodyBytesMax = Number.POSITIVE_INFINITY, verify } = this.#options;
    if (body.byteLength > bodyBytesMax)
      return problemAnswer(413, 'BODY_TOO_LARGE', `the body is larger than ${bodyBytesMax} bytes`);
    try {
      verify?.verify(request.headers, body, this.#context.clock.nowMs());
      const { trigger } = this.#context;
      const plain = { source: `http:${trigger}`, id: undefined, type: 'http' };
      const found = this.#read(
        { body, ...readHttpHeaders(request.headers, verify?.proofHeader), plain },
        request.headers,
        trigger,
      );
      if (!('source' in found)) return { messages: found, single: false };
      if (verify?.name === 'slack' && isChallenge(found.data))
        return { status: 200, body: { challenge: found.data.challenge } };
      return { messages: [{ event: found }], single: true };
    } catch (error) {
      if (error instanceof SignatureError) return problemAnswer(401, 'SIGNATURE_INVALID', error.message);
      if (error instanceof EventFormatError) return problemAnswer(400, 'EVENT_FORMAT', error.message);
      throw error;
    }
  }

  /** Undefined when it takes longer than a sender waits: then it goes on, and the sender asks again. */
  async #settled(messages: readonly SourceMessage[]): Promise<readonly Settlement[] | undefined> {
    let settlements: readonly Settlement[] | undefined;
    const settling = Promise.all(messages.map((message) => this.#context.deliver(message))).then((all) => {
      settlements = all;
    });
    await waitAtMost(this.#context.clock, HTTP_ANSWER_MS, settling);
    return settlements;
  }

  /** https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection */
  #handshake(headers: Headers): HttpAnswer {
    const origin = headers.get('webhook-request-origin');
    const { allowedOrigins = [], rateLimit } = this.#options;
    if (origin === null) return { status: 204, headers: { allow: 'POST, OPTIONS' } };
    const allowed = allowedOrigins === '*' || allowedOrigins.includes(origin);
    if (!allowed) return problemAnswer(403, 'ORIGIN_REFUSED', 'this origin may not send events to this trigger');
    const rate = rateLimit === undefined ? '*' : String(Math.max(1, Math.floor(rateLimit.perSecond * 60)));
    return {
      status: 200,
      headers: { allow: 'POST, OPTIONS', 'webhook-allowed-origin': origin, 'webhook-allowed-rate': rate },
    };
  }
}

/** Slack asks once whether the address is ours: https://docs.slack.dev/reference/events/url_verification */
function isChallenge(data: unknown): data is { readonly challenge: unknown } {
  return (
    typeof data === 'object' &&
    data !== null &&
    'challenge' in data &&
    'type' in data &&
    data.type === 'url_verification'
  );
}

/** What the sender is told of an event. */
function resultOf({ outcome, instanceId, deadLetterId, error }: Settlement): object {
  return {
    outcome,
    ...(instanceId === undefined ? {} : { instanceId }),
    ...(deadLetterId === undefined ? {} : { deadLetterId }),
    ...(error === undefined ? {} : { error: { name: error.name, message: error.message } }),
  };
}

function textOf(headers: Headers, name: string | undefined): string | undefined {
  return name === undefined ? undefined : headers.get(name) || undefined;
}
