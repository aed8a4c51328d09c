// One request to the gateway, tried again as long as that is safe.
//
// R1  What was certainly not executed (the gateway says so, or no connection came about) is tried again, whatever it is.
// R2  What may have been executed is tried again only if it does no harm twice: reads, and calls with an idempotency key.

import { NotExecutedError, OutcomeUnknownError } from '@troupe/actors';
import { errorOfProblem, GatewayError, notExecuted, outcomeUnknown, wireProblem } from './http-error.ts';

/** How often, and after which pauses, a request is tried again. */
const RETRIES_MAX = 4;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 5_000;

export interface RequestSettings {
  /** Ends without a slash. */
  readonly url: string;
  readonly token: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** How long an answer may take, beyond what it was asked to wait. */
  readonly timeoutMs: number;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: URLSearchParams | undefined;
  /** JSON text. */
  readonly body?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly traceparent?: string | undefined;
  /** What errors are about. */
  readonly subject: string;
  /** Does no harm twice. Default: reads, and what has an idempotency key. */
  readonly repeatable?: boolean;
  /** How long the server was asked to wait. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Empty when there was no body. */
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Sends a request.
 *
 * @throws the error that the problem in the answer stands for; {@link NotExecutedError} or {@link OutcomeUnknownError}
 *   when no answer came
 */
export async function sendRequest(settings: RequestSettings, request: HttpRequest): Promise<HttpAnswer> {
  const repeatable = request.repeatable ?? (request.method === 'GET' || request.idempotencyKey !== undefined);
  let maybeExecuted = false;
  for (let attempt = 0; ; attempt++) {
    let pauseMs = Math.min(PAUSE_MS * 2 ** attempt, PAUSE_MS_MAX);
    try {
      const { response, text } = await attemptOnce(settings, request);
      if (response.ok)
        return { status: response.status, headers: response.headers, body: objectOf(response.status, text) };
      const after = Number(response.headers.get('retry-after') ?? Number.NaN);
      if (after > 0) pauseMs = Math.min(after * 1000, PAUSE_MS_MAX);
      throw errorOfAnswer(response.status, text, request.subject);
    } catch (error) {
      if (error instanceof OutcomeUnknownError && request.method !== 'GET') maybeExecuted = true;
      const again = error instanceof NotExecutedError || (error instanceof OutcomeUnknownError && repeatable);
      if (!again || attempt >= RETRIES_MAX || request.signal?.aborted === true) {
        // Of one attempt it is known that it was not executed; an earlier one may have been.
        if (maybeExecuted && error instanceof NotExecutedError)
          throw outcomeUnknown(request.subject, error.message, { cause: error });
        throw error;
      }
      await pause(pauseMs, request.signal);
    }
  }
}

async function attemptOnce(
  settings: RequestSettings,
  request: HttpRequest,
): Promise<{ readonly response: Response; readonly text: string }> {
  const { subject } = request;
  const headers: Record<string, string> = { accept: 'application/json' };
  if (settings.token !== undefined) headers['authorization'] = `Bearer ${settings.token}`;
  if (request.body !== undefined) headers['content-type'] = 'application/json';
  if (request.idempotencyKey !== undefined) headers['idempotency-key'] = request.idempotencyKey;
  if (request.traceparent !== undefined) headers['traceparent'] = request.traceparent;
  const query = request.query?.toString() ?? '';
  const timeout = AbortSignal.timeout(settings.timeoutMs + (request.waitMs ?? 0));
  try {
    const response = await settings.fetch(`${settings.url}${request.path}${query === '' ? '' : `?${query}`}`, {
      method: request.method,
      headers,
      ...(request.body === undefined ? {} : { body: request.body }),
      // A gateway does not redirect; a login page does.
      redirect: 'manual',
      signal: request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]),
    });
    return { response, text: await response.text() };
  } catch (error) {
    const code = codeOf(error);
    if (NEVER_CONNECTED.has(code))
      throw notExecuted(subject, `${settings.url} cannot be reached: ${code}`, { cause: error });
    throw outcomeUnknown(subject, `no answer came from ${settings.url}: ${code === '' ? String(error) : code}`, {
      cause: error,
    });
  }
}

/** Codes of Node's sockets and of undici for connections that did not come about. */
const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function codeOf(error: unknown): string {
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  // A name with two addresses fails with one error for each.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return first instanceof Error && 'code' in first && typeof first.code === 'string' ? first.code : '';
}

function errorOfAnswer(status: number, text: string, subject: string): Error {
  const problem = wireProblem(status, text);
  // A proxy that lost its server, or gave up on it, knows nothing of the outcome.
  if (problem.errorCode === '' && (status === 502 || status === 503 || status === 504)) {
    return outcomeUnknown(subject, `a proxy answered ${status}`);
  }
  return errorOfProblem(status, problem, subject);
}

function objectOf(status: number, text: string): Readonly<Record<string, unknown>> {
  try {
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  } catch {
    // A page of something in between.
    throw new GatewayError(status, '', 'the answer is not JSON: is this the address of a gateway?', undefined);
  }
}

/** Resolves after a while, or when the signal aborts. */
export function pause(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, durationMs);
    signal?.addEventListener('abort', done);
  });
}
