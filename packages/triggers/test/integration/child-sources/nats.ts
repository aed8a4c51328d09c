import { nats, type NatsOptions } from '../../../src/nats.ts';

export default (options: NatsOptions) => nats(options);
