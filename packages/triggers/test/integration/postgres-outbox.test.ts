import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { SourceError } from '../../src/errors.ts';
import { RECORD_BYTES_MAX } from '../../src/limits.ts';
import { postgresOutbox, type PostgresOutboxOptions } from '../../src/postgres.ts';
import type { SourceReader } from '../../src/source.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { PostgresServer } from '../servers/postgres.ts';
import { TestContext } from '../test-context.ts';
import { thorough } from './thorough.ts';

const until = async (check: () => void | Promise<void>): Promise<void> =>
  await vi.waitFor(check, { timeout: 50_000, interval: 30 });

await describeWithServer('postgres', 'an outbox in PostgreSQL', () => {
  let server: PostgresServer;
  let admin: Pool;
  let table: string;
  let tables = 0;
  const opened: [TestContext, SourceReader][] = [];

  beforeAll(async () => {
    server = await PostgresServer.start();
    admin = new Pool({ connectionString: server.url });
    admin.on('error', () => {}); // it is restarted
  });

  afterAll(async () => {
    await admin?.end();
    await server?.end();
  });

  beforeEach(async () => {
    table = `outbox_${++tables}`;
    await admin.query(`CREATE TABLE ${table} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source text, type text NOT NULL, subject text, data jsonb,
      traceparent text, created_at timestamptz NOT NULL DEFAULT now(), locked_until timestamptz, processed_at timestamptz)`);
  });

  afterEach(async () => {
    for (const [context] of opened) context.stop();
    for (const [, reader] of opened.splice(0)) await reader.close();
  });

  async function open(context: TestContext, options: Partial<PostgresOutboxOptions> = {}): Promise<SourceReader> {
    const source = postgresOutbox({ connection: server.url, table, pollIntervalMs: 100, leaseMs: 1_000, ...options });
    const reader = await source.open(context);
    opened.push([context, reader]);
    return reader;
  }

  const insert = async (count: number, type = 'sold'): Promise<unknown> =>
    await admin.query(
      `INSERT INTO ${table} (type, data) SELECT $2, json_build_object('number', n) FROM generate_series(1, $1) n`,
      [count, type],
    );
  const left = async (where = 'true'): Promise<number> =>
    (await admin.query(`SELECT count(*)::int AS n FROM ${table} WHERE ${where}`)).rows[0].n;
  const ids = (...contexts: TestContext[]): string[] => contexts.flatMap(({ events }) => events.map(({ id }) => id));

  test('a row is an event, and is deleted', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await admin.query(`INSERT INTO ${table} (type, subject, data, traceparent, created_at) VALUES
      ('sold', 'order 1', '{"number": 1}', '${traceparent}', '2030-01-02 03:04:05.678+02')`);
    await admin.query(`INSERT INTO ${table} (source, type) VALUES ('/shop', 'closed')`);
    const context = new TestContext();
    const reader = await open(context);
    await until(async () => expect(await left()).toBe(0));
    expect(context.events).toMatchObject([
      {
        source: `postgres:${table}`,
        id: '1',
        type: 'sold',
        subject: 'order 1',
        time: '2030-01-02T01:04:05.678Z',
        data: { number: 1 },
        traceparent,
      },
      { source: '/shop', id: '2', type: 'closed', data: undefined },
    ]);
    expect(await reader.lag!()).toBe(0);
  });

  test('settled rows can be marked instead, and dead letters are settled too', async () => {
    await admin.query(`ALTER TABLE ${table} ALTER COLUMN data TYPE text`);
    await insert(3);
    await admin.query(`INSERT INTO ${table} (type, data) VALUES ('', 'no type')`);
    const context = new TestContext();
    await open(context, { settled: 'mark' });
    await until(async () => expect(await left('processed_at IS NOT NULL AND locked_until IS NULL')).toBe(4));
    expect(context.events.map(({ data }) => data)).toEqual(['{"number" : 1}', '{"number" : 2}', '{"number" : 3}']);
    expect(context.settlements.filter(({ outcome }) => outcome === 'dead-lettered')).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(context.settlements).toHaveLength(4);
  });

  test('a channel wakes the reader, from the transaction that writes the row', async () => {
    const context = new TestContext();
    await open(context, { channel: 'news "of" rows', pollIntervalMs: 24 * 60 * 60 * 1000 });
    for (let number = 1; number <= 3; number++) {
      await admin.query(`BEGIN; INSERT INTO ${table} (type) VALUES ('sold'); NOTIFY "news ""of"" rows"; COMMIT`);
      await until(() => expect(context.events).toHaveLength(number));
    }
  });

  test('hosts share the rows, each one once', async () => {
    await insert(2_000);
    const contexts = [new TestContext({ concurrency: 16 }), new TestContext({ concurrency: 16 }), new TestContext()];
    await Promise.all(contexts.map((context) => open(context)));
    await until(async () => expect(await left()).toBe(0));
    expect(ids(...contexts)).toHaveLength(2_000);
    expect(new Set(ids(...contexts)).size).toBe(2_000);
    expect(contexts.every(({ events }) => events.length > 0)).toBe(true);
  });

  test.runIf(thorough)('a lease is prolonged while a row is out, and a host that has gone loses its rows', async () => {
    await insert(2);
    const leaseMs = 5_000;
    const frozen = new TestContext({ decide: () => new Promise(() => {}) });
    await open(frozen, { leaseMs });
    await until(() => expect(frozen.out).toBe(2));
    const message = frozen.messages.find(({ raw }) => raw?.plain.id === '1')!;
    expect(message.extendEveryMs).toBeLessThan(leaseMs / 2);
    const other = new TestContext();
    await open(other);
    // Only the first one is prolonged, as a trigger does.
    await until(async () => {
      await message.extend!();
      expect(ids(other)).not.toEqual([]);
    });
    expect(ids(other)).toEqual(['2']);
    await until(() => expect(ids(other)).toEqual(['2', '1']));
    await until(async () => expect(await left()).toBe(0));
  });

  test('released rows are free at once, what was never settled after its lease', async () => {
    await insert(3);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const first = new TestContext({
      decide: async ({ id }) => {
        await (id === '3' ? new Promise(() => {}) : held);
        return { outcome: id === '1' ? 'started' : 'released' };
      },
    });
    const reader = await open(first, { leaseMs: 60_000 });
    await until(() => expect(first.out).toBe(3));
    first.stop();
    await reader.drain();
    release();
    await until(() => expect(first.settlements).toHaveLength(2));
    await reader.close();
    expect(await left('locked_until IS NULL')).toBe(1);
    expect(await left('locked_until > now()')).toBe(1);
    const second = new TestContext();
    await open(second);
    await until(() => expect(ids(second)).toEqual(['2']));
    await admin.query(`UPDATE ${table} SET locked_until = now() - interval '1 second' WHERE id = 3`);
    await until(() => expect(ids(second)).toEqual(['2', '3']));
  });

  test('a server that is killed and comes back is gone on with', async () => {
    const context = new TestContext({ concurrency: 8, decide: async () => await later({ outcome: 'started' }) });
    await open(context, { channel: 'rows' });
    await insert(300);
    await until(() => expect(context.events.length).toBeGreaterThan(50));
    await server.kill();
    await until(() => expect(context.failure).toBeDefined());
    await server.start();
    await until(async () => expect(await left()).toBe(0));
    expect(new Set(ids(context)).size).toBe(300);
    await until(() => expect(context.failure).toBeUndefined());
    await insert(1);
    await until(async () => expect(await left()).toBe(0));
  });

  test('a server that is not there yet is failing, without a password in what it says', async () => {
    await server.stop();
    const context = new TestContext();
    try {
      await open(context, { connection: server.url.replace('postgres@', 'postgres:hunter2@') });
      await until(() => expect(context.failures).toBeGreaterThan(1));
      expect(JSON.stringify(context.failure) + String(context.failure)).not.toContain('hunter2');
    } finally {
      await server.start();
    }
    await insert(1);
    await until(() => expect(ids(context)).toEqual(['1']));
    await until(() => expect(context.failure).toBeUndefined());
  });

  test('a row that is too large is a dead letter that was not read', async () => {
    await admin.query(`ALTER TABLE ${table} ALTER COLUMN data TYPE bytea USING NULL`);
    await admin.query(`INSERT INTO ${table} (type, data) VALUES ('a', $1), ('b', $2)`, [
      Buffer.alloc(RECORD_BYTES_MAX + 1),
      Buffer.from([0, 255]),
    ]);
    const context = new TestContext();
    await open(context);
    await until(async () => expect(await left()).toBe(0));
    expect(context.events.map(({ data }) => data)).toEqual([Buffer.from([0, 255])]);
    expect(context.settlements.map(({ error }) => error?.message).join()).toContain(`${RECORD_BYTES_MAX + 1} bytes`);
  });

  test('names are quoted, and rows are no statements', async () => {
    const hostile = `we"ird; DROP TABLE ${table}; --`;
    await admin.query(`CREATE SCHEMA "Sch ema"`);
    await admin.query(`CREATE TABLE "Sch ema"."${hostile.replaceAll('"', '""')}" (
      id text PRIMARY KEY, type text, data jsonb, locked_until timestamptz)`);
    const id = `'); DELETE FROM ${table}; -- {",}\\`;
    await admin.query(`INSERT INTO "Sch ema"."${hostile.replaceAll('"', '""')}" VALUES ($1, 'x', '1')`, [id]);
    await insert(1);
    const context = new TestContext();
    await open(context, { table: `Sch ema.${hostile}` });
    await until(() => expect(ids(context)).toEqual([id]));
    await until(async () =>
      expect((await admin.query(`SELECT 1 FROM "Sch ema"."${hostile.replaceAll('"', '""')}"`)).rowCount).toBe(0),
    );
    expect(await left()).toBe(1);
  });

  test('ids may be uuids', async () => {
    await admin.query(`CREATE TABLE ${table}_u (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(), type text NOT NULL, data json, locked_until timestamptz)`);
    await admin.query(`INSERT INTO ${table}_u (type) SELECT 'x' FROM generate_series(1, 20)`);
    const context = new TestContext();
    await open(context, { table: `${table}_u` });
    await until(async () => expect((await admin.query(`SELECT 1 FROM ${table}_u`)).rowCount).toBe(0));
    expect(new Set(ids(context)).size).toBe(20);
  });

  describe('is refused with what it lacks:', () => {
    const refusal = async (options: Partial<PostgresOutboxOptions> = {}): Promise<string> => {
      const error = await open(new TestContext(), options).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(SourceError);
      return (error as Error).message;
    };

    test('the table', async () => {
      expect(await refusal({ table: 'nowhere' })).toContain('there is no table "nowhere"');
      expect(await refusal({ table: 'no.where' })).toContain('there is no table "no"."where"');
    });

    test('columns', async () => {
      await admin.query(`ALTER TABLE ${table} DROP COLUMN locked_until, DROP COLUMN processed_at`);
      expect(await refusal()).toContain('has no column locked_until;');
      expect(await refusal({ settled: 'mark' })).toContain('has no column locked_until, processed_at;');
      await admin.query(`ALTER TABLE ${table} ADD COLUMN locked_until timestamp`);
      expect(await refusal()).toContain('to be timestamptz, it is timestamp without time zone');
    });

    test('a type of data that can be read, an id', async () => {
      await admin.query(`ALTER TABLE ${table} ALTER COLUMN data TYPE int USING 1`);
      expect(await refusal()).toContain('is to be jsonb, json, text or bytea, it is integer');
      await admin.query(`CREATE TABLE ${table}_n (id int, type text, data json, locked_until timestamptz)`);
      expect(await refusal({ table: `${table}_n` })).toContain('the column id of');
    });

    test('privileges', async () => {
      await admin.query(`CREATE ROLE reader LOGIN; GRANT SELECT, UPDATE ON ${table} TO reader`);
      const connection = server.url.replace('postgres@', 'reader@');
      expect(await refusal({ connection })).toContain(`this user may not DELETE; GRANT DELETE ON "${table}" TO it`);
      await insert(1);
      await open(new TestContext(), { connection, settled: 'mark' });
      await until(async () => expect(await left('processed_at IS NOT NULL')).toBe(1));
    });
  });

  test.runIf(thorough)('settled rows that may not be deleted any more are not taken again and again', async () => {
    await admin.query(`CREATE ROLE deleter LOGIN; GRANT SELECT, UPDATE, DELETE ON ${table} TO deleter`);
    const context = new TestContext({ decide: async () => await later({ outcome: 'started' }, 300) });
    await open(context, { connection: server.url.replace('postgres@', 'deleter@') });
    await insert(20);
    await until(() => expect(context.out).toBe(4));
    await admin.query(`REVOKE DELETE ON ${table} FROM deleter`);
    await until(() => expect(String(context.failure)).toContain('permission denied'));
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(context.events.length).toBeLessThan(20);
    await admin.query(`GRANT DELETE ON ${table} TO deleter`);
    await until(async () => expect(await left()).toBe(0));
    expect(new Set(ids(context)).size).toBe(20);
  });

  test('a pool of the user is used and left open', async () => {
    const pool = new Pool({ connectionString: server.url, max: 2 });
    try {
      await insert(10);
      const context = new TestContext();
      const reader = await open(context, { connection: pool, channel: 'rows' });
      await until(async () => expect(await left()).toBe(0));
      context.stop();
      await reader.close();
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      expect(pool.listenerCount('error')).toBe(0);
    } finally {
      await pool.end();
    }
    const single = new Pool({ connectionString: server.url, max: 1 });
    await expect(open(new TestContext(), { connection: single, channel: 'rows' })).rejects.toThrow('two or more');
    await single.end();
  });
});

async function later<T>(value: T, delayMs = 5): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  return value;
}

test.each([
  [{ connection: 'postgres://x' }, 'table is a text'],
  [{ connection: 'postgres://x', table: 'a.b.c' }, 'a schema and a name'],
  [{ connection: 'postgres://x', table: '.b' }, 'a schema and a name'],
  [{ table: 'a' }, 'connection is'],
  [{ connection: 'postgres://x', table: 'a', settled: 'drop' }, 'settled is one of delete, mark'],
  [{ connection: 'postgres://x', table: 'a', leaseMs: 10 }, 'leaseMs is a whole number from 1000'],
  [{ connection: 'postgres://x', table: 'a', channel: 'c'.repeat(64) }, 'up to 63 bytes'],
  [{ connection: 'postgres://x', table: 'a', poll: 10 }, 'there is no option poll'],
])('options that cannot work are refused: %j', (options, message) => {
  expect(() => postgresOutbox(options as PostgresOutboxOptions)).toThrow(message);
});
