import { TextPayload } from '@troupe/actors';
import type { ExecutionOrigin, HistoryEvent } from '@troupe/workflow/worker';
import { describe, expect, test } from 'vitest';
import { EncodedHistory, ShownHistory } from '../../src/grpc/encoded-history.ts';
import { codecOf, type Dialect } from '../../src/grpc/schema.ts';
import type { Loose } from './harness.ts';

const origin: ExecutionOrigin = {
  workflowName: 'wf',
  version: '',
  createdAtMs: 1,
  startAtMs: undefined,
  tags: {},
  parent: { instanceId: 'mother', executionId: 'm.1', sequence: 0, workflowName: 'mothers', attempt: 1 },
  traceparent: undefined,
};
const execution = { instanceId: 'i', executionId: 'i.1', origin };
const failure = { type: 'E', message: '' };

/** One of each, as an instance could have them. */
const history: readonly HistoryEvent[] = [
  { type: 'WorkflowStarted', at: 1, name: 'wf', input: { b: 1 } },
  { type: 'TurnBegan', at: 2, details: { version: { patches: ['p'], name: 'v' } } },
  {
    type: 'ActivityScheduled',
    at: 2,
    sequence: 0,
    name: 'a',
    input: new TextPayload(''),
    kind: 'activity',
    details: { taskExecutionId: 'te', tags: { x: 'y' } },
  },
  {
    type: 'TimerCreated',
    at: 2,
    sequence: 1,
    dueAtMs: 1_700_000_000_001,
    eventName: undefined,
    details: { fireAt: { seconds: 1_700_000_000, nanos: 5 }, origin: { kind: 'externalEvent', name: 'go' } },
  },
  {
    type: 'ChildScheduled',
    at: 2,
    sequence: 2,
    name: 'c',
    instanceId: 'child',
    input: undefined,
    detached: false,
    details: { tags: { x: 'y' }, retryParentInstanceId: 'before' },
  },
  { type: 'ChildScheduled', at: 2, sequence: 3, name: 'd', instanceId: 'free', input: undefined, detached: true },
  { type: 'EventSent', at: 2, sequence: 4, instanceId: 'other', name: 'hi', payload: null },
  {
    type: 'MessageSent',
    at: 2,
    sequence: 5,
    kind: 'entityOperationSignaled',
    body: { requestId: 'r', operation: 'add' },
  },
  { type: 'ActivityRetried', at: 3, sequence: 0, attempt: 1, failure, nextAttemptAtMs: 4, heartbeat: undefined },
  { type: 'WorkflowSuspended', at: 3 },
  { type: 'WorkflowResumed', at: 4 },
  { type: 'TurnBegan', at: 5 },
  { type: 'ActivityCompleted', at: 5, sequence: 0, result: [1] },
  { type: 'TimerFired', at: 5, sequence: 1 },
  { type: 'EventRaised', at: 5, name: 'Go', payload: undefined },
  { type: 'ChildFailed', at: 5, sequence: 2, failure },
  { type: 'MessageReceived', at: 5, kind: 'entityOperationCompleted', body: { requestId: 'r' } },
  { type: 'UndoRequested', at: 6, output: undefined },
  { type: 'WorkflowTerminated', at: 7, output: new TextPayload('end') },
];

function decoded(dialect: Dialect, bytes: readonly Uint8Array[]): Loose[] {
  const type = codecOf(dialect).type('HistoryEvent');
  return bytes.map((one) => type.toObject(type.decode(one), { longs: Number, oneofs: true }));
}

function sent(dialect: Dialect, events: readonly HistoryEvent[] = history): Loose[] {
  return decoded(dialect, new EncodedHistory(codecOf(dialect)).forWorker(events, events, execution));
}

const kindsOf = (events: readonly Loose[]): string[] => events.map(({ eventType }) => eventType);

const COMMON_START = [
  'orchestratorStarted',
  'executionStarted',
  'taskScheduled',
  'timerCreated',
  'subOrchestrationInstanceCreated',
];
const COMMON_END = [
  'orchestratorStarted',
  'taskCompleted',
  'timerFired',
  'eventRaised',
  'subOrchestrationInstanceFailed',
];

