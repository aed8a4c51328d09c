import { payloadText, TextPayload } from '@troupe/actors';
import type { HistoryEvent, WorkflowItem } from '@troupe/workflow/worker';
import { describe, expect, test } from 'vitest';
import { PartialTurnError, PartialTurns } from '../../src/grpc/partial-turns.ts';
import { codecOf, type Dialect } from '../../src/grpc/schema.ts';
import type { DecodedTurn } from '../../src/grpc/worker-answer.ts';
import { turnFrom } from '../../src/grpc/worker-turn.ts';
import type { Loose } from './harness.ts';

const item: WorkflowItem = {
  kind: 'workflow',
  token: 't1',
  instanceId: 'parent',
  executionId: 'b.1',
  origin: {
    workflowName: 'wf',
    version: '',
    createdAtMs: 0,
    startAtMs: undefined,
    tags: {},
    parent: undefined,
    traceparent: undefined,
  },
  past: [],
  kept: 0,
  beganAtMs: 1_000,
  events: [{ type: 'WorkflowStarted', at: 1_000, name: 'wf', input: undefined }],
};

function decoded(fields: object, dialect: Dialect): DecodedTurn {
  const codec = codecOf(dialect);
  return codec.decode('OrchestratorResponse', codec.encode('OrchestratorResponse', fields));
}

function turn(fields: object, dialect: Dialect = 'base', past: readonly HistoryEvent[] = []): Loose {
  return turnFrom(decoded({ instanceId: 'parent', ...fields }, dialect), { ...item, past });
}

const text = (value: string): object => ({ value });
const failure = (fields: object, dialect?: Dialect, past?: readonly HistoryEvent[]): string => {
  const { commands, outcome } = turn(fields, dialect, past);
  expect(commands).toEqual([]);
  expect(outcome).toMatchObject({ type: 'failed', failure: { type: 'WorkerAnswerError', nonRetryable: true } });
  return outcome.failure.message;
};

