// Payloads that came as text: kept to the letter wherever payloads are kept, and looked into safely.

import { expect, test } from 'vitest';
import {
  actor,
  checkPayload,
  copyPayload,
  LocalNetwork,
  MemoryContents,
  PayloadError,
  payloadText,
  plainPayload,
  recordActor,
  TextPayload,
  type RecordReadContext,
} from '../src/index.ts';
import { flatBytes, pack, packEntries, unpack, unpackAll } from '../src/codec.ts';
import { PAYLOAD_DEPTH_MAX } from '../src/limits.ts';
import { failure, restart, startRig } from './harness.ts';
import { SharedPlacement } from './shared-placement.ts';

const TEXTS = [
  '',
  ' ',
  'null',
  'no JSON',
  '"a string"',
  '12345678901234567890',
  '{"a":1,"a":2}',
  '{ "spaced" : [ 1.0, 1e400 ] }',
  '{"__proto__":{"x":1}}',
  '"\\ud800"',
  '\u0000😀',
  '\ufeff1',
  '['.repeat(100_000) + ']'.repeat(100_000),
  'é'.repeat(65_536),
  'x'.repeat(3_000_000),
];

test('a text survives alone, in parts and among others, to the letter', () => {
  for (const text of TEXTS) {
    const payload = new TextPayload(text);
    const parts = { list: [payload, 'after'], map: { payload }, end: 1 };
    for (const value of [payload, parts]) {
      checkPayload(value, 'it');
      expect(unpack(pack(value))).toStrictEqual(value);
      expect(copyPayload(value)).toStrictEqual(value);
    }
    const entries = [
      [1, payload, 'x'],
      [2, payload],
    ];
    expect(unpackAll(packEntries(entries))).toStrictEqual(entries);
    expect(unpackAll(packEntries([entries[0]!, pack(entries[1])]))).toStrictEqual(entries);
  }
});

test('a copy is another', () => {
  const payload = new TextPayload('{"a":1}');
  expect(copyPayload(payload)).not.toBe(payload);
  (payload as { text: string }).text = 'changed';
  expect(copyPayload([payload])[0]).not.toBe(payload);
});

test('what is no text is refused with its path', () => {
  for (const text of ['a\ud800', '\udfff', 5, undefined, {}]) {
    const broken = { in: [new TextPayload(text as string)] };
    expect(() => checkPayload(broken, 'it')).toThrow(PayloadError);
    expect(() => checkPayload(broken, 'it')).toThrow(/\.in\[0\]/);
  }
});

test('an entry with a text is never taken for a flat one, whose weight is guessed', () => {
  expect(flatBytes([1, 'x'])).toBeGreaterThan(0);
  expect(flatBytes([1, new TextPayload('x')])).toBe(-1);
});

test.each([
  ['', undefined],
  [' ', ' '],
  ['null', null],
  ['no JSON', 'no JSON'],
  ['"a string"', 'a string'],
  ['12345678901234567890', 12_345_678_901_234_567_000],
  ['{"a":1,"a":2}', { a: 2 }],
  ['1e400', Infinity],
  ['{"a":[{"__proto__":{"x":1},"b":2}]}', { a: [{ b: 2 }] }],
  ['{"\\u005f_proto__":{"x":1},"b":2}', { b: 2 }],
  ['{"constructor":{"prototype":1}}', { constructor: { prototype: 1 } }],
  ['["\\ud800",{"\\udc00":"\\ud83d\\ude00"}]', ['\ufffd', { '\ufffd': '😀' }]],
])('%j is read as %j, which is a payload', (text, value) => {
  const payload = new TextPayload(text);
  expect(payload.value).toEqual(value);
  expect(plainPayload(payload)).toEqual(value);
  checkPayload(payload.value, 'it');
  expect(JSON.stringify({ payload })).toBe(JSON.stringify({ payload: value }));
  expect(({} as { x?: unknown }).x).toBeUndefined();
});

