import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TextPayload } from '@troupe/actors';
import type { WorkflowClient, WorkflowHost } from '@troupe/workflow';
import { IDEMPOTENCY_KEY_LENGTH_MAX } from './limits.ts';
import { badRequest } from './problem.ts';
import { bodyJson, bodyTextPayload, readBody, type BodyLimits } from './request-body.ts';
import { encodeSegment } from './request-target.ts';
import type { HttpTriggers } from './trigger-port.ts';
import { wireJson } from './wire-json.ts';

/** What every call needs of the gateway. */
export interface CallEnvironment extends BodyLimits {
  readonly host: WorkflowHost;
  readonly triggers: HttpTriggers | undefined;
  readonly appId: string;
  readonly failedStatusCode: number;
  readonly draining: boolean;
  /** Runs a wait that ends early when the gateway drains or the client is gone. */
  whileServing<T>(request: Request, wait: (signal: AbortSignal) => Promise<T>): Promise<T | undefined>;
}

/** One request that is being answered. */
export class HttpCall {
  readonly request: Request;
  readonly environment: CallEnvironment;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** What the paths of links begin with, before `/v1.0`. */
  readonly prefix: string;
  readonly #incoming: IncomingMessage | undefined;
  #bytes: Promise<Uint8Array> | undefined;

  constructor(
    request: Request,
    environment: CallEnvironment,
    found: {
      readonly params: Readonly<Record<string, string>>;
      readonly query: URLSearchParams;
      readonly prefix: string;
      readonly incoming: IncomingMessage | undefined;
    },
  ) {
    this.request = request;
    this.environment = environment;
    this.params = found.params;
    this.query = found.query;
    this.prefix = found.prefix;
    this.#incoming = found.incoming;
  }

  get workflows(): WorkflowClient {
    return this.environment.host.workflows;
  }

  /** The raw body; read once. */
  body(): Promise<Uint8Array> {
    return (this.#bytes ??= readBody(this.request, this.#incoming, this.environment));
  }

  /** The body as JSON; undefined when there is none. */
  async json(): Promise<unknown> {
    return bodyJson(await this.body());
  }

  /** The body as the text that came; undefined when there is none. */
  async textPayload(): Promise<TextPayload | undefined> {
    return bodyTextPayload(await this.body());
  }

  /** The `traceparent` header if it has the form of https://www.w3.org/TR/trace-context/. */
  get traceparent(): string | undefined {
    const header = this.request.headers.get('traceparent');
    return header !== null && /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/.test(header)
      ? header
      : undefined;
  }

  /**
   * The `Idempotency-Key` header, bare or as a quoted string.
   *
   * @throws {Problem} 400 when it cannot be one
   */
  get idempotencyKey(): string | undefined {
    const header = this.request.headers.get('idempotency-key');
    if (header === null) return undefined;
    const key = header.trim().replace(/^"(.*)"$/, '$1');
    if (key === '' || key.length > IDEMPOTENCY_KEY_LENGTH_MAX || !/^[\u0020-\u007e]+$/.test(key)) {
      throw badRequest(
        'IDEMPOTENCY_KEY_INVALID',
        `an Idempotency-Key is 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters`,
      );
    }
    return key;
  }

  /**
   * What the engine needs to let a request take effect once. A key holds for one method and path: both go into it.
   * `subject` is what the path names, in one spelling.
   */
  async idempotency(
    ...subject: readonly string[]
  ): Promise<{ readonly idempotencyKey: string; readonly payloadHash: string } | undefined> {
    const key = this.idempotencyKey;
    if (key === undefined) return undefined;
    return {
      idempotencyKey: sha256([this.request.method, ...subject, key].map(encodeURIComponent).join('/')),
      payloadHash: sha256(await this.body()),
    };
  }

  /** The path of an instance; `-` stands for whatever workflow it is of. */
  readonly instancePath = (workflowName: string | undefined, instanceId: string): string =>
    `${this.prefix}/v1.0/workflows/${encodeSegment(workflowName ?? '-')}/${encodeSegment(instanceId)}`;

  /** A link to the next page: a path with the query of the request, changed. */
  pageLink(path: string, changed: Readonly<Record<string, string>>): string {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(changed)) query.set(name, value);
    return `<${path}?${query.toString()}>; rel="next"`;
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** An answer in JSON. */
export function jsonResponse(status: number, body: unknown, headers?: Readonly<Record<string, string>>): Response {
  return new Response(wireJson(body), { status, headers: { 'content-type': 'application/json', ...headers } });
}

/** The type in the path; `-` stands for any, for callers that know only the id. */
export function workflowNameOf(call: HttpCall): string | undefined {
  const name = call.params['workflowType'];
  return name === '-' ? undefined : name;
}
