// What an execution has to do with entities: what its code says to them, and the locks that it may hold. A lock that is asked
// for and not given back stands in the record, so that the end of the execution frees it, however it comes.

import { asSentToEntity, type EntityCaller } from './entities/entity-message.ts';
import type { MessageSent } from './history.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import type { InstanceState } from './instance-state.ts';

/** The code has sent a message: to an entity, if it is one to entities. */
export function sendMessage(
  ctx: Context,
  services: InstanceServices,
  state: InstanceState,
  instanceId: string,
  sent: MessageSent,
): void {
  const message = asSentToEntity(sent);
  if (message === undefined) return;
  const owner: EntityCaller = { instanceId, executionId: state.executionId };
  switch (message.kind) {
    case 'entityOperationCalled':
    case 'entityOperationSignaled': {
      const { entityId, requestId, operation: name, input, scheduledAtMs } = message.body;
      const caller = message.kind === 'entityOperationCalled' ? owner : undefined;
      const operation = { requestId, name, input, caller, traceparent: ctx.traceparent };
      ctx.send(services.entity(), entityId).operate(operation, scheduledAtMs);
      return;
    }
    case 'entityLockRequested': {
      const { sectionId } = message.body;
      // In one order for everybody: two that want the same do not wait for each other.
      const entityIds = [...new Set(message.body.entityIds)].sort();
      state.entityLocks = [...state.entityLocks, ...entityIds.map((entityId) => [sectionId, entityId] as const)];
      ctx.changed();
      ctx.send(services.entity(), entityIds[0]!).lock({ sectionId, entityIds, position: 0, owner });
      return;
    }
    case 'entityUnlockSent': {
      const { sectionId, entityId } = message.body;
      state.entityLocks = state.entityLocks.filter((lock) => lock[0] !== sectionId || lock[1] !== entityId);
      ctx.changed();
      ctx.send(services.entity(), entityId).unlock(owner, sectionId);
    }
  }
}

/** The execution is over. */
export function freeEntities(ctx: Context, services: InstanceServices, state: InstanceState, instanceId: string): void {
  if (state.entityLocks.length === 0) return;
  const owner: EntityCaller = { instanceId, executionId: state.executionId };
  for (const entityId of new Set(state.entityLocks.map(([, id]) => id)))
    ctx.send(services.entity(), entityId).unlock(owner, undefined);
  state.entityLocks = [];
  ctx.changed();
}

/** Whether the execution still wants what it was given. */
export function wantsLock({ entityLocks }: InstanceState, sectionId: string): boolean {
  return entityLocks.some((lock) => lock[0] === sectionId);
}
