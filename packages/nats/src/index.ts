// The public surface of @troupe/nats.

export type { ClientConnection } from './client.ts';
export { ServerUnfitError } from './errors.ts';
export type { ServerInfo } from './wire.ts';
