// The public surface of @troupe/nats.

export type { ServerInfo } from './wire.ts';
