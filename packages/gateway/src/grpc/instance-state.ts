// How an instance stands, on the wire.

import type { StoredInstance } from '@troupe/workflow/worker';
import { knowsStalled } from './dialect.ts';
import { wireFailure } from './failure-details.ts';
import type { GrpcCall } from './rpc.ts';
import { wireStatusOf } from './status.ts';
import { wireDate, wirePayload, wireText } from './wire-value.ts';

/** OrchestrationState. Payloads only for those who asked for them. */
export function wireState({ metadata }: StoredInstance, payloads: boolean, call: GrpcCall): object {
  const { runtimeStatus, failure } = metadata;
  const stalled = knowsStalled(call.dialect, call.signs);
  const tellsFailure = runtimeStatus === 'failed' || (runtimeStatus === 'stalled' && stalled);
  return {
    instanceId: metadata.instanceId,
    name: metadata.workflowName,
    version: metadata.version === '' ? undefined : wireText(metadata.version),
    orchestrationStatus: wireStatusOf(runtimeStatus, stalled),
    scheduledStartTimestamp: wireDate(metadata.startAt),
    createdTimestamp: wireDate(metadata.createdAt),
    lastUpdatedTimestamp: wireDate(metadata.lastUpdatedAt),
    executionId: wireText(metadata.executionId),
    completedTimestamp: wireDate(metadata.completedAt),
    parentInstanceId: wireText(metadata.parent?.instanceId),
    tags: metadata.tags,
    startedAt: wireDate(metadata.startedAt),
    ...(payloads
      ? {
          input: wirePayload(metadata.input),
          output: wirePayload(metadata.output),
          customStatus: wirePayload(metadata.customStatus),
          failureDetails: tellsFailure && failure !== undefined ? wireFailure(failure) : undefined,
        }
      : {}),
  };
}

/** GetInstanceResponse. */
export function wireFound(found: StoredInstance | undefined, payloads: boolean, call: GrpcCall): object {
  return found === undefined
    ? { exists: false }
    : { exists: true, orchestrationState: wireState(found, payloads, call) };
}
