import { TextPayload, type RecordContext } from '@troupe/actors';
import { entityIdOf } from './entity-id.ts';
import type { EntityAction } from './entity-message.ts';
import type { EntityServices } from './entity-services.ts';
import { InstanceIdError } from '../errors.ts';
import { checkInstanceId, checkName } from '../name.ts';

/** Has done what the operations of a batch asked for: with their commit, by durable sends. */
export function carryOutActions(
  ctx: RecordContext<unknown>,
  services: EntityServices,
  actions: readonly EntityAction[],
  batchId: string,
): void {
  for (const [index, action] of actions.entries()) {
    try {
      if (action.type === 'signal') signal(ctx, services, action, `${batchId}/${index}`);
      else start(ctx, services, action, `${batchId}/${index}`);
    } catch (error) {
      if (!(error instanceof InstanceIdError || error instanceof TypeError)) throw error;
      // The operation has had its result: that what it asked for cannot be done only the log can tell.
      const of = { entityId: ctx.actorId, err: error };
      services.logger.error(
        of,
        'an entity asked for something of an id or a name that none can have: it is left undone',
      );
    }
  }
}

function signal(
  ctx: RecordContext<unknown>,
  services: EntityServices,
  { entityId, name, input, scheduledAtMs }: EntityAction & { type: 'signal' },
  requestId: string,
): void {
  const operation = { requestId, name, input, caller: undefined, traceparent: ctx.traceparent };
  ctx.send(services.entity(), entityIdOf(entityId)).operate(operation, scheduledAtMs);
}

/** Like a child that goes its own way: a repeat is the same one. */
function start(
  ctx: RecordContext<unknown>,
  services: EntityServices,
  action: EntityAction & { type: 'start' },
  requestId: string,
): void {
  const instanceId = action.instanceId === '' ? requestId : action.instanceId;
  checkInstanceId(instanceId);
  checkName('workflow', action.workflowName);
  if (action.version !== undefined) checkName('version', action.version);
  ctx.send(services.workflow(), instanceId).startChild({
    workflowName: action.workflowName,
    version: action.version,
    input: action.input === undefined ? undefined : new TextPayload(action.input),
    ifExists: 'fail',
    startAtMs: action.startAtMs,
    tags: undefined,
    startKey: undefined,
    parent: { instanceId: '', executionId: requestId, sequence: 0, workflowName: '', attempt: 1 },
    patient: true,
  });
}
