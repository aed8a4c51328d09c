import { amqp, type AmqpOptions } from '../../../src/amqp.ts';
import type { Source } from '../../../src/index.ts';

export default (options: AmqpOptions): Source => amqp(options);
