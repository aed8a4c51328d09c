// How others hear that an instance has ended: by a durable send in the commit of the end.
//
// E1  An end that is committed is told, and one that is not is not: there is one commit. Nobody who has ended is purged
//     before it was told.
// E2  Nothing about telling keeps an instance from ending: what is too large is left out, and what the listener throws is
//     logged.

import { checkAddress, checkPayload, plainPayload, TextPayload, type ActorDefinition } from '@troupe/actors';
import type { EndOutcome } from './command.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import type { InstanceState } from './instance-state.ts';
import { ENDING_PART_BYTES_MAX, FAILURE_MESSAGE_LENGTH_MAX, NAME_LENGTH_MAX } from './limits.ts';
import { payloadBytes } from './payload.ts';
import type { Failure } from './status.ts';

/** How an instance can end. */
export type EndStatus = 'completed' | 'failed' | 'terminated';

/** What is told of an instance that has ended. An instance id that is used again has another `executionId` each time. */
export interface Ending {
  readonly instanceId: string;
  readonly workflowName: string;
  readonly version: string;
  readonly executionId: string;
  readonly status: EndStatus;
  readonly createdAtMs: number;
  readonly endedAtMs: number;
  readonly tags: Readonly<Record<string, string>>;
  /** Of a completed one, or what it was terminated with. What came as text is what that says. */
  readonly output?: unknown;
  /** The output is too large to be sent along: it is read from the instance, for as long as that is kept. */
  readonly outputOmitted?: true;
  /** Of a failed one. Only its type and message if it is too large. */
  readonly failure?: Failure;
  /** Of the start. */
  readonly traceparent?: string;
  /** Of a child that is not detached. */
  readonly parent?: { readonly instanceId: string; readonly workflowName: string };
}

/** An actor that is told of endings. */
export type EndingActor = ActorDefinition<
  // oxlint-disable-next-line typescript/no-explicit-any -- the context is that of the actor's kind
  { readonly ended: (ctx: any, ending: Ending) => unknown },
  unknown
>;

/** Hears of instances that end: each ending once, whatever crashes. Give every host the same. */
export interface EndingListener {
  /** Whether such endings are wanted. Asked in the turn that ends an instance, so it only looks. Throwing means yes. */
  listens(workflowName: string, status: EndStatus): boolean;
  /**
   * Is sent the endings, each applied once; those that go to one actor id by one instance in their order. An `ended` that
   * throws has taken the ending all the same: what may fail is for a reminder. One of the `actors` of every host, since an
   * ending waits, and its instance cannot be purged, until it is taken.
   */
  readonly actor: EndingActor;
  /** Which of these actors is told. The same for every host. An id that is none, or throwing, is the instance id instead. */
  actorIdOf(ending: Ending): string;
}

/** @throws {TypeError} when endings could not be told to it */
export function checkEndings({ actor }: EndingListener, actors: readonly { readonly type: string }[]): void {
  const refuse = (why: string): never => {
    throw new TypeError(`endings go to actor type ${actor.type}, ${why}`);
  };
  if (!actors.some(({ type }) => type === actor.type)) refuse('which is not among the actors of this host');
  if (!Object.hasOwn(actor.methods, 'ended')) refuse('which has no method "ended"');
  if (actor.hostBound || (actor.kind === 'state' && actor.initialState === undefined))
    refuse('of which nothing is stored: it could not tell a repeated one');
}

/** Tells whoever listens that this instance, whose state is that of the end, has ended. */
export function tellEnding(
  ctx: Context,
  services: InstanceServices,
  instanceId: string,
  state: InstanceState,
  outcome: EndOutcome,
): void {
  const { endings, logger } = services;
  if (endings === undefined) return;
  const failed = (what: string) => (error: unknown) =>
    logger.error({ err: error, instanceId }, `${what} of the listener for endings failed`);
  const { workflowName } = state;
  if (!attempt(() => endings.listens(workflowName, outcome.type), true, failed('listens'))) return;
  const ending = endingOf(instanceId, state, outcome);
  const actorId = attempt(() => checkedId(endings, ending), instanceId, failed('actorIdOf'));
  ctx.send(endings.actor, actorId).ended(ending);
}

function attempt<T>(ask: () => T, otherwise: T, onError: (error: unknown) => void): T {
  try {
    return ask();
  } catch (error) {
    onError(error);
    return otherwise;
  }
}

function checkedId(endings: EndingListener, ending: Ending): string {
  const id = endings.actorIdOf(ending);
  checkAddress({ type: endings.actor.type, id });
  return id;
}

function endingOf(instanceId: string, state: InstanceState, outcome: EndOutcome): Ending {
  const { workflowName, version, executionId, createdAtMs, tags, traceparent, parent } = state;
  return {
    instanceId,
    workflowName,
    version,
    executionId,
    status: outcome.type,
    createdAtMs,
    endedAtMs: state.completedAtMs!,
    tags,
    ...(outcome.type === 'failed' ? { failure: failurePart(outcome.failure) } : outputPart(outcome.output)),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(parent === undefined || parent.instanceId === ''
      ? {}
      : { parent: { instanceId: parent.instanceId, workflowName: parent.workflowName } }),
  };
}

function outputPart(output: unknown): Pick<Ending, 'output' | 'outputOmitted'> {
  if (output instanceof TextPayload && !fits(output)) return { outputOmitted: true };
  const plain = plainPayload(output);
  if (plain === undefined) return {};
  return fits(plain) ? { output: plain } : { outputOmitted: true };
}

function failurePart(failure: Failure): Failure {
  if (fits(failure)) return failure;
  const { type, message, nonRetryable } = failure;
  return {
    type: type.slice(0, NAME_LENGTH_MAX).toWellFormed(),
    message: message.slice(0, FAILURE_MESSAGE_LENGTH_MAX).toWellFormed(),
    ...(nonRetryable === undefined ? {} : { nonRetryable }),
  };
}

/** Whether it can be a part of an ending: it is deeper in there than in the history. */
function fits(part: unknown): boolean {
  if (payloadBytes(part) > ENDING_PART_BYTES_MAX) return false;
  try {
    checkPayload([{ part }], 'an ending');
    return true;
  } catch {
    // As deep as payloads may be, so that it cannot be put into another.
    return false;
  }
}
