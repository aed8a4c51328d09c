// The client of the engine in this process: calls on the actors of instances. What came as text and is stored as text it
// shows as what that says; whoever wants the text reads through `StoredInstances`.

import { randomUUID } from 'node:crypto';
import {
  copyPayload,
  LimitError,
  plainPayload,
  type ActorHost,
  type CallOptions,
  type ListFilter,
} from '@troupe/actors';
import type {
  HistoryPage,
  HistoryQuery,
  IfExists,
  InstanceCallOptions,
  InstancePage,
  ListQuery,
  PurgeOptions,
  StartOptions,
  TerminateOptions,
  WaitOptions,
  WorkflowClient,
  WorkflowInstance,
} from './client-interface.ts';
import {
  AlreadyExistsError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  NotRewindableError,
  ValidationError,
} from './errors.ts';
import { historyEntry } from './history-entry.ts';
import { InstanceCalls } from './instance-calls.ts';
import { plainMetadata } from './instance-metadata.ts';
import type { InstanceOutcome, Refusal, Reply, StartRequest } from './instance-request.ts';
import type { InstanceServices } from './instance-services.ts';
import { instanceHandle, resultOf } from './instance-handle.ts';
import { HISTORY_PAGE_LENGTH, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from './limits.ts';
import { checkInstanceId, checkKey, checkName, checkTags } from './name.ts';
import { checkPayload } from './payload.ts';
import { startKeyOf } from './start-key.ts';
import {
  isTerminal,
  WORKFLOW_STATUSES,
  type InstanceMetadata,
  type InstanceSummary,
  type WorkflowStatus,
} from './status.ts';
import type { AnyWorkflow } from './workflow.ts';
import { WORKFLOW_ACTOR_TYPE, type WorkflowActor } from './workflow-actor.ts';

const IF_EXISTS = ['fail', 'attach', 'restart-if-terminal', 'terminate-and-restart'];

export class LocalClient implements WorkflowClient {
  readonly #host: ActorHost;
  readonly #calls: InstanceCalls;
  readonly #services: InstanceServices;

  constructor(host: ActorHost, actor: WorkflowActor, services: InstanceServices) {
    this.#host = host;
    this.#calls = new InstanceCalls(host, actor, services.shared);
    this.#services = services;
  }

  async start<W extends AnyWorkflow>(workflow: W | string, options: StartOptions = {}): Promise<WorkflowInstance<W>> {
    const name = typeof workflow === 'string' ? workflow : workflow?.name;
    checkName('workflow', name);
    const instanceId = options.instanceId ?? randomUUID();
    checkInstanceId(instanceId);
    const { ifExists = 'fail', tags, startAt, version } = options;
    checkIfExists(ifExists);
    if (tags !== undefined) checkTags(tags);
    if (version !== undefined) checkName('version', version);
    if (startAt !== undefined && !(startAt instanceof Date && !Number.isNaN(startAt.getTime()))) {
      throw new TypeError('startAt is a valid Date');
    }
    checkCall(options);
    const startKey = startKeyOf(options);
    const { directory } = this.#services;
    const code = directory.workflow(name, version);
    if (code === undefined && options.allowUnregistered !== true) throw directory.workflowMissing(name, version);
    const what = `the input of workflow ${name}`;
    const input =
      code?.checked === true ? await this.#services.check(code, undefined, options.input, what) : options.input;
    checkPayload(input, what);
    const request: StartRequest = {
      workflowName: name,
      version,
      input: copyPayload(input),
      ifExists,
      startAtMs: startAt?.getTime(),
      tags: tags === undefined ? undefined : { ...tags },
      startKey,
      parent: undefined,
      patient: true,
    };
    const reply = await this.#calls.ask(instanceId, 'start', [request], { traceparent: options.traceparent });
    if (typeof reply !== 'string') throw refusalError(reply, instanceId);
    return instanceHandle<W>(this, instanceId, name, reply);
  }

  instance<W extends AnyWorkflow = AnyWorkflow>(instanceId: string, workflow?: W): WorkflowInstance<W> {
    checkInstanceId(instanceId);
    return instanceHandle<W>(this, instanceId, workflow?.name, undefined);
  }

  async get(
    instanceId: string,
    options: { readonly workflowName?: string | undefined } = {},
  ): Promise<InstanceMetadata | undefined> {
    return plain(ofWorkflow(await this.#calls.ref(instanceId).describe(), options.workflowName));
  }

  async list(query: ListQuery = {}): Promise<InstancePage> {
    const limit = query.limit ?? LIST_LIMIT_DEFAULT;
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX) {
      throw new RangeError(`limit is an integer from 1 to ${LIST_LIMIT_MAX}, got ${String(limit)}`);
    }
    const page = await this.#host.list(
      filterOf(query),
      query.cursor === undefined ? { limit } : { limit, cursor: query.cursor },
    );
    const instances = page.actors.map(({ address, summary }): InstanceSummary => ({
      instanceId: address.id,
      workflowName: summary.name,
      runtimeStatus: summary.status as WorkflowStatus,
      createdAt: new Date(summary.createdAtMs),
      ...(summary.completedAtMs === undefined ? {} : { completedAt: new Date(summary.completedAtMs) }),
      tags: summary.tags,
    }));
    return page.cursor === undefined ? { instances } : { instances, cursor: page.cursor };
  }

  count(query: Omit<ListQuery, 'limit' | 'cursor'> = {}): Promise<Readonly<Partial<Record<WorkflowStatus, number>>>> {
    return this.#host.count(filterOf(query));
  }

  async raiseEvent(
    instanceId: string,
    eventName: string,
    payload?: unknown,
    options: InstanceCallOptions = {},
  ): Promise<void> {
    checkName('event', eventName);
    checkPayload(payload, `the payload of event ${eventName}`);
    checkInstanceId(instanceId);
    const args = [eventName, copyPayload(payload), options.workflowName, options.payloadHash] as const;
    settle(await this.#calls.ask(instanceId, 'raiseEvent', [...args], callOptions(options)), instanceId, options);
  }

  async suspend(instanceId: string, options: InstanceCallOptions = {}): Promise<void> {
    settle(
      await this.#calls.ref(instanceId, callOptions(options)).suspend(options.workflowName, options.payloadHash),
      instanceId,
      options,
    );
  }

  async resume(instanceId: string, options: InstanceCallOptions = {}): Promise<void> {
    settle(
      await this.#calls.ref(instanceId, callOptions(options)).resume(options.workflowName, options.payloadHash),
      instanceId,
      options,
    );
  }

  async terminate(instanceId: string, options: TerminateOptions = {}): Promise<void> {
    checkPayload(options.output, 'the output');
    const { output, recursive = false, undo = false, workflowName, payloadHash } = options;
    const ref = this.#calls.ref(instanceId, callOptions(options));
    settle(
      await ref.terminate({ output, recursive, undo, parentId: undefined, workflowName, hash: payloadHash }),
      instanceId,
      options,
    );
  }

  async purge(instanceId: string, options: PurgeOptions = {}): Promise<void> {
    const { recursive = false } = options;
    if (recursive) await this.#purgeChildren(instanceId, options);
    await this.#purgeOne(instanceId, undefined, options);
  }

  async #purgeOne(instanceId: string, parentId: string | undefined, options: PurgeOptions): Promise<void> {
    const { force = false, workflowName, payloadHash } = options;
    const ref = this.#calls.ref(instanceId, callOptions(options));
    settle(await ref.purge({ force, parentId, workflowName, hash: payloadHash }), instanceId, options);
  }

  /** From here and not from a turn of the parent: what a child sends at its end needs the parent to take it. */
  async #purgeChildren(instanceId: string, options: PurgeOptions): Promise<void> {
    const { force = false, workflowName } = options;
    const found = await this.get(instanceId, { workflowName });
    // Refused before anything is gone.
    if (found === undefined) throw new InstanceNotFoundError(instanceId);
    if (!isTerminal(found.runtimeStatus)) {
      if (!force) throw new InstanceNotEndedError(instanceId, found.runtimeStatus);
      await this.terminate(instanceId, { recursive: true }).catch(unlessEnded);
    }
    for (const child of await this.#calls.ref(instanceId).childIds()) {
      try {
        await this.#purgeChildren(child, { force });
        await this.#purgeOne(child, instanceId, { force });
      } catch (error) {
        if (!(error instanceof InstanceNotFoundError)) throw error;
      }
    }
  }

  async result(instanceId: string, options: WaitOptions = {}): Promise<unknown> {
    const ended = ({ status }: InstanceOutcome): boolean => isTerminal(status);
    const found = await this.#calls.until(instanceId, 'untilOutcome', [options.workflowName], options, ended);
    const outcome = found ?? (await this.#outcomeNow(instanceId, options.workflowName));
    return resultOf(instanceId, outcome.status, plainPayload(outcome.output), outcome.failure);
  }

  async #outcomeNow(instanceId: string, workflowName: string | undefined): Promise<InstanceOutcome> {
    const found = await this.get(instanceId, { workflowName });
    if (found === undefined) throw new InstanceNotFoundError(instanceId);
    return { status: found.runtimeStatus, output: found.output, failure: found.failure };
  }

  async wait(instanceId: string, options: WaitOptions = {}): Promise<InstanceMetadata | undefined> {
    const ended = ({ runtimeStatus }: InstanceMetadata): boolean => isTerminal(runtimeStatus);
    const found = await this.#calls.until(instanceId, 'untilEnded', [options.workflowName], options, ended);
    return plain(found) ?? this.get(instanceId, { workflowName: options.workflowName });
  }

  async history(instanceId: string, query: HistoryQuery = {}): Promise<HistoryPage> {
    const { from = 1, limit = HISTORY_PAGE_LENGTH } = query;
    if (!Number.isSafeInteger(from) || from < 1)
      throw new RangeError(`from is an integer of at least 1, got ${String(from)}`);
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > HISTORY_PAGE_LENGTH) {
      throw new RangeError(`limit is an integer from 1 to ${HISTORY_PAGE_LENGTH}, got ${String(limit)}`);
    }
    const ref = this.#calls.ref(instanceId);
    const found = ofWorkflow(await ref.describe(), query.workflowName);
    if (found === undefined) throw new InstanceNotFoundError(instanceId);
    const page = await ref.history(from, limit);
    const events = page.entries.map((entry, index) => historyEntry(entry, page.from + index, page.birth));
    return events.length < limit ? { events } : { events, next: page.from + events.length };
  }
}

