// Stores on real servers, and what tests do with them.

import { connect } from '@nats-io/transport-node';
import {
  commitOnce,
  systemClock,
  type ActorAddress,
  type Commit,
  type CommitSource,
  type EntryRun,
  type Layout,
  type Logger,
  type Store,
} from '@troupe/actors';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import { STREAM_NOT_FOUND } from '../../src/jetstream.ts';
import { connectWire } from '../../src/connection.ts';
import { InboxRequests } from '../../src/requests.ts';
import { StuckStreams } from '../../src/stuck-streams.ts';
import { NatsStore, type NatsStoreOptions } from '../../src/nats-store.ts';

export const LAYOUT: Layout = { app: 'test', partitionCount: 8, hash: 'fnv1a-fmix32', format: 1 };

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly details: object;
  readonly message: string;
}

export class LogLines implements Logger {
  readonly lines: LogLine[] = [];

  debug = (details: object, message: string): void => this.#add('debug', details, message);
  info = (details: object, message: string): void => this.#add('info', details, message);
  warn = (details: object, message: string): void => this.#add('warn', details, message);
  error = (details: object, message: string): void => this.#add('error', details, message);

  of(level: LogLine['level']): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }

  #add(level: LogLine['level'], details: object, message: string): void {
    this.lines.push({ level, details, message });
  }
}

export type StoreSettings = Partial<NatsStoreOptions> & { readonly servers: string | string[] };

/** A store on these servers. Not started. */
export function storeOn({ servers, ...options }: StoreSettings): NatsStore {
  const logger = options.logger ?? new LogLines();
  return new NatsStore({
    app: LAYOUT.app,
    clock: systemClock,
    random: Math.random,
    logger,
    async open() {
      const wire = await connectWire({ servers }, { clock: systemClock, logger });
      const requests = new InboxRequests(wire, systemClock);
      return { wire, requests, stuck: new StuckStreams(requests, systemClock, logger) };
    },
    ...options,
  });
}

/** Removes the streams of an application. */
export async function removeStreams(servers: string | string[], app: string): Promise<void> {
  const connection = await connect({ servers });
  try {
    for (let stream = 0; stream < 4; stream++) {
      const name = `TROUPE_${app}_${stream}`;
      await eventually(`${name} is deleted`, async () => {
        const answer = await connection.request(`$JS.API.STREAM.DELETE.${name}`, '', { timeout: 10_000 });
        const { error } = answer.json<{ error?: { err_code: number } }>();
        return error?.err_code === STREAM_NOT_FOUND;
      });
      // It goes on answering for a moment.
      await eventually(`${name} is gone`, async () => {
        const direct = `$JS.API.DIRECT.GET.${name}`;
        for (const subject of [direct, `${direct}.tr`]) {
          const answers = await connection.request(subject, '{"seq":1}', { timeout: 30_000 }).then(
            () => true,
            () => false,
          );
          if (answers) return false;
        }
        return true;
      });
    }
  } finally {
    await connection.close();
  }
}

let commitCount = 0;

export function aCommit(expectedRevision: number, change: Partial<Commit> = {}): Commit {
  return {
    id: { writer: 'test', sequence: ++commitCount },
    expectedRevision,
    state: Buffer.from('state'),
    entries: null,
    keepFrom: 'same',
    dueAtMs: null,
    summary: 'same',
    ...change,
  };
}

export function at(id: string): ActorAddress {
  return { type: 'thing', id };
}

export function run(first: number, count: number, size = 0): EntryRun {
  return { first, count, bytes: Buffer.from(`[${first}+${count}]`.padEnd(size, '.')) };
}

/** Commits as the only writer would. */
export async function put(store: Store, id: string, change: Partial<Commit> = {}): Promise<number> {
  const { record } = await store.load(at(id));
  return await commitOnce(store, at(id), aCommit(record?.revision ?? 0, change));
}

/** Writers of an actor each, that commit one entry after the other until they are told to stop. */
export class Writers {
  /** Commits that were acknowledged, by actor. */
  readonly acknowledged = new Map<string, number>();
  readonly #ended: Promise<unknown>;
  #stopping = false;

  constructor(store: Store, count: number, entryBytes: number) {
    const ids = Array.from({ length: count }, (_, index) => `w${index}`);
    this.#ended = Promise.all(ids.map((id) => this.#write(store, id, entryBytes)));
    // Reported by the wait at the end.
    this.#ended.catch(() => {});
  }

  get total(): number {
    return [...this.acknowledged.values()].reduce((sum, made) => sum + made, 0);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
  }

  /** Each commit is there, once, in its order. */
  async check(store: Store): Promise<void> {
    for (const [id, made] of this.acknowledged) {
      const { record } = await store.load(at(id));
      expect([Buffer.from(record!.state).toString(), record!.nextEntry]).toEqual([String(made), made + 1]);
      const runs = await store.read(at(id), 1, Infinity);
      expect(runs.map(({ first }) => first)).toEqual(Array.from({ length: made }, (_, index) => index + 1));
    }
  }

  #write(store: Store, id: string, entryBytes: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      let revision = 0;
      let made = 0;
      const source: CommitSource = {
        address: at(id),
        seal: () => aCommit(revision, { entries: run(made + 1, 1, entryBytes), state: Buffer.from(String(made + 1)) }),
        accepted: (accepted) => {
          revision = accepted;
          this.acknowledged.set(id, ++made);
          if (this.#stopping) resolve();
          else store.commit(source);
        },
        refused: reject,
      };
      store.commit(source);
    });
  }
}
