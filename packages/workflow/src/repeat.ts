// What is run once more, of histories that workers have made: by a rewind the same instance goes on before what failed in it,
// by a rerun another one goes on before something that it asked for. Only their code is replayed by numbers: code of this
// language meets its history event by event, and one with a hole in it is another code's.

import { versionIn } from './activity-runner.ts';
import type { Command } from './command.ts';
import { isInputEvent, isOfTurns, type CommandEvent, type EventDetails, type HistoryEvent } from './history.ts';
import { workerChildId } from './name.ts';

/** The kind of the message that has a worker rewrite the history of an execution that failed, and then has its code go on. */
export const REWOUND = 'executionRewound';
/** … that has the code of a rerun go on: there is nothing to be told, it asks for what it had not asked for yet. */
export const RERUN = 'rerun';

/** What a rerun takes from its source. */
export interface RerunSource {
  readonly workflowName: string;
  readonly version: string;
  readonly pinned: boolean;
  readonly tags: Readonly<Record<string, string>>;
  /** Up to the command that is carried out again. */
  readonly events: readonly HistoryEvent[];
}

/** A rerun as it reaches the actor of the new instance. */
export interface RerunRequest extends RerunSource {
  /** What the history says of where this comes from. */
  readonly body: unknown;
}

/** How what is carried out again differs. */
export interface RerunChanges {
  readonly newId: string;
  readonly newChildId: string | undefined;
  /** Undefined: the input stays. */
  readonly input: { readonly value: unknown } | undefined;
  /** Told with the command, beside what was told with it before. */
  readonly details: EventDetails | undefined;
}

/** What can be carried out again. */
export type RepeatableCommand = Extract<
  CommandEvent,
  { type: 'ActivityScheduled' | 'TimerCreated' | 'ChildScheduled' }
>;

export function isRepeatable(event: HistoryEvent | undefined): event is RepeatableCommand {
  return (
    event?.type === 'ActivityScheduled' ||
    event?.type === 'TimerCreated' ||
    (event?.type === 'ChildScheduled' && !event.detached)
  );
}

/** The history up to this command; undefined when there is none that can be carried out again. */
export function eventsUpTo(past: readonly HistoryEvent[], sequence: number): readonly HistoryEvent[] | undefined {
  const index = past.findIndex((event) => isRepeatable(event) && event.sequence === sequence);
  if (index < 0) return undefined;
  // Attempts and suspensions were those of the source.
  return past.slice(0, index + 1).filter(isOfTurns);
}

/** The history that a rerun begins with. Children that had ended stay the source's; the others are new ones. */
export function rerunEvents(events: readonly HistoryEvent[], changes: RerunChanges): readonly HistoryEvent[] {
  const { newId, newChildId, input, details } = changes;
  const last = events.at(-1)!;
  const open = new Set<HistoryEvent>(openCommandsIn(events));
  return events.map((event): HistoryEvent => {
    if (!isRepeatable(event) || !open.has(event)) return event;
    const isLast = event === last;
    const told = isLast && details !== undefined ? { details: { ...event.details, ...details } } : undefined;
    switch (event.type) {
      case 'TimerCreated':
        return { ...event, ...told };
      case 'ActivityScheduled':
        return { ...event, ...told, ...(isLast && input !== undefined ? { input: input.value } : undefined) };
      case 'ChildScheduled': {
        const instanceId = (isLast ? newChildId : undefined) ?? workerChildId(newId, event.sequence);
        return {
          ...event,
          ...told,
          instanceId,
          ...(isLast && input !== undefined ? { input: input.value } : undefined),
        };
      }
    }
  });
}

/** What was asked for and has no result, in its order. */
export function openCommandsIn(events: readonly HistoryEvent[]): readonly RepeatableCommand[] {
  const open = new Map<number, RepeatableCommand>();
  for (const event of events) {
    if (isRepeatable(event)) open.set(event.sequence, event);
    else if (isInputEvent(event) && 'sequence' in event) open.delete(event.sequence);
  }
  return [...open.values()];
}

/** How the child was started: what workers tell of it in the words of the engine. */
export function startOf(event: CommandEvent & { type: 'ChildScheduled' }): Command & { type: 'StartChild' } {
  const version = versionIn(event.details);
  const tags = event.details?.['tags'] as Readonly<Record<string, string>> | undefined;
  return { type: 'StartChild', event, version: version === '' ? undefined : version, tags, at: undefined };
}

/**
 * What a worker made of the history that it was to rewind, without the message that asked for that: the code goes on by it.
 * Undefined: it is none that code could go on from.
 */
export function rewoundEvents(history: readonly HistoryEvent[]): readonly HistoryEvent[] | undefined {
  let events = history;
  const last = events.at(-1);
  if (last?.type === 'MessageReceived' && last.kind === REWOUND) {
    events = events.slice(0, events.at(-2)?.type === 'TurnBegan' ? -2 : -1);
  }
  const [first, ...rest] = events;
  const isWhole =
    first?.type === 'WorkflowStarted' && rest.every((event) => isOfTurns(event) && event.type !== 'WorkflowStarted');
  return isWhole ? events : undefined;
}
