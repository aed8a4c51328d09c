import { expect, test } from 'vitest';
import { jsonDepth, jsonErrorPosition, repeatedKey } from '../src/json-scan.ts';

test.each([
  ['', 1, 1],
  ['{"a": }', 1, 7],
  ['{"a": 1,\n "b" 2}', 2, 6],
  ['[1, 2,]', 1, 7],
  ['{"a": "\n"}', 1, 8],
  ['"\\x"', 1, 3],
  ['[01]', 1, 3],
  ['nul', 1, 4],
  ['{} {}', 1, 4],
])('%j stops being JSON in line %i, column %i', (text, line, column) => {
  expect(() => JSON.parse(text)).toThrow(SyntaxError);
  expect(jsonErrorPosition(text)).toMatchObject({ line, column });
});

test('the depth counts what is nested, not what stands in strings', () => {
  expect(['1', '"[["', '[]', '{"a":[{}]}', '["\\"[", []]'].map(jsonDepth)).toEqual([0, 0, 1, 3, 2]);
});

test.each([
  ['{"a":1,"b":2}', 1, undefined],
  ['{"a":1,"b":2,"a":3}', 1, 'a'],
  ['{"id":1,"\\u0069d":2}', 1, 'id'],
  ['{"a":{"b":1,"b":2}}', 1, undefined],
  ['{"a":{"b":1,"b":2}}', 2, 'b'],
  ['{"a":"b","b":"a","c":["a","b","a"]}', 1, undefined],
  ['{"a":{"a":1},"b":{"a":1}}', 2, undefined],
  ['[{"a":1},{"a":1}]', 2, undefined],
  ['[{"a":1},{"a":1,"a":1}]', 2, 'a'],
  ['[["a","a"]]', 2, undefined],
  ['"a"', 1, undefined],
  ['{"__proto__":1,"__proto__":2}', 1, '__proto__'],
])('%j has at depth %i twice: %j', (text, depth, key) => {
  expect(repeatedKey(text, depth)).toBe(key);
});
