// Dapr's shape, as its clients of today speak it: the component "dapr" in the path, the id alone names the instance, and
// payloads are texts that are given back as they came.
// https://docs.dapr.io/reference/api/workflow_api/

import { TroupeError } from '@troupe/actors';
import { AlreadyExistsError, InstanceEndedError, InstanceIdError, InstanceNotFoundError } from '@troupe/workflow';
import { jsonResponse, type HttpCall } from './http-call.ts';
import { daprMetadataJson } from './instance-json.ts';
import { DAPR_ID_PATTERN } from './limits.ts';
import { badRequest, knownProblem, Problem } from './problem.ts';
import { checkName, flagParameter, opaqueParameter } from './request-query.ts';
import type { Route } from './route.ts';

const INSTANCE = '/v1.0/workflows/dapr/{instanceID}';
const ANSWERS = { 202: 'Accepted.', 404: 'No such instance.', 409: 'The instance is in no state for it.' };

export const daprRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1.0/workflows/dapr/{workflowName}/start',
    operationId: 'daprStart',
    summary: 'Starts an instance; one that has ended is replaced.',
    group: 'dapr',
    scope: 'start',
    query: { instanceID: '1 to 64 letters, digits, _ and -; default: a UUID' },
    body: 'The input, as text.',
    answers: { 202: 'Started.', 409: 'An active instance has the id.' },
    handle: answering('ERR_START_WORKFLOW', start),
  },
  {
    method: 'GET',
    path: INSTANCE,
    operationId: 'daprGet',
    summary: 'What is known of an instance.',
    group: 'dapr',
    scope: 'read',
    answers: { 200: 'The instance.', 404: 'No such instance.' },
    handle: answering('ERR_GET_WORKFLOW', async (call) => {
      const instanceId = call.params['instanceID']!;
      const found = await call.environment.host.stored.describe(instanceId);
      if (found === undefined) throw new InstanceNotFoundError(instanceId);
      return jsonResponse(200, daprMetadataJson(found.metadata));
    }),
  },
  {
    method: 'POST',
    path: `${INSTANCE}/raiseEvent/{eventName}`,
    operationId: 'daprRaiseEvent',
    summary: 'Sends an event to an instance.',
    group: 'dapr',
    scope: 'operate',
    body: 'The payload, as text.',
    answers: ANSWERS,
    handle: answering('ERR_RAISE_EVENT_WORKFLOW', async (call) => {
      const eventName = call.params['eventName']!;
      checkName('event', eventName);
      const options = await steering(call, 'raiseEvent', eventName);
      await call.workflows.raiseEvent(call.params['instanceID']!, eventName, await call.textPayload(), options);
      return jsonResponse(202, {});
    }),
  },
  {
    method: 'POST',
    path: `${INSTANCE}/pause`,
    operationId: 'daprPause',
    summary: 'Suspends an instance.',
    group: 'dapr',
    scope: 'operate',
    answers: ANSWERS,
    handle: answering('ERR_PAUSE_WORKFLOW', async (call) => {
      await call.workflows.suspend(call.params['instanceID']!, await steering(call, 'pause'));
      return jsonResponse(202, {});
    }),
  },
  {
    method: 'POST',
    path: `${INSTANCE}/resume`,
    operationId: 'daprResume',
    summary: 'Resumes an instance.',
    group: 'dapr',
    scope: 'operate',
    answers: ANSWERS,
    handle: answering('ERR_RESUME_WORKFLOW', async (call) => {
      await call.workflows.resume(call.params['instanceID']!, await steering(call, 'resume'));
      return jsonResponse(202, {});
    }),
  },
  {
    method: 'POST',
    path: `${INSTANCE}/terminate`,
    operationId: 'daprTerminate',
    summary: 'Terminates an instance and its children.',
    group: 'dapr',
    scope: 'operate',
    query: { non_recursive: 'true leaves the children alone' },
    body: 'The output, as text, if any.',
    answers: ANSWERS,
    handle: answering('ERR_TERMINATE_WORKFLOW', terminate),
  },
  {
    method: 'POST',
    path: `${INSTANCE}/purge`,
    operationId: 'daprPurge',
    summary: 'Deletes all state of an instance and its children.',
    group: 'dapr',
    scope: 'operate',
    query: { non_recursive: 'true leaves the children alone' },
    answers: ANSWERS,
    handle: answering('ERR_PURGE_WORKFLOW', async (call) => {
      const recursive = flagParameter(call.query, 'non_recursive') !== true;
      await call.workflows.purge(call.params['instanceID']!, { ...(await steering(call, 'purge')), recursive });
      return jsonResponse(202, {});
    }),
  },
];

