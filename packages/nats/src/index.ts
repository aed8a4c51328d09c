// The public surface of @troupe/nats.

export { nats, type NatsOptions } from './nats.ts';
export type { ServerInfo } from './wire.ts';
