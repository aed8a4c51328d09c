// What clients do with one instance.
//
// I1 An instance that is not there is no error of GetInstance: the answer says so. Of what would change it, it is NOT_FOUND.
// I2 What comes too late for an instance that has ended is taken and has no effect.

import { status } from '@grpc/grpc-js';
import { InstanceEndedError } from '@troupe/workflow';
import type { StoredInstance } from '@troupe/workflow/worker';
import { checkName } from '../request-query.ts';
import { noSuchInstance } from './grpc-failure.ts';
import { wireFound } from './instance-state.ts';
import { unary, type GrpcCall, type Rpc } from './rpc.ts';
import { startOptionsOf, type DecodedStart } from './start.ts';
import { payloadOf, type WireText } from './wire-value.ts';

interface OfInstance {
  readonly instanceId: string;
}

type DecodedGet = OfInstance & { readonly getInputsAndOutputs: boolean };

export const instanceRpcs: readonly Rpc[] = [
  unary({
    rpc: 'Hello',
    scope: 'any',
    request: 'google.protobuf.Empty',
    response: 'google.protobuf.Empty',
    handle: async () => ({}),
  }),
  unary<DecodedStart>({
    rpc: 'StartInstance',
    scope: 'start',
    request: 'CreateInstanceRequest',
    dialect: 'dapr',
    response: 'CreateInstanceResponse',
    handle: async (request, call) => {
      const { instanceId } = await call.workflows.start(request.name, startOptionsOf(request, call));
      return { instanceId };
    },
  }),
  unary<DecodedGet>({
    rpc: 'GetInstance',
    scope: 'read',
    request: 'GetInstanceRequest',
    response: 'GetInstanceResponse',
    handle: async ({ instanceId, getInputsAndOutputs }, call) =>
      wireFound(await call.stored.describe(instanceId), getInputsAndOutputs, call),
  }),
  waiting('WaitForInstanceStart', (instanceId, call) => call.stored.untilStarted(instanceId, call)),
  waiting('WaitForInstanceCompletion', (instanceId, call) => call.stored.untilEnded(instanceId, call)),
  unary<OfInstance & { readonly name: string; readonly input: WireText }>({
    rpc: 'RaiseEvent',
    scope: 'operate',
    request: 'RaiseEventRequest',
    response: 'RaiseEventResponse',
    handle: ({ instanceId, name, input }, call) => {
      checkName('event', name);
      return unlessEnded(call.workflows.raiseEvent(instanceId, name, payloadOf(input), traceOf(call)));
    },
  }),
  unary<OfInstance & { readonly output: WireText; readonly recursive: boolean }>({
    rpc: 'TerminateInstance',
    scope: 'operate',
    request: 'TerminateRequest',
    response: 'TerminateResponse',
    handle: ({ instanceId, output, recursive }, call) =>
      unlessEnded(call.workflows.terminate(instanceId, { output: payloadOf(output), recursive, ...traceOf(call) })),
  }),
  unary<OfInstance>({
    rpc: 'SuspendInstance',
    scope: 'operate',
    request: 'SuspendRequest',
    response: 'SuspendResponse',
    handle: ({ instanceId }, call) => unlessEnded(call.workflows.suspend(instanceId, traceOf(call))),
  }),
  unary<OfInstance>({
    rpc: 'ResumeInstance',
    scope: 'operate',
    request: 'ResumeRequest',
    response: 'ResumeResponse',
    handle: ({ instanceId }, call) => unlessEnded(call.workflows.resume(instanceId, traceOf(call))),
  }),
];

/** Answers when the instance stands as wanted; until then the call stays open for as long as the client lets it. */
function waiting(rpc: string, until: (instanceId: string, call: GrpcCall) => Promise<StoredInstance | undefined>): Rpc {
  return unary<DecodedGet>({
    rpc,
    scope: 'read',
    request: 'GetInstanceRequest',
    response: 'GetInstanceResponse',
    handle: async ({ instanceId, getInputsAndOutputs }, call) => {
      const found = await until(instanceId, call);
      if (found === undefined) {
        call.checkGoing();
        // Dapr's clients were written for an error here, Microsoft's for an answer.
        if (call.dialect === 'dapr') throw noSuchInstance(instanceId, status.UNKNOWN);
      }
      return wireFound(found, getInputsAndOutputs, call);
    },
  });
}

async function unlessEnded(steering: Promise<void>): Promise<object> {
  try {
    await steering;
  } catch (error) {
    if (!(error instanceof InstanceEndedError)) throw error;
  }
  return {};
}

function traceOf({ traceparent }: GrpcCall): { readonly traceparent: string | undefined } {
  return { traceparent };
}