async function start(call: HttpCall): Promise<Response> {
  const wanted = opaqueParameter(call.query, 'instanceID');
  const instanceId = wanted === undefined || wanted === '' ? call.idempotencyKey : wanted;
  if (instanceId !== undefined && !DAPR_ID_PATTERN.test(instanceId)) {
    throw instanceId.length > 64
      ? badRequest(
          'ERR_INSTANCE_ID_TOO_LONG',
          `the instance ID has ${instanceId.length} characters; at most 64 are allowed`,
        )
      : badRequest(
          'ERR_INSTANCE_ID_INVALID',
          'an instance ID has letters, digits, "_" and "-" only',
          'Paths with the workflow type take other ids.',
        );
  }
  const workflowName = call.params['workflowName']!;
  checkName('workflow', workflowName);
  const options = {
    instanceId,
    ifExists: 'restart-if-terminal',
    // Dapr starts what nobody has code for: it stays pending until somebody does.
    allowUnregistered: true,
    traceparent: call.traceparent,
    ...(await call.idempotency('dapr', workflowName, wanted ?? '', 'start')),
  } as const;
  const input = await call.textPayload();
  const instance = await call.workflows.start(workflowName, input === undefined ? options : { ...options, input });
  return jsonResponse(202, { instanceID: instance.instanceId });
}

async function terminate(call: HttpCall): Promise<Response> {
  const options = {
    ...(await steering(call, 'terminate')),
    recursive: flagParameter(call.query, 'non_recursive') !== true,
  };
  const output = await call.textPayload();
  try {
    await call.workflows.terminate(call.params['instanceID']!, output === undefined ? options : { ...options, output });
  } catch (error) {
    // There, terminating what has ended succeeds and changes nothing.
    if (!(error instanceof InstanceEndedError)) throw error;
  }
  return jsonResponse(202, {});
}

async function steering(call: HttpCall, ...action: readonly string[]) {
  await call.body();
  return { traceparent: call.traceparent, ...(await call.idempotency('dapr', call.params['instanceID']!, ...action)) };
}

/** Gives the errors of a route the codes that Dapr's clients know. */
function answering(errorCode: string, handle: (call: HttpCall) => Promise<Response>): Route['handle'] {
  return async (call) => {
    try {
      return await handle(call);
    } catch (error) {
      const problem = error instanceof TroupeError ? knownProblem(error, call.instancePath) : undefined;
      // What concerns the host and not the workflow is told alike in both shapes.
      if (problem === undefined || problem.status >= 500 || problem.status === 429) throw error;
      throw daprProblem(error as TroupeError, problem, errorCode);
    }
  };
}

function daprProblem(error: TroupeError, problem: Problem, errorCode: string): Problem {
  const { details, status } = problem;
  if (error instanceof InstanceNotFoundError) {
    const message = `unable to find workflow with the provided instance ID: ${error.instanceId}`;
    return new Problem(404, 'ERR_INSTANCE_ID_NOT_FOUND', { message, hint: 'Check the instance ID.' });
  }
  if (error instanceof AlreadyExistsError) {
    const message = `an active workflow with ID '${error.instanceId}' already exists`;
    return new Problem(409, errorCode, {
      ...details,
      message,
      hint: 'Use another ID, or terminate the active workflow.',
    });
  }
  if (error instanceof InstanceIdError) return new Problem(400, 'ERR_INSTANCE_ID_INVALID', details);
  return new Problem(status, errorCode, details);
}
