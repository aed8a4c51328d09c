// Each checker with a history that it must accept and those that it must reject: one that cannot fail shows nothing.

import { describe, expect, test } from 'vitest';
import type { AppliedWrite } from '../../src/testing.ts';
import type { LifeEvent, Operation, TurnEvent } from './history.ts';
import {
  checkI10Truthful,
  checkI11Converged,
  checkI12Sends,
  checkI13Fired,
  checkI13InTime,
  checkI14OncePerOccurrence,
  checkI1Chain,
  checkI1Log,
  checkI2Acknowledged,
  checkI2Fresh,
  checkI2Reads,
  checkI2Told,
  checkI3Touched,
  checkI4Silent,
  checkI6Turns,
  checkI7OneActivation,
  checkI8DeactivateFirst,
  checkReached,
} from './invariants.ts';

const ACTOR = 'ledger/a';

function operation(id: number, outcome: Operation['outcome'], more: Partial<Operation> = {}): Operation {
  return {
    id,
    actor: ACTOR,
    method: 'add',
    askedAtMs: 0,
    sameAs: id,
    attempts: 1,
    outcome,
    value: undefined,
    endedAtMs: 10,
    ...more,
  };
}

describe('I1, the chain', () => {
  const write = (writer: string, sequence: number, expectedRevision: number, revision: number): AppliedWrite => ({
    atMs: 0,
    by: 'a1',
    address: { type: 'ledger', id: 'a' },
    kind: 'commit',
    expectedRevision,
    revision,
    commit: {
      id: { writer, sequence },
      expectedRevision,
      state: 'same',
      entries: null,
      keepFrom: 'same',
      dueAtMs: null,
      summary: 'same',
    },
  });

  test('accepts one writer after another, and a commit that was asked for again', () => {
    const again = write('x', 1, 0, 3);
    expect(checkI1Chain([again, again, write('y', 1, 3, 4), again])).toEqual([]);
  });

  test.each([
    ['a fork', [write('x', 1, 0, 3), write('y', 1, 0, 4)]],
    ['a gap', [write('x', 1, 0, 3), write('x', 2, 4, 5)]],
    ['a commit that was applied twice', [write('x', 1, 0, 3), write('x', 1, 3, 4)]],
  ])('rejects %s', (_what, writes) => expect(checkI1Chain(writes)).not.toEqual([]));
});

describe('I1, the log', () => {
  test('accepts all that is acknowledged and some that is unknown', () => {
    const operations = [
      operation(1, 'done'),
      operation(2, 'unknown'),
      operation(3, 'lost'),
      operation(4, 'failed'),
      operation(5, 'not-executed'),
      operation(6, 'done', { method: 'askSelf' }),
    ];
    expect(checkI1Log(ACTOR, operations, ['add 1', 'add 3', 'add 6', 'inner 6', 'fire r1 5'])).toEqual([]);
  });

  test.each<[string, Operation[], string[]]>([
    ['a line that nobody asked for', [], ['add 1']],
    ['a line of another actor', [operation(1, 'done', { actor: 'ledger/b' })], ['add 1']],
    ['a line that is there twice', [operation(1, 'done')], ['add 1', 'add 1']],
    ['a timer that has fired twice', [], ['timer t1', 'timer t1']],
    ['a call that failed and took effect', [operation(1, 'failed')], ['add 1']],
    ['a call that was not executed and took effect', [operation(1, 'not-executed')], ['add 1']],
    [
      'a key under which two calls took effect',
      [operation(1, 'done'), operation(2, 'done', { sameAs: 1 })],
      ['add 1', 'add 2'],
    ],
    ['a turn without the one inside it', [operation(1, 'done', { method: 'askSelf' })], ['add 1']],
  ])('rejects %s', (_what, operations, log) => expect(checkI1Log(ACTOR, operations, log)).not.toEqual([]));
});

