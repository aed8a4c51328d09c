// The commands that a reader needs, on one stream and one group, over two connections: one waits for entries, the other
// says what became of them.

import type { createClient } from 'redis';
import { SourceError } from '../errors.ts';
import { REDIS_BLOCK_MS } from '../limits.ts';
import { entriesOf, type StreamEntry } from './stream-entry.ts';

type Client = ReturnType<typeof createClient>;

/** Removes, in one step, those that have nothing pending: what is pending is forgotten with a consumer. */
const REMOVE_CONSUMERS = `
local removed = 0
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for at = 1, #fields, 2 do consumer[fields[at]] = fields[at + 1] end
  local own = consumer.name == ARGV[2]
  local gone = (ARGV[3] == 'own' and own) or (ARGV[3] ~= 'own' and not own and consumer.idle > tonumber(ARGV[3]))
  if consumer.pending == 0 and gone then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed`;

/** Type of a text in an answer: bytes are wanted, since data may be anything. */
const BLOB_STRING = 36;

export class StreamGroup {
  readonly #waiting: Client;
  readonly #telling: Client;
  readonly #stream: string;
  readonly #group: string;
  readonly #consumer: string;

  constructor(waiting: Client, telling: Client, stream: string, group: string, consumer: string) {
    this.#waiting = waiting;
    this.#telling = telling;
    this.#stream = stream;
    this.#group = group;
    this.#consumer = consumer;
  }

  /** Creates the group, before the oldest entry, and the stream, unless they exist. */
  async create(): Promise<void> {
    try {
      await this.#telling.sendCommand(['XGROUP', 'CREATE', this.#stream, this.#group, '0', 'MKSTREAM']);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
  }

  /** Entries that nobody has. Waits for some. */
  async readNew(countMax: number): Promise<StreamEntry[]> {
    return this.#read('>', countMax, ['BLOCK', String(REDIS_BLOCK_MS)]);
  }

  /** Entries that this consumer has, after an id. */
  async readOwn(after: string, countMax: number): Promise<StreamEntry[]> {
    return this.#read(after, countMax, []);
  }

  async #read(from: string, countMax: number, block: readonly string[]): Promise<StreamEntry[]> {
    const command = ['XREADGROUP', 'GROUP', this.#group, this.#consumer, 'COUNT', String(countMax), ...block];
    const answer = await this.#waiting.sendCommand([...command, 'STREAMS', this.#stream, from], {
      typeMapping: { [BLOB_STRING]: Buffer },
    });
    const streams = answer as unknown as readonly (readonly [Buffer, unknown])[] | null;
    return streams === null ? [] : entriesOf(streams[0]![1]);
  }

  /** Takes over entries of whoever has not said for `idleMs` that it has them; `next` is `0-0` after the last. */
  async takeOver(
    idleMs: number,
    from: string,
    countMax: number,
  ): Promise<{ readonly next: string; readonly entries: StreamEntry[]; readonly deleted: number }> {
    const answer = (await this.#telling.sendCommand(
      ['XAUTOCLAIM', this.#stream, this.#group, this.#consumer, String(idleMs), from, 'COUNT', String(countMax)],
      { typeMapping: { [BLOB_STRING]: Buffer } },
    )) as unknown as readonly [Buffer, unknown, (readonly Buffer[])?];
    return { next: answer[0].toString(), entries: entriesOf(answer[1]), deleted: answer[2]?.length ?? 0 };
  }

  /** Says that this consumer has the entry, and since how long. */
  async hold(id: string, idleMs: number): Promise<void> {
    const command = ['XCLAIM', this.#stream, this.#group, this.#consumer, '0', id, 'IDLE', String(idleMs), 'JUSTID'];
    await this.#telling.sendCommand(command);
  }

  async acknowledge(ids: readonly string[]): Promise<void> {
    await this.#telling.sendCommand(['XACK', this.#stream, this.#group, ...ids]);
  }

  /** Removes consumers with nothing pending that have not asked for `goneMs`. Resolves with how many. */
  async removeGone(goneMs: number): Promise<number> {
    return this.#remove(String(goneMs));
  }

  /** Removes this consumer if it has nothing pending. */
  async removeOwn(): Promise<void> {
    await this.#remove('own');
  }

  async #remove(which: string): Promise<number> {
    const args = [REMOVE_CONSUMERS, '1', this.#stream, this.#group, this.#consumer, which];
    return Number(await this.#telling.sendCommand(['EVAL', ...args]));
  }

  /** Entries that nobody has had; undefined where Redis does not know. */
  async lag(): Promise<number | undefined> {
    const groups = (await this.#telling.sendCommand(['XINFO', 'GROUPS', this.#stream])) as unknown as unknown[][];
    for (const fields of groups) {
      const group: Record<string, unknown> = {};
      for (let at = 0; at + 1 < fields.length; at += 2) group[String(fields[at])] = fields[at + 1];
      if (group['name'] === this.#group) return typeof group['lag'] === 'number' ? group['lag'] : undefined;
    }
    throw new SourceError(`there is no group "${this.#group}" of the stream "${this.#stream}"`);
  }
}
