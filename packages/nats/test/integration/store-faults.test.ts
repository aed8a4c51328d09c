// The store when servers die, answers get lost, and others write.

import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import {
  commitOnce,
  ConflictError,
  CorruptRecordError,
  partitionOf,
  StoreUnavailableError,
  type Commit,
  type CommitSource,
  type Store,
} from '@troupe/actors';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsStore } from '../../src/nats-store.ts';
import { INDEX_SETTLE_MS, INDEX_SWEEP_MS } from '../../src/limits.ts';
import { decodeEntry } from '../../src/wake-index.ts';
import { eventually } from './eventually.ts';
import { Link } from './link.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';
import {
  aCommit,
  at,
  LAYOUT,
  LogLines,
  put,
  removeStreams,
  run,
  storeOn,
  type StoreSettings,
  Writers,
} from './store-harness.ts';

const STREAM = 'TROUPE_test_0';

describeWithNats('the store on one server', () => {
  let servers: NatsServers;
  let stores: Store[] = [];
  let raw: NatsConnection;
  beforeAll(async () => void (servers = await NatsServers.start(1, { program: natsServerProgram() })));
  beforeEach(async () => void (raw = await connect({ servers: servers.urls, reconnectTimeWait: 50 })));
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.stop()));
    stores = [];
    await raw.close();
    await removeStreams(servers.urls, LAYOUT.app);
  });
  afterAll(() => servers.end());

  async function opened(settings: Partial<StoreSettings> = {}): Promise<NatsStore> {
    const store = storeOn({ servers: servers.urls, ...settings });
    await store.start(LAYOUT);
    stores.push(store);
    return store;
  }

  async function ask(api: string, body: object): Promise<Record<string, unknown>> {
    return (await raw.request(`$JS.API.${api}`, JSON.stringify(body), { timeout: 30_000 })).json();
  }

  /** The subjects in the stream with so many letters as `c`, `h`, `i`. */
  async function subjects(group: string): Promise<string[]> {
    const info = await ask(`STREAM.INFO.${STREAM}`, { subjects_filter: `tr.test.${group}.>` });
    return Object.keys((info['state'] as { subjects?: object }).subjects ?? {});
  }

  function subjectOf(group: string, id: string): string {
    return `tr.test.${group}.${partitionOf(at(id), LAYOUT.partitionCount)}.thing.${id}`;
  }

  async function dueOf(store: Store, id: string): Promise<number | undefined> {
    const partition = partitionOf(at(id), LAYOUT.partitionCount);
    const { entries } = await store.due(partition, Number.MAX_SAFE_INTEGER, undefined, 100);
    return entries.find(({ address }) => address.id === id)?.dueAtMs;
  }

  test('a server that is killed again and again loses no acknowledged commit, and none is made twice', async () => {
    const store = await opened();
    const writers = new Writers(store, 20, 200);
    for (let kill = 1; kill <= 3; kill++) {
      const before = writers.total;
      await eventually('commits go on', () => writers.total > before + 400);
      await servers.servers[0]!.kill();
      await servers.servers[0]!.start();
    }
    await writers.stop();
    await writers.check(await opened());
  }, 120_000);

  test('a commit whose answer is lost is accepted once, with the revision that it got', async () => {
    const link = await Link.to(servers.servers[0]!.port);
    const store = await opened({ servers: link.url });
    const direct = await opened();
    try {
      let revision = await put(store, 'a', { entries: run(1, 1) });
      for (let round = 0; round < 5; round++) {
        await store.load(at('a'));
        link.cut('toClient');
        const committed = commitOnce(store, at('a'), aCommit(revision, { entries: run(round + 2, 1) }));
        await eventually(
          'the commit has arrived',
          async () => (await direct.load(at('a'))).record!.revision > revision,
        );
        link.reset();
        link.heal();
        revision = await committed;
        expect((await direct.load(at('a'))).record).toMatchObject({ revision, nextEntry: round + 3 });
      }
    } finally {
      await store.stop();
      await link.close();
    }
  }, 60_000);

  test('a large commit whose answers are lost is written once, and nothing of it remains after a purge', async () => {
    const link = await Link.to(servers.servers[0]!.port);
    const store = await opened({ servers: link.url });
    try {
      const state = Buffer.alloc(5_000_000, 1);
      const entries = { first: 1, count: 3, bytes: Buffer.alloc(5_000_000, 2) };
      await store.load(at('a'));
      link.cut('toClient');
      const committed = commitOnce(store, at('a'), aCommit(0, { state, entries, dueAtMs: 0 }));
      await new Promise((resolve) => setTimeout(resolve, 300));
      link.reset();
      link.heal();
      const revision = await committed;
      const { record } = await store.load(at('a'));
      expect(record!.revision).toBe(revision);
      expect(Buffer.compare(record!.state, state)).toBe(0);
      const [found] = await store.read(at('a'), 1, 3);
      expect(Buffer.compare(found!.bytes, entries.bytes)).toBe(0);
      await store.purge(at('a'), revision);
      await eventually(
        'everything is gone',
        async () => (await subjects('c')).length + (await subjects('i')).length === 0,
      );
    } finally {
      await store.stop();
      await link.close();
    }
  }, 60_000);

  test('of two writers exactly one wins, the other hears of a conflict', async () => {
    const [one, two] = [await opened(), await opened()];
    let revision = 0;
    for (let round = 0; round < 100; round++) {
      const results = await Promise.allSettled([
        commitOnce(one, at('a'), aCommit(revision, { state: Buffer.from('one') })),
        commitOnce(two, at('a'), aCommit(revision, { state: Buffer.from('two') })),
      ]);
      const won = results.findIndex(({ status }) => status === 'fulfilled');
      const lost = results[1 - won]!;
      expect(lost.status === 'rejected' && lost.reason).toBeInstanceOf(ConflictError);
      revision = (results[won] as PromiseFulfilledResult<number>).value;
      const { record } = await one.load(at('a'));
      expect([record!.revision, Buffer.from(record!.state).toString()]).toEqual([revision, ['one', 'two'][won]]);
    }
  });

  test('a first commit of a purged life that arrives late is refused', async () => {
    const store = await opened();
    const revision = await put(store, 'a', { entries: run(1, 1) });
    const first = await raw.request(`$JS.API.DIRECT.GET.${STREAM}.${subjectOf('h', 'a')}`, '', { timeout: 30_000 });
    const late = async (): Promise<unknown> => {
      const expected = headers();
      expected.set('Nats-Expected-Last-Subject-Sequence', '0');
      return (await raw.request(subjectOf('h', 'a'), first.data, { headers: expected, timeout: 30_000 })).json();
    };
    await store.purge(at('a'), revision);
    expect(await late()).toMatchObject({ error: { err_code: 10071 } });
    expect(await store.load(at('a'))).toEqual({ record: undefined, tombstone: undefined });
    const born = await put(store, 'a', { state: Buffer.from('second life') });
    expect(born).toBeGreaterThan(revision);
    expect(await late()).toMatchObject({ error: { err_code: 10071 } });
    await expect(commitOnce(store, at('a'), aCommit(revision))).rejects.toBeInstanceOf(ConflictError);
    expect(Buffer.from((await store.load(at('a'))).record!.state).toString()).toBe('second life');
  });

  test('a deposed owner takes nothing out of the wake index that its successor has put there', async () => {
    for (const [then, round] of [
      [null, 1],
      [900, 2],
    ] as const) {
      const id = `a${round}`;
      const old = await opened();
      await put(old, id, { dueAtMs: 0 });
      const revision = await put(old, id, { dueAtMs: then });
      const next = await opened();
      await commitOnce(next, at(id), aCommit(revision, { dueAtMs: 500 }));
      // It moves now what it would have moved some seconds later.
      await old.stop();
      const reader = await opened();
      expect(await dueOf(reader, id)).toBe(500);
      await next.stop();
      expect(await dueOf(reader, id)).toBe(500);
    }
  });

  test('an entry that a head on its way counts on is not moved, however long the head takes', async () => {
    const link = await Link.to(servers.servers[0]!.port);
    const store = await opened({ servers: link.url });
    try {
      for (const then of [null, 1_000]) {
        const id = `a${then}`;
        const source: CommitSource & { next?: Partial<Commit>; revision: number; answer?: (revision: number) => void } =
          {
            address: at(id),
            revision: 0,
            seal: () => aCommit(source.revision, source.next),
            accepted: (revision) => source.answer!((source.revision = revision)),
            refused: (error) => {
              throw error;
            },
          };
        const commit = (dueAtMs: number | null): Promise<number> =>
          new Promise((resolve) => {
            source.next = { dueAtMs };
            source.answer = resolve;
            store.commit(source);
          });
        await commit(0);
        await commit(then);
        // The entry waits to be moved; the next head needs it again, and is late.
        link.cut('toServer');
        const late = commit(500);
        await new Promise((resolve) => setTimeout(resolve, INDEX_SETTLE_MS + 2 * INDEX_SWEEP_MS));
        link.reset();
        link.heal();
        await late;
        await new Promise((resolve) => setTimeout(resolve, 500));
        const subject = subjectOf('i', id);
        const entry = await raw.request(`$JS.API.DIRECT.GET.${STREAM}.${subject}`, '', { timeout: 30_000 });
        expect(decodeEntry({ subject, data: Buffer.from(entry.data) })).toBeLessThanOrEqual(500);
      }
    } finally {
      await store.stop();
      await link.close();
    }
  }, 60_000);

  test('an entry of the wake index that the actor does not need goes once somebody has looked', async () => {
    const store = await opened();
    await put(store, 'a', { dueAtMs: null });
    // As an owner leaves it that was killed between the index and the head, before the record changed again.
    await raw.request(subjectOf('i', 'a'), Buffer.from('not an entry'), { timeout: 30_000 });
    await put(store, 'a', { dueAtMs: null });
    const other = await opened();
    expect(await dueOf(other, 'a')).toBe(0);
    await other.load(at('a'));
    expect(await dueOf(other, 'a')).toBeUndefined();
    await other.stop();
    expect(await subjects('i')).toEqual([]);
  });

  test('what is damaged is refused, with its name', async () => {
    const store = await opened();
    const revision = await put(store, 'a', { entries: run(1, 1, 3_000) });
    await put(store, 'a', { entries: run(2, 1), summary: { name: 'n', status: 's', createdAtMs: 1, tags: {} } });
    const head = await raw.request(`$JS.API.DIRECT.GET.${STREAM}.${subjectOf('h', 'a')}`, '', { timeout: 30_000 });
    for (const byte of [0, 1, 9, head.data.length - 1]) {
      const broken = Buffer.from(head.data);
      broken[byte]! ^= 16;
      await raw.request(subjectOf('h', 'a'), broken, { timeout: 30_000 });
      await expect(store.load(at('a'))).rejects.toBeInstanceOf(CorruptRecordError);
      await expect(commitOnce(store, at('a'), aCommit(revision))).rejects.toBeInstanceOf(CorruptRecordError);
    }
    // Its summary is in a header: without it the head is not what was written.
    await raw.request(subjectOf('h', 'a'), head.data, { timeout: 30_000 });
    await expect(store.load(at('a'))).rejects.toThrow(/thing\/a.*summary/);
    // The head of one actor is not that of another.
    await raw.request(subjectOf('h', 'b'), head.data, { timeout: 30_000 });
    await expect(store.load(at('b'))).rejects.toBeInstanceOf(CorruptRecordError);
  });

  test('a chunk that is damaged, of another actor or missing is refused', async () => {
    const store = await opened();
    await put(store, 'a', { entries: { first: 1, count: 1, bytes: Buffer.alloc(700_000, 1) } });
    const [chunk] = await subjects('c');
    const message = await raw.request(`$JS.API.DIRECT.GET.${STREAM}.${chunk}`, '', { timeout: 30_000 });
    const sequence = Number(message.headers!.get('Nats-Sequence'));
    await ask(`STREAM.MSG.DELETE.${STREAM}`, { seq: sequence });
    await expect(store.read(at('a'), 1, 1)).rejects.toBeInstanceOf(CorruptRecordError);
  });

  test('a stream that is full refuses nothing for good: commits wait until there is room', async () => {
    const store = await opened();
    const { config } = (await ask(`STREAM.INFO.${STREAM}`, {})) as { config: Record<string, unknown> };
    const revision = await put(store, 'a');
    await ask(`STREAM.UPDATE.${STREAM}`, { ...config, max_bytes: 30_000 });
    const committed = commitOnce(store, at('a'), aCommit(revision, { state: Buffer.alloc(60_000, 1) }));
    let answered = false;
    committed.then(
      () => (answered = true),
      () => (answered = true),
    );
    await eventually('the store says that it cannot serve', () => store.failure() !== undefined);
    expect(store.failure()!.message).toMatch(/maximum bytes|insufficient|exceeded/i);
    expect(answered).toBe(false);
    expect((await store.load(at('a'))).record!.revision).toBe(revision);
    await ask(`STREAM.UPDATE.${STREAM}`, { ...config, max_bytes: -1 });
    const next = await committed;
    expect((await store.load(at('a'))).record).toMatchObject({ revision: next });
    expect(store.failure()).toBeUndefined();
  }, 60_000);

  test('without a server commits wait, loads give up, and both go on when it is back', async () => {
    const store = await opened();
    const revision = await put(store, 'a');
    await store.load(at('a'));
    await servers.servers[0]!.kill();
    const committed = commitOnce(store, at('a'), aCommit(revision));
    const failed = await store.load(at('a')).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(StoreUnavailableError);
    expect(store.failure()).toBeInstanceOf(StoreUnavailableError);
    await servers.servers[0]!.start();
    expect((await store.load(at('a'))).record!.revision).toBeGreaterThanOrEqual(revision);
    await committed;
    expect(store.failure()).toBeUndefined();
  }, 60_000);

  test('a stop without a server ends, and says that it does not know', async () => {
    const store = await opened();
    const revision = await put(store, 'a');
    await store.load(at('a'));
    await servers.servers[0]!.kill();
    const committed = commitOnce(store, at('a'), aCommit(revision));
    await new Promise((resolve) => setImmediate(resolve));
    const [answer] = await Promise.allSettled([committed, store.stop()]);
    expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable' } });
    await servers.servers[0]!.start();
  }, 120_000);

  test('many entries are read back in pages, from chunks of chunks', async () => {
    const store = await opened();
    const count = 5_000;
    let revision = 0;
    let next = 1;
    await new Promise<void>((resolve, reject) => {
      const source: CommitSource = {
        address: at('a'),
        seal: () => aCommit(revision, { entries: run(next, 1, 100), state: next === 1 ? Buffer.from('s') : 'same' }),
        accepted(accepted) {
          revision = accepted;
          if (next++ === count) resolve();
          else store.commit(source);
        },
        refused: reject,
      };
      store.commit(source);
    });
    const head = await raw.request(`$JS.API.DIRECT.GET.${STREAM}.${subjectOf('h', 'a')}`, '', { timeout: 30_000 });
    expect(head.data.length).toBeLessThan(8_000);
    const other = await opened();
    const found: number[] = [];
    for (let from = 1; from <= count;) {
      const runs = await other.read(at('a'), from, 700);
      for (const { first, bytes } of runs) {
        expect(Buffer.from(bytes).toString()).toBe(Buffer.from(run(first, 1, 100).bytes).toString());
        found.push(first);
      }
      from = found.at(-1)! + 1;
    }
    expect(found).toEqual(Array.from({ length: count }, (_, index) => index + 1));
    expect((await other.read(at('a'), 2_345, 3)).map(({ first }) => first)).toEqual([2_345, 2_346, 2_347]);
    // What is needed no more goes, and everything goes in the end.
    await put(other, 'a', { keepFrom: 4_990, state: 'same' });
    const kept = (await subjects('c')).length;
    await eventually('old chunks are gone', async () => (await subjects('c')).length < Math.min(kept, 20));
    expect((await other.read(at('a'), 1, 100)).at(-1)!.first).toBe(count);
    await other.purge(at('a'), (await other.load(at('a'))).record!.revision);
    await eventually('all chunks are gone', async () => (await subjects('c')).length === 0);
  }, 60_000);

  test('what a purge has left is cleaned by whoever has the partition next', async () => {
    const store = await opened();
    const revision = await put(store, 'a', {
      entries: { first: 1, count: 1, bytes: Buffer.alloc(700_000) },
      dueAtMs: 0,
    });
    const tombstone = await raw.request(`$JS.API.DIRECT.GET.${STREAM}.${subjectOf('h', 'a')}`, '', { timeout: 30_000 });
    const kept = [...(await subjects('c')), ...(await subjects('i'))];
    expect(kept.length).toBe(2);
    await store.purge(at('a'), revision);
    await store.stop();
    // As if the process had ended right after the tombstone.
    for (const subject of kept) await raw.request(subject, tombstone.data, { timeout: 30_000 });
    const head = await raw.request(`$JS.API.DIRECT.GET.${STREAM}.${subjectOf('h', 'a')}`, '', { timeout: 30_000 });
    const again = headers();
    again.set('Troupe-Purged', head.headers!.get('Troupe-Purged'));
    await raw.request(subjectOf('h', 'a'), head.data, { headers: again, timeout: 30_000 });
    await opened();
    await eventually('it is clean', async () => (await subjects('c')).length + (await subjects('i')).length === 0);
  });

  test('lists are merged over the owners of the partitions', async () => {
    const members: string[] = ['one', 'two'];
    const [one, two] = await Promise.all(
      ['one', 'two'].map((hostId) => opened({ hosts: { hostId, members: () => members } })),
    );
    for (let partition = 0; partition < 8; partition++)
      (partition % 2 === 0 ? one! : two!).partitionAcquired(partition);
    const ids = Array.from({ length: 60 }, (_, index) => `n${index}`);
    for (const [index, id] of ids.entries()) {
      const owner = partitionOf(at(id), 8) % 2 === 0 ? one! : two!;
      await put(owner, id, {
        summary: { name: 'n', status: index % 2 === 0 ? 'even' : 'odd', createdAtMs: Math.floor(index / 7), tags: {} },
      });
    }
    const expected = [...ids].sort(
      (a, b) => Math.floor(Number(b.slice(1)) / 7) - Math.floor(Number(a.slice(1)) / 7) || (a < b ? -1 : 1),
    );
    for (const store of [one!, two!]) {
      for (const limit of [1, 7, 100]) {
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.list({ type: 'thing' }, cursor === undefined ? { limit } : { limit, cursor });
          expect(page.incomplete).toBe(false);
          found.push(...page.actors.map(({ address }) => address.id));
          cursor = page.cursor;
        } while (cursor !== undefined);
        expect(found).toEqual(expected);
      }
      expect(await store.count({ type: 'thing' })).toEqual({ even: 30, odd: 30 });
    }
    two!.partitionLost(1);
    expect((await one!.list({ type: 'thing' }, { limit: 100 })).incomplete).toBe(true);
    one!.partitionAcquired(1);
    await eventually('it is complete again', async () => {
      const page = await one!.list({ type: 'thing' }, { limit: 100 });
      return !page.incomplete && page.actors.length === 60;
    });
    await two!.stop();
    expect((await one!.list({ type: 'thing' }, { limit: 100 })).incomplete).toBe(true);
  });

  test('hosts that start together agree, and one that asks for something else is refused', async () => {
    await Promise.all(Array.from({ length: 5 }, () => opened({ streams: 2 })));
    for (const [settings, layout, reason] of [
      [{ streams: 3 }, LAYOUT, /streams 2.*streams 3/],
      [{ replicas: 3 }, LAYOUT, /replicas 1.*replicas 3/],
      [{}, { ...LAYOUT, partitionCount: 16 }, /partitionCount 8.*partitionCount 16/],
    ] as const) {
      const other = storeOn({ servers: servers.urls, ...settings });
      await expect(other.start(layout)).rejects.toThrow(reason);
      await other.stop();
    }
    const store = await opened();
    for (let index = 0; index < 16; index++) await put(store, `s${index}`, { dueAtMs: index, entries: run(1, 1) });
    for (let index = 0; index < 16; index++) expect(await dueOf(store, `s${index}`)).toBe(index);
  });

  test('replicas that the servers cannot give are an error, and what is not said is warned of', async () => {
    const asking = storeOn({ servers: servers.urls, replicas: 3 });
    await expect(asking.start(LAYOUT)).rejects.toThrow(/3 replicas/);
    const logger = new LogLines();
    await opened({ logger });
    expect(logger.of('warn').some((line) => line.includes('sync_interval'))).toBe(true);
    expect(logger.of('warn').some((line) => line.includes('replicas'))).toBe(true);
    const silent = new LogLines();
    await opened({ logger: silent, syncInterval: 'always' });
    expect(silent.of('warn').some((line) => line.includes('sync_interval'))).toBe(false);
  });
});
