// The history that a worker made of the one that it was to rewind. Workers take events out and change none, but the ids of the
// execution in its start, which are not theirs to choose: so the events are ours, found again by what they are.
//
// H1 What a worker was not sent it cannot have taken out.
// H2 What it was sent nothing of it cannot have put in: then there is no such history.

import { RERUN, type HistoryEvent, type WorkflowItem } from '@troupe/workflow/worker';
import { inWireOrder } from './history-event.ts';
import { timeMsFrom } from './wire-value.ts';
import type { DecodedEvent } from './worker-answer.ts';

/** An event that the worker was not sent. */
export class ForeignEventError extends Error {
  override readonly name = 'ForeignEventError';
}

/**
 * What stays of the past and of what was new in this turn.
 *
 * @throws {ForeignEventError}
 */
export function rewoundHistory(answered: readonly DecodedEvent[], item: WorkflowItem): readonly HistoryEvent[] {
  const sent: readonly HistoryEvent[] = [...item.past, { type: 'TurnBegan', at: item.beganAtMs }, ...item.events];
  const kept = new Set<HistoryEvent>();
  const wanted = inWireOrder(sent)[Symbol.iterator]();
  for (const event of answered) {
    const name = nameOf(event);
    for (;;) {
      const { value, done } = wanted.next();
      if (done === true)
        throw new ForeignEventError(
          `the worker rewound the workflow to a history with an event that it was not sent: ${name}`,
        );
      const own = ownNameOf(value);
      if (own === undefined || own === name) kept.add(value);
      if (own === name) break;
    }
  }
  return sent.filter((event) => kept.has(event) || ownNameOf(event) === undefined);
}

/** What tells an event from the others: its kind, and its id, or what it is the result of, or its time. */
function nameOf(event: DecodedEvent): string {
  const kind = event.eventType ?? 'nothing that is known';
  const body = (event as unknown as Record<string, { taskScheduledId?: number; timerId?: number } | null>)[kind];
  switch (kind) {
    case 'executionStarted':
    case 'executionCompleted':
      return kind;
    case 'taskCompleted':
    case 'taskFailed':
    case 'subOrchestrationInstanceCompleted':
    case 'subOrchestrationInstanceFailed':
      return `${kind} of ${body?.taskScheduledId}`;
    case 'timerFired':
      return `${kind} of ${body?.timerId}`;
    default:
      if (event.eventId >= 0) return `${kind} ${event.eventId}`;
      return `${kind} at ${event.timestamp === null ? 'no time' : timeMsFrom(event.timestamp)}`;
  }
}

/** The same for one of ours; undefined if workers are sent nothing of it. */
function ownNameOf(event: HistoryEvent): string | undefined {
  switch (event.type) {
    case 'WorkflowStarted':
      return 'executionStarted';
    case 'WorkflowFailed':
      return 'executionCompleted';
    case 'TurnBegan':
      return `orchestratorStarted at ${event.at}`;
    case 'ActivityScheduled':
      return `taskScheduled ${event.sequence}`;
    case 'ActivityCompleted':
      return `taskCompleted of ${event.sequence}`;
    case 'ActivityFailed':
      return `taskFailed of ${event.sequence}`;
    case 'TimerCreated':
      return `timerCreated ${event.sequence}`;
    case 'TimerFired':
      return `timerFired of ${event.sequence}`;
    case 'ChildScheduled':
      return event.detached ? undefined : `subOrchestrationInstanceCreated ${event.sequence}`;
    case 'ChildCompleted':
      return `subOrchestrationInstanceCompleted of ${event.sequence}`;
    case 'ChildFailed':
      return `subOrchestrationInstanceFailed of ${event.sequence}`;
    case 'EventSent':
      return `eventSent ${event.sequence}`;
    case 'EventRaised':
      return `eventRaised at ${event.at}`;
    case 'MessageSent':
      return `${event.kind} ${event.sequence}`;
    case 'MessageReceived':
      return event.kind === RERUN ? undefined : `${event.kind} at ${event.at}`;
    default:
      return undefined;
  }
}
