// What those who look at entities from outside may do. States and inputs are text, as workers have them.

import { randomUUID } from 'node:crypto';
import { LimitError, type ActorHost } from '@troupe/actors';
import type { EntityActor } from './entity-actor.ts';
import { ENTITY_ACTOR_TYPE } from './entity-actor.ts';
import type { EntityDescription } from './entity.ts';
import { entityIdOf, entityIdPrefixOf } from './entity-id.ts';
import type { EntityCaller } from './entity-message.ts';
import { ENTITY_PAGE_LENGTH, ENTITY_PAGE_LENGTH_MAX } from '../limits.ts';
import { checkKey, checkName } from '../name.ts';
import { checkPayload } from '../payload.ts';
import type { WorkflowActor } from '../workflow-actor.ts';
import { isTerminal } from '../status.ts';

export interface EntitySignalOptions {
  readonly input?: string | undefined;
  /** The same signal under the same id is taken once. */
  readonly requestId?: string | undefined;
  /** Not before. */
  readonly scheduledAt?: Date | undefined;
  readonly traceparent?: string | undefined;
}

/** An entity as it stands. */
export interface EntityMetadata {
  readonly entityId: string;
  readonly lastModifiedAt: Date;
  /** Operations that wait. */
  readonly backlog: number;
  /** The instance that has locked it. */
  readonly lockedBy: string | undefined;
  readonly state: string | undefined;
}

export interface EntityQuery {
  readonly idPrefix?: string | undefined;
  /** Modified at or after. */
  readonly modifiedFrom?: Date | undefined;
  /** Modified before. */
  readonly modifiedTo?: Date | undefined;
  /** Also those that have no state. */
  readonly includeTransient?: boolean | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** Newest created first. With a cursor there may be more, also after a page that is not full. */
export interface EntityPage {
  readonly entities: readonly EntityMetadata[];
  readonly cursor?: string;
}

export interface EntityCleaning {
  /** Those without a state, of which nobody wants anything. */
  readonly removeEmpty: boolean;
  /** Locks of executions that have ended. */
  readonly releaseOrphanedLocks: boolean;
  readonly cursor?: string | undefined;
}

export interface EntityCleaned {
  readonly removed: number;
  readonly released: number;
  readonly cursor?: string;
}

/** Signals entities and looks at them. */
export interface EntityClient {
  /** Resolves when it is durable that the operation is going to be run. */
  signal(entityId: string, operation: string, options?: EntitySignalOptions): Promise<void>;
  /** Undefined: it has no state. */
  get(entityId: string): Promise<EntityMetadata | undefined>;
  list(query?: EntityQuery): Promise<EntityPage>;
  /** Cleans some; with a cursor there are more. */
  clean(cleaning: EntityCleaning): Promise<EntityCleaned>;
}

export class LocalEntityClient implements EntityClient {
  readonly #host: ActorHost;
  readonly #entity: EntityActor;
  readonly #workflow: WorkflowActor;

  constructor(host: ActorHost, entity: EntityActor, workflow: WorkflowActor) {
    this.#host = host;
    this.#entity = entity;
    this.#workflow = workflow;
  }

  async signal(entityId: string, operation: string, options: EntitySignalOptions = {}): Promise<void> {
    const id = entityIdOf(entityId);
    const { input, requestId = randomUUID(), scheduledAt, traceparent } = options;
    checkName('operation', operation);
    checkKey('requestId', requestId);
    checkKey('traceparent', traceparent);
    checkPayload(input, `the input of operation ${operation}`);
    const signal = { requestId, name: operation, input, caller: undefined, traceparent };
    const ref = this.#host.actor(this.#entity, id, { idempotencyKey: requestId, traceparent });
    if (!(await ref.signal(signal, scheduledAt?.getTime())))
      throw new LimitError(`more signals wait for entity ${id} than may wait; try again later`);
  }

  async get(entityId: string): Promise<EntityMetadata | undefined> {
    const found = await this.#describe(entityIdOf(entityId));
    return found?.state === undefined ? undefined : metadataOf(found);
  }

  async list(query: EntityQuery = {}): Promise<EntityPage> {
    const { idPrefix = '@', modifiedFrom, modifiedTo, includeTransient = false, limit = ENTITY_PAGE_LENGTH } = query;
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > ENTITY_PAGE_LENGTH_MAX)
      throw new RangeError(`limit is an integer from 1 to ${ENTITY_PAGE_LENGTH_MAX}, got ${String(limit)}`);
    const fromMs = modifiedFrom?.getTime() ?? -Infinity;
    const toMs = modifiedTo?.getTime() ?? Infinity;
    const entities: EntityMetadata[] = [];
    let { cursor } = query;
    let looks = 0;
    do {
      const count = Math.min(limit - entities.length, ENTITY_PAGE_LENGTH);
      const page = await this.#page(
        entityIdPrefixOf(idPrefix),
        includeTransient ? undefined : 'present',
        count,
        cursor,
      );
      for (const found of page.entities) {
        if (found.state === undefined && !includeTransient) continue;
        if (found.lastModifiedMs >= fromMs && found.lastModifiedMs < toMs) entities.push(metadataOf(found));
      }
      ({ cursor } = page);
      looks += count;
    } while (cursor !== undefined && entities.length < limit && looks < ENTITY_PAGE_LENGTH_MAX);
    return cursor === undefined ? { entities } : { entities, cursor };
  }

  async clean({ removeEmpty, releaseOrphanedLocks, cursor }: EntityCleaning): Promise<EntityCleaned> {
    if (!removeEmpty && !releaseOrphanedLocks) return { removed: 0, released: 0 };
    const status = releaseOrphanedLocks ? undefined : 'transient';
    const page = await this.#page('@', status, ENTITY_PAGE_LENGTH, cursor);
    let removed = 0;
    let released = 0;
    for (const { entityId, lockedBy, state } of page.entities) {
      const ref = this.#host.actor(this.#entity, entityId);
      if (releaseOrphanedLocks && lockedBy !== undefined && (await this.#hasEnded(lockedBy))) {
        if (await ref.unlock(lockedBy, undefined)) released += 1;
      }
      if (removeEmpty && state === undefined && (await ref.removeIfEmpty())) removed += 1;
    }
    return page.cursor === undefined ? { removed, released } : { removed, released, cursor: page.cursor };
  }

  async #hasEnded({ instanceId, executionId }: EntityCaller): Promise<boolean> {
    const found = await this.#host.actor(this.#workflow, instanceId).describe();
    return found === undefined || isTerminal(found.runtimeStatus) || found.executionId !== executionId;
  }

  async #page(
    idPrefix: string,
    status: string | undefined,
    limit: number,
    cursor: string | undefined,
  ): Promise<{ entities: readonly EntityDescription[]; cursor: string | undefined }> {
    const page = await this.#host.list(
      { type: ENTITY_ACTOR_TYPE, idPrefix, ...(status === undefined ? {} : { statuses: [status] }) },
      cursor === undefined ? { limit } : { limit, cursor },
    );
    const found = await Promise.all(page.actors.map(({ address }) => this.#describe(address.id)));
    // Some may be gone since they were listed.
    return { entities: found.filter((one) => one !== undefined), cursor: page.cursor };
  }

  #describe(entityId: string): Promise<EntityDescription | undefined> {
    return this.#host.actor(this.#entity, entityId).describe();
  }
}

function metadataOf({ entityId, state, lastModifiedMs, backlog, lockedBy }: EntityDescription): EntityMetadata {
  return { entityId, lastModifiedAt: new Date(lastModifiedMs), backlog, lockedBy: lockedBy?.instanceId, state };
}
