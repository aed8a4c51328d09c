import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../src/canonical-json.ts';
import { contentId, defaultInstanceId, eventTags, eventKey } from '../src/event-id.ts';
import { jsonValues } from './event-kit.ts';

describe('the default instance id', () => {
  test.each([
    ['/orders', '17', '=2Forders=2F17'],
    ['urn:x', 'a.b_C-9', 'urn=3Ax=2Fa.b_C-9'],
    ['s', '€ =', 's=2F=E2=82=AC=20=3D'],
  ])('of %j and %j is %j', (source, id, expected) => {
    expect(defaultInstanceId(source, id)).toBe(expected);
  });

  test('is a hash when the id has a slash or both are too long', () => {
    const hashed = (source: string, id: string): string => {
      // Base32 of the first 130 bits, worked out as a number.
      const digest = createHash('sha256').update(`${source}\0${id}`).digest('hex');
      let bits = BigInt(`0x${digest}`) >> 126n;
      let text = '';
      for (let index = 0; index < 26; index++, bits >>= 5n)
        text = 'abcdefghijklmnopqrstuvwxyz234567'[Number(bits & 31n)]! + text;
      return `ce-${text}`;
    };
    expect(defaultInstanceId('/s', 'a/b')).toBe(hashed('/s', 'a/b'));
    // 122 + 3 + 3 bytes fit, one more does not.
    expect(defaultInstanceId('s'.repeat(122), 'abc')).toBe(`${'s'.repeat(122)}=2Fabc`);
    expect(defaultInstanceId('s'.repeat(123), 'abc')).toBe(hashed('s'.repeat(123), 'abc'));
  });

  test('never changes', () => {
    expect(defaultInstanceId('/s', 'a/b')).toBe('ce-eskegloslxfxvjs245wrpmmayq');
    expect(eventKey('/s', 'a', 'order')).toBe(createHash('sha256').update('/s\0a\0order').digest('hex'));
    expect(contentId({ b: 1, a: [true, null] })).toBe(contentId({ a: [true, null], b: 1 }));
    expect(contentId({ a: 1 })).toBe('afnl2724yv5c3wklowipaswybb');
  });
});

/** Parts that collide easily, if anything does. */
const parts = fc.oneof(
  fc.string({ unit: fc.constantFrom('/', '=', '2', 'F', '~', 'a', '-', 'é'), minLength: 1, maxLength: 6 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text)),
);

test('other events have other instance ids and keys', () => {
  fc.assert(
    fc.property(parts, parts, parts, parts, (source, id, otherSource, otherId) => {
      fc.pre(source !== otherSource || id !== otherId);
      expect(defaultInstanceId(source, id)).not.toBe(defaultInstanceId(otherSource, otherId));
      expect(eventKey(source, id, 'w')).not.toBe(eventKey(otherSource, otherId, 'w'));
      expect(eventKey(source, id, otherId)).not.toBe(eventKey(otherSource, id, 'w2'));
    }),
    { numRuns: 5_000 },
  );
});

test('instance ids have up to 128 bytes of a small alphabet', () => {
  fc.assert(
    fc.property(parts, parts, (source, id) => {
      expect(defaultInstanceId(source, id)).toMatch(/^[A-Za-z0-9_.=-]{1,128}$/);
      expect(eventKey(source, id, source)).toMatch(/^[\da-f]{64}$/);
    }),
  );
});

test('tags are the values themselves, or the beginning and a hash', () => {
  expect(eventTags('/s', 'é', 'orders')).toEqual({ 'event-source': '/s', 'event-id': 'é', trigger: 'orders' });
  const long = `${'x'.repeat(256)}1`;
  const { 'event-id': cut } = eventTags('/s', long, 't');
  expect(cut).toMatch(/^x{229}~[a-z2-7]{26}$/);
  expect(eventTags('/s', long, 't')['event-id']).toBe(cut);
  expect(eventTags('/s', `${'x'.repeat(256)}2`, 't')['event-id']).not.toBe(cut);
  // Not even one that was made for it passes for the tag of another.
  expect(eventTags('/s', cut, 't')['event-id']).not.toBe(cut);
});

test('tags pass the rules of tags, and other values have other tags', () => {
  const values = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ minLength: 220, maxLength: 600 }));
  fc.assert(
    fc.property(values, values, (value, other) => {
      const tag = eventTags(value, 'i', 't')['event-source'];
      expect(tag.length).toBeLessThanOrEqual(256);
      expect(tag.isWellFormed()).toBe(true);
      expect(tag).not.toMatch(/\p{Cc}/u);
      if (value !== other) expect(eventTags(other, 'i', 't')['event-source']).not.toBe(tag);
    }),
    { numRuns: 2_000 },
  );
});

describe('canonical JSON', () => {
  // RFC 8785, sections 3.2.2 and 3.2.3.
  test('of the examples of the RFC', () => {
    const text = String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`;
    expect(canonicalJson(JSON.parse(text))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
    const sorted = String.raw`{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }`;
    expect([...canonicalJson(JSON.parse(sorted)).matchAll(/:"(\w+)/g)].map(([, word]) => word)).toEqual([
      'Carriage',
      'One',
      'Control',
      'Latin',
      'Euro',
      'Emoji',
      'Hebrew',
    ]);
  });

  // RFC 8785, appendix B.
  test.each([
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['8000000000000001', '-5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555555', '333333333.3333333'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ])('of the double %s is %s', (hex, expected) => {
    expect(canonicalJson(Buffer.from(hex, 'hex').readDoubleBE())).toBe(expected);
  });

  test('says the same value, with its keys in order', () => {
    fc.assert(
      fc.property(jsonValues, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(value);
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
    );
  });
});

/** The same value with its keys the other way round. */
function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(reversed);
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, part]) => [key, reversed(part)]),
  );
}
