import { TroupeError } from '@troupe/actors';

/** The command line makes no sense; the message says what does. */
export class UsageError extends TroupeError {
  override readonly name = 'UsageError';
  readonly code = 'usage';
}

/** The port is taken, or not ours to take. */
export class PortError extends TroupeError {
  override readonly name = 'PortError';
  readonly code = 'port_unavailable';
  readonly port: number;

  constructor(port: number, flag: '--port' | '--grpc-port', why: string, cause: unknown) {
    super(`port ${port} cannot be used: ${why}; name another one with ${flag}`, { cause });
    this.port = port;
  }
}

/** NATS is there and does not let us in, or has no JetStream, or is something else. */
export class NatsRefusedError extends TroupeError {
  override readonly name = 'NatsRefusedError';
  readonly code = 'nats_refused';
}

/** What a service that was asked answered, or that none did. */
export class ServiceError extends TroupeError {
  override readonly name = 'ServiceError';
  readonly code = 'service';
}
