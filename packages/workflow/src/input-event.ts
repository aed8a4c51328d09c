import { copyPayload } from '@troupe/actors';
import type { ActivityResult } from './activity-runner.ts';
import type { InputEvent } from './history.ts';

/** The result of an activity as its workflow sees it. */
export function resultEvent(at: number, sequence: number, attempts: number, result: ActivityResult): InputEvent {
  return result.ok
    ? { type: 'ActivityCompleted', at, sequence, result: result.result }
    : { type: 'ActivityFailed', at, sequence, failure: result.failure, attempts };
}

/** The event with a payload that nobody else holds. */
export function owned(event: InputEvent): InputEvent {
  switch (event.type) {
    case 'WorkflowStarted':
      return typeof event.input === 'object' ? { ...event, input: copyPayload(event.input) } : event;
    case 'ActivityCompleted':
      return typeof event.result === 'object' ? { ...event, result: copyPayload(event.result) } : event;
    case 'EventRaised':
      return typeof event.payload === 'object' ? { ...event, payload: copyPayload(event.payload) } : event;
    case 'ChildCompleted':
      return typeof event.output === 'object' ? { ...event, output: copyPayload(event.output) } : event;
    default:
      return event;
  }
}
