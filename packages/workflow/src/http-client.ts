// The client over HTTP: the same interface as in the process of the engine, the same errors. Results are pushed as far as
// HTTP allows it: by long polls.

import { randomUUID } from 'node:crypto';
import type {
  HistoryPage,
  HistoryQuery,
  InstanceCallOptions,
  InstancePage,
  ListQuery,
  PurgeOptions,
  StartOptions,
  StartOutcome,
  TerminateOptions,
  WaitOptions,
  WorkflowClient,
  WorkflowInstance,
} from './client-interface.ts';
import { AlreadyExistsError, InstanceIdError, InstanceNotFoundError, NotRegisteredError } from './errors.ts';
import { historyEntryOfWire, jsonText, metadataOfWire, pageOfWire } from './http-payload.ts';
import { pause, sendRequest, type HttpAnswer, type HttpRequest, type RequestSettings } from './http-request.ts';
import { instanceHandle, resultOf } from './instance-handle.ts';
import { checkInstanceId, checkName, checkTags } from './name.ts';
import { isTerminal, type InstanceMetadata, type WorkflowStatus } from './status.ts';
import type { AnyWorkflow } from './workflow.ts';

/** Where the gateway is. */
export interface ConnectOptions {
  /** `http://127.0.0.1:3500`, with the path under which the gateway is mounted, if any. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** How long one answer may take. Default 30 s; long polls have their own time. */
  readonly timeoutMs?: number | undefined;
}

/** One long poll. Below what proxies allow, which is often 30 or 60 s. */
const POLL_MS = 20_000;
/** A poll that is answered at once (the gateway is stopping) must not become a busy loop. */
const POLL_PAUSE_MS = 100;
const ROOT = '/v1.0/workflows';

/**
 * A client of workflows behind HTTP. Nothing is sent before the first call.
 *
 * @throws {TypeError} when the address is no http URL
 */
export function connect(options: ConnectOptions): WorkflowClient {
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError(`url is as in http://127.0.0.1:3500, got ${options.url}`);
  return new HttpClient({
    url: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    token: options.token,
    // Looked up with each call: tests and tracers replace the global one.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    timeoutMs: options.timeoutMs ?? 30_000,
  });
}

class HttpClient implements WorkflowClient {
  readonly #settings: RequestSettings;

  constructor(settings: RequestSettings) {
    this.#settings = settings;
  }

