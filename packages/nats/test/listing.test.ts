import { StoreUnavailableError, type ActorAddress } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import { listedSummary } from '../src/head.ts';
import { Listing, type ListingParts } from '../src/listing.ts';
import { SUMMARY_AGAIN_MS, SUMMARY_RESCAN_MS } from '../src/limits.ts';
import { PURGED_HEADER, SUMMARY_HEADER } from '../src/record-headers.ts';
import type { ScannedMessage } from '../src/scan.ts';
import { StreamNames } from '../src/stream-names.ts';

const names = new StreamNames('test', 1);

function setUp(partitionCount: number) {
  const clock = new ManualClock();
  const log: string[] = [];
  const note = (_details: object, message: string): void => void log.push(message);
  const tombstones: ActorAddress[] = [];
  const stream = { messages: [] as ScannedMessage[], isAway: false };
  const listing = new Listing({
    // Used by lists over other hosts alone.
    wire: { info: { payloadBytesMax: 2 ** 20 }, subscribe: () => () => {} } as unknown as ListingParts['wire'],
    requests: {} as ListingParts['requests'],
    names,
    scanner: {
      async read(_stream, filter, _options, begin, found) {
        if (stream.isAway) throw new StoreUnavailableError('JetStream cannot serve', { wroteNothing: true });
        begin();
        for (const message of stream.messages) if (message.subject.startsWith(filter.slice(0, -1))) found(message);
      },
    },
    clock,
    logger: { debug() {}, info() {}, warn: note, error: note },
    partitionCount,
    hostId: 'a',
    members: () => ['a'],
    foundTombstone: (address) => void tombstones.push(address),
  });
  let sequence = 0;
  const write = (id: string, headers: Record<string, string>): void => {
    const subject = names.head(names.keyOf(0, { type: 'thing', id }));
    stream.messages.push({
      subject,
      sequence: ++sequence,
      writtenAtMs: 0,
      data: Buffer.alloc(0),
      header: (name) => headers[name],
    });
  };
  const list = async (id: string): Promise<void> => {
    const { header } = listedSummary({ name: 'n', status: 's', createdAtMs: 1, tags: {} });
    write(id, { [SUMMARY_HEADER]: header.toString().slice(SUMMARY_HEADER.length + 2) });
  };
  const page = async () => {
    const listed = listing.list({ type: 'thing' }, 10, undefined);
    await clock.advance(2_000);
    const { actors, incomplete } = await listed;
    return { ids: actors.map(({ address }) => address.id), incomplete };
  };
  return { clock, listing, stream, write, list, page, log, tombstones };
}

test('a partition that could not be read when it came is read when JetStream serves again, however late', async () => {
  const { clock, listing, stream, list, page, log } = setUp(1);
  await list('x');
  stream.isAway = true;
  listing.acquired(0);
  expect(await page()).toEqual({ ids: [], incomplete: true });
  await clock.advance(10 * SUMMARY_RESCAN_MS);
  expect(log[0]).toContain('tried again');
  stream.isAway = false;
  await clock.advance(SUMMARY_AGAIN_MS);
  expect(await page()).toEqual({ ids: ['x'], incomplete: false });
});

test('one that is lost, or a store that stops, is not read again', async () => {
  const { clock, listing, stream, log } = setUp(1);
  stream.isAway = true;
  listing.acquired(0);
  await clock.advance(0);
  listing.lost(0);
  const before = log.length;
  await clock.advance(10 * SUMMARY_RESCAN_MS);
  listing.acquired(0);
  await clock.advance(0);
  await listing.stop();
  await clock.advance(10 * SUMMARY_RESCAN_MS);
  expect(log).toHaveLength(before + 1);
});

test('who waits for a partition that goes away waits no longer', async () => {
  const { clock, listing, stream } = setUp(2);
  listing.acquired(1);
  await clock.advance(0);
  stream.isAway = true;
  listing.acquired(0);
  let isRead = false;
  void listing.whenRead().then(() => (isRead = true));
  await clock.advance(0);
  expect(isRead).toBe(false);
  listing.lost(0);
  await clock.advance(0);
  expect(isRead).toBe(true);
  await listing.stop();
});

test('what somebody else wrote in the place of a head does not keep a partition from being read', async () => {
  const { listing, write, list, page, log, tombstones } = setUp(1);
  for (const purged of ['', '{', 'null', '{}', '[]', '["yes",1,null]', '[true,1,"never"]'])
    write(`e${purged.length}`, { [PURGED_HEADER]: purged });
  write('t', { [PURGED_HEADER]: '[false,1,null]' });
  write('s', { [SUMMARY_HEADER]: 'abc {}' });
  await list('x');
  listing.acquired(0);
  expect(await page()).toEqual({ ids: ['x'], incomplete: false });
  expect(tombstones.map(({ id }) => id)).toEqual(['t']);
  expect(log).toHaveLength(8);
  await listing.stop();
});
