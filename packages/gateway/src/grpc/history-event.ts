// Our history as the protocol tells it.
//
// E1 Results carry -1 as their id and refer to what they are the result of; what the code asked for carries the id of its
//    action. Nothing else has an id that is not negative but the end of an instance, so ids rise.
// E2 Our history begins with the start, and the turn that it began follows; on the wire the turn comes first.
// E3 A worker is sent what its fork knows and what concerns its code: nothing of suspension, of attempts of local activities,
//    of undos, and no end (but that of code that is rewound). One that meets a kind of event that it does not know fails the workflow.
// E4 Fields whose number has another meaning in the other fork are told apart by the codec, not here.

import type { EventDetails, ExecutionOrigin, HistoryEvent } from '@troupe/workflow/worker';
import type { ActivityDetails, ChildDetails, RerunDetails, TimerDetails, TurnDetails } from './event-details.ts';
import { wireFailure } from './failure-details.ts';
import type { Codec, Dialect } from './schema.ts';
import { STATUS } from './status.ts';
import { wireTrace } from './trace.ts';
import { wirePayload, wireText, wireTime } from './wire-value.ts';

/** The execution that a history is of. */
export interface ExecutionOf {
  readonly instanceId: string;
  readonly executionId: string;
  readonly origin: ExecutionOrigin;
}

/** Finds what an execution asked for by its number. */
export type FindCommand = (sequence: number) => HistoryEvent | undefined;

/** Kinds that only Microsoft's fork has. */
const MICROSOFT_KINDS: ReadonlySet<string> = new Set([
  'genericEvent',
  'historyState',
  'entityOperationSignaled',
  'entityOperationCalled',
  'entityOperationCompleted',
  'entityOperationFailed',
  'entityLockRequested',
  'entityLockGranted',
  'entityUnlockSent',
  'executionRewound',
]);

/** What a worker is sent of an event: the fields of a HistoryEvent, or nothing. */
export function workerEvent(
  event: HistoryEvent,
  execution: ExecutionOf,
  find: FindCommand,
  codec: Codec,
): object | undefined {
  const body = bodyOf(event, execution, find, codec);
  return body === undefined ? undefined : { eventId: eventIdOf(event), timestamp: wireTime(event.at), ...body };
}

/** That a turn began. */
export function turnEvent(atMs: number, details: EventDetails | undefined): object {
  return { eventId: -1, timestamp: wireTime(atMs), orchestratorStarted: turnStarted(details) };
}

/** How an instance stands at the end of its history: what only those who look at it are told. */
export function outsideEvents(event: HistoryEvent, nextEventId: number): readonly object[] {
  const timestamp = wireTime(event.at);
  const ended = (orchestrationStatus: number, rest: object): object => ({
    eventId: nextEventId,
    timestamp,
    executionCompleted: { orchestrationStatus, ...rest },
  });
  switch (event.type) {
    case 'WorkflowSuspended':
      return [{ eventId: -1, timestamp, executionSuspended: {} }];
    case 'WorkflowResumed':
      return [{ eventId: -1, timestamp, executionResumed: {} }];
    case 'WorkflowCompleted':
      return [ended(STATUS.completed, { result: wirePayload(event.output) })];
    case 'WorkflowFailed':
      return [ended(STATUS.failed, { failureDetails: wireFailure(event.failure) })];
    case 'WorkflowTerminated': {
      const output = wirePayload(event.output);
      return [
        { eventId: -1, timestamp, executionTerminated: { input: output } },
        ended(STATUS.terminated, { result: output }),
      ];
    }
    default:
      return [];
  }
}

/** The events in the order of the wire (E2). */
export function inWireOrder(events: readonly HistoryEvent[]): readonly HistoryEvent[] {
  const [first, second, ...rest] = events;
  return first?.type === 'WorkflowStarted' && second?.type === 'TurnBegan' ? [second, first, ...rest] : events;
}

/** The id of an event (E1). */
export function eventIdOf(event: HistoryEvent): number {
  switch (event.type) {
    case 'ActivityScheduled':
    case 'TimerCreated':
    case 'ChildScheduled':
    case 'EventSent':
    case 'MessageSent':
      return event.sequence;
    default:
      return -1;
  }
}