  async start<W extends AnyWorkflow>(workflow: W | string, options: StartOptions = {}): Promise<WorkflowInstance<W>> {
    const name = typeof workflow === 'string' ? workflow : workflow.name;
    checkName('workflow', name);
    // Paths of that name are Dapr's, so no workflow has it.
    if (name === 'dapr' || isDots(name)) throw new NotRegisteredError('workflow', name, []);
    const { tags, ifExists, startAt, version, allowUnregistered, idempotencyKey, traceparent } = options;
    const query = new URLSearchParams();
    if (tags !== undefined) {
      checkTags(tags);
      for (const [key, value] of Object.entries(tags)) {
        if (key.includes(':')) throw new TypeError(`over HTTP the name of a tag has no ":": ${JSON.stringify(key)}`);
        query.append('tag', `${key}:${value}`);
      }
    }
    if (typeof ifExists === 'object')
      throw new TypeError('ifExists { replace } is for a host in this process; over HTTP use "restart-if-terminal"');
    if (options.keyKeptMs !== undefined)
      throw new TypeError('keyKeptMs is for a host in this process; over HTTP a key is kept for 7 days');
    if (ifExists !== undefined) query.set('ifExists', ifExists);
    if (startAt !== undefined) query.set('startAt', startAt.toISOString());
    if (version !== undefined) query.set('version', version);
    if (allowUnregistered === true) query.set('allowUnregistered', 'true');
    // Without an id, a key becomes the id at the gateway; without both, an id of ours makes the start repeatable.
    const byKey = options.instanceId === undefined && idempotencyKey !== undefined;
    const instanceId = options.instanceId ?? (byKey ? idempotencyKey : randomUUID());
    const generated = options.instanceId === undefined && !byKey;
    let outcome: StartOutcome;
    try {
      const answer = await this.#send({
        method: 'POST',
        path: byKey ? `${ROOT}/${encodeURIComponent(name)}/start` : `${pathOf(name, instanceId)}/start`,
        query,
        body: jsonText(options.input, `the input of workflow ${name}`),
        subject: name,
        idempotencyKey,
        traceparent,
        ...(generated ? { repeatable: true } : {}),
      });
      const replayed = answer.headers.get('idempotency-replayed') === 'true';
      outcome = replayed ? 'duplicate' : answer.body['attached'] === true ? 'attached' : 'started';
    } catch (error) {
      // Nobody else knows that id: an earlier attempt of this call came through.
      if (!generated || !(error instanceof AlreadyExistsError)) throw error;
      outcome = 'started';
    }
    return instanceHandle<W>(this, instanceId, name, outcome);
  }

  instance<W extends AnyWorkflow = AnyWorkflow>(instanceId: string, workflow?: W): WorkflowInstance<W> {
    checkInstanceId(instanceId);
    return instanceHandle<W>(this, instanceId, workflow?.name, undefined);
  }

  get(
    instanceId: string,
    options: { readonly workflowName?: string | undefined } = {},
  ): Promise<InstanceMetadata | undefined> {
    return this.#poll(instanceId, options.workflowName, undefined, undefined);
  }

  async list(query: ListQuery = {}): Promise<InstancePage> {
    const parameters = filterOf(query);
    parameters.set('counts', 'false');
    if (query.limit !== undefined) parameters.set('limit', String(query.limit));
    if (query.cursor !== undefined) parameters.set('cursor', query.cursor);
    return pageOfWire((await this.#send({ method: 'GET', path: ROOT, query: parameters, subject: 'list' })).body);
  }

  async count(
    query: Omit<ListQuery, 'limit' | 'cursor'> = {},
  ): Promise<Readonly<Partial<Record<WorkflowStatus, number>>>> {
    const parameters = filterOf(query);
    parameters.set('limit', '1');
    const { body } = await this.#send({ method: 'GET', path: ROOT, query: parameters, subject: 'count' });
    return Object.fromEntries(
      Object.entries(body['counts'] as Record<string, number>).map(([status, count]) => [status.toLowerCase(), count]),
    );
  }

  async raiseEvent(
    instanceId: string,
    eventName: string,
    payload?: unknown,
    options: InstanceCallOptions = {},
  ): Promise<void> {
    checkName('event', eventName);
    const body = jsonText(payload, `the payload of event ${eventName}`);
    // A path cannot hold a name of only dots.
    const dots = isDots(eventName);
    const query = dots ? new URLSearchParams({ eventName }) : undefined;
    await this.#steer(instanceId, dots ? 'raiseEvent' : `raiseEvent/${encodeURIComponent(eventName)}`, options, {
      body,
      query,
    });
  }

  suspend(instanceId: string, options: InstanceCallOptions = {}): Promise<void> {
    return this.#steer(instanceId, 'suspend', options);
  }

  resume(instanceId: string, options: InstanceCallOptions = {}): Promise<void> {
    return this.#steer(instanceId, 'resume', options);
  }

  async terminate(instanceId: string, options: TerminateOptions = {}): Promise<void> {
    const query = flags({ recursive: options.recursive, undo: options.undo });
    await this.#steer(instanceId, 'terminate', options, { body: jsonText(options.output, 'the output'), query });
  }

  async purge(instanceId: string, options: PurgeOptions = {}): Promise<void> {
    await this.#send({
      method: 'DELETE',
      path: pathOf(options.workflowName, instanceId),
      query: flags({ force: options.force, recursive: options.recursive }),
      subject: instanceId,
      traceparent: options.traceparent,
      // The gateway takes keys with POST only.
      repeatable: false,
    });
  }

  async result(instanceId: string, options: WaitOptions = {}): Promise<unknown> {
    const found = await this.wait(instanceId, options);
    if (found === undefined) throw new InstanceNotFoundError(instanceId);
    return resultOf(instanceId, found.runtimeStatus, found.output, found.failure);
  }

  async wait(instanceId: string, options: WaitOptions = {}): Promise<InstanceMetadata | undefined> {
    const { timeoutMs = Infinity, signal, workflowName } = options;
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const askedAtMs = performance.now();
      const waitMs = Math.max(0, Math.min(deadlineMs - askedAtMs, POLL_MS));
      try {
        const found = await this.#poll(instanceId, workflowName, Math.ceil(waitMs), signal);
        if (found === undefined || isTerminal(found.runtimeStatus) || performance.now() >= deadlineMs) return found;
      } catch (error) {
        if (signal?.aborted !== true) throw error;
      }
      if (signal?.aborted === true) return this.get(instanceId, { workflowName });
      if (performance.now() - askedAtMs < Math.min(waitMs, POLL_PAUSE_MS)) await pause(POLL_PAUSE_MS, signal);
    }
  }

  async history(instanceId: string, query: HistoryQuery = {}): Promise<HistoryPage> {
    const parameters = new URLSearchParams({ payloads: 'true' });
    if (query.from !== undefined) parameters.set('from', String(query.from));
    if (query.limit !== undefined) parameters.set('limit', String(query.limit));
    const path = `${pathOf(query.workflowName, instanceId)}/history`;
    const { body } = await this.#send({ method: 'GET', path, query: parameters, subject: instanceId });
    const events = (body['events'] as Record<string, unknown>[]).map(historyEntryOfWire);
    return body['next'] === undefined ? { events } : { events, next: body['next'] as number };
  }

  async #poll(
    instanceId: string,
    workflowName: string | undefined,
    waitMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<InstanceMetadata | undefined> {
    const query = new URLSearchParams({ statusCodes: 'always200' });
    if (waitMs !== undefined) query.set('wait', `${waitMs}ms`);
    try {
      const path = pathOf(workflowName, instanceId);
      const { body } = await this.#send({
        method: 'GET',
        path,
        query,
        subject: instanceId,
        signal,
        waitMs: waitMs ?? 0,
      });
      const found = metadataOfWire(body);
      // "-" in a path is any workflow, so a workflow of that name is told apart here.
      return workflowName === undefined || found.workflowName === workflowName ? found : undefined;
    } catch (error) {
      if (error instanceof InstanceNotFoundError) return undefined;
      throw error;
    }
  }

  async #steer(
    instanceId: string,
    action: string,
    options: InstanceCallOptions,
    more: { readonly body?: string | undefined; readonly query?: URLSearchParams | undefined } = {},
  ): Promise<void> {
    const { workflowName, idempotencyKey, traceparent } = options;
    const path = `${pathOf(workflowName, instanceId)}/${action}`;
    await this.#send({ method: 'POST', path, subject: instanceId, idempotencyKey, traceparent, ...more });
  }

  #send(request: HttpRequest): Promise<HttpAnswer> {
    return sendRequest(this.#settings, request);
  }
}