/** @throws {TypeError} */
function checkIfExists(ifExists: IfExists): void {
  if (typeof ifExists === 'object' && ifExists !== null && Array.isArray(ifExists.replace)) {
    const unknown = ifExists.replace.find((status) => !WORKFLOW_STATUSES.includes(status));
    if (unknown === undefined) return;
    throw new TypeError(`a status is one of ${WORKFLOW_STATUSES.join(', ')}, got ${String(unknown)}`);
  }
  if (!IF_EXISTS.includes(ifExists as string))
    throw new TypeError(
      `ifExists is one of ${IF_EXISTS.join(', ')} or { replace: [status, …] }, got ${JSON.stringify(ifExists)}`,
    );
}

/** @throws {TypeError} for keys that could not be kept in a record */
function checkCall(options: InstanceCallOptions): void {
  checkKey('idempotencyKey', options.idempotencyKey);
  checkKey('payloadHash', options.payloadHash);
  checkKey('traceparent', options.traceparent);
}

function callOptions(options: InstanceCallOptions): CallOptions {
  checkCall(options);
  return { idempotencyKey: options.idempotencyKey, traceparent: options.traceparent };
}

function ofWorkflow(
  found: InstanceMetadata | undefined,
  workflowName: string | undefined,
): InstanceMetadata | undefined {
  return workflowName === undefined || found?.workflowName === workflowName ? found : undefined;
}

