// A stream of Redis, read by a consumer group. Readers on all hosts share it.

import { RedisStreamReader } from './redis/redis-stream-reader.ts';
import { installed } from './broker-client.ts';
import { REDIS_IDLE_MS_DEFAULT, REDIS_IDLE_MS_MIN } from './limits.ts';
import type { Source } from './source.ts';

const MISSING = 'redisStream(…) needs the client of Redis: npm install redis';

export interface RedisStreamOptions {
  /** `redis://user:password@host:6379/0`, or `rediss:`. */
  readonly url: string;
  readonly stream: string;
  /** Default `troupe-<application>-<trigger>`. Created, with the stream, before the oldest entry. */
  readonly group?: string;
  /** Default the id of the host, which is a new one after each start. */
  readonly consumer?: string;
  /**
   * After how long an entry whose consumer is gone is taken over by another. Default 60 s. A host that is cut off for
   * longer may work at an entry together with another.
   */
  readonly idleMs?: number;
  /** What entries that are no CloudEvents come from. Default `redis:<stream>`. */
  readonly source?: string;
}

/**
 * Entries of a stream. They are acknowledged when they are settled; a released one is left to whoever comes next.
 *
 * @throws {TypeError} when the options can never work
 */
export function redisStream(options: RedisStreamOptions): Source {
  const { url, stream, group, consumer, idleMs = REDIS_IDLE_MS_DEFAULT } = options;
  if (typeof url !== 'string' || !/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
    throw new TypeError('redisStream: "url" has to be as redis://user:password@host:6379/0');
  }
  if (typeof stream !== 'string' || stream === '') throw new TypeError('redisStream: "stream" has to name a stream');
  if (group === '' || consumer === '') throw new TypeError('redisStream: "group" and "consumer" cannot be empty');
  if (!Number.isSafeInteger(idleMs) || idleMs < REDIS_IDLE_MS_MIN) {
    throw new TypeError(`redisStream: "idleMs" has to be an integer of at least ${REDIS_IDLE_MS_MIN}`);
  }
  return {
    kind: 'redis',
    runsOn: 'every-host',
    open: async (context) =>
      new RedisStreamReader(await installed(import('redis'), MISSING), { ...options, idleMs }, context),
  };
}
