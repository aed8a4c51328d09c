import { expect, test } from 'vitest';
import { actor, checkPayload, copyPayload, PayloadError } from '../src/index.ts';
import { pack, unpack, unpackAll } from '../src/codec.ts';
import { failure, restart, startRig } from './harness.ts';

class Custom {
  readonly x = 1;
}
const cyclic: Record<string, unknown> = {};
cyclic.self = cyclic;
let deep: unknown = 1;
for (let level = 0; level < 600; level++) deep = [deep];

const bad: [string, unknown, string][] = [
  ['a function', { a: () => 1 }, '.a'],
  ['a symbol', [Symbol('x')], '[0]'],
  ['a Map', { a: { b: new Map() } }, '.a.b'],
  ['a Set', new Set(), ''],
  ['a class instance', [[new Custom()]], '[0][0]'],
  ['an Error', { error: new Error('x') }, '.error'],
  ['a RegExp', { 'not an identifier': /x/ }, '["not an identifier"]'],
  ['a Promise', { p: Promise.resolve() }, '.p'],
  ['a large bigint', { n: 2n ** 64n }, '.n'],
  ['an invalid Date', { when: new Date(Number.NaN) }, '.when'],
  ['a lone surrogate', { text: 'a\ud800b' }, '.text'],
  ['a lone surrogate as key', { ['\udfff']: 1 }, '["\\udfff"]'],
  ['the key __proto__', JSON.parse('{"a":{"__proto__":1}}'), '.a.__proto__'],
  ['a Float64Array', { f: new Float64Array(1) }, '.f'],
  ['an ArrayBuffer', [new ArrayBuffer(1)], '[0]'],
  ['a WeakRef', [new WeakRef({})], '[0]'],
];

test.each(bad)('%s does not pass, and the path leads to it', (_name, value, path) => {
  expect(() => checkPayload(value, 'it')).toThrow(PayloadError);
  try {
    checkPayload(value, 'it');
  } catch (error) {
    expect((error as PayloadError).path).toBe(path);
  }
});

test.each([
  ['cyclic', cyclic],
  ['too deep', deep],
])('a %s value does not pass', (_name, value) => {
  expect(() => checkPayload(value, 'it')).toThrow(/cyclic or nested deeper/);
});

const good: unknown[] = [
  null,
  undefined,
  true,
  false,
  0,
  1,
  -1,
  1.5,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  2 ** 53 + 2,
  1e300,
  Number.NaN,
  Infinity,
  -Infinity,
  0n,
  -1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  '',
  'x',
  '😀',
  '\u0000',
  'x'.repeat(100_000),
  new Date(0),
  new Date(1_234_567_890_123),
  new Date(-1),
  new Date(-8.64e15),
  new Date(8.64e15),
  [],
  [[], [undefined, null]],
  {},
  { a: undefined },
  { 1: 'one', 'a b': 2, constructor: 'c', toString: 't', length: 3 },
  Array.from({ length: 70_000 }, (_, index) => index),
  Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`k${index}`, index])),
];

test('what passes survives being packed and unpacked', () => {
  for (const value of good) {
    checkPayload(value, 'it');
    expect(unpack(pack(value))).toStrictEqual(value);
  }
  expect(Array.from(copyPayload(Uint8Array.of(1, 2, 255)))).toEqual([1, 2, 255]);
  const bare = Object.assign(Object.create(null) as object, { a: 1 });
  checkPayload(bare, 'it');
  expect(copyPayload(bare)).toEqual({ a: 1 });
});

test('copied bytes do not share memory', () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const copy = copyPayload({ bytes });
  bytes[0] = 9;
  expect(copy.bytes[0]).toBe(1);
});

test('values packed one after another come back as many', () => {
  for (const values of [[1], [undefined, null], [{ a: 1 }, [2], 'x', undefined], [Uint8Array.of(5)]]) {
    const unpacked = unpackAll(Buffer.concat(values.map((value) => pack(value))));
    expect(unpacked).toHaveLength(values.length);
  }
});

test('bytes that nobody packed are told apart', () => {
  for (const bytes of [Uint8Array.of(0x92, 1), Uint8Array.of(1, 2), new Uint8Array(0)])
    expect(() => unpack(bytes)).toThrow(/not a packed value/);
});

const taker = actor('taker', {
  state: () => ({ kept: undefined as unknown }),
  methods: {
    take(ctx, value: unknown) {
      ctx.state.kept = value;
      return value;
    },
    remind: (ctx, payload: unknown) => ctx.setReminder('x', { delayMs: 1, payload }),
    fn: () => () => 1,
  },
  onReminder: () => {},
  readOnly: { kept: (ctx) => ctx.state.kept },
});

test('arguments, results and reminders are checked before anything happens', async () => {
  const { host } = await startRig([taker]);
  const a = host.actor(taker, 'a');
  for (const [, value] of bad) expect(await failure(a.take(value))).toBeInstanceOf(PayloadError);
  expect(await failure(a.fn())).toBeInstanceOf(PayloadError);
  expect(await a.kept()).toBe(undefined);
});

test('every good value comes back from an actor, also after a restart', async () => {
  const rig = await startRig([taker]);
  for (const [index, value] of good.entries())
    expect(await rig.host.actor(taker, `a${index}`).take(value)).toStrictEqual(value);
  rig.kill();
  const next = await restart(rig, [taker]);
  for (const [index, value] of good.entries())
    expect(await next.host.actor(taker, `a${index}`).kept()).toStrictEqual(value);
});

test('what the caller holds and what the actor holds are two things', async () => {
  const { host } = await startRig([taker]);
  const value = { list: [1] };
  const back = (await host.actor(taker, 'a').take(value)) as { list: number[] };
  value.list.push(2);
  back.list.push(3);
  expect(await host.actor(taker, 'a').kept()).toEqual({ list: [1] });
});
