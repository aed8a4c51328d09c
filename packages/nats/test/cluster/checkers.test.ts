// Each checker with a history that it must accept and those that it must reject: one that cannot fail shows nothing.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  checkI10Truthful,
  checkI11Converged,
  checkI13Fired,
  checkI14Once,
  checkI16Activities,
  checkI17Completed,
  checkI19NoEviction,
  checkI1Chain,
  checkI1Counters,
  checkI20Moves,
  checkI2Acknowledged,
  checkI3Reads,
  checkI4Fresh,
  checkI5Epochs,
  checkI9NoneLost,
  countCalls,
  ownersOf,
  takeoverTimesMs,
  type FoundInstance,
} from './checkers.ts';
import { Ledger, readLedger, type LedgerEvent, type Line, type Outcome } from './ledger.ts';

function line(atMs: number, event: LedgerEvent, by = 'h1'): Line {
  return { atMs, by, ...event };
}

/** A call that was asked for and, unless its caller died, answered. */
function call(
  id: string,
  method: string,
  outcome?: Outcome,
  value?: unknown,
  [fromMs, toMs]: readonly [number, number] = [0, 10],
  actor = 'counter/a',
): Line[] {
  const asked = line(fromMs, { kind: 'call', call: id, actor, method });
  return outcome === undefined ? [asked] : [asked, line(toMs, { kind: 'answer', call: id, outcome, value })];
}

const none = new Map<string, readonly string[]>();
const counters = (...calls: string[]) => new Map([['a', calls]]);
const alarms = (...log: string[]) => new Map([['a', log]]);

