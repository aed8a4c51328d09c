// How instances look on the wire: ours and Dapr's.

import { payloadText } from '@troupe/actors';
import type { HistoryEntry, InstanceMetadata, InstanceSummary, WorkflowStatus } from '@troupe/workflow';

/** A status in upper case, as the wire has it. */
export function wireStatus(status: WorkflowStatus): string {
  return status.toUpperCase();
}

/** Our metadata; what is not set is absent. */
export function metadataJson(metadata: InstanceMetadata): Record<string, unknown> {
  const { workflowName, runtimeStatus, tags, ...rest } = metadata;
  return {
    instanceId: rest.instanceId,
    workflowType: workflowName,
    version: rest.version,
    executionId: rest.executionId,
    runtimeStatus: wireStatus(runtimeStatus),
    createdAt: rest.createdAt,
    startedAt: rest.startedAt,
    lastUpdatedAt: rest.lastUpdatedAt,
    completedAt: rest.completedAt,
    startAt: rest.startAt,
    customStatus: rest.customStatus,
    input: rest.input,
    output: rest.output,
    failure: rest.failure,
    tags: tagsJson(tags),
    parent: rest.parent,
    undoing: rest.undoing,
  };
}

/** One row of our list. */
export function summaryJson({ workflowName, runtimeStatus, tags, ...rest }: InstanceSummary): Record<string, unknown> {
  return {
    instanceId: rest.instanceId,
    workflowType: workflowName,
    runtimeStatus: wireStatus(runtimeStatus),
    createdAt: rest.createdAt,
    completedAt: rest.completedAt,
    tags: tagsJson(tags),
  };
}

function tagsJson(tags: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> | undefined {
  return tags === undefined || Object.keys(tags).length === 0 ? undefined : tags;
}

/** Details of history events that hold what users gave; left out unless asked for. */
const PAYLOAD_DETAILS: ReadonlySet<string> = new Set(['input', 'output', 'result', 'payload', 'heartbeat']);

/** One history event. */
export function historyEntryJson(entry: HistoryEntry, payloads: boolean): Record<string, unknown> {
  const details = Object.entries(entry.details).filter(([name]) => payloads || !PAYLOAD_DETAILS.has(name));
  return { ...entry, details: Object.fromEntries(details) };
}

/** What Dapr's clients are told of an instance beside its name and times, made of what is stored: texts, or undefined. */
export function daprProperties({
  input,
  output,
  customStatus,
  failure,
}: InstanceMetadata): Readonly<Record<string, string | undefined>> {
  return {
    'dapr.workflow.input': payloadText(input),
    'dapr.workflow.output': payloadText(output),
    'dapr.workflow.custom_status': payloadText(customStatus),
    'dapr.workflow.failure.error_type': failure?.type,
    'dapr.workflow.failure.error_message': failure?.message,
    'dapr.workflow.failure.stack_trace': failure?.stack,
  };
}

/** Dapr's metadata; of the properties those that are set. */
export function daprMetadataJson(metadata: InstanceMetadata): Record<string, unknown> {
  return {
    instanceID: metadata.instanceId,
    workflowName: metadata.workflowName,
    createdAt: metadata.createdAt,
    lastUpdatedAt: metadata.lastUpdatedAt,
    runtimeStatus: wireStatus(metadata.runtimeStatus),
    properties: daprProperties(metadata),
  };
}