/** The path of an instance; `-` is any workflow. */
function pathOf(workflowName: string | undefined, instanceId: string): string {
  checkInstanceId(instanceId);
  if (isDots(instanceId)) throw new InstanceIdError('an instance id of only dots cannot be reached over HTTP');
  // No workflow has these names, or none that a path can hold.
  if (workflowName === 'dapr' || workflowName === '' || (workflowName !== undefined && isDots(workflowName))) {
    throw new InstanceNotFoundError(instanceId);
  }
  return `${ROOT}/${encodeURIComponent(workflowName ?? '-')}/${encodeURIComponent(instanceId)}`;
}

/** URL parsers fold such segments, also when they are encoded. */
function isDots(segment: string): boolean {
  return segment === '.' || segment === '..';
}

function flags(values: Readonly<Record<string, boolean | undefined>>): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value === true) query.set(name, 'true');
  return query;
}

function filterOf(query: Omit<ListQuery, 'limit' | 'cursor'>): URLSearchParams {
  const parameters = new URLSearchParams();
  const { workflowName, status, tags, idPrefix, createdAfter, createdBefore } = query;
  if (workflowName !== undefined) parameters.set('type', workflowName);
  for (const one of status === undefined ? [] : [status].flat()) parameters.append('status', one);
  for (const [key, value] of Object.entries(tags ?? {})) parameters.append('tag', `${key}:${value}`);
  if (idPrefix !== undefined) parameters.set('idPrefix', idPrefix);
  if (createdAfter !== undefined) parameters.set('createdAfter', createdAfter.toISOString());
  if (createdBefore !== undefined) parameters.set('createdBefore', createdBefore.toISOString());
  return parameters;
}
