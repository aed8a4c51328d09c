// Each checker of the simulation accepts a good history and refuses a bad one, or it would be worth nothing.

import { describe, expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { encodeEvent, type HistoryEvent } from '../src/history.ts';
import { InstanceState, type InboxItem } from '../src/instance-state.ts';
import type { InstanceMetadata } from '../src/status.ts';
import {
  checkAnswers,
  checkEnded,
  checkExecutions,
  checkGenerations,
  checkKept,
  checkMoved,
  checkQuiet,
  checkRecorded,
  checkReplays,
  type Arrival,
  type ClientCall,
} from './simulation/checkers.ts';
import { vanishedEvents, type ExecutionLog, type LoggedExecution } from './simulation/execution-log.ts';

// ── A good history: one activity, one timer, one child, one event ────────────────────────────────────────────────────

const KEY = 'i/life.1/1';
const good: readonly HistoryEvent[] = [
  { type: 'WorkflowStarted', at: 0, name: 'w', input: 1 },
  { type: 'ActivityScheduled', at: 0, sequence: 1, name: 'work', input: 1, kind: 'activity' },
  { type: 'TimerCreated', at: 0, sequence: 2, dueAtMs: 50, eventName: undefined },
  { type: 'ActivityCompleted', at: 20, sequence: 1, result: { key: KEY } },
  { type: 'TimerFired', at: 50, sequence: 2 },
  { type: 'ChildScheduled', at: 50, sequence: 3, name: 'c', instanceId: 'kid', input: 1, detached: false },
  { type: 'ChildCompleted', at: 60, sequence: 3, output: { instanceId: 'kid' } },
  { type: 'EventRaised', at: 70, name: 'e', payload: 'event 1' },
  { type: 'WorkflowCompleted', at: 70, output: 'done' },
];
const w = workflow('w', async (ctx, n: number) => {
  await Promise.all([ctx.callActivity('work', n), ctx.createTimer(50)]);
  await ctx.callChildWorkflow('c', n, { instanceId: 'kid' });
  await ctx.waitForExternalEvent('e');
  return 'done';
});
const arrivals: readonly Arrival[] = [{ atMs: 5, key: KEY, attempt: 1 }];

function execution(events: readonly HistoryEvent[], generations: readonly number[] = []): LoggedExecution {
  return {
    instanceId: 'i',
    executionId: 'life.1',
    replacedAtMs: Infinity,
    events: events.map((event, index) => {
      const generation = generations[index] ?? 1;
      const encoded = encodeEvent(event, { generation, version: '1' }, undefined);
      return { event, generation, committedAtMs: event.at, encoded };
    }),
  };
}

function logOf(events: readonly HistoryEvent[] = good, purges: ExecutionLog['purges'] = []): ExecutionLog {
  return {
    executions: new Map([['i', [execution(events)]]]),
    states: new Map([['i', new InstanceState()]]),
    purges,
    undos: [],
    vanished: [],
  };
}

const without = (...positions: readonly number[]): HistoryEvent[] =>
  good.filter((_, index) => !positions.includes(index + 1));
const withNext = (position: number, event: HistoryEvent): HistoryEvent[] => good.toSpliced(position, 0, event);
const changed = (position: number, change: object): HistoryEvent[] =>
  good.with(position - 1, { ...good[position - 1]!, ...change });

test('a good history is accepted by all of them', async () => {
  const log = logOf();
  expect(checkRecorded(log)).toEqual([]);
  expect(checkGenerations(log)).toEqual([]);
  expect(checkExecutions(log, arrivals, [], [], false)).toEqual([]);
  expect(checkAnswers(log, [])).toEqual([]);
  expect(await checkReplays(log, w)).toEqual([]);
});

describe('I15, what is recorded', () => {
  test.each<[string, HistoryEvent[], string]>([
    ['a result twice', withNext(4, good[3]!), 'ActivityCompleted #1 twice'],
    ['a failure beside a result', withNext(4, failed(1)), 'ActivityFailed #1 twice'],
    ['a timer that fires twice', withNext(5, good[4]!), 'TimerFired #2 twice'],
    ['a result of nothing', withNext(4, { ...good[3]!, sequence: 9 } as HistoryEvent), '#9 is the result of nothing'],
    ['the result of another kind of command', changed(5, { sequence: 1 }), '#1 is the result of nothing'],
    ['a command twice', withNext(2, good[1]!), 'ActivityScheduled #1 twice'],
    ['a second start', withNext(5, good[0]!), 'WorkflowStarted is event 6'],
    ['no start', without(1), 'is event 1'],
    ['something after the end', [...good, good[7]!], 'EventRaised after its end'],
    ['two ends', [...good, good[8]!], 'WorkflowCompleted after its end'],
    ['a result while it is suspended', withNext(3, { type: 'WorkflowSuspended', at: 1 }), 'while it is suspended'],
  ])('refuses %s', (_, events, problem) => {
    expect(checkRecorded(logOf(events)).join('\n')).toContain(problem);
  });

  test('refuses events of two executions in one', () => {
    const mixed = execution(good, [1, 1, 1, 2]);
    const log = { ...logOf(), executions: new Map([['i', [mixed]]]) };
    expect(checkRecorded(log)).toEqual(['i (life.1): ActivityCompleted is of execution 2']);
  });
});

describe('I15, replays', () => {
  test.each<[string, HistoryEvent[], string]>([
    ['a command that the code does not ask for', without(3), 'where its history has'],
    ['another input', changed(2, { input: 2 }), 'input: 1'],
    ['another time', changed(3, { dueAtMs: 51 }), 'dueAtMs: 50'],
    ['another order', good.with(1, good[2]!).with(2, good[1]!), 'where its history has'],
    ['an end that the code does not come to', [...without(8)], 'does not do again what its history recorded'],
    ['another way of ending', good.with(8, failedAtAll()), 'a replay ends completed instead of failed'],
  ])('refuse %s', async (_, events, problem) => {
    expect((await checkReplays(logOf(events), w)).join('\n')).toContain(problem);
  });
});

describe('I16, executions', () => {
  const again = (attempt = 1): Arrival => ({ atMs: 6, key: KEY, attempt });

  test('refuse two where nothing went wrong, and accept them for another attempt', () => {
    expect(checkExecutions(logOf(), [...arrivals, again()], [], [], false)).toHaveLength(1);
    expect(checkExecutions(logOf(), [...arrivals, again(2)], [], [], false)).toEqual([]);
  });

  test('accept one more for each activation in the window, and refuse more than that', () => {
    const loads = [{ instanceId: 'i', atMs: 6 }];
    expect(checkExecutions(logOf(), [...arrivals, again()], loads, [], true)).toEqual([]);
    expect(checkExecutions(logOf(), [...arrivals, again(), again()], loads, [], true)).toHaveLength(1);
    expect(checkExecutions(logOf(), [...arrivals, again()], [{ instanceId: 'i', atMs: 21 }], [], true)).toHaveLength(1);
    expect(checkExecutions(logOf(), [...arrivals, again()], [{ instanceId: 'other', atMs: 6 }], [], true)).toHaveLength(
      1,
    );
  });

  test('refuse a body that ran before its command was durable, or without any', () => {
    const late = logOf(good.map((event, index) => (index === 1 ? { ...event, at: 10 } : event)));
    expect(checkExecutions(late, arrivals, [], [], false)).toEqual([
      `activity ${KEY} began before its command was durable`,
    ]);
    const stranger = { atMs: 5, key: 'i/life.2/1', attempt: 1 };
    expect(checkExecutions(logOf(), [...arrivals, stranger], [], [], true)).toHaveLength(1);
  });

  test('refuse a result of nothing that ran, and what was left behind and never ran', () => {
    expect(checkExecutions(logOf(), [], [], [], true)).toEqual([`activity ${KEY} has a result and never ran`]);
    expect(checkExecutions(logOf(without(4)), [], [], [], true)).toEqual([
      `activity ${KEY} was left behind and never ran`,
    ]);
  });
});

describe('I17, what is to be done', () => {
  const stateOf = (change: Partial<InstanceState>): InstanceState =>
    Object.assign(new InstanceState(), { birth: 'life', startedAtMs: 0 }, change);
  const logIn = (events: readonly HistoryEvent[], change: Partial<InstanceState> = {}): ExecutionLog => ({
    ...logOf(events),
    states: new Map([
      ['i', stateOf(change)],
      ['kid', stateOf({ ended: 'completed' })],
    ]),
  });
  const item: InboxItem = {
    event: { type: 'EventRaised', at: 1, name: 'e', payload: 'event 2' },
    traceparent: undefined,
  };

  test('refuses an activity without a result, a timer that is due, a child that has ended, and a full inbox', () => {
    const open = without(9);
    expect(checkMoved(logIn(open), 1_000)).toEqual([]);
    expect(checkMoved(logIn(without(4, 9)), 1_000)).toEqual(['i (running) waits for activity #1']);
    expect(checkMoved(logIn(without(5, 9)), 1_000)).toEqual(['i (running) waits for timer #2']);
    expect(checkMoved(logIn(without(5, 9)), 49)).toEqual([]);
    expect(checkMoved(logIn(without(7, 9)), 1_000)).toEqual(['i (running) waits for kid, which has ended']);
    expect(checkMoved(logIn(open, { inbox: [item] }), 1_000)).toHaveLength(1);
    expect(checkMoved(logIn(good, { ended: 'completed', leftBehind: [1] }), 1_000)).toHaveLength(1);
    expect(checkMoved(logIn(without(4, 9), { inbox: [item], suspended: true }), 1_000)).toEqual([]);
  });

  test('refuses what waits in a record and vanishes, unless its life ends', () => {
    const [before, after] = [stateOf({ inbox: [item] }), stateOf({ generation: 2 })];
    expect(vanishedEvents('i', before, after, [])).toEqual(['i: event 2 waited and vanished']);
    expect(vanishedEvents('i', before, after, [item.event])).toEqual([]);
    expect(vanishedEvents('i', before, before, [])).toEqual([]);
    expect(vanishedEvents('i', before, stateOf({ ended: 'terminated' }), [])).toEqual([]);
    expect(vanishedEvents('i', before, stateOf({ birth: 'another life' }), [])).toEqual([]);
  });
});

describe('I17, the end', () => {
  const found = (runtimeStatus: string): InstanceMetadata => ({ instanceId: 'i', runtimeStatus }) as InstanceMetadata;

  test('refuses one that is open for good, and a list that says something else', () => {
    expect(checkEnded([found('completed')], new Map([['i', 'completed']]))).toEqual([]);
    expect(checkEnded([found('running')], new Map([['i', 'running']]))).toHaveLength(1);
    expect(checkEnded([found('stalled')], new Map([['i', 'stalled']]))).toHaveLength(1);
    expect(checkEnded([found('completed')], new Map([['i', 'running']]))).toHaveLength(1);
    expect(checkEnded([found('completed')], new Map())).toHaveLength(1);
  });
});

test('I17 and I18: what is still done when all has ended is refused', () => {
  const before = { writes: 5, messages: 6, executions: 7 };
  expect(checkQuiet(before, { ...before })).toEqual([]);
  for (const kind of ['writes', 'messages', 'executions'])
    expect(checkQuiet(before, { ...before, [kind]: 9 })).toEqual([expect.stringContaining(`more ${kind}`)]);
});

describe('I18, generations', () => {
  test('refuses the result of another execution, and the output of another child', () => {
    expect(checkGenerations(logOf(changed(4, { result: { key: 'i/life.2/1' } })))).toHaveLength(1);
    expect(checkGenerations(logOf(changed(4, { result: undefined })))).toHaveLength(1);
    expect(checkGenerations(logOf(changed(7, { output: { instanceId: 'other' } })))).toHaveLength(1);
  });
});

describe('I18, kept events', () => {
  const looping = workflow('w', async (ctx, n: number) => {
    await ctx.waitForExternalEvent('e');
    if (n === 1) ctx.continueAsNew(2);
  });
  const raised = (payload: string): HistoryEvent => ({ type: 'EventRaised', at: 1, name: 'e', payload });
  const kept = (payload: string): HistoryEvent => ({ type: 'EventRaised', at: 1, name: 'other', payload });
  const log = (second: readonly HistoryEvent[]): ExecutionLog => ({
    ...logOf(),
    executions: new Map([
      [
        'i',
        [
          { ...execution([good[0]!, kept('first'), kept('second'), raised('go')]), replacedAtMs: 1 },
          {
            ...execution([{ ...good[0]!, input: 2 } as HistoryEvent, ...second], [2, 2, 2, 2, 2]),
            executionId: 'life.2',
          },
        ],
      ],
    ]),
  });

  test('refuses the next execution when it lacks one, or has them in another order', async () => {
    expect(await checkKept(log([kept('first'), kept('second'), raised('third')]), looping)).toEqual([]);
    expect(await checkKept(log([kept('first'), raised('third')]), looping)).toHaveLength(1);
    expect(await checkKept(log([kept('second'), kept('first')]), looping)).toHaveLength(2);
    expect(await checkKept(log([]), looping)).toHaveLength(2);
    // It ended before it met the second.
    expect(await checkKept(log([kept('first'), good[8]!]), looping)).toEqual([]);
  });
});

describe('what clients were told', () => {
  const call = (verb: ClientCall['verb'], outcome: string, value?: unknown): ClientCall => ({
    ...{ verb, instanceId: 'i', outcome, value, beganAtMs: 30, endedAtMs: 40 },
  });
  const elsewhere = (verb: ClientCall['verb'], outcome: string, value?: unknown): ClientCall => ({
    ...call(verb, outcome, value),
    instanceId: 'nowhere',
  });

  test.each<[string, ClientCall, HistoryEvent[]]>([
    ['an event that was not executed and is there', call('raiseEvent', 'NotExecutedError', 'event 1'), [...good]],
    ['an event that is there twice', call('raiseEvent', 'done', 'event 1'), withNext(8, good[7]!)],
    ['an event that was taken and is lost', call('raiseEvent', 'done', 'event 2'), without(9)],
    ['a terminate that ended nothing', call('terminate', 'done'), without(9)],
    ['a purge that purged nothing', call('purge', 'done'), [...good]],
    ['an output that is recorded nowhere', call('result', 'done', 'else'), [...good]],
    ['no output where there is one', call('result', 'done', undefined), [...good]],
    ['a start of nothing', elsewhere('start', 'done', { ifExists: 'fail' }), [...good]],
    ['a start that met nothing', elsewhere('start', 'AlreadyExistsError', { ifExists: 'fail' }), [...good]],
    ['an answer about nothing', elsewhere('get', 'done', {}), [...good]],
  ])('refuses %s', (_, one, events) => {
    expect(checkAnswers(logOf(events), [one])).toHaveLength(1);
  });

  test('accepts what is true', () => {
    const log = logOf(good, [{ instanceId: 'i', atMs: 35 }]);
    const calls = [
      call('raiseEvent', 'done', 'event 1'),
      call('raiseEvent', 'OutcomeUnknownError', 'event 1'),
      call('raiseEvent', 'NotExecutedError', 'event 2'),
      call('purge', 'done'),
      call('result', 'done', 'done'),
      call('start', 'done', { ifExists: 'fail' }),
      elsewhere('get', 'done'),
    ];
    expect(checkAnswers(log, calls)).toEqual([]);
  });
});

function failed(sequence: number): HistoryEvent {
  return { type: 'ActivityFailed', at: 20, sequence, attempts: 1, failure: { type: 'Error', message: 'no' } };
}

function failedAtAll(): HistoryEvent {
  return { type: 'WorkflowFailed', at: 70, failure: { type: 'Error', message: 'no' } };
}
