// A table that an application writes rows to, in the transaction that they tell of: an outbox. Readers on all hosts share it.

import type { Pool, PoolConfig } from 'pg';
import { installed } from './broker-client.ts';
import {
  INTERVAL_MS_MAX,
  LEASE_MS_DEFAULT,
  LEASE_MS_MIN,
  NOTIFIED_POLL_INTERVAL_MS_DEFAULT,
  POLL_INTERVAL_MS_DEFAULT,
  POLL_INTERVAL_MS_MIN,
} from './limits.ts';
import { OutboxReader } from './postgres/outbox-reader.ts';
import { checkKnown, choiceOption, numberOption, textOption } from './source-options.ts';
import type { Source } from './source.ts';

const MISSING = 'postgresOutbox(…) needs the client of PostgreSQL: npm install pg';

export interface PostgresOutboxOptions {
  /**
   * `postgres://user:password@host/database`, settings of `pg`, or a `Pool` of yours, which has to have two connections
   * to spare and is not ended.
   */
  readonly connection: string | PoolConfig | Pool;
  /** `table` or `schema.table`, as they are written in the catalog. */
  readonly table: string;
  /** What a row without a `source` of its own comes from. Default `postgres:<table>`. */
  readonly source?: string;
  /** Channel on which `NOTIFY` tells of new rows. */
  readonly channel?: string;
  /** What becomes of a settled row: deleted (the default), or its `processed_at` set. */
  readonly settled?: 'delete' | 'mark';
  /** How often the table is looked at. Default 1,000; 10,000 with a channel. */
  readonly pollIntervalMs?: number;
  /** After how long a row comes again whose host is gone. Default 30,000. */
  readonly leaseMs?: number;
}

const KNOWN = ['connection', 'table', 'source', 'channel', 'settled', 'pollIntervalMs', 'leaseMs'];
/** PostgreSQL cuts longer names. */
const NAME_BYTES_MAX = 63;

/**
 * Rows of an outbox.
 *
 * @throws {TypeError} when the options can never work
 */
export function postgresOutbox(options: PostgresOutboxOptions): Source {
  checkKnown('postgresOutbox', options, KNOWN);
  const { connection, channel } = options;
  const table = textOption('postgresOutbox', 'table', options.table);
  const parts = table.split('.');
  if (parts.length > 2 || !parts.every(isName))
    throw new TypeError('postgresOutbox: table is a name, or a schema and a name with a dot between them');
  if (typeof connection !== 'string' && (typeof connection !== 'object' || connection === null))
    throw new TypeError('postgresOutbox: connection is a text, an object of settings, or a Pool of pg');
  if (channel !== undefined && !isName(textOption('postgresOutbox', 'channel', channel)))
    throw new TypeError(`postgresOutbox: a channel has up to ${NAME_BYTES_MAX} bytes`);
  const pollDefaultMs = channel === undefined ? POLL_INTERVAL_MS_DEFAULT : NOTIFIED_POLL_INTERVAL_MS_DEFAULT;
  const rules = {
    connection,
    table,
    channel,
    source: textOption('postgresOutbox', 'source', options.source ?? `postgres:${encodeURI(table.toWellFormed())}`),
    settled: choiceOption('postgresOutbox', 'settled', options.settled ?? 'delete', ['delete', 'mark']),
    pollIntervalMs: numberOption('postgresOutbox', 'pollIntervalMs', options.pollIntervalMs ?? pollDefaultMs, {
      min: POLL_INTERVAL_MS_MIN,
      max: INTERVAL_MS_MAX,
    }),
    leaseMs: numberOption('postgresOutbox', 'leaseMs', options.leaseMs ?? LEASE_MS_DEFAULT, {
      min: LEASE_MS_MIN,
      max: INTERVAL_MS_MAX,
    }),
  };
  return {
    kind: 'postgres',
    runsOn: 'every-host',
    open: async (context) => await OutboxReader.open((await installed(import('pg'), MISSING)).default, rules, context),
  };
}

function isName(name: string): boolean {
  return name !== '' && Buffer.byteLength(name) <= NAME_BYTES_MAX;
}