function bodyOf(event: HistoryEvent, execution: ExecutionOf, find: FindCommand, codec: Codec): object | undefined {
  switch (event.type) {
    case 'TurnBegan':
      return { orchestratorStarted: turnStarted(event.details) };
    case 'WorkflowStarted':
      return { executionStarted: executionStarted(event.name, event.input, execution) };
    case 'ActivityScheduled': {
      const details: ActivityDetails = event.details ?? {};
      return {
        taskScheduled: {
          ...details,
          name: event.name,
          version: wireText(details.version),
          input: wirePayload(event.input),
          parentTraceContext: wireTrace(details.parentTraceContext),
          rerunParentInstanceInfo: rerunParent(details),
        },
      };
    }
    case 'ActivityCompleted':
      return {
        taskCompleted: {
          taskScheduledId: event.sequence,
          result: wirePayload(event.result),
          taskExecutionId: taskExecutionIdOf(find(event.sequence)),
        },
      };
    case 'ActivityFailed':
      return {
        taskFailed: {
          taskScheduledId: event.sequence,
          failureDetails: wireFailure(event.failure),
          taskExecutionId: taskExecutionIdOf(find(event.sequence)),
        },
      };
    case 'TimerCreated': {
      const details: TimerDetails = event.details ?? {};
      const { fireAt, name, origin } = details;
      const { kind, ...of } = origin ?? {};
      return {
        timerCreated: {
          fireAt: fireAt ?? wireTime(event.dueAtMs),
          name: name ?? event.eventName,
          rerunParentInstanceInfo: rerunParent(details),
          ...(kind === undefined ? {} : { [kind]: of }),
        },
      };
    }
    case 'TimerFired': {
      const timer = find(event.sequence);
      const fireAt =
        timer?.type === 'TimerCreated'
          ? ((timer.details as TimerDetails | undefined)?.fireAt ?? wireTime(timer.dueAtMs))
          : wireTime(event.at);
      return { timerFired: { timerId: event.sequence, fireAt } };
    }
    case 'EventRaised':
      return { eventRaised: { name: event.name, input: wirePayload(event.payload) } };
    case 'EventSent':
      return {
        eventSent: { instanceId: event.instanceId, name: event.name, input: wirePayload(event.payload) },
      };
    case 'ChildScheduled':
      return childScheduled(event, codec.dialect);
    case 'ChildCompleted':
      return {
        subOrchestrationInstanceCompleted: {
          taskScheduledId: event.sequence,
          result: wirePayload(event.output),
        },
      };
    case 'ChildFailed':
      return {
        subOrchestrationInstanceFailed: {
          taskScheduledId: event.sequence,
          failureDetails: wireFailure(event.failure),
        },
      };
    case 'MessageReceived':
    case 'MessageSent':
      if (codec.dialect === 'dapr' && MICROSOFT_KINDS.has(event.kind)) return undefined;
      return isKind(event.kind, codec) ? { [event.kind]: event.body } : undefined;
    case 'UndoRequested':
    case 'ActivityRetried':
    case 'WorkflowSuspended':
    case 'WorkflowResumed':
    case 'WorkflowCompleted':
    case 'WorkflowFailed':
    case 'WorkflowTerminated':
      return undefined;
  }
}

/** Whether the fork has this kind of event. */
function isKind(name: string, codec: Codec): boolean {
  return codec.type('HistoryEvent').oneofs['eventType']!.fieldsArray.some((field) => field.name === name);
}

function turnStarted(details: TurnDetails = {}): object {
  return { version: details.version };
}

function executionStarted(name: string, input: unknown, { instanceId, executionId, origin }: ExecutionOf): object {
  const { parent } = origin;
  return {
    name,
    version: origin.version === '' ? undefined : wireText(origin.version),
    input: wirePayload(input),
    orchestrationInstance: { instanceId, executionId: wireText(executionId) },
    parentInstance:
      parent === undefined || parent.instanceId === ''
        ? undefined
        : {
            taskScheduledId: parent.sequence,
            name: wireText(parent.workflowName),
            orchestrationInstance: { instanceId: parent.instanceId, executionId: wireText(parent.executionId) },
          },
    scheduledStartTimestamp: origin.startAtMs === undefined ? undefined : wireTime(origin.startAtMs),
    parentTraceContext: wireTrace(undefined, origin.traceparent),
    tags: origin.tags,
  };
}

function childScheduled(event: HistoryEvent & { type: 'ChildScheduled' }, dialect: Dialect): object | undefined {
  // Microsoft's fork has no children that go their own way.
  if (event.detached)
    return dialect === 'dapr' ? { detachedWorkflowInstanceCreated: { instanceId: event.instanceId } } : undefined;
  const details: ChildDetails = event.details ?? {};
  return {
    subOrchestrationInstanceCreated: {
      instanceId: event.instanceId,
      name: event.name,
      version: wireText(details.version),
      input: wirePayload(event.input),
      parentTraceContext: wireTrace(details.parentTraceContext),
      tags: details.tags,
      historyPropagationScope: details.historyPropagationScope,
      rerunParentInstanceInfo: rerunParent(details),
      retryParentInstanceInfo:
        details.retryParentInstanceId === undefined ? undefined : { instanceID: details.retryParentInstanceId },
    },
  };
}

/** The instance that this was part of before. */
function rerunParent({ rerunParentInstanceId }: RerunDetails): object | undefined {
  return rerunParentInstanceId === undefined ? undefined : { instanceID: rerunParentInstanceId };
}

function taskExecutionIdOf(scheduled: HistoryEvent | undefined): string | undefined {
  return scheduled?.type === 'ActivityScheduled'
    ? (scheduled.details as ActivityDetails | undefined)?.taskExecutionId
    : undefined;
}
