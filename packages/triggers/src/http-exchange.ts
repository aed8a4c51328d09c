// What a gateway and a source that takes HTTP requests tell each other; neither knows the other.

import { HTTP_RETRY_AFTER_S } from './limits.ts';

/** A request to a trigger. */
export interface HttpRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly query: URLSearchParams;
  /** Reads the raw body, once. Rejects when it is larger than the gateway takes, or does not come. */
  body(): Promise<Uint8Array>;
}

/** What is answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; nothing is sent without it. Problems (RFC 9457) have `status` of 400 and more. */
  readonly body?: unknown;
}

/** Nothing was done, or not yet: the sender is to send again. */
export function busyAnswer(reason: string): HttpAnswer {
  return problemAnswer(
    503,
    'TRIGGER_BUSY',
    `the trigger did not take the event: ${reason}; send it again`,
    HTTP_RETRY_AFTER_S,
  );
}

/** An answer that is a problem. */
export function problemAnswer(status: number, errorCode: string, message: string, retryAfterS?: number): HttpAnswer {
  return {
    status,
    body: { errorCode, message },
    ...(retryAfterS === undefined ? {} : { headers: { 'retry-after': String(retryAfterS) } }),
  };
}
