import { TroupeError, type HostId } from '@troupe/actors';
import type { RequestFailure } from './requests.ts';

/** A server that Troupe cannot run on: too old, or without JetStream. The message says what to do. */
export class ServerUnfitError extends TroupeError {
  override readonly name = 'ServerUnfitError';
  readonly code = 'server_unfit';
}

/** A request that got no answer. Whether it arrived is certain for `no-responders` alone: it did not. */
export class RequestError extends TroupeError {
  override readonly name = 'RequestError';
  readonly code = 'request_failed';
  readonly subject: string;
  readonly failure: RequestFailure;

  constructor(subject: string, failure: RequestFailure) {
    super(`no answer from ${subject}: ${REASONS[failure]}`);
    this.subject = subject;
    this.failure = failure;
  }
}

const REASONS: Readonly<Record<RequestFailure, string>> = {
  'no-responders': 'nobody listens',
  timeout: 'it took too long',
  disconnected: 'the connection to NATS was lost',
  closed: 'the connection to NATS is closed',
};

/** A host that lacks actor types of a member would own actors that it cannot run. It is not let in. */
export class HostMismatchError extends TroupeError {
  override readonly name = 'HostMismatchError';
  readonly code = 'host_mismatch';
  readonly missing: readonly string[];

  constructor(hostId: HostId, member: HostId, missing: readonly string[]) {
    super(
      `${hostId} cannot join: all hosts of an application register the same actor types, and ${member} has ` +
        `${missing.join(', ')}, which this host lacks. Register them here, or use another application name`,
    );
    this.missing = missing;
  }
}
