// What our shape tells of instances.

import { InstanceNotFoundError, isTerminal, type ListQuery } from '@troupe/workflow';
import { jsonResponse, workflowNameOf, type HttpCall } from './http-call.ts';
import { historyEntryJson, metadataJson, summaryJson } from './instance-json.ts';
import { RETRY_AFTER_S } from './limits.ts';
import { badRequest } from './problem.ts';
import {
  choiceParameter,
  flagParameter,
  integerParameter,
  opaqueParameter,
  statusesParameter,
  tagsParameter,
  textParameter,
  timeParameter,
  waitParameter,
} from './request-query.ts';

/** The path of the list, and what all others begin with. */
export const WORKFLOWS = '/v1.0/workflows';
/** Rows of a page; the limit of the client's interface. */
export const LIST_LIMIT_MAX = 1_000;

/** A page of instances. */
export async function list(call: HttpCall): Promise<Response> {
  const { query } = call;
  const filter: Omit<ListQuery, 'limit' | 'cursor'> = {
    workflowName: textParameter(query, 'type'),
    status: statusesParameter(query),
    tags: tagsParameter(query),
    idPrefix: textParameter(query, 'idPrefix'),
    createdAfter: timeParameter(query, 'createdAfter'),
    createdBefore: timeParameter(query, 'createdBefore'),
  };
  const limit = integerParameter(query, 'limit', 1, LIST_LIMIT_MAX);
  const counted = flagParameter(query, 'counts') ?? true;
  const cursor = opaqueParameter(query, 'cursor');
  const [page, counts] = await Promise.all([
    call.workflows.list({ ...filter, limit, cursor }).catch((error: unknown) => {
      // The one thing in the query that only the store can read.
      if (cursor !== undefined && error instanceof TypeError)
        throw badRequest('CURSOR_INVALID', 'the cursor is not one of this store', 'Begin again without it.');
      throw error;
    }),
    counted ? call.workflows.count(filter) : undefined,
  ]);
  return jsonResponse(
    200,
    {
      instances: page.instances.map(summaryJson),
      counts:
        counts && Object.fromEntries(Object.entries(counts).map(([status, count]) => [status.toUpperCase(), count])),
      cursor: page.cursor,
    },
    page.cursor === undefined ? {} : { link: call.pageLink(`${call.prefix}${WORKFLOWS}`, { cursor: page.cursor }) },
  );
}

/** One instance; with `wait`, when it has ended. */
export async function get(call: HttpCall): Promise<Response> {
  const { query } = call;
  const instanceId = call.params['instanceId']!;
  const workflowName = workflowNameOf(call);
  const waitMs = waitParameter(query);
  const always200 = choiceParameter(query, 'statusCodes', ['always200', 'default']) === 'always200';
  const failedStatus = integerParameter(query, 'failedStatus', 400, 599) ?? call.environment.failedStatusCode;
  let metadata = await call.workflows.get(instanceId, { workflowName });
  if (metadata !== undefined && !isTerminal(metadata.runtimeStatus) && waitMs !== undefined && waitMs > 0) {
    const waiting = (signal: AbortSignal) =>
      call.workflows.wait(instanceId, { workflowName, timeoutMs: waitMs, signal });
    // Undefined: it was purged meanwhile, or the wait was cut short.
    metadata =
      (await call.environment.whileServing(call.request, waiting)) ??
      (await call.workflows.get(instanceId, { workflowName }));
  }
  if (metadata === undefined) throw new InstanceNotFoundError(instanceId);
  const ended = isTerminal(metadata.runtimeStatus);
  const status = always200 ? 200 : !ended ? 202 : metadata.runtimeStatus === 'failed' ? failedStatus : 200;
  return jsonResponse(
    status,
    metadataJson(metadata),
    status === 202
      ? { location: call.instancePath(metadata.workflowName, instanceId), 'retry-after': String(RETRY_AFTER_S) }
      : {},
  );
}

/** A page of events. */
export async function history(call: HttpCall): Promise<Response> {
  const instanceId = call.params['instanceId']!;
  const page = await call.workflows.history(instanceId, {
    workflowName: workflowNameOf(call),
    from: integerParameter(call.query, 'from', 1, Number.MAX_SAFE_INTEGER),
    limit: integerParameter(call.query, 'limit', 1, LIST_LIMIT_MAX),
  });
  const payloads = flagParameter(call.query, 'payloads') ?? false;
  const path = `${call.instancePath(call.params['workflowType'], instanceId)}/history`;
  return jsonResponse(
    200,
    { events: page.events.map((entry) => historyEntryJson(entry, payloads)), next: page.next },
    page.next === undefined ? {} : { link: call.pageLink(path, { from: String(page.next) }) },
  );
}
