// Purges: by id, by a list of ids, or whatever has ended and matches a filter.
//
// P1 What is not there, or has not ended, is not purged and not counted: that is no error.

import {
  InstanceNotEndedError,
  InstanceNotFoundError,
  isTerminal,
  WORKFLOW_STATUSES,
  type ListQuery,
} from '@troupe/workflow';
import { HISTORY_READ_LENGTH, PAGE_LENGTH_MAX } from '../limits.ts';
import { TASK_HUB, type GrpcCall, type Rpc } from './rpc.ts';
import { codecOf } from './schema.ts';
import { statusesOf } from './status.ts';
import { timeMsFrom, type DecodedTime } from './wire-value.ts';

/** PurgeInstancesRequest. Field 4 is Microsoft's list of ids or Dapr's flag; they differ in wire type. */
interface DecodedPurge {
  readonly instanceId: string;
  readonly request?: string;
  readonly purgeInstanceFilter: {
    readonly createdTimeFrom: DecodedTime | null;
    readonly createdTimeTo: DecodedTime | null;
    readonly runtimeStatus: readonly number[];
    readonly timeout: DecodedTime | null;
  } | null;
  readonly recursive: boolean;
  readonly instanceBatch: { readonly instanceIds: readonly string[] } | null;
}

interface PurgeHow {
  readonly recursive: boolean;
  readonly force: boolean;
}

export const purgeRpcs: readonly Rpc[] = [
  {
    kind: 'unary',
    service: TASK_HUB,
    rpc: 'PurgeInstances',
    scope: 'operate',
    handle: async (bytes, call) => {
      const request = codecOf('microsoft').decode<DecodedPurge>('PurgeInstancesRequest', bytes);
      const { force } = codecOf('dapr').decode<{ force?: boolean | null }>('PurgeInstancesRequest', bytes);
      const answer = await purge(request, { recursive: request.recursive, force: force ?? false }, call);
      return codecOf('base').encode('PurgeInstancesResponse', answer);
    },
  },
];

async function purge(request: DecodedPurge, how: PurgeHow, call: GrpcCall): Promise<object> {
  if (request.purgeInstanceFilter !== null) return purgeMatching(request.purgeInstanceFilter, how, call);
  const ids = request.instanceBatch === null ? [request.instanceId] : request.instanceBatch.instanceIds;
  let deletedInstanceCount = 0;
  for (const id of ids) deletedInstanceCount += await purgeOne(id, how, call);
  return { deletedInstanceCount, isComplete: { value: true } };
}

async function purgeMatching(
  filter: NonNullable<DecodedPurge['purgeInstanceFilter']>,
  how: PurgeHow,
  call: GrpcCall,
): Promise<object> {
  const { createdTimeFrom, createdTimeTo, runtimeStatus, timeout } = filter;
  const status = (runtimeStatus.length === 0 ? WORKFLOW_STATUSES : statusesOf(runtimeStatus)).filter(isTerminal);
  let deletedInstanceCount = 0;
  if (status.length === 0) return { deletedInstanceCount, isComplete: { value: true } };
  const query: ListQuery = {
    status,
    limit: PAGE_LENGTH_MAX,
    createdAfter: createdTimeFrom === null ? undefined : new Date(timeMsFrom(createdTimeFrom)),
    createdBefore: createdTimeTo === null ? undefined : new Date(timeMsFrom(createdTimeTo)),
  };
  const untilMs = timeout === null ? Infinity : call.nowMs + timeMsFrom(timeout);
  for (let cursor: string | undefined; ;) {
    const page = await call.workflows.list({ ...query, cursor });
    for (const { instanceId } of page.instances) {
      call.checkGoing();
      if (call.nowMs >= untilMs) return { deletedInstanceCount, isComplete: { value: false } };
      deletedInstanceCount += await purgeOne(instanceId, how, call);
    }
    cursor = page.cursor;
    if (cursor === undefined) return { deletedInstanceCount, isComplete: { value: true } };
  }
}

/** How many are gone: none, it, or it and its children. */
async function purgeOne(instanceId: string, { recursive, force }: PurgeHow, call: GrpcCall): Promise<number> {
  const family = recursive ? await familyOf(instanceId, call) : 1;
  try {
    await call.workflows.purge(instanceId, { recursive, force });
  } catch (error) {
    if (error instanceof InstanceNotFoundError || error instanceof InstanceNotEndedError) return 0;
    throw error;
  }
  return family;
}

/** How many a recursive purge takes. */
async function familyOf(instanceId: string, call: GrpcCall, seen = new Set<string>()): Promise<number> {
  if (seen.has(instanceId) || (await call.stored.describe(instanceId)) === undefined) return 0;
  seen.add(instanceId);
  let count = 1;
  for (let from = 1; ; from += HISTORY_READ_LENGTH) {
    const events = await call.stored.events(instanceId, from, HISTORY_READ_LENGTH);
    for (const event of events)
      if (event.type === 'ChildScheduled' && !event.detached) count += await familyOf(event.instanceId, call, seen);
    if (events.length < HISTORY_READ_LENGTH) return count;
  }
}
