/** Which web pages of other origins may call. Off unless set. */
export interface CorsOptions {
  /** `https://app.example.com`, …; or `'*'`, which needs auth. */
  readonly origins: readonly string[] | '*';
  /** How long a browser keeps the answer to a preflight. Default 600. */
  readonly maxAgeSeconds?: number | undefined;
}

const ALLOWED_HEADERS = 'authorization, content-type, dapr-api-token, idempotency-key, traceparent';
const EXPOSED_HEADERS = 'allow, idempotency-replayed, link, location, retry-after, traceparent';

/** Cross-origin resource sharing, https://fetch.spec.whatwg.org/#http-cors-protocol. */
export class Cors {
  readonly #origins: ReadonlySet<string> | '*';
  readonly #maxAgeSeconds: number;

  constructor(options: CorsOptions | undefined) {
    const origins = options?.origins ?? [];
    this.#origins = origins === '*' ? '*' : new Set(origins.map((origin) => new URL(origin).origin));
    this.#maxAgeSeconds = options?.maxAgeSeconds ?? 600;
  }

  get allowsAll(): boolean {
    return this.#origins === '*';
  }

  allows(origin: string): boolean {
    return this.#origins === '*' || this.#origins.has(origin);
  }

  /** The answer to a preflight; undefined when the request is none, or not of an allowed origin. */
  preflight(request: Request, methods: readonly string[]): Response | undefined {
    const origin = request.headers.get('origin');
    if (request.method !== 'OPTIONS' || origin === null || !this.allows(origin)) return undefined;
    if (!request.headers.has('access-control-request-method')) return undefined;
    return new Response(null, {
      status: 204,
      headers: {
        'access-control-allow-methods': methods.join(', '),
        'access-control-allow-headers': ALLOWED_HEADERS,
        'access-control-max-age': String(this.#maxAgeSeconds),
      },
    });
  }

  /** Marks an answer as readable by the page that asked. */
  mark(request: Request, headers: Headers): void {
    if (this.#origins !== '*' && this.#origins.size === 0) return;
    headers.append('vary', 'Origin');
    const origin = request.headers.get('origin');
    if (origin === null || !this.allows(origin)) return;
    headers.set('access-control-allow-origin', origin);
    headers.set('access-control-expose-headers', EXPOSED_HEADERS);
  }
}
