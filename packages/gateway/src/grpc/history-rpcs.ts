// Histories as they are recorded, for those who look at them.

import type { StoredInstance } from '@troupe/workflow/worker';
import { HISTORY_CHUNK_BYTES_MAX, HISTORY_READ_LENGTH } from '../limits.ts';
import { ShownHistory } from './encoded-history.ts';
import { noSuchInstance } from './grpc-failure.ts';
import { TASK_HUB, type GrpcCall, type Rpc } from './rpc.ts';

interface OfInstance {
  readonly instanceId: string;
}

export const historyRpcs: readonly Rpc[] = [
  {
    kind: 'unary',
    service: TASK_HUB,
    rpc: 'GetInstanceHistory',
    scope: 'read',
    handle: async (bytes, call) => {
      const { instanceId } = call.codec.decode<OfInstance>('GetInstanceHistoryRequest', bytes);
      const events: Uint8Array[] = [];
      for await (const part of partsOf(instanceId, call)) events.push(...part);
      return call.codec.encode('EncodedHistory', { events });
    },
  },
  {
    kind: 'stream',
    service: TASK_HUB,
    rpc: 'StreamInstanceHistory',
    scope: 'read',
    handle: async (bytes, call, answers) => {
      const { instanceId } = call.codec.decode<OfInstance>('StreamInstanceHistoryRequest', bytes);
      for await (const part of partsOf(instanceId, call)) {
        for (const events of chunksOf(part)) {
          if (!answers.write(call.codec.encode('EncodedHistory', { events }))) await answers.drained();
          call.checkGoing();
        }
      }
    },
  },
];

/** @throws {GrpcFailure} when there is no such instance */
async function* partsOf(instanceId: string, call: GrpcCall): AsyncGenerator<readonly Uint8Array[]> {
  const found = await call.stored.describe(instanceId);
  if (found === undefined) throw noSuchInstance(instanceId);
  const history = new ShownHistory(call.codec, executionOf(found));
  for (let from = 1; ; from += HISTORY_READ_LENGTH) {
    const events = await call.stored.events(instanceId, from, HISTORY_READ_LENGTH);
    yield history.page(events);
    if (events.length < HISTORY_READ_LENGTH) break;
  }
  yield history.end();
}

function executionOf({ metadata, origin }: StoredInstance) {
  return { instanceId: metadata.instanceId, executionId: metadata.executionId, origin };
}

function* chunksOf(events: readonly Uint8Array[]): Generator<readonly Uint8Array[]> {
  let chunk: Uint8Array[] = [];
  let bytes = 0;
  for (const event of events) {
    if (chunk.length > 0 && bytes + event.byteLength > HISTORY_CHUNK_BYTES_MAX) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(event);
    bytes += event.byteLength;
  }
  if (chunk.length > 0) yield chunk;
}
