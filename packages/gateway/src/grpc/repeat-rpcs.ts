// Instances that have ended and run once more in part: rewound as they are, or as another one.

import { randomUUID } from 'node:crypto';
import type { RerunDetails } from './event-details.ts';
import { unary, type Rpc } from './rpc.ts';
import { payloadOf, said, textOf, wireText, type WireText } from './wire-value.ts';

interface DecodedRerun {
  readonly sourceInstanceID: string;
  readonly eventID: number;
  readonly newInstanceID: string | null | undefined;
  readonly input: WireText;
  readonly overwriteInput: boolean;
  readonly newChildWorkflowInstanceID: string | null | undefined;
}

export const repeatRpcs: readonly Rpc[] = [
  unary<{ readonly instanceId: string; readonly reason: WireText }>({
    rpc: 'RewindInstance',
    scope: 'operate',
    request: 'RewindInstanceRequest',
    response: 'RewindInstanceResponse',
    handle: async ({ instanceId, reason }, call) => {
      // As it is told to the worker.
      const body = said({ reason: wireText(textOf(reason)) }) ?? {};
      await call.repeats.rewind(instanceId, body, { traceparent: call.traceparent });
      return {};
    },
  }),
  unary<DecodedRerun>({
    rpc: 'RerunWorkflowFromEvent',
    scope: 'start',
    request: 'RerunWorkflowFromEventRequest',
    response: 'RerunWorkflowFromEventResponse',
    handle: async (request, call) => {
      const sourceId = request.sourceInstanceID;
      const newId = given(request.newInstanceID) ?? randomUUID();
      const details: RerunDetails = { rerunParentInstanceId: sourceId };
      await call.repeats.rerun({
        sourceId,
        sequence: request.eventID,
        newId,
        input: request.overwriteInput ? { value: payloadOf(request.input) } : undefined,
        newChildId: given(request.newChildWorkflowInstanceID),
        details: { ...details },
        traceparent: call.traceparent,
      });
      return { newInstanceID: newId };
    },
  }),
];

function given(text: string | null | undefined): string | undefined {
  return text === null || text === '' ? undefined : text;
}
