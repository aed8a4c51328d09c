// Reads a stream as one consumer of a group.
//
// R1  An entry is acknowledged after it was settled. When that cannot be said, it is said again before anything is read.
// R2  What Redis has given to this consumer without our hearing of it (an answer that was lost, an earlier life under the
//     same name) is read before anything new: at the start, and after each failure.
// R3  Held entries are claimed again every third of `idleMs`, so that nobody takes them for left behind. One that nobody
//     holds is taken over after `idleMs`; one that was released, at once.
// R4  Nothing with entries pending is ever removed from the group.

import { waitAtMost } from '@troupe/actors';
import { reconnectDelayMs } from '../back-off.ts';
import { GrowingPause } from '../growing-pause.ts';
import { CONNECT_TIMEOUT_MS, REDIS_GONE_AFTER_IDLE_TIMES, REDIS_SILENCE_MS } from '../limits.ts';
import { sharedName } from '../shared-name.ts';
import type { SourceContext, SourceReader } from '../source.ts';
import type { RedisStreamOptions } from '../redis.ts';
import { rawMessageOf, type StreamEntry } from './stream-entry.ts';
import { StreamGroup } from './stream-group.ts';

export type RedisClients = Pick<typeof import('redis'), 'createClient'>;
type Client = ReturnType<RedisClients['createClient']>;

export class RedisStreamReader implements SourceReader {
  readonly #options: RedisStreamOptions & { readonly idleMs: number };
  readonly #context: SourceContext;
  readonly #source: string;
  readonly #clients: readonly Client[];
  readonly #group: StreamGroup;
  readonly #pause: GrowingPause;
  /** Ids of entries that are out, and of those that are settled but not yet acknowledged. */
  readonly #held = new Set<string>();
  readonly #unacknowledged = new Set<string>();
  /** Entries of our own are read after this one; undefined when there are no more. */
  #ownAfter: string | undefined = '0';
  #takeOverFrom = '0-0';
  #takeOverAtMs = 0;
  #wake = (): void => {};
  #draining = false;
  #closed = false;
  readonly #done: Promise<void>;