describe('I2', () => {
  test('accepts a log that holds what was acknowledged, where the caller was told', () => {
    const operations = [
      operation(1, 'done', { value: 2 }),
      operation(2, 'unknown'),
      operation(3, 'done', { value: 2, sameAs: 1 }),
    ];
    expect(checkI2Acknowledged(ACTOR, operations, ['add 7', 'add 1'])).toEqual([]);
    expect(checkI2Reads(ACTOR, [[], ['add 7'], ['add 7', 'add 1']], ['add 7', 'add 1'])).toEqual([]);
  });

  test.each<[string, string[]]>([
    ['that has lost it', []],
    ['that has something else there', ['add 2']],
    ['that has it elsewhere', ['add 2', 'add 1']],
  ])('rejects a log %s', (_what, log) => {
    expect(checkI2Acknowledged(ACTOR, [operation(1, 'done', { value: 1 }), operation(2, 'unknown')], log)).not.toEqual(
      [],
    );
  });

  test('rejects a read that showed what did not last', () => {
    expect(checkI2Reads(ACTOR, [['add 1', 'add 3']], ['add 1', 'add 2'])).not.toEqual([]);
    expect(checkI2Reads(ACTOR, [['add 1', 'add 2']], ['add 1'])).not.toEqual([]);
  });
});

test('I2 rejects that others were told of what did not last', () => {
  expect(checkI2Told(ACTOR, ['add 1'], ['add 2', 'add 1'])).toEqual([]);
  expect(checkI2Told(ACTOR, ['add 3'], ['add 2', 'add 1'])).not.toEqual([]);
});

function turn(kind: TurnEvent['kind'], sort: TurnEvent['sort'], activation = 'x', operationId?: number): TurnEvent {
  return { kind, atMs: 0, actor: ACTOR, activation, sort, operation: operationId };
}

describe('I2, whoever asks afterwards', () => {
  const told = (id: number, count: number, askedAtMs: number, endedAtMs: number, more: Partial<Operation> = {}) =>
    operation(id, 'done', { value: { count }, askedAtMs, endedAtMs, ...more });

  test('accepts what is as new, and older answers to those who asked before', () => {
    expect(checkI2Fresh([told(1, 1, 0, 10), told(2, 1, 20, 30), told(3, 0, 5, 40)])).toEqual([]);
    expect(checkI2Fresh([told(1, 5, 0, 10), told(2, 1, 20, 30, { actor: 'ledger/b' })])).toEqual([]);
    expect(checkI2Fresh([operation(1, 'unknown', { value: { count: 9 } }), told(2, 1, 20, 30)])).toEqual([]);
  });

  test('rejects an answer that goes back', () => {
    expect(checkI2Fresh([told(1, 2, 0, 10), told(2, 1, 11, 30)])).not.toEqual([]);
  });
});

describe('I3, the touch', () => {
  const answer = (atMs: number, count = 1) => ({ actor: ACTOR, hostId: 'b', count, atMs });
  const acquired = [
    { atMs: 0, hostId: 'a', partition: 0, epoch: 1 },
    { atMs: 50, hostId: 'b', partition: 0, epoch: 2 },
    { atMs: 50, hostId: 'b', partition: 1, epoch: 9 },
  ];
  const check = (answers: Parameters<typeof checkI3Touched>[0], writes: Parameters<typeof checkI3Touched>[2]) =>
    checkI3Touched(answers, acquired, writes, () => 0);

  test('accepts an answer after a write in its epoch or a later one, and one of an actor without a record', () => {
    expect(check([answer(100)], [{ actor: ACTOR, atMs: 90, epoch: 2 }])).toEqual([]);
    expect(check([answer(100)], [{ actor: ACTOR, atMs: 90, epoch: 3 }])).toEqual([]);
    expect(check([answer(100, 0)], [])).toEqual([]);
  });

  test.each([
    ['no write in its epoch', [{ actor: ACTOR, atMs: 10, epoch: 1 }]],
    ['one that came later', [{ actor: ACTOR, atMs: 101, epoch: 2 }]],
    ['one of another actor', [{ actor: 'ledger/b', atMs: 90, epoch: 2 }]],
    ['one that says no epoch', [{ actor: ACTOR, atMs: 90, epoch: 0 }]],
  ])('rejects an answer with %s', (_what, writes) => expect(check([answer(100)], writes)).not.toEqual([]));
});

