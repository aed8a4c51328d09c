// Reads an outbox. outbox-table.ts has the statements; this file knows when they are run.
//
// R1. A row is leased in the server before it is handed over, and settled, or released, after. The lease of a row that is
//     out is prolonged; that of a host which has gone runs out, and the row comes again.
// R2. A notification only wakes: whatever is not told is found by looking.
// R3. Nothing is taken while what was settled cannot be written down: it would only come again.

import type { Pool, PoolClient, PoolConfig } from 'pg';
import { SourceError } from '../errors.ts';
import { GrowingPause } from '../growing-pause.ts';
import {
  CONNECT_TIMEOUT_MS,
  POSTGRES_CONNECTIONS_MAX,
  RECORD_BYTES_MAX,
  ROWS_PER_STATEMENT_MAX,
  STATEMENT_TIMEOUT_MS,
} from '../limits.ts';
import { Pause } from '../pause.ts';
import type { Settlement, SourceContext, SourceMessage, SourceReader } from '../source.ts';
import { OutboxTable, quoted, type OutboxRow, type TableOptions } from './outbox-table.ts';
import { RowWrites } from './row-writes.ts';

/** What is used of `pg`. */
export interface PostgresClient {
  readonly Pool: new (config: PoolConfig) => Pool;
}

export interface OutboxRules extends TableOptions {
  readonly connection: string | PoolConfig | Pool;
  readonly channel: string | undefined;
  readonly source: string;
  readonly pollIntervalMs: number;
}

const PROLONGED_PER_LEASE = 3;

export class OutboxReader implements SourceReader {
  readonly #rules: OutboxRules;
  readonly #context: SourceContext;
  readonly #pool: Pool;
  readonly #isOwnPool: boolean;
  readonly #pause: Pause;
  readonly #reconnect: GrowingPause;
  readonly #listenAgain: GrowingPause;
  readonly #settles: RowWrites;
  readonly #releases: RowWrites;
  readonly #prolongs: RowWrites;
  readonly #out = new Set<string>();
  #table: OutboxTable | undefined;
  #running: Promise<void> = Promise.resolve();
  #listening: Promise<void> = Promise.resolve();
  #stopListening = (): void => {};
  #draining = false;
  #closed = false;
  #closing: Promise<void> | undefined;

  /** @throws {SourceError} when the server answers and the table, or the pool, cannot be used */
  static async open(pg: PostgresClient, rules: OutboxRules, context: SourceContext): Promise<OutboxReader> {
    const reader = new OutboxReader(pg, rules, context);
    try {
      reader.#table = await OutboxTable.inspect(reader.#pool, rules);
    } catch (error) {
      if (error instanceof SourceError) {
        await reader.close();
        throw error;
      }
      context.failing(error);
    }
    reader.#running = reader.#run();
    if (rules.channel !== undefined) reader.#listening = reader.#listen(rules.channel);
    return reader;
  }