describe('a worker is sent', () => {
  test('what its fork knows, and nothing that does not concern its code', () => {
    expect(kindsOf(sent('dapr'))).toEqual([
      ...COMMON_START,
      'detachedWorkflowInstanceCreated',
      'eventSent',
      ...COMMON_END,
    ]);
    for (const dialect of ['microsoft', 'base'] as const) {
      expect(kindsOf(sent(dialect))).toEqual([
        ...COMMON_START,
        'eventSent',
        'entityOperationSignaled',
        ...COMMON_END,
        'entityOperationCompleted',
      ]);
    }
  });

  test('fields in the meaning of its fork', () => {
    const [began, started, scheduled, timer, child, , , , completed, fired, raised, failed] = sent('dapr');
    expect(began.orchestratorStarted).toEqual({ version: { patches: ['p'], name: 'v' } });
    expect(started.executionStarted.input).toEqual({ value: '{"b":1}' });
    expect(started.executionStarted.version).toBeUndefined();
    expect(started.executionStarted.parentInstance).toEqual({
      name: { value: 'mothers' },
      orchestrationInstance: { instanceId: 'mother', executionId: { value: 'm.1' } },
    });
    expect(scheduled.taskScheduled).toEqual({ name: 'a', input: {}, taskExecutionId: 'te' });
    expect(timer.timerCreated).toEqual({
      fireAt: { seconds: 1_700_000_000, nanos: 5 },
      externalEvent: { name: 'go' },
      origin: 'externalEvent',
    });
    expect(child.subOrchestrationInstanceCreated).toEqual({
      instanceId: 'child',
      name: 'c',
      retryParentInstanceInfo: { instanceID: 'before' },
    });
    expect(completed.taskCompleted).toEqual({ result: { value: '[1]' }, taskExecutionId: 'te' });
    expect(fired.timerFired).toEqual({ timerId: 1, fireAt: timer.timerCreated.fireAt });
    expect(raised.eventRaised).toEqual({ name: 'Go' });
    // Some clients read a failure without a look whether it is there, and show none without a text.
    expect(failed.subOrchestrationInstanceFailed.failureDetails).toEqual({ errorType: 'E', errorMessage: 'E' });
    const [, , ofMicrosoft, , childOfMicrosoft] = sent('microsoft');
    expect(ofMicrosoft.taskScheduled).toEqual({ name: 'a', input: {}, tags: { x: 'y' } });
    expect(childOfMicrosoft.subOrchestrationInstanceCreated.tags).toEqual({ x: 'y' });
    const [, , ofNobody, , childOfNobody] = sent('base');
    expect(ofNobody.taskScheduled).toEqual({ name: 'a', input: {} });
    expect(childOfNobody.subOrchestrationInstanceCreated.tags).toBeUndefined();
  });

  test('the same bytes for the same events, without encoding them again', () => {
    const encoded = new EncodedHistory(codecOf('dapr'));
    const first = encoded.forWorker(history, history, execution);
    // What they refer to is not looked for either.
    const second = encoded.forWorker(history, [], execution);
    expect(second).toHaveLength(first.length);
    for (const [index, bytes] of first.entries()) expect(second[index]).toBe(bytes);
  });

  test('its failed end only when its code may be rewound', () => {
    const failed: HistoryEvent[] = [...history.slice(0, 3), { type: 'WorkflowFailed', at: 9, failure }];
    expect(sent('microsoft', failed).at(-1)).toMatchObject({
      eventId: 1,
      executionCompleted: { orchestrationStatus: 3, failureDetails: { errorType: 'E' } },
    });
    expect(kindsOf(sent('dapr', failed))).not.toContain('executionCompleted');
  });
});

describe('whoever looks at a history is shown', () => {
  test.each([1, 2, 3, 100])('all of it in the order of the wire, in pages of %i', (length) => {
    const shown = new ShownHistory(codecOf('dapr'), execution);
    const bytes: Uint8Array[] = [];
    for (let from = 0; from < history.length; from += length)
      bytes.push(...shown.page(history.slice(from, from + length)));
    bytes.push(...shown.end());
    const events = decoded('dapr', bytes);
    expect(kindsOf(events)).toEqual([
      ...COMMON_START,
      'detachedWorkflowInstanceCreated',
      'eventSent',
      'executionSuspended',
      'executionResumed',
      ...COMMON_END,
      'executionTerminated',
      'executionCompleted',
    ]);
    const ids = events.map(({ eventId = 0 }) => eventId).filter((id) => id >= 0);
    expect(ids).toEqual([0, 1, 2, 3, 4, 6]);
    expect(events.at(-1).executionCompleted).toEqual({ orchestrationStatus: 5, result: { value: 'end' } });
  });

  test('a start without a turn too, as code of this host has it', () => {
    const shown = new ShownHistory(codecOf('microsoft'), execution);
    expect(shown.page(history.slice(0, 1))).toEqual([]);
    expect(kindsOf(decoded('microsoft', shown.end()))).toEqual(['executionStarted']);
  });
});
