import { expect, test } from 'vitest';
import { checkLog, checkReads, checkReminders, checkSends, checkTurns, type Operation } from './history.ts';

const operation = (id: number, outcome: Operation['outcome']): Operation => ({ id, actor: 'a', outcome });

test('a log passes with all that is acknowledged and some that is unknown', () => {
  const operations = [
    operation(1, 'done'),
    operation(2, 'unknown'),
    operation(3, 'unknown'),
    operation(4, 'failed'),
    operation(5, 'not-executed'),
  ];
  expect(checkLog(operations, 'a', [1, 3])).toEqual([]);
});

test.each<[string, Operation['outcome'], number[]]>([
  ['a lost acknowledged operation', 'done', []],
  ['a doubled one', 'unknown', [1, 1]],
  ['one that failed and was applied', 'failed', [1]],
  ['one that was not executed and was applied', 'not-executed', [1]],
  ['one that nobody asked for', 'done', [1, 2]],
])('a log is rejected for %s', (_what, outcome, log) => {
  expect(checkLog([operation(1, outcome)], 'a', log)).toHaveLength(1);
});

test('reads are rejected when they show what did not last', () => {
  expect(checkReads([[], [1], [1, 2]], [1, 2])).toEqual([]);
  expect(checkReads([[1, 3]], [1, 2])).toHaveLength(1);
  expect(checkReads([[1, 2, 3]], [1, 2])).toHaveLength(1);
});

test('sends are rejected when one is lost, doubled, out of order or invented', () => {
  expect(checkSends('a→b', 3, [1, 2, 3])).toEqual([]);
  for (const taken of [[1, 3], [1, 2, 2, 3], [2, 1, 3], [1, 2, 3, 4], []])
    expect(checkSends('a→b', 3, taken)).toHaveLength(1);
});

test('turns are rejected when they overlap in one activation', () => {
  const begin = (activation: string) => ({ activation, kind: 'begin' as const });
  const end = (activation: string) => ({ activation, kind: 'end' as const });
  expect(checkTurns([begin('a'), begin('b'), end('a'), begin('a'), end('b'), end('a')])).toEqual([]);
  expect(checkTurns([begin('a'), begin('a')])).toHaveLength(1);
});

test('reminders are rejected when one is lost, doubled, or fires without having been set', () => {
  expect(
    checkReminders(
      new Map([
        [1, 'done'],
        [2, 'unknown'],
        [3, 'done'],
      ]),
      new Set([3]),
      [1],
    ),
  ).toEqual([]);
  expect(checkReminders(new Map([[1, 'done']]), new Set(), [])).toHaveLength(1);
  expect(checkReminders(new Map([[1, 'unknown']]), new Set(), [1, 1])).toHaveLength(1);
  expect(checkReminders(new Map([[1, 'not-executed']]), new Set(), [1])).toHaveLength(1);
});
