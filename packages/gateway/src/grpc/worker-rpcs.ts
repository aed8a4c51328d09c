// What workers call: for work, and with what came of it.
//
// R1 An answer counts only for an item that is out, under the token of that dispatch. Workers that do not know of tokens send
//    none; then the one that is out is meant, of which there is one for each instance and each activity.
// R2 The answer to a turn is read in the dialect of the stream that the turn was sent to, not of the call that brings it.
// R3 An answer that counts for nothing is taken and dropped: there is nothing that its worker could do about it, and some of
//    them (Java's) end their stream upon an error. Whoever gives back what is not out hears NOT_FOUND.

import { status } from '@grpc/grpc-js';
import type { ActivityResult } from '@troupe/workflow/worker';
import type { DecodedGetWorkItems } from './dialect.ts';
import { batchResultFrom, type DecodedBatchResult } from './entity-batch.ts';
import { failureFrom } from './failure-details.ts';
import { GrpcFailure, invalid } from './grpc-failure.ts';
import { PartialTurnError } from './partial-turns.ts';
import { TASK_HUB, unary, type GrpcCall, type Rpc, type UnaryRpc } from './rpc.ts';
import { codecOf, DecodeError, type Dialect } from './schema.ts';
import { payloadOf } from './wire-value.ts';
import { WorkStream } from './work-stream.ts';
import type { DecodedActivityAnswer, DecodedTurn } from './worker-answer.ts';
import { turnFrom } from './worker-turn.ts';

const NOTHING = Buffer.alloc(0);

export const workerRpcs: readonly Rpc[] = [
  {
    kind: 'stream',
    service: TASK_HUB,
    rpc: 'GetWorkItems',
    scope: 'operate',
    handle: async (bytes, call, answers) => {
      const request = codecOf('base').decode<DecodedGetWorkItems>('GetWorkItemsRequest', bytes);
      await new WorkStream(request, call, answers).run();
    },
  },
  completeTurn('CompleteOrchestratorTask'),
  completeTurn('CompleteWorkflowTask'),
  unary<DecodedActivityAnswer>({
    rpc: 'CompleteActivityTask',
    scope: 'operate',
    request: 'ActivityResponse',
    response: 'CompleteTaskResponse',
    handle: async ({ instanceId, taskId, completionToken, result, failureDetails }, call) => {
      const answer: ActivityResult =
        failureDetails === null
          ? { ok: true, result: payloadOf(result) }
          : {
              ok: false,
              failure: failureFrom(failureDetails),
              retryable: !failureDetails.isNonRetriable,
              heartbeat: undefined,
            };
      if (!call.workers.completeActivity(instanceId, taskId, completionToken, answer))
        dropped(call, { instanceId, taskId });
      return {};
    },
  }),
  unary<DecodedBatchResult>({
    rpc: 'CompleteEntityTask',
    scope: 'operate',
    request: 'EntityBatchResult',
    response: 'CompleteTaskResponse',
    handle: async (answer, call) => {
      const { completionToken: token, requiresState } = answer;
      // Never asked for what it was sent already: it had to be sent to another.
      const counts = requiresState
        ? call.workers.abandon(token)
        : call.workers.completeEntity(token, batchResultFrom(answer));
      if (!counts) dropped(call, {});
      return {};
    },
  }),
  abandon('AbandonTaskEntityWorkItem', 'AbandonEntityTask'),
  abandon('AbandonTaskActivityWorkItem', 'AbandonActivityTask'),
  abandon('AbandonTaskOrchestratorWorkItem', 'AbandonOrchestrationTask'),
];

function completeTurn(rpc: string): UnaryRpc {
  return {
    kind: 'unary',
    service: TASK_HUB,
    rpc,
    scope: 'operate',
    handle: async (bytes, call) => {
      takeTurn(bytes, call);
      return NOTHING;
    },
  };
}

function takeTurn(bytes: Buffer, call: GrpcCall): void {
  const { workers } = call;
  const { instanceId, completionToken } = codecOf('base').decode<DecodedTurn>('OrchestratorResponse', bytes);
  const inHand = workers.turnInHand(instanceId);
  if (inHand === undefined || (completionToken !== '' && completionToken !== inHand.item.token)) {
    dropped(call, { instanceId });
    return;
  }
  const { item, connection } = inHand;
  if (!(connection instanceof WorkStream)) throw new TypeError('a turn is with a worker that no stream of ours serves');
  const part = turnIn(bytes, connection.dialect);
  // Never asked for what it was sent already: it had to be sent to another.
  if (part.requiresHistory) {
    workers.abandon(item.token);
    return;
  }
  let answer: DecodedTurn | undefined;
  try {
    answer = connection.partialTurns.take(part, item.token, bytes.byteLength);
  } catch (error) {
    if (!(error instanceof PartialTurnError)) throw error;
    workers.abandon(item.token);
    throw invalid(error.message);
  }
  if (answer !== undefined && !workers.completeTurn(instanceId, item.token, turnFrom(answer, item)))
    dropped(call, { instanceId });
}

/** There are versions of each fork between the forks: what cannot be read as one of the two is read as what both have. */
function turnIn(bytes: Buffer, dialect: Dialect): DecodedTurn {
  try {
    return codecOf(dialect).decode('OrchestratorResponse', bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return codecOf('base').decode('OrchestratorResponse', bytes);
  }
}

function abandon(rpc: string, message: string): UnaryRpc {
  return unary<{ readonly completionToken: string }>({
    rpc,
    scope: 'operate',
    request: `${message}Request`,
    response: `${message}Response`,
    handle: async ({ completionToken }, call) => {
      if (!call.workers.abandon(completionToken))
        throw new GrpcFailure(
          status.NOT_FOUND,
          'no work item of this token is out, or it was given to another worker since',
        );
      return {};
    },
  });
}

/** R3 */
function dropped({ rpc, parts }: GrpcCall, of: object): void {
  parts.logger.debug({ rpc, ...of }, 'the answer of a worker counts for nothing: it is out no more, or with another');
}
