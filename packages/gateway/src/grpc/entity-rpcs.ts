// Entities as clients see them. One without a state is not there, but for those who ask for such.

import type { EntityMetadata } from '@troupe/workflow/worker';
import { IDEMPOTENCY_KEY_LENGTH_MAX } from '../limits.ts';
import { checkName } from '../request-query.ts';
import { invalid } from './grpc-failure.ts';
import { cursorOf, pageLength } from './query-rpcs.ts';
import { unary, type Rpc } from './rpc.ts';
import { traceparentOf, type DecodedTrace } from './trace.ts';
import { dateOf, textOf, wireDate, wireText, type DecodedTime, type WireText } from './wire-value.ts';

interface DecodedSignal {
  readonly instanceId: string;
  readonly name: string;
  readonly input: WireText;
  readonly requestId: string;
  readonly scheduledTime: DecodedTime | null;
  readonly parentTraceContext: DecodedTrace | null;
}

interface DecodedQuery {
  readonly query: {
    readonly instanceIdStartsWith: WireText;
    readonly lastModifiedFrom: DecodedTime | null;
    readonly lastModifiedTo: DecodedTime | null;
    readonly includeState: boolean;
    readonly includeTransient: boolean;
    readonly pageSize: { readonly value: number } | null;
    readonly continuationToken: WireText;
  } | null;
}

interface DecodedClean {
  readonly continuationToken: WireText;
  readonly removeEmptyEntities: boolean;
  readonly releaseOrphanedLocks: boolean;
}

export const entityRpcs: readonly Rpc[] = [
  unary<DecodedSignal>({
    rpc: 'SignalEntity',
    scope: 'operate',
    request: 'SignalEntityRequest',
    response: 'SignalEntityResponse',
    handle: async ({ instanceId, name, input, requestId, scheduledTime, parentTraceContext }, call) => {
      checkName('operation', name);
      if (requestId.length > IDEMPOTENCY_KEY_LENGTH_MAX || !requestId.isWellFormed())
        throw invalid(`a requestId has at most ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`);
      await call.entities.signal(instanceId, name, {
        input: textOf(input),
        requestId: requestId === '' ? undefined : requestId,
        scheduledAt: dateOf(scheduledTime),
        traceparent: traceparentOf(parentTraceContext) ?? call.traceparent,
      });
      return {};
    },
  }),
  unary<{ readonly instanceId: string; readonly includeState: boolean }>({
    rpc: 'GetEntity',
    scope: 'read',
    request: 'GetEntityRequest',
    response: 'GetEntityResponse',
    handle: async ({ instanceId, includeState }, call) => {
      const found = await call.entities.get(instanceId);
      return found === undefined ? { exists: false } : { exists: true, entity: wireMetadata(found, includeState) };
    },
  }),
  unary<DecodedQuery>({
    rpc: 'QueryEntities',
    scope: 'read',
    request: 'QueryEntitiesRequest',
    response: 'QueryEntitiesResponse',
    handle: async ({ query }, call) => {
      const prefix = textOf(query?.instanceIdStartsWith);
      const page = await call.entities.list({
        idPrefix: prefix === '' ? undefined : prefix,
        modifiedFrom: dateOf(query?.lastModifiedFrom),
        modifiedTo: dateOf(query?.lastModifiedTo),
        includeTransient: query?.includeTransient,
        limit: pageLength(query?.pageSize?.value),
        cursor: cursorOf(query?.continuationToken),
      });
      return {
        entities: page.entities.map((found) => wireMetadata(found, query?.includeState ?? false)),
        continuationToken: wireText(page.cursor),
      };
    },
  }),
  unary<DecodedClean>({
    rpc: 'CleanEntityStorage',
    scope: 'operate',
    request: 'CleanEntityStorageRequest',
    response: 'CleanEntityStorageResponse',
    handle: async ({ continuationToken, removeEmptyEntities, releaseOrphanedLocks }, call) => {
      const { removed, released, cursor } = await call.entities.clean({
        removeEmpty: removeEmptyEntities,
        releaseOrphanedLocks,
        cursor: cursorOf(continuationToken),
      });
      return {
        continuationToken: wireText(cursor),
        emptyEntitiesRemoved: removed,
        orphanedLocksReleased: released,
      };
    },
  }),
];

function wireMetadata(
  { entityId, lastModifiedAt, backlog, lockedBy, state }: EntityMetadata,
  includeState: boolean,
): object {
  return {
    instanceId: entityId,
    lastModifiedTime: wireDate(lastModifiedAt),
    backlogQueueSize: backlog,
    lockedBy: wireText(lockedBy),
    serializedState: includeState ? wireText(state) : undefined,
  };
}
