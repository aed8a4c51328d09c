import type { AnyActorDefinition, Clock, Logger, RecordContext } from '@troupe/actors';
import type { ActivityRunner } from './activity-runner.ts';
import type { Executor } from './executor.ts';
import type { Instance } from './instance.ts';
import type { HostMeter } from './meter.ts';
import type { Registry } from './registry.ts';
import type { WorkflowActor } from './workflow-actor.ts';

/** The turn that an instance is in. */
export type Context = RecordContext<Instance>;

/** What an instance needs of its host. */
export interface InstanceServices {
  readonly registry: Registry;
  readonly executor: Executor;
  readonly activities: ActivityRunner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: HostMeter;
  /** The actor type of instances, to send to others. */
  actor(): WorkflowActor & AnyActorDefinition;
  /** Purges an instance and its children, if all of them have ended. */
  purgeTree(instanceId: string): void;
  /** Has an instance go on with its inbox, in a turn of its own. */
  proceed(instanceId: string): void;
}
