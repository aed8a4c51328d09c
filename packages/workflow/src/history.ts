// The history: what has happened to one execution, in the order in which the workflow's code met it. Replay feeds it back.
//
// Each event is stored as an array [code, at, generation, version, traceparent, …fields]. Codes and the order of fields never change;
// new fields go to the end, where older readers do not look and newer readers find undefined.

import type { Failure } from './status.ts';

interface EventBase {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What workers of other languages told with an event and are told again: of no meaning to the engine. */
export type EventDetails = Readonly<Record<string, unknown>>;

export interface WorkflowStarted extends EventBase {
  readonly type: 'WorkflowStarted';
  readonly name: string;
  readonly input: unknown;
}
export interface ActivityCompleted extends EventBase {
  readonly type: 'ActivityCompleted';
  readonly sequence: number;
  readonly result: unknown;
}
export interface ActivityFailed extends EventBase {
  readonly type: 'ActivityFailed';
  readonly sequence: number;
  readonly failure: Failure;
  readonly attempts: number;
}
export interface TimerFired extends EventBase {
  readonly type: 'TimerFired';
  readonly sequence: number;
}
export interface EventRaised extends EventBase {
  readonly type: 'EventRaised';
  readonly name: string;
  readonly payload: unknown;
}
export interface ChildCompleted extends EventBase {
  readonly type: 'ChildCompleted';
  readonly sequence: number;
  readonly output: unknown;
}
export interface ChildFailed extends EventBase {
  readonly type: 'ChildFailed';
  readonly sequence: number;
  readonly failure: Failure;
}
/** Terminate with undo: the code stops, its undos run. */
export interface UndoRequested extends EventBase {
  readonly type: 'UndoRequested';
  readonly output: unknown;
}

/** Something that only code on a worker understands. */
export interface MessageReceived extends EventBase {
  readonly type: 'MessageReceived';
  readonly kind: string;
  readonly body: unknown;
}

/** What resumes the workflow's code. */
export type InputEvent =
  | WorkflowStarted
  | ActivityCompleted
  | ActivityFailed
  | TimerFired
  | EventRaised
  | ChildCompleted
  | ChildFailed
  | UndoRequested
  | MessageReceived;

export interface ActivityScheduled extends EventBase {
  readonly type: 'ActivityScheduled';
  readonly sequence: number;
  readonly name: string;
  readonly input: unknown;
  /** An activity by name, or a closure of the workflow's code. */
  readonly kind: 'activity' | 'step' | 'undo';
  readonly details?: EventDetails | undefined;
}
export interface TimerCreated extends EventBase {
  readonly type: 'TimerCreated';
  readonly sequence: number;
  readonly dueAtMs: number;
  /** The event whose wait it ends. */
  readonly eventName: string | undefined;
  readonly details?: EventDetails | undefined;
}
export interface ChildScheduled extends EventBase {
  readonly type: 'ChildScheduled';
  readonly sequence: number;
  readonly name: string;
  readonly instanceId: string;
  readonly input: unknown;
  readonly detached: boolean;
  readonly details?: EventDetails | undefined;
}
export interface EventSent extends EventBase {
  readonly type: 'EventSent';
  readonly sequence: number;
  readonly instanceId: string;
  readonly name: string;
  readonly payload: unknown;
  readonly details?: EventDetails | undefined;
}
/** Something that only code on a worker understands. */
export interface MessageSent extends EventBase {
  readonly type: 'MessageSent';
  readonly sequence: number;
  readonly kind: string;
  readonly body: unknown;
}

/** What the code asked for. */
export type CommandEvent = ActivityScheduled | TimerCreated | ChildScheduled | EventSent | MessageSent;

/** A worker was given what follows, up to what it asked for: `at` was its time. The first follows the start. */
export interface TurnBegan extends EventBase {
  readonly type: 'TurnBegan';
  readonly details?: EventDetails | undefined;
}

export interface ActivityRetried extends EventBase {
  readonly type: 'ActivityRetried';
  readonly sequence: number;
  /** The attempt that failed. */
  readonly attempt: number;
  readonly failure: Failure;
  readonly nextAttemptAtMs: number;
  readonly heartbeat: unknown;
}
export interface WorkflowSuspended extends EventBase {
  readonly type: 'WorkflowSuspended';
}
export interface WorkflowResumed extends EventBase {
  readonly type: 'WorkflowResumed';
}
export interface WorkflowCompleted extends EventBase {
  readonly type: 'WorkflowCompleted';
  readonly output: unknown;
}
export interface WorkflowFailed extends EventBase {
  readonly type: 'WorkflowFailed';
  readonly failure: Failure;
}
export interface WorkflowTerminated extends EventBase {
  readonly type: 'WorkflowTerminated';
  readonly output: unknown;
}

/** What the code never sees. */
export type OutsideEvent =
  | TurnBegan
  | ActivityRetried
  | WorkflowSuspended
  | WorkflowResumed
  | WorkflowCompleted
  | WorkflowFailed
  | WorkflowTerminated;

export type HistoryEvent = InputEvent | CommandEvent | OutsideEvent;
export type HistoryEventType = HistoryEvent['type'];

/** Which execution an event belongs to. */
export interface EventStamp {
  readonly generation: number;
  readonly version: string;
  /** W3C trace context of what caused it. */
  readonly traceparent: string | undefined;
}

/** Position is the stored code: append only. */
const TYPES: readonly (readonly [HistoryEventType, ...string[]])[] = [
  ['WorkflowStarted', 'name', 'input'],
  ['ActivityScheduled', 'sequence', 'name', 'input', 'kind', 'details'],
  ['ActivityCompleted', 'sequence', 'result'],
  ['ActivityFailed', 'sequence', 'failure', 'attempts'],
  ['ActivityRetried', 'sequence', 'attempt', 'failure', 'nextAttemptAtMs', 'heartbeat'],
  ['TimerCreated', 'sequence', 'dueAtMs', 'eventName', 'details'],
  ['TimerFired', 'sequence'],
  ['EventRaised', 'name', 'payload'],
  ['EventSent', 'sequence', 'instanceId', 'name', 'payload', 'details'],
  ['ChildScheduled', 'sequence', 'name', 'instanceId', 'input', 'detached', 'details'],
  ['ChildCompleted', 'sequence', 'output'],
  ['ChildFailed', 'sequence', 'failure'],
  ['WorkflowSuspended'],
  ['WorkflowResumed'],
  ['UndoRequested', 'output'],
  ['WorkflowCompleted', 'output'],
  ['WorkflowFailed', 'failure'],
  ['WorkflowTerminated', 'output'],
  ['TurnBegan', 'details'],
  ['MessageReceived', 'kind', 'body'],
  ['MessageSent', 'sequence', 'kind', 'body'],
];
const CODES = new Map(TYPES.map(([type], code) => [type, code]));
const INPUT_TYPES: ReadonlySet<string> = new Set([
  'WorkflowStarted',
  'ActivityCompleted',
  'ActivityFailed',
  'TimerFired',
  'EventRaised',
  'ChildCompleted',
  'ChildFailed',
  'UndoRequested',
  'MessageReceived',
] satisfies InputEvent['type'][]);
const COMMAND_TYPES: ReadonlySet<string> = new Set([
  'ActivityScheduled',
  'TimerCreated',
  'ChildScheduled',
  'EventSent',
  'MessageSent',
] satisfies CommandEvent['type'][]);

export function isInputEvent(event: HistoryEvent): event is InputEvent {
  return INPUT_TYPES.has(event.type);
}

export function isCommandEvent(event: HistoryEvent): event is CommandEvent {
  return COMMAND_TYPES.has(event.type);
}

/** Whether it tells code on a worker which turns there were, what came and what it asked for. */
export function isOfTurns(event: HistoryEvent): boolean {
  return event.type === 'TurnBegan' || isInputEvent(event) || isCommandEvent(event);
}

/** Whether it is how an instance ended. */
export function isEndEvent(event: HistoryEvent | undefined): boolean {
  return (
    event?.type === 'WorkflowCompleted' || event?.type === 'WorkflowFailed' || event?.type === 'WorkflowTerminated'
  );
}

/** Whether a history can hold an event of this type. */
export function isRecordedEventType(type: string): type is HistoryEventType {
  return CODES.has(type as HistoryEventType);
}

/** The stored form of an event. */
export function encodeEvent(
  event: HistoryEvent,
  { generation, version }: Omit<EventStamp, 'traceparent'>,
  traceparent: string | undefined,
): unknown[] {
  const code = CODES.get(event.type)!;
  const fields = TYPES[code]!;
  const values = event as unknown as Record<string, unknown>;
  let count = fields.length;
  while (count > 1 && values[fields[count - 1]!] === undefined) count--;
  // Made in its full length: one that grows is laid out twice, and this is done for every event.
  // oxlint-disable-next-line unicorn/no-new-array -- a length is meant
  const encoded = new Array<unknown>(HEADER_LENGTH + count - 1);
  encoded[0] = code;
  encoded[1] = event.at;
  encoded[2] = generation;
  encoded[3] = version;
  encoded[4] = traceparent ?? null;
  for (let index = 1; index < count; index++) encoded[HEADER_LENGTH + index - 1] = values[fields[index]!];
  return encoded;
}

/** Code, at, generation, version, traceparent. */
const HEADER_LENGTH = 5;

/** An event and what it was stamped with. */
export function decodeEvent(encoded: unknown): { readonly event: HistoryEvent; readonly stamp: EventStamp } {
  const [code, at, generation, version, traceparent, ...values] = encoded as [
    number,
    number,
    number,
    string,
    string | null,
    ...unknown[],
  ];
  const fields = TYPES[code];
  if (fields === undefined)
    throw new TypeError(`a history event has the code ${code}, which this version does not know`);
  const event: Record<string, unknown> = { type: fields[0], at };
  for (let index = 1; index < fields.length; index++) event[fields[index]!] = values[index - 1];
  return {
    event: event as unknown as HistoryEvent,
    stamp: { generation, version, traceparent: traceparent ?? undefined },
  };
}
