// The table: whether it is fit, and the statements on it. Every one is a transaction of its own.
//
// T1. Names that come from options or from the table stand quoted in statements; values are parameters.
// T2. The time is the server's alone: hosts need not agree on it.

import type { Pool } from 'pg';
import { SourceError } from '../errors.ts';
import { RECORD_BYTES_MAX, ROWS_COUNTED_MAX } from '../limits.ts';

/** A row that is leased. */
export interface OutboxRow {
  readonly id: string;
  readonly source: string | null;
  readonly type: string | null;
  readonly subject: string | null;
  readonly time: string | null;
  readonly traceparent: string | null;
  /** Null when there is none, and when it is larger than what is read. */
  readonly data: string | Buffer | null;
  readonly data_bytes: number | null;
}

/** What runs statements. */
type Queries = Pick<Pool, 'query'>;

export interface TableOptions {
  readonly table: string;
  readonly settled: 'delete' | 'mark';
  readonly leaseMs: number;
}

type Columns = ReadonlyMap<string, string>;

const DATA_TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  jsonb: 'application/json',
  text: 'text/plain',
  'character varying': 'text/plain',
  bytea: 'application/octet-stream',
};
const HOW_TO_CREATE = 'docs/guides/triggers-postgres.md shows how the table is created';

export class OutboxTable {
  /** Media type of the data. */
  readonly contentType: string;
  readonly #queries: Queries;
  readonly #leaseMs: number;
  readonly #take: string;
  readonly #settle: string;
  readonly #prolong: string;
  readonly #release: string;
  readonly #count: string;

  /** @throws {SourceError} when the table cannot be used; the message says what it lacks */
  static async inspect(queries: Queries, options: TableOptions): Promise<OutboxTable> {
    const name = quotedTable(options.table);
    const { rows } = await queries.query<{ name: string; type: string; nullable: boolean; kind: string }>(
      `SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS nullable
         FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`,
      [name],
    );
    if (rows.length === 0) {
      throw new SourceError(`postgres: there is no table ${name} (that this user can see); ${HOW_TO_CREATE}`);
    }
    const columns = new Map(rows.map((row) => [row.name, row.type]));
    const needed = ['id', 'type', 'data', 'locked_until', ...(options.settled === 'mark' ? ['processed_at'] : [])];
    const missing = needed.filter((column) => !columns.has(column));
    if (missing.length > 0) {
      throw new SourceError(`postgres: the table ${name} has no column ${missing.join(', ')}; ${HOW_TO_CREATE}`);
    }
    if (rows.some((row) => row.name === 'id' && row.nullable)) {
      throw new SourceError(`postgres: the column id of ${name} may be null; let it be NOT NULL or the primary key`);
    }
    const times = ['locked_until', 'processed_at', 'created_at'].filter((column) => columns.has(column));
    const untimed = times.find((column) => columns.get(column) !== 'timestamp with time zone');
    if (untimed !== undefined) {
      throw new SourceError(
        `postgres: the column ${untimed} of ${name} is to be timestamptz, it is ${columns.get(untimed)}`,
      );
    }
    const contentType = DATA_TYPES[columns.get('data')!];
    if (contentType === undefined) {
      throw new SourceError(
        `postgres: the column data of ${name} is to be jsonb, json, text or bytea, it is ${columns.get('data')}`,
      );
    }
    await checkPrivileges(queries, name, options.settled);
    return new OutboxTable(queries, options, name, columns, contentType);
  }

