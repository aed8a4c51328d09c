import type { ActorRef, AnyActorDefinition, Clock, Logger } from '@troupe/actors';
import type { EntityActor } from './entity-actor.ts';
import type { EntityBatches } from './entity-batches.ts';
import type { WorkflowActor } from '../workflow-actor.ts';

/** What entities need of their host. */
export interface EntityServices {
  readonly batches: EntityBatches;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The actor types of entities and of instances, to send to them. */
  entity(): EntityActor & AnyActorDefinition;
  workflow(): WorkflowActor & AnyActorDefinition;
  /** Has an entity go on, in a turn of its own. */
  goOn(entityId: string, ask: (entity: ActorRef<EntityActor>) => Promise<unknown>): void;
  /** An entity has something to do that only workers can, and there are none: it goes on when there are. */
  awaitWorkers(entityId: string): void;
}
