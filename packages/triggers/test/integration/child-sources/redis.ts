import type { Source } from '../../../src/index.ts';
import { redisStream, type RedisStreamOptions } from '../../../src/redis.ts';

export default (options: RedisStreamOptions): Source => redisStream(options);
