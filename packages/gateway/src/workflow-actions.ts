// What our shape does to instances.

import type { StartOptions } from '@troupe/workflow';
import { jsonResponse, workflowNameOf, type HttpCall } from './http-call.ts';
import { wireStatus } from './instance-json.ts';
import { RETRY_AFTER_S } from './limits.ts';
import { badRequest } from './problem.ts';
import {
  checkName,
  choiceParameter,
  flagParameter,
  tagsParameter,
  textParameter,
  timeParameter,
} from './request-query.ts';

/** What to do when an id is taken. */
export const IF_EXISTS = ['fail', 'attach', 'restart-if-terminal', 'terminate-and-restart'] as const;
const RETRY_AFTER = String(RETRY_AFTER_S);

/** Starts an instance. */
export async function start(call: HttpCall): Promise<Response> {
  const { query, params } = call;
  const workflowName = params['workflowType']!;
  checkName('workflow', workflowName);
  const instanceId = params['instanceId'] ?? call.idempotencyKey;
  if (instanceId === '.' || instanceId === '..')
    throw badRequest('INSTANCE_ID_INVALID', 'an id of only dots cannot be reached over HTTP');
  const options: StartOptions = {
    instanceId,
    tags: tagsParameter(query),
    startAt: timeParameter(query, 'startAt'),
    ifExists: choiceParameter(query, 'ifExists', IF_EXISTS),
    version: textParameter(query, 'version'),
    allowUnregistered: flagParameter(query, 'allowUnregistered'),
    traceparent: call.traceparent,
    ...(await call.idempotency(
      'workflows',
      workflowName,
      ...(params['instanceId'] === undefined ? [] : [params['instanceId']]),
      'start',
    )),
  };
  const input = await call.json();
  const instance = await call.workflows.start(workflowName, input === undefined ? options : { ...options, input });
  // The first answer of a start is always PENDING, so that a repeated one can be answered alike. Attaching tells what is.
  const existing = instance.outcome === 'attached' ? await call.workflows.get(instance.instanceId) : undefined;
  const location = call.instancePath(existing?.workflowName ?? workflowName, instance.instanceId);
  return jsonResponse(
    202,
    {
      instanceId: instance.instanceId,
      workflowType: existing?.workflowName ?? workflowName,
      runtimeStatus: wireStatus(existing?.runtimeStatus ?? 'pending'),
      attached: existing === undefined ? undefined : true,
      links: linksOf(location),
    },
    {
      location,
      'retry-after': RETRY_AFTER,
      ...(instance.outcome === 'duplicate' ? { 'idempotency-replayed': 'true' } : {}),
    },
  );
}

/** Sends an event whose name stands in the path. */
export async function raise(call: HttpCall): Promise<Response> {
  return raiseNamed(call, call.params['eventName']!, await call.json());
}

/** Sends an event whose name stands in the body or the query. */
export async function raiseByBody(call: HttpCall): Promise<Response> {
  const named = textParameter(call.query, 'eventName');
  const body = await call.json();
  if (named !== undefined) return raiseNamed(call, named, body);
  const event = typeof body === 'object' && body !== null ? (body as { eventName?: unknown; data?: unknown }) : {};
  if (typeof event.eventName !== 'string') {
    throw badRequest(
      'EVENT_NAME_MISSING',
      'the event has no name',
      'Use …/raiseEvent/{eventName}, ?eventName=, or a body { "eventName": …, "data": … }.',
    );
  }
  return raiseNamed(call, event.eventName, event.data);
}

/** Suspends an instance. */
export async function suspend(call: HttpCall): Promise<Response> {
  await call.workflows.suspend(call.params['instanceId']!, await steering(call, 'suspend'));
  return steered(call);
}

/** Resumes an instance. */
export async function resume(call: HttpCall): Promise<Response> {
  await call.workflows.resume(call.params['instanceId']!, await steering(call, 'resume'));
  return steered(call);
}

/** Terminates an instance. */
export async function terminate(call: HttpCall): Promise<Response> {
  const options = {
    ...(await steering(call, 'terminate')),
    recursive: flagParameter(call.query, 'recursive'),
    undo: flagParameter(call.query, 'undo'),
  };
  const output = await call.json();
  await call.workflows.terminate(call.params['instanceId']!, output === undefined ? options : { ...options, output });
  return steered(call);
}

/** Deletes an instance. */
export async function purge(call: HttpCall): Promise<Response> {
  await call.workflows.purge(call.params['instanceId']!, {
    workflowName: workflowNameOf(call),
    force: flagParameter(call.query, 'force'),
    recursive: flagParameter(call.query, 'recursive'),
    traceparent: call.traceparent,
  });
  return new Response(null, { status: 204 });
}

async function raiseNamed(call: HttpCall, eventName: string, payload: unknown): Promise<Response> {
  checkName('event', eventName);
  const options = await steering(call, 'raiseEvent', eventName);
  await call.workflows.raiseEvent(call.params['instanceId']!, eventName, payload, options);
  return steered(call);
}

/** The options of calls that steer an instance. */
async function steering(call: HttpCall, ...action: readonly string[]) {
  const { workflowType, instanceId } = call.params;
  // The body is read even where it has no meaning: it is part of what a key stands for.
  await call.body();
  return {
    workflowName: workflowNameOf(call),
    traceparent: call.traceparent,
    ...(await call.idempotency('workflows', workflowType!, instanceId!, ...action)),
  };
}

function steered(call: HttpCall): Response {
  const { workflowType, instanceId } = call.params;
  const location = call.instancePath(workflowType, instanceId!);
  return jsonResponse(202, { instanceId, links: linksOf(location) }, { location, 'retry-after': RETRY_AFTER });
}

function linksOf(location: string): Record<string, string> {
  const actions = ['raiseEvent', 'suspend', 'resume', 'terminate', 'history'];
  return { self: location, ...Object.fromEntries(actions.map((action) => [action, `${location}/${action}`])) };
}
