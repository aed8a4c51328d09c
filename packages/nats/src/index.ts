// The public surface of @troupe/nats.

export type { ClientConnection } from './client.ts';
export { HostMismatchError, ServerUnfitError } from './errors.ts';
export type { ServerInfo } from './wire.ts';
