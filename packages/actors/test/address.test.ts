import { expect, test } from 'vitest';
import { actor, ActorAddressError, checkAddress, formatAddress, parseAddress, partitionOf } from '../src/index.ts';
import { startRig } from './harness.ts';

const odd = [
  '../',
  '..',
  '.',
  '/',
  'a/b/c',
  '%00',
  '%2e%2e%2f',
  '😀',
  '__proto__',
  'constructor',
  ' ',
  'a b',
  '|@#?*>$',
  'é',
  '\u202e',
  '日本',
  'a#1',
  'CON',
  "'; --",
];
const impossible: unknown[] = [
  '',
  '\u0000',
  'a\nb',
  '\u007f',
  '\ud800',
  'x\udfff',
  'x'.repeat(5_000),
  '😀'.repeat(129),
  5,
  null,
  undefined,
  {},
  Symbol('x'),
];

test('an address is printed as type/id and read back', () => {
  for (const id of odd) {
    const address = { type: 'a.b-c_D9', id };
    expect(parseAddress(formatAddress(address))).toEqual(address);
  }
  for (const text of ['', 'a', 'a/', '/x', 'a b/x', `${'t'.repeat(129)}/x`])
    expect(() => parseAddress(text)).toThrow(ActorAddressError);
});

test('ids of up to 512 bytes are taken, whatever their characters', () => {
  for (const id of ['x'.repeat(512), 'é'.repeat(256), '😀'.repeat(128)]) checkAddress({ type: 't', id });
  for (const id of ['x'.repeat(513), 'é'.repeat(257), '😀'.repeat(129)])
    expect(() => checkAddress({ type: 't', id })).toThrow(ActorAddressError);
});

test('ids that cannot name an actor are refused where the reference is made, and the message stays short', async () => {
  const box = actor('box', {
    state: () => 0,
    methods: { set: (ctx, n: number) => void (ctx.state = n) },
    readOnly: { get: (ctx) => ctx.state },
  });
  const { host } = await startRig([box]);
  for (const id of impossible) {
    expect(() => host.actor(box, id as string)).toThrow(ActorAddressError);
    try {
      host.actor(box, id as string);
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(300);
    }
  }
  for (const [index, id] of odd.entries()) await host.actor(box, id).set(index + 1);
  for (const [index, id] of odd.entries()) expect(await host.actor(box, id).get()).toBe(index + 1);
});

test('types are letters, digits and a few signs', () => {
  for (const type of ['', 'a b', 'a/b', 'ä', 'a*', 'a>b', 'x'.repeat(129), 5]) {
    expect(() => checkAddress({ type: type as string, id: 'x' })).toThrow(ActorAddressError);
  }
});

// Part of the stored layout: another result here means that existing stores cannot be read.
const vectors: [string, number, number][] = [
  ['workflow/1', 256, 135],
  ['workflow/order-4711', 256, 13],
  ['a/x', 256, 94],
  ['a/é', 256, 213],
  ['a/😀', 256, 137],
  ['counter/', 256, 154],
  ['workflow/1', 7, 1],
  ['workflow/1', 4096, 3207],
];

test.each(vectors)('%s of %i partitions is in number %i, for ever', (printed, count, partition) => {
  const slash = printed.indexOf('/');
  expect(partitionOf({ type: printed.slice(0, slash), id: printed.slice(slash + 1) }, count)).toBe(partition);
});

test('ids that count up spread evenly over the partitions', () => {
  for (const print of [
    (index: number) => String(index),
    (index: number) => `order-${index}`,
    (index: number) => `${index}-é`,
  ]) {
    const sizes = Array.from({ length: 256 }, () => 0);
    for (let index = 0; index < 64_000; index++) sizes[partitionOf({ type: 'workflow', id: print(index) }, 256)]! += 1;
    expect(Math.min(...sizes)).toBeGreaterThan(170);
    expect(Math.max(...sizes)).toBeLessThan(340);
  }
});
