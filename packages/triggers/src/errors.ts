import { TroupeError } from '@troupe/actors';

/** Something that came is no event: not JSON, no CloudEvent, without an id. It will never be one. */
export class EventFormatError extends TroupeError {
  override readonly name = 'EventFormatError';
  readonly code = 'event_format';
}

/** A source that cannot work as it is configured; the message says what to do. */
export class SourceError extends TroupeError {
  override readonly name = 'SourceError';
  readonly code = 'source_unfit';
}

/** Another host reads this source now. */
export class StaleReaderError extends TroupeError {
  override readonly name = 'StaleReaderError';
  readonly code = 'stale_reader';
}

/** Thrown by a mapping, a filter or a schema: this may go well later. The event is tried again as after any transient failure. */
export class TryLaterError extends TroupeError {
  override readonly name = 'TryLaterError';
  readonly code = 'try_later';
}

/** The event names an instance that somebody else created, or one of another workflow. */
export class InstanceConflictError extends TroupeError {
  override readonly name = 'InstanceConflictError';
  readonly code = 'instance_conflict';
  readonly instanceId: string;

  constructor(instanceId: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.instanceId = instanceId;
  }
}

/** A method of an actor threw, the `cause`. The event is tried again, whatever it threw. */
export class ActorFailedError extends TroupeError {
  override readonly name = 'ActorFailedError';
  readonly code = 'actor_failed';

  constructor(actor: string, method: string, cause: unknown) {
    super(`${method} of ${actor} failed: ${String(cause)}`, { cause });
  }
}

/** There is no trigger of this name. */
export class TriggerNotFoundError extends TroupeError {
  override readonly name = 'TriggerNotFoundError';
  readonly code = 'trigger_not_found';
}

/** What needs the triggers to be started. A service listens before they are. */
export class TriggersNotStartedError extends TroupeError {
  override readonly name = 'TriggersNotStartedError';
  readonly code = 'triggers_not_started';
}

/** There is no such dead letter. */
export class DeadLetterNotFoundError extends TroupeError {
  override readonly name = 'DeadLetterNotFoundError';
  readonly code = 'dead_letter_not_found';
}

/** Why a request is not taken for one of its sender. */
export type SignatureProblem = 'missing' | 'malformed' | 'mismatch' | 'too-old' | 'too-new';

/** A request that does not show that it comes from its sender. Says nothing of secrets and of signatures. */
export class SignatureError extends TroupeError {
  override readonly name = 'SignatureError';
  readonly code = 'signature_invalid';
  readonly reason: SignatureProblem;

  constructor(reason: SignatureProblem, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A secret that is not where it should be, or cannot be one. */
export class SecretError extends TroupeError {
  override readonly name = 'SecretError';
  readonly code = 'secret_unfit';
}
