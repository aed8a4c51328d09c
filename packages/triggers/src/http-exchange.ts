// What a gateway and a source that takes HTTP requests tell each other; neither knows the other.

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