describe('what a worker asks for', () => {
  test('an activity, with what each fork says of it', () => {
    const task = { name: 'act', version: text('2'), input: text(''), tags: { a: 'b' } };
    const [microsoft] = turn(
      { actions: [{ id: 0, scheduleTask: { ...task, parentTraceContext: { traceParent: 'tp', spanID: 's' } } }] },
      'microsoft',
    ).commands;
    expect(microsoft).toMatchObject({
      type: 'ScheduleActivity',
      options: {},
      event: { type: 'ActivityScheduled', at: 1_000, sequence: 0, name: 'act', kind: 'activity' },
    });
    expect(payloadText(microsoft.event.input)).toBe('');
    expect(microsoft.event.details).toEqual({
      version: '2',
      tags: { a: 'b' },
      parentTraceContext: { traceParent: 'tp', spanID: 's' },
    });
    const ofDapr = { actions: [{ id: 3, scheduleTask: { name: 'act', taskExecutionId: 'te' } }] };
    expect(turn(ofDapr, 'dapr').commands[0].event.details).toEqual({ taskExecutionId: 'te' });
    // The same bytes, of a peer that is not known: nobody can say what the field means.
    const codec = codecOf('dapr');
    const bytes = codec.encode('OrchestratorResponse', { instanceId: 'parent', ...ofDapr });
    const unread = turnFrom(codecOf('base').decode('OrchestratorResponse', bytes), item).commands[0] as Loose;
    expect(unread.event.details).toBeUndefined();
  });

  test('a timer, never due before its nanoseconds', () => {
    const fireAt = { seconds: 1_700_000_000, nanos: 1_000_001 };
    const timer = { fireAt, name: 'n', activityRetry: { taskExecutionId: 'te' } };
    const [{ event }] = turn({ actions: [{ id: 1, createTimer: timer }] }, 'dapr').commands;
    expect(event).toMatchObject({ type: 'TimerCreated', dueAtMs: 1_700_000_000_002 });
    expect(event.details).toEqual({ fireAt, name: 'n', origin: { kind: 'activityRetry', taskExecutionId: 'te' } });
    const [{ event: over }] = turn({ actions: [{ id: 1, createTimer: {} }] }).commands;
    expect(over.dueAtMs).toBe(0);
    const last = { fireAt: { seconds: 253_402_300_799, nanos: 999_999_999 } };
    const [{ event: never }] = turn({ actions: [{ id: 1, createTimer: last }] }).commands;
    expect(new Date(never.dueAtMs).getUTCFullYear()).toBe(10_000);
  });

  test('a child, under an id of its parent if it has none', () => {
    const child = { name: 'c', version: text(''), input: text('1') };
    const [first, second] = turn({
      actions: [
        { id: 10, createSubOrchestration: child },
        { id: 11, createSubOrchestration: { ...child, instanceId: 'own', version: text('3') } },
      ],
    }).commands;
    expect(first).toMatchObject({ type: 'StartChild', event: { instanceId: 'parent:000a', detached: false } });
    expect(first.version).toBeUndefined();
    expect(second).toMatchObject({ version: '3', event: { instanceId: 'own' } });
  });

  test("a child's tags, and not what the other fork says in their place", () => {
    const tagged = { actions: [{ id: 1, createSubOrchestration: { name: 'c', tags: { a: 'b' } } }] };
    expect(turn(tagged, 'microsoft').commands[0].tags).toEqual({ a: 'b' });
    const codec = codecOf('dapr');
    const scoped = {
      instanceId: 'parent',
      actions: [{ id: 1, createSubOrchestration: { name: 'c', historyPropagationScope: 2 } }],
    };
    const bytes = codec.encode('OrchestratorResponse', scoped);
    for (const dialect of ['microsoft', 'base'] as const) {
      const [command] = turnFrom(codecOf(dialect).decode('OrchestratorResponse', bytes), item).commands as Loose;
      expect(command).toMatchObject({ type: 'StartChild', tags: undefined });
    }
  });

  test('what needs no answer', () => {
    const { commands, outcome } = turn({
      customStatus: text(''),
      actions: [
        { id: 1, sendEvent: { instance: { instanceId: 'other' }, name: 'go', data: text('x') } },
        { id: 2, terminateOrchestration: { instanceId: 'third', reason: text('r'), recurse: true } },
        { id: 3, createDetachedWorkflow: { name: 'd', instanceId: 'fourth', tags: { t: 'u' } } },
        {
          id: 4,
          sendEntityMessage: { entityOperationSignaled: { requestId: 'q', operation: 'add', input: text('1') } },
        },
      ],
    });
    expect(outcome).toBeUndefined();
    expect(commands).toEqual([
      {
        type: 'SendEvent',
        event: {
          type: 'EventSent',
          at: 1_000,
          sequence: 1,
          instanceId: 'other',
          name: 'go',
          payload: new TextPayload('x'),
        },
        at: undefined,
      },
      { type: 'TerminateOther', instanceId: 'third', output: new TextPayload('r'), recursive: true },
      expect.objectContaining({
        type: 'StartChild',
        tags: { t: 'u' },
        event: expect.objectContaining({ detached: true }),
      }),
      expect.objectContaining({
        type: 'SendMessage',
        event: expect.objectContaining({
          kind: 'entityOperationSignaled',
          body: { requestId: 'q', operation: 'add', input: { value: '1' } },
        }),
      }),
      { type: 'SetCustomStatus', value: new TextPayload('') },
    ]);
  });
});