  private constructor(pg: PostgresClient, rules: OutboxRules, context: SourceContext) {
    this.#rules = rules;
    this.#context = context;
    this.#isOwnPool = !isPool(rules.connection);
    this.#pool = isPool(rules.connection) ? rules.connection : new pg.Pool(settings(rules.connection));
    if (rules.channel !== undefined && this.#pool.options.max < 2)
      throw new SourceError('postgres: listening takes a connection of its own; let the pool have two or more');
    this.#pool.on('error', this.#poolError);
    this.#pause = new Pause(context.clock);
    const growing = (): GrowingPause => new GrowingPause(context.clock, context.random);
    this.#reconnect = growing();
    this.#listenAgain = growing();
    const failing = (error: unknown): void => context.failing(error);
    this.#settles = new RowWrites((ids) => this.#table!.settle(ids), failing, growing());
    this.#releases = new RowWrites((ids) => this.#table!.release(ids), failing, growing());
    // One that has been settled meanwhile needs no lease.
    const prolong = async (ids: readonly string[]): Promise<void> =>
      await this.#table!.prolong(ids.filter((id) => this.#out.has(id)));
    this.#prolongs = new RowWrites(prolong, failing, growing());
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#pause.wake();
    this.#reconnect.end();
    this.#listenAgain.end();
    this.#stopListening();
    await Promise.all([this.#running, this.#listening]);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await this.drain();
    this.#closed = true;
    await Promise.all([this.#settles.end(), this.#releases.end(), this.#prolongs.end()]);
    if (this.#isOwnPool) await this.#pool.end();
    this.#pool.off('error', this.#poolError);
  }

  async lag(): Promise<number | undefined> {
    try {
      return await this.#table?.waiting();
    } catch (error) {
      this.#context.failing(error);
      return undefined;
    }
  }

  /** A connection that nobody used was lost: the next one who needs one hears of it. */
  readonly #poolError = (error: Error): void => {
    this.#context.logger.debug({ trigger: this.#context.trigger, err: error }, 'a connection to PostgreSQL was lost');
  };

  async #run(): Promise<void> {
    while (!this.#draining && !this.#context.signal.aborted) {
      const room = await this.#context.room();
      if (room === 0 || this.#draining) return;
      if (this.#settles.isFailing) {
        await this.#reconnect.wait();
        continue;
      }
      const rowsMax = Math.min(room, ROWS_PER_STATEMENT_MAX);
      try {
        this.#table ??= await OutboxTable.inspect(this.#pool, this.#rules);
        const rows = await this.#table.take(rowsMax);
        this.#context.working();
        this.#reconnect.reset();
        for (const row of rows) this.#handOver(row);
        if (rows.length === rowsMax) continue;
      } catch (error) {
        this.#context.failing(error);
        await this.#reconnect.wait();
        continue;
      }
      // Less up to a quarter, so that hosts do not look all at once.
      if (!this.#draining) await this.#pause.wait(this.#rules.pollIntervalMs * (1 - this.#context.random() / 4));
    }
  }

  #handOver(row: OutboxRow): void {
    // A statement that ended while a drain began has taken rows already.
    if (this.#draining) return this.#releases.add(row.id);
    this.#out.add(row.id);
    void this.#context.deliver(this.#message(row)).then((settlement) => this.#settled(row.id, settlement));
  }

  #settled(id: string, { outcome }: Settlement): void {
    this.#out.delete(id);
    // The row is left to its lease.
    if (this.#closed) return;
    if (outcome === 'released') this.#releases.add(id);
    else this.#settles.add(id);
  }

  #message(row: OutboxRow): SourceMessage {
    const { id, type, subject, time, traceparent, data } = row;
    const isTooLarge = data === null && row.data_bytes !== null;
    return {
      raw: {
        body: data === null ? new Uint8Array() : Buffer.from(data as string),
        contentType: this.#table!.contentType,
        attributes: {},
        headers: traceparent === null ? {} : { traceparent },
        plain: {
          source: row.source ?? this.#rules.source,
          id,
          type: type ?? '',
          ...(subject !== null && { subject }),
          ...(time !== null && { time }),
        },
      },
      extend: () => this.#prolongs.add(id),
      extendEveryMs: this.#rules.leaseMs / PROLONGED_PER_LEASE,
      ...(isTooLarge && {
        refused: new SourceError(
          `the data of row ${id} has ${row.data_bytes} bytes; up to ${RECORD_BYTES_MAX} bytes are read`,
        ),
      }),
    };
  }

  async #listen(channel: string): Promise<void> {
    while (!this.#draining) {
      let client: PoolClient | undefined;
      try {
        client = await this.#pool.connect();
        await this.#listenOn(client, channel);
      } catch (error) {
        // Rows are still found by looking, which tells of a server that is away.
        this.#context.logger.debug({ trigger: this.#context.trigger, err: error }, 'PostgreSQL does not notify');
      }
      client?.release(true);
      await this.#listenAgain.wait();
    }
  }

  /** Resolves when the connection has ended, or is to be ended. */
  async #listenOn(client: PoolClient, channel: string): Promise<void> {
    const wake = (): void => this.#pause.wake();
    let lost = (): void => {};
    const ended = new Promise<void>((resolve) => (lost = resolve));
    client.on('notification', wake).on('error', lost).on('end', lost);
    this.#stopListening = lost;
    if (this.#draining) return;
    await client.query(`LISTEN ${quoted(channel)}`);
    this.#listenAgain.reset();
    // What was told before this connection listened.
    wake();
    await ended;
  }
}

function isPool(connection: string | PoolConfig | Pool): connection is Pool {
  return typeof connection === 'object' && 'totalCount' in connection && typeof connection.connect === 'function';
}

function settings(connection: string | PoolConfig): PoolConfig {
  return {
    max: POSTGRES_CONNECTIONS_MAX,
    application_name: 'troupe',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
  };
}