describe('the ledger', () => {
  test('gives back what processes have written, by time, but for a line over which one was killed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-ledger-'));
    try {
      new Ledger(folder, 'h1').write({ kind: 'turn', call: 'c1', actor: 'counter/a' });
      const torn = line(0, { kind: 'turn', call: 'c0', actor: 'counter/a' }, 'h2');
      writeFileSync(join(folder, 'h2.jsonl'), `${JSON.stringify(torn)}\n{"atMs":1,"by":"h2","ki`);
      expect(readLedger(folder)).toMatchObject([
        { by: 'h2', call: 'c0' },
        { by: 'h1', call: 'c1' },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('I1, the chain', () => {
  const commit = (name: string, expectedRevision: number, revision: number) =>
    line(0, { kind: 'commit', actor: 'counter/a', commit: name, expectedRevision, revision });

  test('accepts one after the other, a gap that a dead writer left, and a commit that was answered twice', () => {
    expect(checkI1Chain([commit('x.1', 0, 3), commit('x.1', 0, 3), commit('y.1', 5, 6)])).toEqual([]);
  });

  test.each([
    ['a fork', [commit('x.1', 0, 3), commit('y.1', 0, 4)]],
    ['a revision that falls', [commit('x.1', 4, 3)]],
  ])('rejects %s', (_what, lines) => expect(checkI1Chain(lines)).not.toEqual([]));
});

describe('I1, the counters', () => {
  const asked = [...call('c1', 'add', 'done', 1), ...call('c2', 'add'), ...call('c3', 'last', 'done', [1, 'c1'])];

  test('accepts calls that were asked for', () => expect(checkI1Counters(asked, counters('c1', 'c2'))).toEqual([]));

  test.each([
    ['a call that was taken twice', counters('c1', 'c2', 'c1')],
    ['one that nobody asked for', counters('c1', 'c9')],
    ['one of another method', counters('c1', 'c3')],
    ['one of another counter', new Map([['b', ['c1']]])],
  ])('rejects %s', (_what, found) => expect(checkI1Counters(asked, found)).not.toEqual([]));
});

describe('I2, what was acknowledged', () => {
  const lines = [
    ...call('c1', 'add', 'done', 1),
    ...call('c2', 'add', 'unknown'),
    ...call('c3', 'add', 'done', 2),
    ...call('s1', 'set', 'done', 50, [0, 1], 'alarm/a'),
    ...call('k1', 'cancel s1', 'done', undefined, [2, 3], 'alarm/a'),
  ];
  const log = alarms('set s1 50', 'cancel s1');

  test('accepts it in its place', () => expect(checkI2Acknowledged(lines, counters('c1', 'c3'), log)).toEqual([]));

  test.each([
    ['a write that is lost', counters('c1'), log],
    ['one that is elsewhere', counters('c1', 'c2', 'c3'), log],
    ['an actor that is lost', none, log],
    ['a reminder that is lost', counters('c1', 'c3'), alarms('cancel s1')],
    ['a reminder with another time', counters('c1', 'c3'), alarms('set s1 51', 'cancel s1')],
    ['a cancel that is lost', counters('c1', 'c3'), alarms('set s1 50')],
  ])('rejects %s', (_what, found, logs) => expect(checkI2Acknowledged(lines, found, logs)).not.toEqual([]));
});

describe('I3, reads', () => {
  const read = (count: number, last: string | null) => call('r', 'last', 'done', [count, last]);

  test('accepts what was once so', () => {
    expect(checkI3Reads([...read(1, 'c1'), ...read(0, null)], counters('c1', 'c2'))).toEqual([]);
  });

  test.each([
    ['a write of a zombie', read(2, 'c9')],
    ['more than there ever was', read(3, 'c3')],
  ])('rejects %s', (_what, lines) => expect(checkI3Reads(lines, counters('c1', 'c2'))).not.toEqual([]));
});

describe('I4, fresh answers', () => {
  const added = call('c1', 'add', 'done', 5, [0, 10]);

  test('accepts an old answer to a call that was out at the same time', () => {
    expect(checkI4Fresh([...added, ...call('r1', 'last', 'done', [4, 'c0'], [10, 90])])).toEqual([]);
    expect(checkI4Fresh([...added, ...call('r1', 'last', 'unknown', undefined, [20, 90])])).toEqual([]);
  });

  test.each([
    ['a read that does not know of an earlier write', call('r1', 'last', 'done', [4, 'c0'], [11, 12])],
    ['a write at a place that was taken', call('c2', 'add', 'done', 4, [11, 12])],
    [
      'a read behind what another has read',
      [...call('r1', 'last', 'done', [7, 'c7'], [11, 12]), ...call('r2', 'last', 'done', [6, 'c6'], [13, 14])],
    ],
  ])('rejects %s', (_what, lines) => expect(checkI4Fresh([...added, ...lines])).not.toEqual([]));
});

describe('claims', () => {
  const claim = (
    atMs: number,
    by: string,
    event: 'acquired' | 'draining' | 'released' | 'lost',
    partition: number,
    epoch: number,
  ) => line(atMs, { kind: 'claim', event, partition, epoch }, by);

  test('I5 accepts claims with rising epochs, each of one host', () => {
    const lines = [claim(0, 'h1', 'acquired', 1, 4), claim(1, 'h2', 'acquired', 1, 9), claim(2, 'h1', 'lost', 1, 4)];
    const again = [claim(4, 'h1', 'released', 1, 12), claim(5, 'h1', 'acquired', 1, 12)];
    expect(checkI5Epochs([...lines, claim(3, 'h1', 'acquired', 1, 12), ...again])).toEqual([]);
  });

  test.each([
    ['an epoch of two hosts', [claim(0, 'h1', 'acquired', 1, 4), claim(1, 'h2', 'acquired', 1, 4)]],
    ['an epoch that falls', [claim(0, 'h1', 'acquired', 1, 4), claim(1, 'h1', 'acquired', 1, 3)]],
    [
      'an epoch that comes back',
      [claim(0, 'h1', 'acquired', 1, 4), claim(1, 'h2', 'acquired', 1, 5), claim(2, 'h1', 'acquired', 1, 4)],
    ],
  ])('I5 rejects %s', (_what, lines) => expect(checkI5Epochs(lines)).not.toEqual([]));

  const before = [claim(0, 'h1', 'acquired', 1, 4), claim(0, 'h2', 'acquired', 2, 5)];

  test('I19 accepts that the partitions of a dead host move, and whatever is before and after', () => {
    const after = claim(99, 'h1', 'lost', 1, 4);
    expect(checkI19NoEviction([...before, claim(50, 'h1', 'acquired', 2, 8), after], 10, 60, new Set(['h2']))).toEqual(
      [],
    );
  });

  test.each([
    ['a partition that moves', [...before, claim(50, 'h1', 'acquired', 2, 8)]],
    ['one that is lost', [...before, claim(50, 'h1', 'lost', 1, 4)]],
    ['one that is given up', [...before, claim(50, 'h1', 'draining', 1, 4)]],
  ])('I19 rejects %s', (_what, lines) => expect(checkI19NoEviction(lines, 10, 60)).not.toEqual([]));

  test('I20 accepts what a join has to move, and rejects more', () => {
    const owners = (text: string) => new Map(Array.from(text, (host, partition) => [partition, host]));
    expect(checkI20Moves(owners('aaaaabbbbb'), owners('aaaccbbbcc'))).toEqual([]);
    expect(checkI20Moves(owners('aaaaabbbbb'), owners('bbaccbbacc'))).not.toEqual([]);
    expect(checkI20Moves(owners('aaabbbccc'), owners('aaabbbaab'))).toEqual([]);
    expect(checkI20Moves(owners('aabb'), owners('bbaa'))).not.toEqual([]);
  });

  test('the owners are those that have neither lost nor released it', () => {
    const lines = [...before, claim(1, 'h2', 'released', 2, 5), claim(2, 'h3', 'acquired', 3, 9)];
    const late = [claim(3, 'h2', 'acquired', 1, 10), claim(4, 'h1', 'lost', 1, 4)];
    expect(ownersOf([...lines, ...late])).toEqual(
      new Map([
        [1, 'h2'],
        [3, 'h3'],
      ]),
    );
  });

  test('the time of a takeover runs from the kill, and never ends where nobody takes over', () => {
    const kill = line(100, { kind: 'fault', fault: 'kill-host', event: 'begin', target: 'h1' }, 'chaos');
    const more = claim(0, 'h1', 'acquired', 7, 6);
    const taken = [...before, more, kill, claim(2_100, 'h2', 'acquired', 1, 9)];
    expect(takeoverTimesMs(taken)).toEqual([2_000, Infinity]);
    expect(takeoverTimesMs(taken, true)).toEqual([2_000, Infinity]);
    const server = line(3_000, { kind: 'fault', fault: 'kill-server', event: 'begin', target: 'n1' }, 'chaos');
    expect(takeoverTimesMs([...taken, server], true)).toEqual([2_000]);
    expect(takeoverTimesMs([{ ...server, atMs: 50 }, ...taken], true)).toEqual([]);
  });
});

describe('I9, no call is lost', () => {
  test('accepts only success', () => {
    expect(checkI9NoneLost(call('c1', 'add', 'done', 1, [5, 9]), 0, 10)).toEqual([]);
    expect(checkI9NoneLost(call('c1', 'add', 'unknown', undefined, [50, 90]), 0, 10)).toEqual([]);
  });

  test.each(['not-executed', 'unknown', 'failed', undefined] as const)('rejects %s', (outcome) => {
    expect(checkI9NoneLost(call('c1', 'add', outcome, undefined, [5, 9]), 0, 10)).not.toEqual([]);
  });
});

describe('I10, truthful outcomes', () => {
  const turn = line(5, { kind: 'turn', call: 'c1', actor: 'counter/a' });

  test('accepts what may have run and what did not', () => {
    expect(checkI10Truthful([...call('c1', 'add', 'unknown'), turn], counters('c1'))).toEqual([]);
    expect(checkI10Truthful(call('c1', 'add', 'not-executed'), none)).toEqual([]);
  });

  test.each([
    ['a turn that began', [turn], none],
    ['a write that is there', [], counters('c1')],
  ])('rejects %s', (_what, more, found) => {
    expect(checkI10Truthful([...call('c1', 'add', 'not-executed'), ...more], found)).not.toEqual([]);
  });
});

describe('I11, converged', () => {
  test('accepts what is done in time, and anything before the last change', () => {
    const lines = [...call('c1', 'add', 'unknown', undefined, [0, 1]), ...call('c2', 'add', 'done', 1, [100, 5_000])];
    expect(checkI11Converged(lines, 50)).toEqual([]);
  });

  test.each([
    ['a failure', call('c1', 'add', 'not-executed', undefined, [100, 200])],
    ['silence', call('c1', 'add')],
    ['an answer that is late', call('c1', 'add', 'done', 1, [100, 6_000])],
  ])('rejects %s', (_what, lines) => expect(checkI11Converged(lines, 0)).not.toEqual([]));
});

describe('reminders', () => {
  const fault = line(5_000, { kind: 'fault', fault: 'kill-host', event: 'begin', target: 'h1' }, 'chaos');

  test('I13 accepts one that fires in time, or late where a fault was in its way, or was cancelled', () => {
    expect(checkI13Fired([], alarms('set x 100', 'fire x 900', 'set y 100', 'cancel y'))).toEqual([]);
    expect(checkI13Fired([fault], alarms('set x 4000', 'fire x 12000'))).toEqual([]);
  });

  test.each([
    ['one that never fires', [fault], alarms('set x 100')],
    ['one that is late for nothing', [], alarms('set x 100', 'fire x 5000')],
    ['one that is late although the fault was after it', [fault], alarms('set x 100', 'fire x 4000')],
    ['one that is too late', [fault], alarms('set x 4000', 'fire x 90000')],
  ])('I13 rejects %s', (_what, lines, log) => expect(checkI13Fired(lines, log)).not.toEqual([]));

  test('I14 accepts one occurrence, and a cancel that comes after it', () => {
    expect(checkI14Once(alarms('set x 1', 'fire x 2', 'cancel x', 'set y 1', 'cancel y'))).toEqual([]);
  });

  test.each([
    ['an occurrence that comes twice', alarms('set x 1', 'fire x 2', 'fire x 3')],
    ['one after its cancel', alarms('set x 1', 'cancel x', 'fire x 2')],
    ['one after its cancel that came late', alarms('set x 1', 'fire x 2', 'cancel x', 'fire x 3')],
    ['one that nobody set', alarms('fire x 2')],
  ])('I14 rejects %s', (_what, log) => expect(checkI14Once(log)).not.toEqual([]));
});

describe('I16, activities', () => {
  const arrival = (atMs: number, attempt = 1) => line(atMs, { kind: 'activity', key: 'k', attempt, instanceId: 'i' });
  const fault = line(150, { kind: 'fault', fault: 'freeze-host', event: 'begin', target: 'h1' }, 'chaos');

  test('accepts one arrival, another attempt, and one more for a fault', () => {
    expect(checkI16Activities([arrival(100), arrival(200, 2)])).toEqual([]);
    expect(checkI16Activities([arrival(100), fault, arrival(200)])).toEqual([]);
  });

  test.each([
    ['a second one for nothing', [arrival(100), arrival(200)]],
    ['a third one for one fault', [arrival(100), fault, arrival(200), arrival(300)]],
    ['a fault after it', [arrival(100), arrival(120), fault]],
    ['a fault long before it', [arrival(40_000), arrival(40_100), fault]],
  ])('rejects %s', (_what, lines) => expect(checkI16Activities(lines)).not.toEqual([]));
});

describe('I17, everything moves to its end', () => {
  const asked = (event: 'starting' | 'started' | 'ended', more = {}) =>
    line(0, { kind: 'instance', event, instanceId: 'h1.6', ...more });
  const found = (instance?: FoundInstance) => new Map([['h1.6', instance]]);
  const lines = [asked('starting'), asked('started')];

  test('accepts what completed, and what nobody acknowledged and is not there', () => {
    const ended = asked('ended', { status: 'completed', output: 9 });
    expect(checkI17Completed([...lines, ended], found({ status: 'completed', output: 9 }))).toEqual([]);
    expect(checkI17Completed([asked('starting')], found())).toEqual([]);
  });

  test.each([
    ['one that is running', lines, found({ status: 'running', output: undefined })],
    ['one that nobody acknowledged and is running', [asked('starting')], found({ status: 'running', output: null })],
    ['one that is lost', lines, found()],
    ['one with another output', lines, found({ status: 'completed', output: 10 })],
    [
      'one that was told to have ended otherwise',
      [...lines, asked('ended', { status: 'failed' })],
      found({ status: 'completed', output: 9 }),
    ],
  ])('rejects %s', (_what, history, instances) => expect(checkI17Completed(history, instances)).not.toEqual([]));
});

test('calls are counted by what their callers heard, and a caller that died does not know', () => {
  const lines = [...call('1', 'add', 'done', 1), ...call('2', 'add', 'not-executed'), ...call('3', 'add')];
  expect(countCalls(lines)).toEqual({ done: 1, 'not-executed': 1, unknown: 1, failed: 0, lost: 1 });
});