test('JSON that is nested deeper than payloads are is read as the text that it is', () => {
  const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  const deepest = new TextPayload(nested(PAYLOAD_DEPTH_MAX + 1));
  checkPayload(deepest.value, 'it');
  expect(deepest.value).toBeInstanceOf(Array);
  for (const levels of [PAYLOAD_DEPTH_MAX + 2, 100_000]) {
    const payload = new TextPayload(nested(levels));
    expect(payload.value).toBe(payload.text);
    expect(JSON.parse(JSON.stringify(payload))).toBe(payload.text);
  }
  const objects = '{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000);
  expect(new TextPayload(objects).value).toBe(objects);
});

test('a value is read anew for each who asks', () => {
  const payload = new TextPayload('{"list":[]}');
  (payload.value as { list: number[] }).list.push(1);
  expect(payload.value).toEqual({ list: [] });
});

test('as text a payload is what came, or JSON', () => {
  for (const text of TEXTS) expect(payloadText(new TextPayload(text))).toBe(text);
  expect(payloadText(undefined)).toBeUndefined();
  expect(payloadText(null)).toBe('null');
  expect(payloadText('x')).toBe('"x"');
  expect(payloadText(2n ** 63n - 1n)).toBe('"9223372036854775807"');
  expect(payloadText([Buffer.from([1, 2, 250]), Uint8Array.of(1, 2, 250)])).toBe('["AQL6","AQL6"]');
  expect(payloadText({ at: new Date(0), not: Number.NaN, none: undefined })).toBe(
    '{"at":"1970-01-01T00:00:00.000Z","not":null}',
  );
  expect(payloadText([new TextPayload('{ }'), new TextPayload('no JSON'), new TextPayload('')])).toBe(
    '[{},"no JSON",null]',
  );
});

const keeper = actor('keeper', {
  state: () => ({ kept: undefined as unknown }),
  methods: {
    take(ctx, value: unknown) {
      ctx.state.kept = value;
      return value;
    },
  },
  readOnly: { kept: (ctx) => ctx.state.kept },
});

interface Shelf {
  readonly all: readonly unknown[];
  last: unknown;
}

const shelf = recordActor('shelf', {
  async open(opening): Promise<Shelf> {
    return {
      all: await opening.read(opening.firstEntry, 1_000),
      last: opening.snapshot,
    };
  },
  snapshot: (local: Shelf) => local.last,
  methods: {
    put(ctx, value: unknown) {
      ctx.local.last = value;
      ctx.appendOwned([1, 'put', value]);
      ctx.append({ value });
      ctx.changed();
    },
  },
  readOnly: { all: (ctx: RecordReadContext<Shelf>) => ctx.local },
});

test('states and records have it after a restart', async () => {
  const rig = await startRig([keeper, shelf]);
  for (const text of TEXTS) {
    const payload = new TextPayload(text);
    expect(await rig.host.actor(keeper, 'k').take([payload])).toStrictEqual([payload]);
    await rig.host.actor(shelf, 's').put(payload);
  }
  rig.kill();
  const next = await restart(rig, [keeper, shelf]);
  expect(await next.host.actor(keeper, 'k').kept()).toStrictEqual([new TextPayload(TEXTS.at(-1)!)]);
  const { all, last } = await next.host.actor(shelf, 's').all();
  expect(last).toStrictEqual(new TextPayload(TEXTS.at(-1)!));
  const put = TEXTS.map((text) => new TextPayload(text)).flatMap((value) => [[1, 'put', value], { value }]);
  expect(all).toStrictEqual(put);
});

test('it travels between hosts', async () => {
  const network = new LocalNetwork();
  const placement = new SharedPlacement(1);
  const options = { contents: new MemoryContents(), partitionCount: 1 };
  const start = (hostId: string) =>
    startRig([keeper], { ...options, transport: network.transport(hostId), placement: placement.of(hostId) });
  const [one, two] = [await start('one'), await start('two')];
  expect(one.host.ownerOf(keeper, 'k')).toBe('one');
  for (const text of TEXTS) {
    const payload = { payload: new TextPayload(text) };
    expect(await two.host.actor(keeper, 'k').take(payload)).toStrictEqual(payload);
  }
  expect(await failure(two.host.actor(keeper, 'k').take(new TextPayload('\ud800')))).toBeInstanceOf(PayloadError);
});