  constructor(
    clients: RedisClients,
    options: RedisStreamOptions & { readonly idleMs: number },
    context: SourceContext,
  ) {
    this.#options = options;
    this.#context = context;
    this.#source = options.source ?? `redis:${options.stream}`;
    this.#pause = new GrowingPause(context.clock, context.random);
    const [waiting, telling] = [this.#connect(clients), this.#connect(clients)];
    this.#clients = [waiting, telling];
    const group = options.group ?? sharedName(context);
    const consumer = options.consumer ?? context.host.actors.hostId;
    this.#group = new StreamGroup(waiting, telling, options.stream, group, consumer);
    this.#done = this.#run();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#pause.end();
    this.#wake();
    // What Redis hands to a reader that waits is heard, and given back.
    await waitAtMost(this.#context.clock, CONNECT_TIMEOUT_MS, this.#done);
  }

  async close(): Promise<void> {
    await this.drain();
    await waitAtMost(this.#context.clock, CONNECT_TIMEOUT_MS, this.#leave());
    this.#closed = true;
    for (const client of this.#clients) client.destroy();
    await this.#done;
  }

  async lag(): Promise<number | undefined> {
    return this.#clients.every((client) => client.isReady) ? this.#group.lag() : undefined;
  }

  /** Begins to connect, and connects again for ever. */
  #connect(clients: RedisClients): Client {
    const client = clients.createClient({
      url: this.#options.url,
      RESP: 2,
      // What cannot be said now is said again by us.
      disableOfflineQueue: true,
      pingInterval: REDIS_SILENCE_MS / 3,
      socket: {
        connectTimeout: CONNECT_TIMEOUT_MS,
        // A server that is gone without a word says nothing for longer than this.
        socketTimeout: REDIS_SILENCE_MS,
        reconnectStrategy: (retries) => reconnectDelayMs(retries + 1, this.#context.random),
      },
    }) as unknown as Client;
    client.on('error', (error) => this.#failing(error));
    client.on('ready', () => this.#wake());
    client.connect().catch((error: unknown) => this.#failing(error));
    return client;
  }

  async #run(): Promise<void> {
    while (!this.#draining) {
      if (!this.#clients.every((client) => client.isReady)) {
        // The clients connect again by themselves, and have said that they cannot.
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      try {
        await this.#acknowledgeAgain();
        await this.#group.create();
        await this.#read();
      } catch (error) {
        if (this.#draining) return;
        this.#ownAfter = '0';
        this.#takeOverFrom = '0-0';
        // The stream was deleted, or all of Redis was flushed: the group is created again.
        if (isGroupMissing(error)) {
          this.#context.logger.warn({ trigger: this.#context.trigger, err: error }, 'the group of the stream is gone');
        } else {
          this.#context.failing(error);
        }
        await this.#pause.wait();
      }
    }
  }

  async #read(): Promise<void> {
    while (!this.#draining) {
      const room = await this.#context.room();
      if (room === 0) return;
      for (const entry of await this.#next(room)) {
        if (this.#draining) await this.#giveBack(entry.id);
        else await this.#take(entry);
      }
      this.#pause.reset();
      this.#context.working();
      await this.#acknowledgeAgain();
    }
  }

  async #next(room: number): Promise<readonly StreamEntry[]> {
    if (this.#ownAfter !== undefined) {
      const own = await this.#group.readOwn(this.#ownAfter, room);
      this.#ownAfter = own.at(-1)?.id;
      return own;
    }
    if (this.#context.clock.nowMs() >= this.#takeOverAtMs) return this.#takeOver(room);
    return this.#group.readNew(room);
  }

  /** One step through what is pending in the group, and after the last one a pause. */
  async #takeOver(room: number): Promise<readonly StreamEntry[]> {
    const { idleMs } = this.#options;
    const { next, entries, deleted } = await this.#group.takeOver(idleMs, this.#takeOverFrom, room);
    if (deleted > 0) this.#warnOfDeleted(deleted);
    this.#takeOverFrom = next;
    if (next === '0-0') {
      this.#takeOverAtMs = this.#context.clock.nowMs() + idleMs / 2;
      await this.#group.removeGone(idleMs * REDIS_GONE_AFTER_IDLE_TIMES);
    }
    return entries;
  }

  async #take({ id, fields }: StreamEntry): Promise<void> {
    if (this.#held.has(id) || this.#unacknowledged.has(id)) return;
    if (fields === null) {
      // Trimmed away before anybody could handle it.
      this.#warnOfDeleted(1);
      await this.#group.acknowledge([id]);
      return;
    }
    void this.#handOver(id, fields);
  }

  async #handOver(id: string, fields: readonly Buffer[]): Promise<void> {
    this.#held.add(id);
    const { stream, idleMs } = this.#options;
    const { outcome } = await this.#context.deliver({
      raw: rawMessageOf(id, fields, stream, this.#source),
      extend: () => this.#hold(id, 0),
      extendEveryMs: idleMs / 3,
    });
    if (outcome === 'released') {
      await this.#giveBack(id);
    } else {
      this.#unacknowledged.add(id);
      try {
        await this.#acknowledge([id]);
      } catch (error) {
        // It is said again by the loop.
        this.#failing(error);
      }
    }
    this.#held.delete(id);
  }

  /** Makes it look left behind: whoever looks next takes it over. */
  async #giveBack(id: string): Promise<void> {
    await this.#hold(id, this.#options.idleMs);
  }

  /** What cannot be said is left behind after `idleMs`. */
  async #hold(id: string, idleMs: number): Promise<void> {
    try {
      await this.#group.hold(id, idleMs);
    } catch (error) {
      this.#failing(error);
    }
  }

  #failing(error: unknown): void {
    if (!this.#closed) this.#context.failing(error);
  }

  async #acknowledgeAgain(): Promise<void> {
    if (this.#unacknowledged.size > 0) await this.#acknowledge([...this.#unacknowledged]);
  }

  async #acknowledge(ids: readonly string[]): Promise<void> {
    await this.#group.acknowledge(ids);
    for (const id of ids) this.#unacknowledged.delete(id);
  }

  /** A consumer by the name of a host never comes again. */
  async #leave(): Promise<void> {
    try {
      await this.#acknowledgeAgain();
      if (this.#options.consumer === undefined) await this.#group.removeOwn();
    } catch (error) {
      this.#context.logger.warn(
        { trigger: this.#context.trigger, err: error },
        'the group of the stream was not told of the end',
      );
    }
  }

  #warnOfDeleted(count: number): void {
    const { trigger, logger } = this.#context;
    const { stream } = this.#options;
    logger.warn(
      { trigger, stream, count },
      'entries of the stream were deleted before they were handled: trim it later',
    );
  }
}

function isGroupMissing(error: unknown): boolean {
  return error instanceof Error && /^(NOGROUP|UNBLOCKED)/.test(error.message);
}