describe('I4, silence', () => {
  const silence = { hostId: 'a', fromMs: 1_000, toMs: 30_000 };
  const answer = (hostId: string, atMs: number) => ({ actor: ACTOR, hostId, count: 1, atMs });

  test('accepts answers within the window, after it, and of others', () => {
    expect(checkI4Silent([answer('a', 11_000), answer('a', 30_000), answer('b', 20_000)], [silence])).toEqual([]);
  });

  test('rejects an answer later than the window', () => {
    expect(checkI4Silent([answer('a', 11_001)], [silence])).not.toEqual([]);
    expect(checkI4Silent([answer('a', 50_000)], [{ ...silence, toMs: Infinity }])).not.toEqual([]);
  });
});

describe('host actors', () => {
  const asked = (value: unknown) => operation(1, 'done', { actor: 'desk/b1', value });

  test('accepts the answer of the host that was named', () => expect(checkReached([asked('b1')])).toEqual([]));
  test('rejects that of another', () => expect(checkReached([asked('a1')])).not.toEqual([]));
});

describe('I6', () => {
  test('accepts turns one after another, with reads beside and a nested turn inside', () => {
    const turns = [
      turn('begin', 'turn'),
      turn('begin', 'read'),
      turn('begin', 'turn', 'y'),
      turn('begin', 'nested'),
      turn('end', 'nested'),
      turn('end', 'turn'),
      turn('begin', 'turn'),
    ];
    expect(checkI6Turns(turns)).toEqual([]);
  });

  test.each<[string, TurnEvent[]]>([
    ['turns that overlap', [turn('begin', 'turn'), turn('begin', 'turn')]],
    ['a nested turn outside of any', [turn('begin', 'turn'), turn('end', 'turn'), turn('begin', 'nested')]],
    ['a turn that begins inside a nested one', [turn('begin', 'turn'), turn('begin', 'nested'), turn('begin', 'turn')]],
  ])('rejects %s', (_what, turns) => expect(checkI6Turns(turns)).not.toEqual([]));
});

const life = (...kinds: LifeEvent['kind'][]): LifeEvent[] => kinds.map((kind) => ({ kind, actor: ACTOR, host: 'a1' }));

describe('I7', () => {
  test('accepts lives that follow each other, and begin again when a load or a beginning failed', () => {
    const lives = life(
      'load-begins',
      'load-fails',
      'load-begins',
      'load-ends',
      'activate-begins',
      'activate-fails',
      'load-begins',
      'load-ends',
      'activate-begins',
      'activate-ends',
      'turn-begins',
      'turn-ends',
      'deactivate-begins',
      'deactivate-ends',
      'load-begins',
    );
    expect(checkI7OneActivation(lives)).toEqual([]);
  });

  test.each<[string, LifeEvent['kind'][]]>([
    ['two loads at a time', ['load-begins', 'load-begins']],
    ['two beginnings of one activation', ['load-begins', 'load-ends', 'activate-begins', 'activate-begins']],
    ['a turn before the beginning has ended', ['load-begins', 'load-ends', 'activate-begins', 'turn-begins']],
    [
      'a turn of one that did not begin',
      ['load-begins', 'load-ends', 'activate-begins', 'activate-fails', 'turn-begins'],
    ],
    ['a load beside an activation', ['load-begins', 'load-ends', 'activate-begins', 'activate-ends', 'load-begins']],
  ])('rejects %s', (_what, kinds) => expect(checkI7OneActivation(life(...kinds))).not.toEqual([]));
});

describe('I8', () => {
  test('accepts a load after the deactivation', () => {
    expect(checkI8DeactivateFirst(life('deactivate-begins', 'deactivate-ends', 'load-begins', 'turn-begins'))).toEqual(
      [],
    );
  });

  test.each<[string, LifeEvent[]]>([
    ['a load meanwhile', life('deactivate-begins', 'load-begins')],
    ['a turn meanwhile', life('deactivate-begins', 'turn-begins')],
    [
      'a load on another host meanwhile',
      [...life('deactivate-begins'), { kind: 'load-begins', actor: ACTOR, host: 'b1' }],
    ],
  ])('rejects %s', (_what, events) => expect(checkI8DeactivateFirst(events)).not.toEqual([]));
});

