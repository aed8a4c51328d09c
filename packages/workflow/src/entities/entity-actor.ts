import { recordActor, type RecordReadContext } from '@troupe/actors';
import { Entity } from './entity.ts';
import type { EntityCaller, EntityLockRequest, EntityOperation } from './entity-message.ts';
import type { EntityServices } from './entity-services.ts';

/** The actor type of entities: the actor id is the entity's, `@name@key`. */
export const ENTITY_ACTOR_TYPE = 'entity';

/** Defines the actor type; its methods are what entities understand. */
export function entityActor(services: EntityServices) {
  return recordActor(ENTITY_ACTOR_TYPE, {
    open: (opening): Promise<Entity> => Entity.open(opening, services),
    snapshot: (entity: Entity) => entity.snapshot(),
    close: (entity: Entity) => entity.close(),
    onWork: (ctx) => ctx.local.proceed(ctx),
    onReminder: (ctx) => ctx.local.scheduledDue(ctx),
    methods: {
      signal: (ctx, operation: EntityOperation, scheduledAtMs: number | undefined) =>
        ctx.local.signal(ctx, operation, scheduledAtMs),
      operate: (ctx, operation: EntityOperation, scheduledAtMs: number | undefined) =>
        ctx.local.operate(ctx, operation, scheduledAtMs),
      lock: (ctx, request: EntityLockRequest) => ctx.local.lock(ctx, request),
      unlock: (ctx, owner: EntityCaller, sectionId: string | undefined) => ctx.local.unlock(ctx, owner, sectionId),
      removeIfEmpty: (ctx) => ctx.local.removeIfEmpty(ctx),
      proceed: (ctx) => ctx.local.proceed(ctx),
      batchEnded: (ctx) => ctx.local.batchEnded(ctx),
    },
    readOnly: {
      describe: (ctx: RecordReadContext<Entity>) => ctx.local.describe(),
    },
  });
}

export type EntityActor = ReturnType<typeof entityActor>;
