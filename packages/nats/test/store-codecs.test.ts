import { CorruptRecordError } from '@troupe/actors';
import { describe, expect, test } from 'vitest';
import { decodeHead, encodeTombstone, Head, listedSummary, parseSummary, type Place } from '../src/head.ts';
import { sequenceOrError } from '../src/jetstream.ts';
import { expecting } from '../src/publication.ts';
import { References, type Reference } from '../src/references.ts';
import { decodeToken, encodeToken, StreamNames } from '../src/stream-names.ts';
import { comparePositions, Summaries } from '../src/summaries.ts';

const PLACE: Place = {
  address: { type: 'thing', id: 'a' },
  partition: 3,
  stream: 'TROUPE_test_0',
  key: '3.thing.a',
  subject: 'tr.test.h.3.thing.a',
};

const IDS = [
  'a',
  'order-17',
  'a.b',
  '*',
  '>',
  '%',
  '%2E',
  ' ',
  '🎭'.repeat(128),
  'ü'.repeat(256),
  '\uffff',
  '..',
  '$G',
  '~!',
];

describe('names', () => {
  test('an id is one token that can be read back, and short ones stay readable', () => {
    for (const id of IDS) {
      const token = encodeToken(id);
      expect(token).toMatch(/^[^.*>\s]+$/);
      expect(decodeToken(token)).toBe(id);
      expect(Buffer.byteLength(token)).toBeLessThanOrEqual(3 * 512);
    }
    expect(encodeToken('order-17')).toBe('order-17');
    expect(new Set(IDS.map(encodeToken)).size).toBe(IDS.length);
  });

  test('the actor of a subject is found, and of what somebody else wrote none', () => {
    const names = new StreamNames('app', 1);
    for (const id of IDS) {
      const key = names.keyOf(7, { type: 'a.b', id });
      expect(names.addressOf(names.head(key))).toEqual({ partition: 7, address: { type: 'a.b', id } });
      expect(names.addressOf(names.chunk(key, 1, 'x'))).toEqual({ partition: 7, address: { type: 'a.b', id } });
    }
    expect(names.addressOf('tr.app.h.7.a')).toBeUndefined();
    expect(names.addressOf('tr.app.h.7.a.%E0')).toBeUndefined();
  });

  test('an application that cannot be part of a subject is refused', () => {
    for (const app of ['', 'a.b', 'a b', '*', '>', 'ü', 'x'.repeat(65)])
      expect(() => new StreamNames(app, 1)).toThrow(TypeError);
  });

  test('the streams share the partitions without overlap', () => {
    const names = new StreamNames('app', 3);
    const all = [0, 1, 2].flatMap((stream) => names.subjectsOf(stream, 8));
    expect(new Set(all).size).toBe(all.length);
    for (let partition = 0; partition < 8; partition++) {
      const stream = names.streams.indexOf(names.streamOf(partition));
      expect(names.subjectsOf(stream, 8)).toContain(names.headsIn(partition));
    }
  });
});

describe('heads', () => {
  function aHead(commits: number): Head {
    const head = new Head(PLACE);
    for (let index = 0; index < commits; index++) {
      head.addId({ writer: index % 5 === 4 ? 'another' : 'w', sequence: index + 1 }, index * 10);
    }
    head.nextEntry = 9;
    head.tailFirst = 6;
    head.firstEntry = 2;
    head.dueAtMs = 8.64e15;
    head.listed = listedSummary({ name: 'ü', status: '🎭', createdAtMs: 5, tags: { 'a: b\r\n': '\r\n' } });
    head.references = new References([{ level: 1, first: 1, count: 5, pieces: [77, 3, 5_000_000_000] }]);
    return head;
  }

  test('what was encoded is decoded again, with the revisions of the last commits', () => {
    for (const commits of [1, 2, 15, 16, 17, 40]) {
      const head = aHead(commits);
      const body = head.encode(Buffer.from('state'), { first: 6, count: 3, bytes: Buffer.from('run') });
      const summary = head.listed!.header.toString().trim().slice('Troupe-Summary: '.length);
      const { head: read, tombstone } = decodeHead(PLACE, 12_345, body, summary);
      expect(tombstone).toBeUndefined();
      expect(read).toMatchObject({
        revision: 12_345,
        base: 12_345,
        firstEntry: 2,
        nextEntry: 9,
        tailFirst: 6,
        dueAtMs: 8.64e15,
      });
      expect(read.commitIds()).toEqual(head.commitIds());
      expect(read.commitIds().length).toBe(Math.min(commits, 16));
      expect(read.expected).toEqual(head.expected);
      expect(read.references.list).toEqual(head.references.list);
      expect(read.listed?.summary).toEqual(head.listed!.summary);
      expect([read.state!.toString(), read.tail.toString('latin1')]).toEqual(['state', head.tail.toString('latin1')]);
      for (const [age, id] of read.commitIds().entries()) {
        expect(read.revisionOf(id)).toBe(age === 0 ? 12_345 : (commits - age) * 10);
        expect(read.expectedBy(id)).toBe((commits - 1 - age) * 10);
      }
    }
  });

  test('any bit that flips, any byte that is missing, and another subject are noticed', () => {
    const head = aHead(3);
    const body = head.encode(Buffer.from('state'), { first: 6, count: 3, bytes: Buffer.from('run') });
    const summary = head.listed!.header.toString().trim().slice('Troupe-Summary: '.length);
    for (let bit = 0; bit < body.length * 8; bit++) {
      const broken = Buffer.from(body);
      broken[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => decodeHead(PLACE, 1, broken, summary)).toThrow(CorruptRecordError);
    }
    for (let length = 0; length < body.length; length++)
      expect(() => decodeHead(PLACE, 1, body.subarray(0, length), summary)).toThrow(CorruptRecordError);
    expect(() => decodeHead({ ...PLACE, subject: 'tr.test.h.3.thing.b' }, 1, body, summary)).toThrow(
      CorruptRecordError,
    );
    expect(() => decodeHead(PLACE, 1, body, undefined)).toThrow(CorruptRecordError);
    expect(() => decodeHead(PLACE, 1, body, summary.replace('🎭', '🎪'))).toThrow(CorruptRecordError);
  });

  test('a tombstone is decoded as one', () => {
    const tombstone = { token: 't', hasChunks: true, kept: { key: 'k', hash: 'h', atMs: 7 } };
    const found = decodeHead(PLACE, 9, encodeTombstone(PLACE, tombstone), undefined);
    expect(found.tombstone).toEqual(tombstone);
    expect(found.head).toMatchObject({ revision: 0, base: 9, hasChunks: true });
  });

  test('the expected sequence is written whole, whatever its length', () => {
    for (const sequence of [0, 1, 9, 10, 99, 100, 1_234_567_890, 10 ** 15, Number.MAX_SAFE_INTEGER]) {
      const text = Buffer.from(expecting(sequence).encode()).toString();
      expect(text).toBe(`NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: ${sequence}\r\n\r\n`);
    }
  });

  test('a summary cannot put headers of its own beside the one that fences', () => {
    const { header } = listedSummary({
      name: 'x\r\nNats-Expected-Last-Subject-Sequence: 7',
      status: '',
      createdAtMs: 1,
      tags: {},
    });
    const text = Buffer.from(expecting(5, header).encode()).toString();
    expect(text.split('\r\n').length).toBe(5);
    expect(text.startsWith('NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 5\r\n')).toBe(true);
    expect(parseSummary('no checksum')).toBeUndefined();
  });
});