describe('how a workflow ends', () => {
  const complete = (fields: object, dialect?: Dialect): Loose =>
    turn({ actions: [{ id: -1, completeOrchestration: fields }] }, dialect).outcome;

  test('with a result, a failure, or from within', () => {
    expect(complete({ orchestrationStatus: 1, result: text('1') })).toEqual({
      type: 'completed',
      output: new TextPayload('1'),
    });
    expect(complete({ orchestrationStatus: 1 })).toEqual({ type: 'completed', output: undefined });
    expect(complete({ orchestrationStatus: 5, result: text('t') })).toEqual({
      type: 'terminated',
      output: new TextPayload('t'),
    });
    const failureDetails = {
      errorType: 'E',
      errorMessage: 'm',
      stackTrace: text('s'),
      isNonRetriable: true,
      innerFailure: { errorType: 'I', errorMessage: 'n' },
      properties: { a: { numberValue: 1 }, b: { listValue: { values: [{ nullValue: 0 }, { stringValue: 'x' }] } } },
    };
    expect(complete({ orchestrationStatus: 3, failureDetails })).toEqual({
      type: 'failed',
      failure: {
        type: 'E',
        message: 'm',
        stack: 's',
        nonRetryable: true,
        cause: { type: 'I', message: 'n' },
        properties: { a: 1, b: [null, 'x'] },
      },
    });
    expect(complete({ orchestrationStatus: 3 }).failure.message).not.toBe('');
  });

  test('by beginning anew, with the events that it carries over', () => {
    const carryoverEvents = [
      { eventId: -1, timestamp: { seconds: 7 }, eventRaised: { name: 'A', input: text('1') } },
      // Dapr's router is no kind of event, though its number is one in the other fork.
      { eventId: -1, eventRaised: { name: 'b' }, router: { sourceAppID: 'app' } },
    ];
    const fields = { orchestrationStatus: 2, result: text('in'), newVersion: text('2'), carryoverEvents };
    expect(complete(fields, 'dapr')).toEqual({
      type: 'continued',
      input: new TextPayload('in'),
      version: '2',
      kept: [
        { name: 'A', payload: new TextPayload('1'), at: 7_000 },
        { name: 'b', payload: undefined, at: 1_000 },
      ],
    });
  });

  test('with no version of its code, which is no end', () => {
    const { commands, outcome, stalled } = turn(
      {
        actions: [
          { id: 1, scheduleTask: { name: 'x' } },
          { id: 2, workflowVersionNotAvailable: {} },
        ],
      },
      'dapr',
    );
    expect({ commands, outcome }).toEqual({ commands: [], outcome: undefined });
    expect(stalled).toBeInstanceOf(Error);
  });
});

test('what a fork says of a turn is kept with its beginning', () => {
  expect(turn({ version: { patches: ['p'], name: 'v' } }, 'dapr').details).toEqual({
    version: { patches: ['p'], name: 'v' },
  });
  const trace = { spanID: text('s'), spanStartTime: { seconds: 5, nanos: 6 } };
  expect(turn({ orchestrationTraceContext: trace }, 'microsoft').details).toEqual({
    traceContext: { spanID: 's', spanStartTime: { seconds: 5, nanos: 6 } },
  });
  expect(turn({}).details).toBeUndefined();
});

describe('an answer that makes no sense fails the workflow', () => {
  const scheduled = (id: number): object => ({ id, scheduleTask: { name: 'x' } });

  test.each([
    ['a negative id', { actions: [scheduled(-2)] }, /id -2/],
    ['an id that is used twice', { actions: [scheduled(1), scheduled(1)] }, /id 1 twice/],
    ['an empty action', { actions: [{ id: 1 }] }, /empty/],
    ['two ends', { actions: [1, 2].map((id) => ({ id, completeOrchestration: { orchestrationStatus: 1 } })) }, /twice/],
    ['an end that is none', { actions: [{ id: 1, completeOrchestration: {} }] }, /status 0/],
    [
      'an event carried over that is none',
      {
        actions: [
          {
            id: 1,
            completeOrchestration: { orchestrationStatus: 2, carryoverEvents: [{ timerFired: { timerId: 1 } }] },
          },
        ],
      },
      /timerFired/,
    ],
    ['an entity message that is none', { actions: [{ id: 1, sendEntityMessage: {} }] }, /entity/],
  ])('%s', (_what, fields, message) => {
    expect(failure(fields)).toMatch(message);
  });

  test('an id that the history holds', () => {
    const past: HistoryEvent[] = [
      { type: 'TimerCreated', at: 1, sequence: 4, dueAtMs: 5, eventName: undefined },
      { type: 'TimerFired', at: 6, sequence: 4 },
    ];
    expect(failure({ actions: [scheduled(4)] }, 'base', past)).toMatch(/id 4 once more/);
  });

  test('not an id whose activity or child has failed: that may be tried again under it', () => {
    const scheduledBefore = { at: 1, sequence: 4, input: undefined, details: undefined } as const;
    const failed = { at: 2, sequence: 4, failure: { type: 'Error', message: 'no' } } as const;
    const activity: HistoryEvent[] = [
      { ...scheduledBefore, type: 'ActivityScheduled', name: 'a', kind: 'activity' },
      { ...failed, type: 'ActivityFailed', attempts: 1 },
    ];
    const child: HistoryEvent[] = [
      { ...scheduledBefore, type: 'ChildScheduled', name: 'c', instanceId: 'i:4', detached: false },
      { ...failed, type: 'ChildFailed' },
    ];
    for (const past of [activity, child])
      expect(turn({ actions: [scheduled(4)] }, 'base', past).commands).toHaveLength(1);
    // Once: the second attempt has not ended.
    const again = [...activity, activity[0]!];
    expect(failure({ actions: [scheduled(4)] }, 'base', again)).toMatch(/id 4 once more/);
  });

  test('an action that is not known, by its number', () => {
    const tag = (77 << 3) | 2;
    // OrchestratorResponse.actions { id: 1, 77: "" }
    const action = Buffer.from([0x08, 1, (tag & 0x7f) | 0x80, tag >> 7, 0]);
    const bytes = Buffer.concat([Buffer.from([0x12, action.length]), action]);
    const { outcome } = turnFrom(codecOf('microsoft').decode('OrchestratorResponse', bytes), item) as Loose;
    expect(outcome.failure.message).toMatch(/field 77/);
  });
});