test('I10 rejects a call that is said not to be executed when its turn began', () => {
  const turns = [turn('begin', 'turn', 'x', 1), turn('end', 'turn', 'x', 1)];
  expect(checkI10Truthful([operation(1, 'unknown'), operation(2, 'not-executed')], turns)).toEqual([]);
  expect(checkI10Truthful([operation(1, 'not-executed')], turns)).not.toEqual([]);
});

describe('I11', () => {
  test('accepts probes that were answered in time and in few hops', () => {
    expect(checkI11Converged([operation(1, 'done'), operation(2, 'done', { attempts: 2 })], new Map([[2, 4]]))).toEqual(
      [],
    );
  });

  test.each<[string, Operation, number]>([
    ['one that failed', operation(1, 'unknown'), 0],
    ['one that was not answered', operation(1, 'waiting'), 0],
    ['one that took long', operation(1, 'done', { endedAtMs: 5_001 }), 0],
    ['one that went round', operation(1, 'done'), 3],
  ])('rejects %s', (_what, probe, hops) => {
    expect(checkI11Converged([probe], new Map([[1, hops]]))).not.toEqual([]);
  });
});

test('I12 rejects sends that are lost, doubled, out of order or invented', () => {
  const log = ['send 1 inbox/a 2', 'add 2', 'send 3 inbox/b 1', 'send 4 inbox/a 1'];
  expect(checkI12Sends(ACTOR, log, 'inbox/a', [1, 2, 3])).toEqual([]);
  for (const taken of [[1, 3], [1, 2, 2, 3], [2, 1, 3], [1, 2, 3, 4], []])
    expect(checkI12Sends(ACTOR, log, 'inbox/a', taken)).not.toEqual([]);
});

describe('I13', () => {
  const reminder = { actor: ACTOR, name: 'r1', dueAtMs: 100, ownedFromMs: 3_000 };

  test('rejects a reminder that never fires, and one that fires late', () => {
    expect(checkI13InTime([{ ...reminder, firedAtMs: 3_900 }])).toEqual([]);
    expect(checkI13InTime([{ ...reminder, firedAtMs: 4_001 }])).not.toEqual([]);
    expect(checkI13InTime([{ ...reminder, firedAtMs: undefined }])).not.toEqual([]);
  });

  test('rejects a log with a reminder that was set, not cancelled, and did not fire', () => {
    expect(checkI13Fired(ACTOR, ['set 1 r1 5', 'set 2 r2 5', 'cancel 3 r2', 'fire r1 5'])).toEqual([]);
    expect(checkI13Fired(ACTOR, ['set 1 r1 5'])).not.toEqual([]);
    expect(checkI13Fired(ACTOR, ['set 1 r1 5', 'cancel 3 r1', 'set 4 r1 9'])).not.toEqual([]);
  });
});

describe('I14', () => {
  test('accepts each occurrence once', () => {
    const log = ['set 1 r1 5', 'set 2 r2 5', 'fire r2 5', 'fire r1 5', 'fire r1 15', 'cancel 3 r1'];
    expect(checkI14OncePerOccurrence(ACTOR, log, new Set(['r1']))).toEqual([]);
  });

  test.each<[string, string[]]>([
    ['an occurrence that took effect twice', ['set 1 r1 5', 'fire r1 5', 'fire r1 5']],
    ['a reminder that fires again although it has no period', ['set 1 r1 5', 'fire r1 5', 'fire r1 9']],
    ['one that fires after it was cancelled', ['set 1 r1 5', 'cancel 2 r1', 'fire r1 5']],
    ['one that nobody set', ['fire r1 5']],
  ])('rejects %s', (_what, log) => expect(checkI14OncePerOccurrence(ACTOR, log, new Set())).not.toEqual([]));
});
