// Instances that are started once more with what they were started with.

import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { isTerminal } from '@troupe/workflow';
import { GrpcFailure, noSuchInstance } from './grpc-failure.ts';
import { unary, type Rpc } from './rpc.ts';

export const restartRpcs: readonly Rpc[] = [
  unary<{ readonly instanceId: string; readonly restartWithNewInstanceId: boolean }>({
    rpc: 'RestartInstance',
    scope: 'start',
    request: 'RestartInstanceRequest',
    response: 'RestartInstanceResponse',
    handle: async ({ instanceId, restartWithNewInstanceId }, call) => {
      const found = await call.stored.describe(instanceId);
      if (found === undefined) throw noSuchInstance(instanceId);
      const { metadata, origin } = found;
      if (!restartWithNewInstanceId && !isTerminal(metadata.runtimeStatus)) {
        throw new GrpcFailure(
          status.FAILED_PRECONDITION,
          `instance ${JSON.stringify(instanceId)} cannot be restarted: it is ${metadata.runtimeStatus}, and has not ended`,
        );
      }
      const started = await call.workflows.start(origin.workflowName, {
        instanceId: restartWithNewInstanceId ? randomUUID() : instanceId,
        ...(metadata.input === undefined ? {} : { input: metadata.input }),
        ifExists: restartWithNewInstanceId ? 'fail' : 'restart-if-terminal',
        version: origin.version === '' ? undefined : origin.version,
        tags: origin.tags,
        allowUnregistered: true,
        traceparent: call.traceparent,
      });
      return { instanceId: started.instanceId };
    },
  }),
];