describe('an answer in parts', () => {
  const part = (chunk: number | undefined, isPartial: boolean, ...ids: number[]): DecodedTurn =>
    decoded(
      {
        instanceId: 'parent',
        isPartial,
        chunkIndex: chunk === undefined ? undefined : { value: chunk },
        actions: ids.map((id) => ({ id, scheduleTask: { name: 'x' } })),
        customStatus: text(`${chunk}`),
      },
      'microsoft',
    );
  const ids = (answer: DecodedTurn | undefined): number[] | undefined => answer?.actions.map(({ id }) => id);

  test('counts when the last has come, with the actions of all', () => {
    const parts = new PartialTurns(1_000);
    expect(parts.take(part(0, true, 1, 2), 't', 10)).toBeUndefined();
    expect(parts.take(part(1, true, 3), 't', 10)).toBeUndefined();
    const whole = parts.take(part(2, false, 4), 't', 10);
    expect(ids(whole)).toEqual([1, 2, 3, 4]);
    expect(turnFrom(whole!, item).commands.map(({ type }) => type)).toEqual([
      ...Array.from({ length: 4 }, () => 'ScheduleActivity'),
      'SetCustomStatus',
    ]);
    expect(ids(parts.take(part(undefined, false, 5), 't', 10))).toEqual([5]);
  });

  test('forgets what came for another dispatch, and begins anew with its first part', () => {
    const parts = new PartialTurns(1_000);
    parts.take(part(0, true, 1), 'old', 10);
    parts.take(part(0, true, 2), 'new', 10);
    expect(ids(parts.take(part(1, false, 3), 'new', 10))).toEqual([2, 3]);
    parts.take(part(0, true, 1), 't', 10);
    expect(ids(parts.take(part(0, false, 9), 't', 10))).toEqual([9]);
  });

  test('is refused with a hole in it, or when it grows too large', () => {
    const parts = new PartialTurns(25);
    expect(() => parts.take(part(1, false, 1), 't', 1)).toThrow(PartialTurnError);
    parts.take(part(0, true, 1), 't', 10);
    expect(() => parts.take(part(2, true, 1), 't', 10)).toThrow(/part 2 .* part 1/);
    parts.take(part(0, true, 1), 't', 10);
    parts.take(part(1, true, 1), 't', 10);
    expect(() => parts.take(part(2, true, 1), 't', 10)).toThrow(/25 bytes/);
    // What was refused takes no place.
    expect(parts.take(part(0, true, 1), 't', 25)).toBeUndefined();
  });
});
