// Lists of instances. Pages hold the newest first.

import {
  isTerminal,
  WORKFLOW_STATUSES,
  type InstanceSummary,
  type ListQuery,
  type WorkflowStatus,
} from '@troupe/workflow';
import { PAGE_LENGTH_DEFAULT, PAGE_LENGTH_MAX } from '../limits.ts';
import { wireState } from './instance-state.ts';
import { unary, type GrpcCall, type Rpc } from './rpc.ts';
import { statusesOf } from './status.ts';
import { dateOf, textOf, timeMsFrom, wireText, type DecodedTime, type WireText } from './wire-value.ts';

interface DecodedQuery {
  readonly query: {
    readonly runtimeStatus: readonly number[];
    readonly createdTimeFrom: DecodedTime | null;
    readonly createdTimeTo: DecodedTime | null;
    readonly maxInstanceCount: number;
    readonly continuationToken: WireText;
    readonly instanceIdPrefix: WireText;
    readonly fetchInputsAndOutputs: boolean;
  } | null;
}

interface DecodedListIds {
  readonly runtimeStatus: readonly number[];
  readonly completedTimeFrom: DecodedTime | null;
  readonly completedTimeTo: DecodedTime | null;
  readonly pageSize: number;
  readonly lastInstanceKey: WireText;
}

interface DecodedListIDs {
  readonly continuationToken?: string | null;
  readonly pageSize?: number | null;
}

export const queryRpcs: readonly Rpc[] = [
  unary<DecodedQuery>({
    rpc: 'QueryInstances',
    scope: 'read',
    request: 'QueryInstancesRequest',
    response: 'QueryInstancesResponse',
    handle: async ({ query }, call) => {
      const status = wantedStatuses(query?.runtimeStatus ?? [], () => true);
      const page = await pageOf(call, {
        status,
        idPrefix: textOf(query?.instanceIdPrefix),
        createdAfter: dateOf(query?.createdTimeFrom),
        createdBefore: dateOf(query?.createdTimeTo),
        limit: pageLength(query?.maxInstanceCount),
        cursor: cursorOf(query?.continuationToken),
      });
      const states: object[] = [];
      for (const { instanceId } of page.instances) {
        const found = await call.stored.describe(instanceId);
        // It may have been purged since it was listed.
        if (found !== undefined) states.push(wireState(found, query?.fetchInputsAndOutputs ?? false, call));
      }
      return { orchestrationState: states, continuationToken: wireText(page.cursor) };
    },
  }),
  unary<DecodedListIds>({
    rpc: 'ListInstanceIds',
    scope: 'read',
    request: 'ListInstanceIdsRequest',
    response: 'ListInstanceIdsResponse',
    handle: async (request, call) => {
      const status = wantedStatuses(request.runtimeStatus, isTerminal);
      const fromMs = request.completedTimeFrom === null ? -Infinity : timeMsFrom(request.completedTimeFrom);
      const toMs = request.completedTimeTo === null ? Infinity : timeMsFrom(request.completedTimeTo);
      const limit = pageLength(request.pageSize);
      const instanceIds: string[] = [];
      let cursor = cursorOf(request.lastInstanceKey);
      do {
        call.checkGoing();
        const page = await pageOf(call, { status, limit: limit - instanceIds.length, cursor });
        for (const { instanceId, completedAt } of page.instances) {
          const atMs = completedAt?.getTime() ?? NaN;
          if (atMs >= fromMs && atMs <= toMs) instanceIds.push(instanceId);
        }
        cursor = page.cursor;
      } while (instanceIds.length < limit && cursor !== undefined);
      return { instanceIds, lastInstanceKey: wireText(cursor) };
    },
  }),
  unary<DecodedListIDs>({
    rpc: 'ListInstanceIDs',
    scope: 'read',
    request: 'ListInstanceIDsRequest',
    response: 'ListInstanceIDsResponse',
    handle: async ({ continuationToken, pageSize }, call) => {
      const page = await pageOf(call, {
        limit: pageLength(pageSize ?? 0),
        cursor: continuationToken === null || continuationToken === '' ? undefined : continuationToken,
      });
      return { instanceIds: page.instances.map(({ instanceId }) => instanceId), continuationToken: page.cursor };
    },
  }),
];

interface Page {
  readonly instances: readonly InstanceSummary[];
  readonly cursor?: string;
}

/** No page when no status of ours is wanted. */
async function pageOf(call: GrpcCall, query: ListQuery): Promise<Page> {
  if (query.status?.length === 0) return { instances: [] };
  return call.workflows.list(query);
}

/** Undefined: any. */
function wantedStatuses(
  statuses: readonly number[],
  may: (status: WorkflowStatus) => boolean,
): readonly WorkflowStatus[] | undefined {
  const wanted = (statuses.length === 0 ? WORKFLOW_STATUSES : statusesOf(statuses)).filter((one) => may(one));
  return wanted.length === WORKFLOW_STATUSES.length ? undefined : wanted;
}

export function pageLength(wanted: number | undefined): number {
  return wanted === undefined || wanted <= 0 ? PAGE_LENGTH_DEFAULT : Math.min(wanted, PAGE_LENGTH_MAX);
}

export function cursorOf(text: WireText): string | undefined {
  const cursor = textOf(text);
  return cursor === '' ? undefined : cursor;
}
