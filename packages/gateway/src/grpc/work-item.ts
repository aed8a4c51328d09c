// Work items in the bytes of one dialect.

import type { ActivityItem, WorkflowItem, WorkItem } from '@troupe/workflow/worker';
import { EncodedHistory } from './encoded-history.ts';
import { wireBatch } from './entity-batch.ts';
import type { ActivityDetails, TurnDetails } from './event-details.ts';
import type { Codec } from './schema.ts';
import { wireTrace } from './trace.ts';
import { wirePayload, wireText } from './wire-value.ts';

/** Messages come in their order: nobody need wait to put them in it. */
const ENTITY_PARAMETERS = { entityMessageReorderWindow: { seconds: 0, nanos: 0 } };

export class WorkItemEncoder {
  readonly #codec: Codec;
  readonly #history: EncodedHistory;

  constructor(codec: Codec) {
    this.#codec = codec;
    this.#history = new EncodedHistory(codec);
  }

  encode(item: WorkItem): Buffer {
    switch (item.kind) {
      case 'workflow':
        return this.#workflow(item);
      case 'activity':
        return this.#activity(item);
      case 'entity':
        return this.#codec.encode('WorkItem', { entityRequest: wireBatch(item), completionToken: item.token });
    }
  }

  ping(): Buffer {
    return this.#codec.encode('WorkItem', { healthPing: {} });
  }

  #workflow(item: WorkflowItem): Buffer {
    const { past, events, kept } = item;
    const keptCount = kept === 0 ? 0 : this.#history.forWorker(past.slice(0, kept), past, item).length;
    const newEvents = [this.#history.turnBegan(item.beganAtMs), ...this.#history.forWorker(events, past, item)];
    return this.#codec.encode('EncodedWorkItem', {
      orchestratorRequest: {
        instanceId: item.instanceId,
        executionId: wireText(item.executionId),
        pastEvents: this.#history.forWorker(past.slice(kept), past, item),
        newEvents,
        // Some workers have no entities without them.
        entityParameters: this.#codec.dialect === 'microsoft' ? ENTITY_PARAMETERS : undefined,
        orchestrationTraceContext: lastTrace(item),
        cachedHistory: kept === 0 ? undefined : { eventCount: keptCount },
      },
      completionToken: item.token,
    });
  }

  #activity(item: ActivityItem): Buffer {
    const details: ActivityDetails = item.details ?? {};
    return this.#codec.encode('WorkItem', {
      activityRequest: {
        name: item.name,
        version: wireText(details.version),
        input: wirePayload(item.input),
        orchestrationInstance: { instanceId: item.instanceId, executionId: wireText(item.executionId) },
        taskId: item.sequence,
        parentTraceContext: wireTrace(details.parentTraceContext, item.traceparent),
        tags: details.tags,
        taskExecutionId: details.taskExecutionId,
      },
      completionToken: item.token,
    });
  }
}

/** The span that the worker of an earlier turn began for this execution. */
function lastTrace({ past }: WorkflowItem): object | undefined {
  const turn = past.findLast((event) => event.type === 'TurnBegan');
  const { traceContext }: TurnDetails = turn?.details ?? {};
  return traceContext === undefined
    ? undefined
    : { spanID: wireText(traceContext.spanID), spanStartTime: traceContext.spanStartTime };
}