describe('references', () => {
  test('what a head lists grows with the logarithm of the history', () => {
    let references = new References();
    for (let index = 0; index < 5_000; index++) {
      references = references.with({ level: 0, first: 1 + index * 7, count: 7, pieces: [index * 100] });
      for (let parts = references.toFold(); parts !== undefined; parts = references.toFold()) {
        const count = parts.reduce((sum, part) => sum + part.count, 0);
        const whole: Reference = {
          level: parts[0]!.level + 1,
          first: parts[0]!.first,
          count,
          pieces: [index * 100 + 1],
        };
        references = references.folded(parts, whole)!;
      }
      if (references.list.length > 60) throw new Error(`${references.list.length} references`);
    }
    let next = 1;
    for (const { first, count } of references.list) {
      expect(first).toBe(next);
      next += count;
    }
    expect(next).toBe(1 + 5_000 * 7);
    expect(References.decode(references.bytes).list).toEqual(references.list);
    expect(references.bytes.length).toBeLessThan(400);
  });
});

describe('acknowledgements', () => {
  test('the sequence is read, and an error', () => {
    expect(sequenceOrError(Buffer.from('{"stream":"TROUPE_a_0","seq":9007199254740991}'))).toBe(9_007_199_254_740_991);
    expect(sequenceOrError(Buffer.from('{"stream":"T", "seq": 12,"domain":"x"}'))).toBe(12);
    const error = { code: 400, err_code: 10071, description: 'wrong last sequence: 3' };
    expect(sequenceOrError(Buffer.from(JSON.stringify({ error, stream: 'T', seq: 0 })))).toEqual(error);
  });
});

describe('summaries', () => {
  test('they stay sorted through many changes, as if they were sorted each time', () => {
    const summaries = new Summaries();
    for (let partition = 0; partition < 4; partition++) summaries.reading(partition);
    const model = new Map<string, { createdAtMs: number; id: string; partition: number }>();
    let random = 7;
    const next = (below: number): number => (random = (random * 48_271) % 2_147_483_647) % below;
    for (let step = 1; step <= 20_000; step++) {
      const id = `${next(3_000)}`;
      const partition = Number(id) % 4;
      const createdAtMs = next(500);
      if (next(4) === 0) {
        summaries.set(partition, { type: 't', id }, step, null);
        model.delete(id);
      } else {
        summaries.set(partition, { type: 't', id }, step, { name: 'n', status: 's', createdAtMs, tags: {} });
        model.set(id, { createdAtMs, id, partition });
      }
      // An older message does not undo it.
      summaries.set(partition, { type: 't', id }, step - 1, { name: 'old', status: 's', createdAtMs: 1, tags: {} });
    }
    const listed = (): string[] =>
      summaries.list({ type: 't' }, 1e9, undefined).actors.map(({ address }) => address.id);
    expect(listed()).toEqual([...model.values()].sort(comparePositions).map(({ id }) => id));
    summaries.drop(2);
    expect(listed()).toEqual(
      [...model.values()]
        .filter(({ partition }) => partition !== 2)
        .sort(comparePositions)
        .map(({ id }) => id),
    );
  });
});
