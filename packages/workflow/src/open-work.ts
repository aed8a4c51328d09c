// What is open where a history ends: activities without a result, children that were started.

import type { ActivityOptions } from './activity.ts';
import type { SessionBody, StepBody } from './command.ts';
import type { OpenWork } from './executor.ts';
import { isCommandEvent, isInputEvent, type CommandEvent, type HistoryEvent, type InputEvent } from './history.ts';
import { SmallMap } from './small-map.ts';

/** Read from the history alone, for code whose activities have no options of their own. */
export function openWorkIn(past: readonly HistoryEvent[]): OpenWork {
  const open: OpenWork = { activities: new SmallMap(), children: new Map(), failed: new Map() };
  for (const event of past) {
    if (isCommandEvent(event)) openWork(open, event, {}, undefined);
    else if (isInputEvent(event)) closeWork(open, event);
    else noteRetry(open, event);
  }
  return open;
}

/** The code has asked for something. */
export function openWork(
  open: OpenWork,
  recorded: CommandEvent,
  options: ActivityOptions,
  body: StepBody | SessionBody | undefined,
): void {
  if (recorded.type === 'ActivityScheduled') {
    const { sequence, name, input, kind, details, at } = recorded;
    open.activities.set(sequence, {
      sequence,
      name,
      input,
      kind,
      options,
      body,
      details,
      scheduledAtMs: at,
      attempt: 1 + (open.failed.get(sequence) ?? 0),
      nextAttemptAtMs: undefined,
      heartbeat: undefined,
    });
  } else if (recorded.type === 'ChildScheduled') {
    const { sequence, instanceId, detached } = recorded;
    const attempt = 1 + (open.children.get(sequence)?.attempt ?? 0);
    open.children.set(sequence, { instanceId, attempt, detached, ended: false });
  }
}

/** … and has met a result. */
export function closeWork(open: OpenWork, event: InputEvent): void {
  switch (event.type) {
    case 'ActivityFailed':
      open.failed.set(event.sequence, event.attempts);
      open.activities.delete(event.sequence);
      return;
    case 'ActivityCompleted':
      open.activities.delete(event.sequence);
      return;
    case 'ChildCompleted':
    case 'ChildFailed': {
      const child = open.children.get(event.sequence);
      if (child !== undefined) child.ended = true;
      return;
    }
    case 'WorkflowStarted':
    case 'TimerFired':
    case 'EventRaised':
    case 'UndoRequested':
    case 'MessageReceived':
  }
}

/** An attempt failed and another is to come. */
export function noteRetry(open: OpenWork, event: HistoryEvent): void {
  if (event.type !== 'ActivityRetried') return;
  const activity = open.activities.get(event.sequence);
  if (activity === undefined) return;
  activity.attempt = event.attempt + 1;
  activity.nextAttemptAtMs = event.nextAttemptAtMs;
  activity.heartbeat = event.heartbeat;
}
