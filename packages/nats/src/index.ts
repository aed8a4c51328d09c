// The public surface of @troupe/nats.

export { nats, type NatsOptions } from './nats.ts';
export type { ClientConnection } from './client.ts';
export { HostMismatchError, ServerUnfitError } from './errors.ts';
export type { ServerInfo } from './wire.ts';
