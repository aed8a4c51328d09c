import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Document, LineCounter, parseDocument, Scalar, type Pair } from 'yaml';
import { Expression, ExpressionError } from '../src/config/expression.ts';
import { scalarOffset, type ScalarStyle } from '../src/config/scalar-offset.ts';
import { TryLaterError } from '../src/errors.ts';
import type { TriggerEvent } from '../src/trigger-event.ts';

function valueOf(text: string, data: unknown = {}, more: Partial<TriggerEvent> = {}): unknown {
  const event: TriggerEvent = { source: '/s', id: 'a', type: 't', extensions: {}, headers: {}, data, ...more };
  return new Expression(text, 'any').valueFor(event, 'any');
}

test.each<[string, unknown, unknown]>([
  ['event.data.n + 1', { n: 3 }, 4],
  ['event.data.n * 2 > 5', { n: 3 }, true],
  ['event.data.n / 2', { n: 3 }, 1.5],
  ['event.data.n % 2 == 1', { n: 3 }, true],
  ['7 / 2', {}, 3],
  ["'order-' + event.data.id", { id: 17 }, 'order-17'],
  ["'order-' + event.data.id", { id: 'x' }, 'order-x'],
  ["'order-' + 3", {}, 'order-3'],
  ['event.data.list.map(x, x + 1)', { list: [1, 2] }, [2, 3]],
  ['size(event.data.list)', { list: [1, 2] }, 2],
  [
    '{"a": 1, "b": [1u, "x", null, true], "c": {2: event.data}}',
    { d: 1 },
    { a: 1, b: [1, 'x', null, true], c: { 2: { d: 1 } } },
  ],
  ['timestamp("2026-01-31T10:00:00Z") + duration("90m")', {}, '2026-01-31T11:30:00.000Z'],
  ['duration("90.5s")', {}, '90.5s'],
  ['event.data.?nope.orValue("none")', {}, 'none'],
  ['event.data.?nope', {}, null],
  ['has(event.subject)', {}, false],
  ['has(event.data.constructor)', {}, false],
  ['9007199254740991', {}, 9007199254740991],
])('%s of %j', (text, data, expected) => {
  expect(valueOf(text, data)).toEqual(expected);
});

test('an event without data has null', () => {
  expect(valueOf('{"d": event.data}', undefined, { data: undefined })).toEqual({ d: null });
});

test('bytes stay bytes, alone and inside', () => {
  const bytes = new Uint8Array([1, 2]);
  expect(valueOf('event.data', bytes)).toBe(bytes);
  expect(valueOf('{"b": event.data, "c": b"\\x01"}', bytes)).toEqual({ b: bytes, c: new Uint8Array([1]) });
});

test('the event itself is what came, without what came not', () => {
  expect(valueOf('{"e": event}', { a: 1 }, { subject: 'x' })).toEqual({
    e: { source: '/s', id: 'a', type: 't', extensions: {}, headers: {}, data: { a: 1 }, subject: 'x' },
  });
});

test.each<[string, unknown, string]>([
  [
    'event.data.nope',
    {},
    'the expression event.data.nope fails: no such key: nope; has(….nope) says whether it is there',
  ],
  ['event.data.__proto__', {}, 'no such key: __proto__'],
  ['event.subject.size()', {}, 'no such key: subject'],
  ['9007199254740993', {}, 'it gives 9007199254740993, which is too large for a number; string(…) makes a text of it'],
  ['1.0 / 0.0', {}, 'it gives Infinity, which is no number'],
  ['type(1)', {}, 'it gives a type, which is no data'],
  ['1 / 0', {}, 'division by zero'],
])('%s of %j fails for good', (text, data, message) => {
  expect(() => valueOf(text, data)).toThrow(ExpressionError);
  expect(() => valueOf(text, data)).toThrow(message);
});

test('what only shows with an event is checked then', () => {
  const event: TriggerEvent = {
    source: '/s',
    id: 'a',
    type: 't',
    extensions: {},
    headers: {},
    data: { n: 1, l: [], d: '2026-01-31' },
  };
  expect(new Expression('event.data.n', 'text').valueFor(event, 'text')).toBe('1');
  expect(new Expression('event.data.d', 'time').valueFor(event, 'time')).toEqual(new Date('2026-01-31'));
  expect(() => new Expression('event.data.l', 'text').valueFor(event, 'text')).toThrow(
    'it gives a list, and a text is expected',
  );
  expect(() => new Expression('event.data.n', 'bool').valueFor(event, 'bool')).toThrow(
    'it gives a number, and true or false is expected',
  );
  expect(() => new Expression('event.id', 'time').valueFor(event, 'time')).toThrow('it gives a string, and a time');
});

test('a pattern that would take for ever is ended, and may be tried later', () => {
  expect(() => valueOf('event.data.matches("^(a+)+$")', `${'a'.repeat(60)}!`)).toThrow(TryLaterError);
});

test('loops inside of loops are ended', () => {
  const loops = 'event.data.map(a, event.data.map(b, event.data.map(c, event.data.map(d, event.data.map(e, a)))))';
  expect(() =>
    valueOf(
      loops,
      Array.from({ length: 300 }, (_, index) => index),
    ),
  ).toThrow(TryLaterError);
});

test('a text that doubles again and again is refused', () => {
  const doubling = Array.from({ length: 24 }, (_, index) => index).reduceRight(
    (inner, index) => `cel.bind(v${index + 1}, v${index} + v${index}, ${inner})`,
    'v24',
  );
  expect(() => valueOf(`cel.bind(v0, event.data + "", ${doubling})`, 'abcdefgh')).toThrow(
    /more than 33554432 characters/,
  );
});

const STYLES: readonly ScalarStyle[] = ['PLAIN', 'QUOTE_SINGLE', 'QUOTE_DOUBLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED'];

test('each character of a scalar is found in its source, whatever the style, folds and escapes', () => {
  const words = fc.array(
    fc.string({
      unit: fc.constantFrom('a', 'b', "'", '"', '\\', 'é', '😀', '=', '(', ')'),
      minLength: 1,
      maxLength: 8,
    }),
    { minLength: 1, maxLength: 12 },
  );
  const spaces = fc.constantFrom(' ', '\n', '\n\n', '  ');
  const text = fc
    .tuple(words, fc.array(spaces, { minLength: 12, maxLength: 12 }))
    .map(([list, gaps]) => list.map((word, index) => `${index === 0 ? '' : gaps[index]}${word}`).join(''));
  fc.assert(
    fc.property(text, fc.constantFrom(...STYLES), fc.integer({ min: 20, max: 60 }), (value, style, lineWidth) => {
      const document = new Document({ outer: { key: new Scalar(value) } });
      const outer = document.get('outer') as { items: Pair<unknown, Scalar>[] };
      outer.items[0]!.value!.type = style;
      const source = document.toString({ lineWidth, minContentWidth: 10 });
      const read = parseDocument(source, { lineCounter: new LineCounter() }).getIn(
        ['outer', 'key'],
        true,
      ) as Scalar<string>;
      expect(read.value).toBe(value);
      const [from, to] = read.range!;
      const scalar = source.slice(from, to);
      for (let index = 0; index < value.length; index++) {
        if (/\s/.test(value[index]!)) continue;
        const at = scalarOffset(scalar, value, read.type as ScalarStyle, index);
        const there = scalar.slice(at);
        const ok = there.startsWith(value[index]!) || (read.type === 'QUOTE_DOUBLE' && /^\\./s.test(there));
        if (!ok) throw new Error(JSON.stringify({ scalar, value, index, at, style: read.type }));
      }
    }),
    { numRuns: 500 },
  );
});
