// The gateway as one function from Request to Response, mounted in a Hono application so that it can be mounted in yours.
//
// Order of a request: target → Host and Origin → CORS preflight → route → draining → caller and scope → handler. Nothing of
// the body is read before the caller is known.

import type { IncomingMessage } from 'node:http';
import { Hono, type Context } from 'hono';
import { baseRoutePath } from 'hono/route';
import { consoleLogger, type Logger } from '@troupe/actors';
import type { WorkflowHost } from '@troupe/workflow';
import { Access, type AccessOptions } from './access.ts';
import { Cors, type CorsOptions } from './cors.ts';
import { daprRoutes } from './dapr-routes.ts';
import { HttpCall, type CallEnvironment } from './http-call.ts';
import { BODY_BYTES_MAX, BODY_TIMEOUT_MS, RETRY_AFTER_S } from './limits.ts';
import { RequestMetrics } from './metrics.ts';
import { operationsRoutes } from './operations-routes.ts';
import { Problem, problemOf } from './problem.ts';
import { checkQuery, checkRawTarget, decodePath, encodeSegment } from './request-target.ts';
import { RouteTable } from './route.ts';
import type { HttpTriggers } from './trigger-port.ts';
import { triggerRoutes } from './trigger-routes.ts';
import { workflowRoutes } from './workflow-routes.ts';

/** Settings of a gateway. */
export interface HttpGatewayOptions extends AccessOptions {
  /** What the paths of requests begin with, as `/api`. Hono's `route()` and Express's `use()` are recognised without it. */
  readonly basePath?: string | undefined;
  /** Larger bodies are refused with 413. Default 1 MiB. */
  readonly bodyBytesMax?: number | undefined;
  /** Bodies that take longer are cut off with 408. Default 30 s. */
  readonly bodyTimeoutMs?: number | undefined;
  /** The answer to GET of a failed instance, 200 or 400 to 599. Default 200. `?failedStatus=` wins. */
  readonly failedStatusCode?: number | undefined;
  /** Off unless set. */
  readonly cors?: CorsOptions | undefined;
  /** Served under `/v1.0/triggers`: the `Triggers` of @troupe/triggers. */
  readonly triggers?: HttpTriggers | undefined;
  /** The `id` of `/v1.0/metadata`. Default `"troupe"`. */
  readonly appId?: string | undefined;
  /** Where bugs are reported. Default: the console. */
  readonly logger?: Logger | undefined;
}

/** What metrics are labelled with; a client can make up any number of others. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** What Node's adapters pass beside the request. */
interface NodeBindings {
  readonly incoming?: IncomingMessage & { readonly baseUrl?: unknown };
}

/** A gateway, ready to be mounted. Made by {@link httpGateway}. */
export interface HttpGateway {
  /** Mount it: `app.route('/api', gateway.app)`. */
  readonly app: Hono;
  /** Answers one request. Never throws. */
  readonly fetch: (request: Request, bindings?: object) => Promise<Response>;
  /** Whether callers must show who they are. */
  readonly authRequired: boolean;
  readonly bodyTimeoutMs: number;
  readonly logger: Logger;
  /** Not ready from now on: refuses new work (503) and ends long polls with what is known. Cannot be undone. */
  drain(): void;
}

/**
 * Puts the HTTP contract in front of a host.
 *
 * @throws {TypeError} for options that make no sense or would be no protection
 */
export function httpGateway(host: WorkflowHost, options: HttpGatewayOptions = {}): HttpGateway {
  return new Gateway(host, options);
}

class Gateway implements HttpGateway, CallEnvironment {
  readonly app: Hono;
  readonly host: WorkflowHost;
  readonly triggers: HttpTriggers | undefined;
  readonly logger: Logger;
  readonly appId: string;
  readonly bodyBytesMax: number;
  readonly bodyTimeoutMs: number;
  readonly failedStatusCode: number;
  readonly #access: Access;
  readonly #cors: Cors;
  readonly #table: RouteTable;
  readonly #metrics = new RequestMetrics();
  readonly #waits = new Set<AbortController>();
  #draining = false;