function plain(found: InstanceMetadata | undefined): InstanceMetadata | undefined {
  return found && plainMetadata(found);
}

function unlessEnded(error: unknown): void {
  if (!(error instanceof InstanceEndedError)) throw error;
}

function filterOf(query: Omit<ListQuery, 'limit' | 'cursor'>): ListFilter {
  const { workflowName, status, tags, idPrefix, createdAfter, createdBefore } = query;
  for (const one of typeof status === 'string' ? [status] : (status ?? [])) {
    if (!WORKFLOW_STATUSES.includes(one))
      throw new TypeError(`a status is one of ${WORKFLOW_STATUSES.join(', ')}, got ${String(one)}`);
  }
  if (tags !== undefined) checkTags(tags);
  for (const [name, text] of Object.entries({ workflowName, idPrefix })) {
    if (text !== undefined && typeof text !== 'string') throw new TypeError(`${name} is a string, got ${typeof text}`);
  }
  return {
    type: WORKFLOW_ACTOR_TYPE,
    ...(workflowName === undefined ? {} : { name: workflowName }),
    ...(status === undefined ? {} : { statuses: typeof status === 'string' ? [status] : status }),
    ...(tags === undefined ? {} : { tags }),
    ...(idPrefix === undefined ? {} : { idPrefix }),
    ...(createdAfter === undefined ? {} : { createdAfterMs: timeOf(createdAfter, 'createdAfter') }),
    ...(createdBefore === undefined ? {} : { createdBeforeMs: timeOf(createdBefore, 'createdBefore') }),
  };
}

function timeOf(date: Date, what: string): number {
  const timeMs = date instanceof Date ? date.getTime() : NaN;
  if (Number.isNaN(timeMs)) throw new TypeError(`${what} is a valid Date`);
  return timeMs;
}

function settle(reply: Reply, instanceId: string, options: InstanceCallOptions): void {
  if (reply !== undefined && 'refused' in reply) throw refusalError(reply, instanceId);
  if (options.idempotencyKey !== undefined && reply?.hash !== options.payloadHash) throw mismatchError(instanceId);
}

function mismatchError(instanceId: string): IdempotencyMismatchError {
  return new IdempotencyMismatchError(
    `this idempotency key came to instance ${JSON.stringify(instanceId)} before, with another payload`,
  );
}

export function refusalError(refusal: Refusal, instanceId: string): Error {
  switch (refusal.refused) {
    case 'exists':
      return new AlreadyExistsError(instanceId, refusal.workflowName, refusal.status);
    case 'not-found':
      return new InstanceNotFoundError(instanceId);
    case 'ended':
      return new InstanceEndedError(instanceId, refusal.status);
    case 'not-ended':
      return new InstanceNotEndedError(refusal.instanceId, refusal.status);
    case 'mismatch':
      return mismatchError(instanceId);
    case 'not-rewindable':
      return new NotRewindableError(instanceId, refusal.why);
    case 'invalid':
      return new ValidationError(refusal.what, refusal.issues);
    case 'limit':
      return new LimitError(refusal.message);
  }
}
