import type { AnyActorDefinition, Clock, Logger, RecordContext } from '@troupe/actors';
import type { ActivityResult, ActivityRunner } from './activity-runner.ts';
import type { CodeDirectory, WorkflowCode } from './code-directory.ts';
import type { EndingListener } from './ending.ts';
import type { EntityActor } from './entities/entity-actor.ts';
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
  readonly directory: CodeDirectory;
  /** Instances may be on other hosts, also when none is there just now. */
  readonly shared: boolean;
  readonly executor: Executor;
  readonly activities: ActivityRunner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: HostMeter;
  /** The actor type of instances, to send to others. */
  actor(): WorkflowActor & AnyActorDefinition;
  /** … and of entities. */
  entity(): EntityActor & AnyActorDefinition;
  /** Who hears of instances that end. */
  readonly endings: EndingListener | undefined;
  /** Purges an instance and its children, if all of them have ended. */
  purgeTree(instanceId: string): void;
  /**
   * What the schema of a workflow's input, or of an event's payload, makes of a value.
   *
   * @throws {ValidationError}
   */
  check(code: WorkflowCode, eventName: string | undefined, value: unknown, what: string): Promise<unknown>;
  /** Hands an instance the result of an attempt. */
  deliver(instanceId: string, executionId: string, sequence: number, attempt: number, result: ActivityResult): void;
  /** An instance has something to do that only workers can, and there are none: it goes on when there are. */
  awaitWorkers(instanceId: string): void;
  /** Has an instance go on with its inbox, in a turn of its own. */
  proceed(instanceId: string): void;
}
