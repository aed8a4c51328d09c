// Errors between hosts: `{ name, message, code, data }`, mapped back by the one table here.

import type { ActorAddress } from './address.ts';
import { checkPayload } from './codec.ts';
import { NotDefinedError, LimitError, NotExecutedError, OutcomeUnknownError, TroupeError } from './errors.ts';
import type { ReplyEnvelope } from './transport.ts';

/** An error that an actor on another host threw. */
export class RemoteActorError extends TroupeError {
  override readonly name: string;
  readonly code: string;
  readonly data: unknown;

  constructor(name: string, message: string, code: string, data: unknown) {
    super(message);
    this.name = name;
    this.code = code;
    this.data = data;
  }
}

export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly code: string;
  readonly data: unknown;
}

export function toWireError(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), code: 'error', data: undefined };
  const { code, data } = error as { code?: unknown; data?: unknown };
  return {
    name: String(error.name),
    message: String(error.message).toWellFormed(),
    code: typeof code === 'string' ? code : 'error',
    data: storable(data),
  };
}

/** What does not survive the way is left out: it must not keep the error from its caller. */
function storable(data: unknown): unknown {
  try {
    checkPayload(data, 'the data of an error');
    return data;
  } catch {
    // Told by its absence.
    return undefined;
  }
}

export function fromWireError(error: WireError, outcome: ReplyEnvelope['outcome'], address: ActorAddress): Error {
  // The outcome says what became of the call. A code says it of any call, perhaps of one that the actor made.
  const cause = new RemoteActorError(error.name, error.message, error.code, error.data);
  if (outcome === 'not-executed') return new NotExecutedError(address, `its host says: ${error.message}`, { cause });
  if (outcome === 'unknown') return new OutcomeUnknownError(address, `its host says: ${error.message}`, { cause });
  switch (error.code) {
    case 'not_defined':
      return new NotDefinedError(error.message);
    case 'limit_reached':
      return new LimitError(error.message);
    default:
      return cause;
  }
}