  constructor(host: WorkflowHost, options: HttpGatewayOptions) {
    this.host = host;
    this.triggers = options.triggers;
    this.logger = options.logger ?? consoleLogger;
    this.appId = options.appId ?? 'troupe';
    this.bodyBytesMax = checkedNumber('bodyBytesMax', options.bodyBytesMax ?? BODY_BYTES_MAX, 0, 2 ** 31);
    this.bodyTimeoutMs = checkedNumber('bodyTimeoutMs', options.bodyTimeoutMs ?? BODY_TIMEOUT_MS, 1, 2 ** 31 - 1);
    this.failedStatusCode = options.failedStatusCode ?? 200;
    if (this.failedStatusCode !== 200) checkedNumber('failedStatusCode', this.failedStatusCode, 400, 599);
    this.#cors = new Cors(options.cors);
    this.#access = new Access(options, (origin) => this.#cors.allows(origin));
    if (this.#cors.allowsAll && !this.#access.required) {
      throw new TypeError(
        "cors.origins '*' without a token or authenticate would let every web page in: name the origins",
      );
    }
    this.#table = new RouteTable([
      ...operationsRoutes(this.#metrics, () => this.#table.routes),
      ...(this.triggers === undefined ? [] : triggerRoutes(this.triggers)),
      ...daprRoutes,
      ...workflowRoutes,
    ]);
    this.app = this.#application(options.basePath ?? '');
  }

  get authRequired(): boolean {
    return this.#access.required;
  }

  get draining(): boolean {
    return this.#draining;
  }

  readonly fetch = async (request: Request, bindings?: object): Promise<Response> => this.app.fetch(request, bindings);

  drain(): void {
    this.#draining = true;
    for (const wait of this.#waits) wait.abort();
  }

  async whileServing<T>(request: Request, wait: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    if (this.#draining) return undefined;
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    this.#waits.add(controller);
    request.signal.addEventListener('abort', abort);
    if (request.signal.aborted) abort();
    try {
      return await wait(controller.signal);
    } catch (error) {
      // Whether an aborted wait rejects or not, the current state is the answer.
      if (controller.signal.aborted) return undefined;
      throw error;
    } finally {
      this.#waits.delete(controller);
      request.signal.removeEventListener('abort', abort);
    }
  }

  #application(basePath: string): Hono {
    if (basePath !== '' && !/^(?:\/[^/?#*:{}]+)+$/.test(basePath))
      throw new TypeError(`basePath is as in "/api", got ${JSON.stringify(basePath)}`);
    const app = basePath === '' ? new Hono() : new Hono().basePath(basePath);
    const answer = (c: Context): Promise<Response> =>
      this.#answer(c.req.raw, c.env as NodeBindings | undefined, baseRoutePath(c));
    for (const path of [
      '/v1.0/*',
      '/v1.0-alpha1/*',
      '/v1.0-beta1/*',
      '/healthz',
      '/readyz',
      '/metrics',
      '/openapi.json',
    ])
      app.all(path, answer);
    // Of no effect when the application is mounted in another: what is not ours is then not for us to answer.
    app.notFound((c) => this.#answer(c.req.raw, c.env as NodeBindings | undefined, undefined));
    return app;
  }

  async #answer(
    request: Request,
    bindings: NodeBindings | undefined,
    routeBase: string | undefined,
  ): Promise<Response> {
    const startedAt = performance.now();
    const incoming = bindings?.incoming;
    const seen: { route: string; call?: HttpCall } = { route: 'none' };
    this.#metrics.inFlight++;
    let response: Response;
    let closes = false;
    try {
      response = await this.#routed(request, incoming, routeBase, seen);
    } catch (error) {
      const instancePath =
        seen.call?.instancePath ?? ((name, id) => `/v1.0/workflows/${encodeSegment(name ?? '-')}/${encodeSegment(id)}`);
      const problem = problemOf(error, { logger: this.logger, route: seen.route, instancePath });
      closes = problem.details.closes ?? false;
      response = problem.toResponse();
    } finally {
      this.#metrics.inFlight--;
    }
    const { headers } = response;
    headers.set('cache-control', 'no-store');
    headers.set('x-content-type-options', 'nosniff');
    this.#cors.mark(request, headers);
    if (seen.call?.traceparent !== undefined) headers.set('traceparent', seen.call.traceparent);
    const hasBody =
      incoming !== undefined &&
      (incoming.headers['transfer-encoding'] !== undefined || Number(incoming.headers['content-length'] ?? 0) > 0);
    if (incoming?.httpVersionMajor === 1 && (this.#draining || (closes && hasBody))) headers.set('connection', 'close');
    this.#metrics.answered(
      seen.route,
      METHODS.has(request.method) ? request.method : 'other',
      response.status,
      (performance.now() - startedAt) / 1000,
    );
    return response;
  }

  async #routed(
    request: Request,
    incoming: NodeBindings['incoming'],
    routeBase: string | undefined,
    seen: { route: string; call?: HttpCall },
  ): Promise<Response> {
    if (incoming?.url !== undefined) checkRawTarget(incoming.url);
    this.#access.checkOrigin(request);
    const { pathname, search, searchParams } = new URL(request.url);
    const segments = decodePath(pathname);
    const mountDepth = (routeBase ?? '').split('/').filter((part) => part !== '').length;
    const match = this.#table.match(request.method, routeBase === undefined ? [] : segments.slice(mountDepth));
    if (match.route === undefined) {
      if (match.allowed.length === 0) throw notFound(segments);
      const preflight = this.#cors.preflight(request, match.allowed);
      if (preflight !== undefined) return preflight;
      throw notAllowed(request.method, match.allowed);
    }
    const { route } = match;
    const crossOrigin = route.method === 'OPTIONS' ? this.#cors.preflight(request, ['POST']) : undefined;
    if (crossOrigin !== undefined) return crossOrigin;
    seen.route = route.path;
    // Express tells in baseUrl what it has cut off the path.
    const cutOff = typeof incoming?.baseUrl === 'string' ? incoming.baseUrl : '';
    const prefix =
      cutOff +
      pathname
        .split('/')
        .slice(0, mountDepth + 1)
        .join('/');
    const call = new HttpCall(request, this, { params: match.params, query: searchParams, prefix, incoming });
    seen.call = call;
    const scope = typeof route.scope === 'function' ? route.scope(call) : route.scope;
    if (scope !== undefined) await this.#access.checkCaller(request, scope);
    if (this.#draining && route.method !== 'GET' && route.method !== 'OPTIONS') throw stopping();
    checkQuery(search);
    return route.handle(call);
  }
}

function notFound(segments: readonly string[]): Problem {
  const isType = segments.at(-2) === 'workflows';
  return new Problem(404, 'ROUTE_NOT_FOUND', {
    message: 'nothing is served under this path',
    hint: isType
      ? 'To list instances of a workflow: GET /v1.0/workflows?type=…'
      : 'See /openapi.json for what there is.',
  });
}

function notAllowed(method: string, allowed: readonly string[]): Problem {
  return new Problem(405, 'METHOD_NOT_ALLOWED', {
    message: `${method.slice(0, 16)} is not allowed here`,
    hint: `Allowed: ${allowed.join(', ')}.`,
    headers: { allow: allowed.join(', ') },
    closes: true,
  });
}

function stopping(): Problem {
  return new Problem(503, 'NOT_EXECUTED', {
    message: 'the request was not executed: the host is stopping',
    hint: 'Nothing was done: try again.',
    headers: { 'retry-after': String(RETRY_AFTER_S) },
    closes: true,
  });
}

function checkedNumber(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new TypeError(`${name} is a whole number from ${min} to ${max}, got ${value}`);
  return value;
}
