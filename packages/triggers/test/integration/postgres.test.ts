import { Pool } from 'pg';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import type { PostgresOutboxOptions } from '../../src/postgres.ts';
import { describeWithServer } from '../servers/needs-servers.ts';
import { PostgresServer } from '../servers/postgres.ts';
import type { SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const kit: SourceKit<PostgresServer> = {
  kind: 'postgres',
  runsOn: 'every-host',
  server: () => PostgresServer.start(),
  async origin(server, name) {
    const pool = new Pool({ connectionString: server.url, max: 2 });
    pool.on('error', () => {}); // it is restarted
    const options: PostgresOutboxOptions = {
      connection: server.url,
      table: name,
      channel: name,
      pollIntervalMs: 500,
      leaseMs: 2_000,
    };
    await pool.query(`CREATE TABLE "${name}" (
      id text PRIMARY KEY, type text NOT NULL, data jsonb, traceparent text, locked_until timestamptz)`);
    const rows = new Map<number, readonly unknown[]>();
    const insert = async (number: number): Promise<void> => {
      await eventually(`row ${number} is there`, async () => {
        await pool.query(
          `INSERT INTO "${name}" (id, type, data, traceparent) VALUES ($1, 'numbered', $2, $3) ON CONFLICT (id) DO NOTHING`,
          [...rows.get(number)!],
        );
        await pool.query(`NOTIFY "${name}"`);
        return true;
      });
    };
    return {
      options,
      async publish(numbers, _, { paddingBytes, traceparent } = {}) {
        const text = paddingBytes === undefined ? {} : { text: 'x'.repeat(paddingBytes) };
        for (const number of numbers) {
          rows.set(number, [`nr-${number}`, JSON.stringify({ number, ...text }), traceparent ?? null]);
          await insert(number);
        }
        return numbers.map((number) => ({ source: `postgres:${name}`, id: `nr-${number}`, value: number }));
      },
      async publishAgain(numbers) {
        for (const number of numbers) await insert(number);
      },
      unacknowledged: async () =>
        Number((await pool.query<{ count: string }>(`SELECT count(*) FROM "${name}"`)).rows[0]!.count),
      end: () => pool.end(),
    };
  },
};

await describeWithServer('postgres', 'postgres', () => sourceSuite(kit));
