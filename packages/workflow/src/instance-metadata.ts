// What is shown of an instance, made from its state and the last event of its history. Whoever asked may keep it: it shares
// nothing with the instance.

import { copyPayload, plainPayload } from '@troupe/actors';
import type { HistoryEvent } from './history.ts';
import type { InstanceOutcome } from './instance-request.ts';
import type { InstanceState } from './instance-state.ts';
import type { Failure, InstanceMetadata } from './status.ts';
import type { ExecutionOrigin } from './workers/worker-port.ts';

/** What there is to know, with payloads as they are stored. */
export function metadataOf(
  instanceId: string,
  state: InstanceState,
  input: unknown,
  last: HistoryEvent | undefined,
): InstanceMetadata {
  const failure = failureOf(state, last);
  const output = outputOf(last);
  return {
    instanceId,
    workflowName: state.workflowName,
    version: state.version,
    executionId: state.executionId,
    runtimeStatus: state.status,
    createdAt: new Date(state.createdAtMs),
    lastUpdatedAt: new Date(last?.at ?? state.createdAtMs),
    tags: { ...state.tags },
    ...(state.startedAtMs === undefined ? {} : { startedAt: new Date(state.startedAtMs) }),
    ...(state.completedAtMs === undefined ? {} : { completedAt: new Date(state.completedAtMs) }),
    ...(state.startAtMs === undefined ? {} : { startAt: new Date(state.startAtMs) }),
    ...(state.customStatus === undefined ? {} : { customStatus: copyPayload(state.customStatus) }),
    ...(input === undefined ? {} : { input: copyPayload(input) }),
    ...(output === undefined ? {} : { output: copyPayload(output) }),
    ...(failure === undefined ? {} : { failure: copyPayload(failure) }),
    ...(state.parent === undefined || state.parent.instanceId === ''
      ? {}
      : { parent: { instanceId: state.parent.instanceId } }),
    ...(state.undoing ? { undoing: true as const } : {}),
  };
}

/** The same as code of this language takes it: what came as text as what that says. */
export function plainMetadata(metadata: InstanceMetadata): InstanceMetadata {
  const { input, output, customStatus, ...rest } = metadata;
  return {
    ...rest,
    ...plainPart('customStatus', customStatus),
    ...plainPart('input', input),
    ...plainPart('output', output),
  };
}

function plainPart(name: 'input' | 'output' | 'customStatus', payload: unknown): Partial<InstanceMetadata> {
  const value = plainPayload(payload);
  return value === undefined ? {} : { [name]: value };
}

/** How its execution began. */
export function originOf(state: InstanceState): ExecutionOrigin {
  const { workflowName, version, createdAtMs, startAtMs, tags, parent, traceparent } = state;
  return {
    workflowName,
    version,
    createdAtMs,
    startAtMs,
    tags: { ...tags },
    parent: parent === undefined || parent.instanceId === '' ? undefined : { ...parent },
    traceparent,
  };
}

/** How it ended, without what else its metadata tells. */
export function outcomeOf(state: InstanceState, last: HistoryEvent | undefined): InstanceOutcome {
  return {
    status: state.status,
    output: copyPayload(outputOf(last)),
    failure: copyPayload(failureOf(state, last)),
  };
}

/** What lists and searches know of it. */
export function summaryOf(state: InstanceState) {
  return {
    name: state.workflowName,
    status: state.status,
    createdAtMs: state.createdAtMs,
    ...(state.completedAtMs === undefined ? {} : { completedAtMs: state.completedAtMs }),
    tags: state.tags,
  };
}

function outputOf(last: HistoryEvent | undefined): unknown {
  return last?.type === 'WorkflowCompleted' || last?.type === 'WorkflowTerminated' ? last.output : undefined;
}

/** One that is being rewound has failed before, and no longer has. */
function failureOf({ ended, stalled }: InstanceState, last: HistoryEvent | undefined): Failure | undefined {
  return ended !== undefined && last?.type === 'WorkflowFailed' ? last.failure : stalled;
}
