// Dapr's own service: its workflow calls, under the names that they had over time, and what its clients ask first. Payloads are
// raw text. https://docs.dapr.io/reference/api/workflow_api/

import { randomUUID } from 'node:crypto';
import { TextPayload } from '@troupe/actors';
import { InstanceEndedError } from '@troupe/workflow';
import { daprProperties, wireStatus } from '../instance-json.ts';
import { DAPR_ID_PATTERN } from '../limits.ts';
import { checkName } from '../request-query.ts';
import { invalid } from './grpc-failure.ts';
import { unary, type GrpcCall, type Rpc } from './rpc.ts';
import { wireDate } from './wire-value.ts';

const SERVICE = 'dapr.proto.runtime.v1.Dapr';
/** The same calls under three names. */
const SUFFIXES = ['', 'Beta1', 'Alpha1'];
const START_TIME_OPTION = 'dapr.workflow.start_time';
/** ActorRuntimeStatus. */
const RUNNING = 2;

interface OfInstance {
  readonly instanceId: string;
}

interface DecodedStart extends OfInstance {
  readonly workflowName: string;
  readonly options: Readonly<Record<string, string>>;
  readonly input: Uint8Array;
}

interface DecodedRaise extends OfInstance {
  readonly eventName: string;
  readonly eventData: Uint8Array;
}

export const daprRpcs: readonly Rpc[] = [
  ...call<DecodedStart>('StartWorkflow', 'start', start, 'StartWorkflowResponse'),
  ...call<OfInstance>('GetWorkflow', 'read', get, 'GetWorkflowResponse'),
  ...call<DecodedRaise>(
    'RaiseEventWorkflow',
    'operate',
    async ({ instanceId, eventName, eventData }, { workflows }) => {
      checkName('event', eventName);
      await unlessEnded(workflows.raiseEvent(instanceId, eventName, payloadOf(eventData)));
    },
  ),
  ...call<OfInstance>('PauseWorkflow', 'operate', ({ instanceId }, { workflows }) =>
    unlessEnded(workflows.suspend(instanceId)),
  ),
  ...call<OfInstance>('ResumeWorkflow', 'operate', ({ instanceId }, { workflows }) =>
    unlessEnded(workflows.resume(instanceId)),
  ),
  ...call<OfInstance>('TerminateWorkflow', 'operate', ({ instanceId }, { workflows }) =>
    unlessEnded(workflows.terminate(instanceId, { recursive: true })),
  ),
  ...call<OfInstance>('PurgeWorkflow', 'operate', ({ instanceId }, { workflows }) =>
    workflows.purge(instanceId, { recursive: true }),
  ),
  unary({
    service: SERVICE,
    rpc: 'GetMetadata',
    scope: 'any',
    request: 'GetMetadataRequest',
    response: 'GetMetadataResponse',
    handle: async (_request, { parts }) => {
      const activeActors = [{ type: 'workflow', count: parts.host.status().activeInstances }];
      return {
        id: parts.appId,
        activeActorsCount: activeActors,
        actorRuntime: { runtimeStatus: RUNNING, activeActors, hostReady: parts.host.status().ready },
        workflows: { connectedWorkers: parts.host.workers.connected },
      };
    },
  }),
];

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names what is decoded
function call<Request extends OfInstance>(
  name: string,
  scope: 'read' | 'operate' | 'start',
  handle: (request: Request, call: GrpcCall) => Promise<object | void>,
  response = 'google.protobuf.Empty',
): readonly Rpc[] {
  return SUFFIXES.map((suffix) =>
    unary<Request>({
      service: SERVICE,
      rpc: `${name}${suffix}`,
      scope,
      request: `${name}Request`,
      response,
      handle: async (request, of) => (await handle(request, of)) ?? {},
    }),
  );
}

async function start({ instanceId, workflowName, options, input }: DecodedStart, of: GrpcCall): Promise<object> {
  if (instanceId !== '' && !DAPR_ID_PATTERN.test(instanceId))
    throw invalid('an instance ID has 1 to 64 letters, digits, "_" and "-"');
  checkName('workflow', workflowName);
  const payload = payloadOf(input);
  const started = await of.workflows.start(workflowName, {
    instanceId: instanceId === '' ? randomUUID() : instanceId,
    ...(payload === undefined ? {} : { input: payload }),
    ifExists: 'restart-if-terminal',
    startAt: startTimeOf(options[START_TIME_OPTION]),
    allowUnregistered: true,
    traceparent: of.traceparent,
  });
  return { instanceId: started.instanceId };
}

/** Of an instance that is not there the answer says nothing. */
async function get({ instanceId }: OfInstance, { stored }: GrpcCall): Promise<object> {
  const found = await stored.describe(instanceId);
  if (found === undefined) return {};
  const { metadata } = found;
  return {
    instanceId,
    workflowName: metadata.workflowName,
    createdAt: wireDate(metadata.createdAt),
    lastUpdatedAt: wireDate(metadata.lastUpdatedAt),
    runtimeStatus: wireStatus(metadata.runtimeStatus),
    properties: Object.fromEntries(Object.entries(daprProperties(metadata)).filter(([, text]) => text !== undefined)),
  };
}

function payloadOf(bytes: Uint8Array): TextPayload | undefined {
  // Where nothing was sent, the default is no array of bytes, but it is as empty.
  return bytes.length === 0 ? undefined : new TextPayload(new TextDecoder().decode(bytes));
}

function startTimeOf(text: string | undefined): Date | undefined {
  if (text === undefined || text === '') return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw invalid(`${START_TIME_OPTION} is a time as in 2030-01-31T12:00:00Z`);
  return time;
}

async function unlessEnded(steering: Promise<void>): Promise<void> {
  try {
    await steering;
  } catch (error) {
    if (!(error instanceof InstanceEndedError)) throw error;
  }
}
