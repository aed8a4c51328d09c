// Batches of operations of an entity on the wire. There are two forms; the older one is the one that all workers know.

import type { EntityAction, EntityBatchResult, EntityItem, EntityResult } from '@troupe/workflow/worker';
import { failureFrom, type DecodedFailure } from './failure-details.ts';
import { wireTrace } from './trace.ts';
import { textOf, timeMsFrom, wireText, type DecodedTime, type WireText } from './wire-value.ts';

/** EntityBatchResult. */
export interface DecodedBatchResult {
  readonly completionToken: string;
  readonly results: readonly {
    readonly success: { readonly result: WireText } | null;
    readonly failure: { readonly failureDetails: DecodedFailure | null } | null;
  }[];
  readonly actions: readonly {
    readonly sendSignal: {
      readonly instanceId: string;
      readonly name: string;
      readonly input: WireText;
      readonly scheduledTime: DecodedTime | null;
    } | null;
    readonly startNewOrchestration: {
      readonly instanceId: string;
      readonly name: string;
      readonly version: WireText;
      readonly input: WireText;
      readonly scheduledTime: DecodedTime | null;
    } | null;
  }[];
  readonly entityState: WireText;
  readonly failureDetails: DecodedFailure | null;
  readonly requiresState: boolean;
}

/** EntityBatchRequest. */
export function wireBatch({ entityId, state, operations }: EntityItem): object {
  return {
    instanceId: entityId,
    entityState: wireText(state),
    operations: operations.map(({ requestId, name, input, traceparent }) => ({
      operation: name,
      requestId,
      input: wireText(input),
      traceContext: wireTrace(undefined, traceparent),
    })),
  };
}

export function batchResultFrom(answer: DecodedBatchResult): EntityBatchResult {
  const { results, actions, entityState, failureDetails } = answer;
  return {
    results: results.map(resultFrom),
    state: textOf(entityState),
    actions: actions.flatMap(actionFrom),
    failed: failureDetails === null ? undefined : failureFrom(failureDetails),
  };
}

function resultFrom({ success, failure }: DecodedBatchResult['results'][number]): EntityResult {
  if (success !== null) return { ok: true, output: textOf(success.result) };
  const details = failure?.failureDetails ?? null;
  if (details !== null) return { ok: false, failure: failureFrom(details) };
  return { ok: false, failure: { type: 'Error', message: 'the operation failed and its worker did not say why' } };
}

function actionFrom({ sendSignal, startNewOrchestration }: DecodedBatchResult['actions'][number]): EntityAction[] {
  if (sendSignal !== null) {
    const { instanceId: entityId, name, input, scheduledTime } = sendSignal;
    return [{ type: 'signal', entityId, name, input: textOf(input), scheduledAtMs: msOf(scheduledTime) }];
  }
  if (startNewOrchestration === null) return [];
  const { instanceId, name, version, input, scheduledTime } = startNewOrchestration;
  return [
    {
      type: 'start',
      workflowName: name,
      version: textOf(version) === '' ? undefined : textOf(version),
      instanceId,
      input: textOf(input),
      startAtMs: msOf(scheduledTime),
    },
  ];
}

function msOf(time: DecodedTime | null): number | undefined {
  return time === null ? undefined : timeMsFrom(time);
}