  private constructor(
    queries: Queries,
    { settled, leaseMs }: TableOptions,
    name: string,
    columns: Columns,
    contentType: string,
  ) {
    this.#queries = queries;
    this.#leaseMs = leaseMs;
    this.contentType = contentType;
    const unsettled = settled === 'mark' ? 'processed_at IS NULL AND ' : '';
    const free = `${unsettled}(locked_until IS NULL OR locked_until < now())`;
    const lease = (parameter: string): string => `now() + ${parameter} * interval '1 millisecond'`;
    const among = `id = ANY($1::${columns.get('id')}[])`;
    // SKIP LOCKED: hosts that take at the same time take different rows. After the statement the lease stands for the lock,
    // so that no transaction is open while workflows are started.
    this.#take = `
      WITH free AS (SELECT id FROM ${name} WHERE ${free} ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED),
      taken AS (UPDATE ${name} AS o SET locked_until = ${lease('$2')} FROM free WHERE o.id = free.id
                RETURNING ${rowOf(columns)}, o.id AS ordered_by)
      SELECT * FROM taken ORDER BY ordered_by`;
    this.#settle =
      settled === 'delete'
        ? `DELETE FROM ${name} WHERE ${among}`
        : `UPDATE ${name} SET processed_at = now(), locked_until = NULL WHERE ${among} AND processed_at IS NULL`;
    this.#prolong = `UPDATE ${name} SET locked_until = ${lease('$2')} WHERE ${unsettled}${among}`;
    this.#release = `UPDATE ${name} SET locked_until = NULL WHERE ${unsettled}${among}`;
    this.#count = `SELECT count(*)::int AS rows FROM (SELECT 1 FROM ${name} WHERE ${free} LIMIT ${ROWS_COUNTED_MAX}) w`;
  }

  /** Leases rows that nobody has, in the order of their ids. */
  async take(rowsMax: number): Promise<readonly OutboxRow[]> {
    return (await this.#queries.query<OutboxRow>(this.#take, [rowsMax, this.#leaseMs])).rows;
  }

  async settle(ids: readonly string[]): Promise<void> {
    await this.#queries.query(this.#settle, [ids]);
  }

  async prolong(ids: readonly string[]): Promise<void> {
    await this.#queries.query(this.#prolong, [ids, this.#leaseMs]);
  }

  async release(ids: readonly string[]): Promise<void> {
    await this.#queries.query(this.#release, [ids]);
  }

  /** Rows that nobody has. */
  async waiting(): Promise<number> {
    return (await this.#queries.query<{ rows: number }>(this.#count)).rows[0]!.rows;
  }
}

async function checkPrivileges(queries: Queries, name: string, settled: 'delete' | 'mark'): Promise<void> {
  const { rows } = await queries.query<{ SELECT: boolean; UPDATE: boolean; DELETE: boolean }>(
    `SELECT has_table_privilege($1, 'SELECT') AS "SELECT", has_table_privilege($1, 'UPDATE') AS "UPDATE",
            has_table_privilege($1, 'DELETE') AS "DELETE"`,
    [name],
  );
  const needed = settled === 'delete' ? (['SELECT', 'UPDATE', 'DELETE'] as const) : (['SELECT', 'UPDATE'] as const);
  const missing = needed.filter((privilege) => !rows[0]![privilege]);
  if (missing.length > 0) {
    throw new SourceError(
      `postgres: this user may not ${missing.join(', ')}; GRANT ${missing.join(', ')} ON ${name} TO it`,
    );
  }
}

/** What is returned of a row: `null` for columns that the table has not. */
function rowOf(columns: Columns): string {
  const text = (column: string): string => (columns.has(column) ? `o.${column}::text` : 'NULL::text');
  const isBytes = columns.get('data') === 'bytea';
  const data = isBytes ? 'o.data' : 'o.data::text';
  const time = columns.has('created_at')
    ? `to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
    : 'NULL::text';
  return [
    `${text('id')} AS id`,
    ...['source', 'type', 'subject', 'traceparent'].map((column) => `${text(column)} AS ${column}`),
    `${time} AS time`,
    `octet_length(${data}) AS data_bytes`,
    `CASE WHEN octet_length(${data}) <= ${RECORD_BYTES_MAX} THEN ${data} END AS data`,
  ].join(', ');
}

/** `table` or `schema.table`, as they are written in the catalog. */
function quotedTable(table: string): string {
  return table.split('.').map(quoted).join('.');
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
