// What a trigger does with an event: first a plan, made by the rule's functions from nothing but the event; then the deed,
// which takes effect once per event however often it is tried.

import type { ActorDefinition } from '@troupe/actors';
import {
  AlreadyExistsError,
  InstanceEndedError,
  type AnyWorkflow,
  type WorkflowHost,
  type WorkflowInput,
} from '@troupe/workflow';
import { InstanceConflictError } from './errors.ts';
import { defaultInstanceId, eventKey, eventTags } from './event-id.ts';
import type { EventOutcome } from './source.ts';
import type { TriggerEvent } from './trigger-event.ts';

/** Computes something from an event. What it throws makes the event a dead letter, but for a `TryLaterError`. */
export type FromEvent<T, R> = (event: TriggerEvent<DataOf<T>>) => R | Promise<R>;

/**
 * The data as a rule's functions see it: of any type where nobody has said which. TypeScript looks at `start(…)` before it knows
 * the schema beside it; `trigger<Order>(…)` is how a rule says it for all of its functions.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- that is what it is for
export type DataOf<T> = unknown extends T ? any : T;

/** What would be done with an event. Plain data: a dry run shows it. */
export interface ActionPlan {
  readonly action: 'start' | 'raiseEvent' | 'startOrRaise' | 'terminate' | 'suspend' | 'resume' | 'callActor' | 'drop';
  readonly instanceId?: string;
  readonly workflowName?: string;
  readonly input?: unknown;
  readonly tags?: Readonly<Record<string, string>>;
  readonly startAt?: Date;
  readonly eventName?: string;
  readonly payload?: unknown;
  readonly output?: unknown;
  /** `type/id` of the actor that is called. */
  readonly actor?: string;
  readonly method?: string;
  readonly args?: readonly unknown[];
}

/** Where and for what a plan is carried out. */
export interface ActionScene {
  readonly host: WorkflowHost;
  readonly trigger: string;
  readonly event: TriggerEvent;
  /** How long the key of a start is kept when its instance is gone. */
  readonly dedupForMs: number;
}

/** What a deed came to. */
export interface ActionResult {
  readonly outcome: EventOutcome;
  readonly instanceId?: string;
}

/** Something that a trigger can do. Made by {@link start}, {@link raiseEvent} and the others. */
export interface Action<T = unknown> {
  plan(event: TriggerEvent<T>): Promise<ActionPlan>;
  perform(plan: ActionPlan, scene: ActionScene): Promise<ActionResult>;
}

/** How an instance is started by an event. */
export interface StartActionOptions<T = unknown, I = unknown> {
  /** Default: made of the event's source and id, see `defaultInstanceId`. */
  readonly instanceId?: FromEvent<T, string> | undefined;
  /** Default: the event's data. */
  readonly input?: FromEvent<T, I> | undefined;
  /** Beside `event-source`, `event-id` and `trigger`, which each instance gets. */
  readonly tags?: FromEvent<T, Readonly<Record<string, string>>> | undefined;
  /** Not before this time. */
  readonly startAt?: FromEvent<T, Date> | undefined;
  /**
   * The id is held by an instance that this event did not start. `dead-letter` (default), `raise`: the event is raised at it
   * (only if it is of this workflow), `ack`: nothing is done.
   */
  readonly onConflict?: 'dead-letter' | 'raise' | 'ack' | undefined;
  /** With `onConflict: 'raise'`. Default: the event's type. */
  readonly eventName?: string | FromEvent<T, string> | undefined;
}

/** Starts an instance, once per event: the same source, id and workflow are the same start. */
export function start<W extends AnyWorkflow, T = unknown>(
  workflow: W | string,
  options: StartActionOptions<T, WorkflowInput<W>> = {},
): Action<T> {
  return starting('start', nameOf(workflow), options, options.onConflict ?? 'dead-letter');
}

/** How an event is raised at an instance. */
export interface RaiseActionOptions<T = unknown> {
  readonly instanceId: FromEvent<T, string>;
  /** Default: the event's type. */
  readonly eventName?: string | FromEvent<T, string> | undefined;
  /** Default: the event's data. */
  readonly payload?: FromEvent<T, unknown> | undefined;
}

/**
 * Raises an external event at an instance, once per event (for a day, among the last 1,000 keys of the instance). While there
 * is no such instance it is tried again; one that has ended makes a dead letter.
 */
export function raiseEvent<T = unknown>(options: RaiseActionOptions<T>): Action<T> {
  return {
    plan: async (event) => ({
      action: 'raiseEvent',
      instanceId: await options.instanceId(event),
      eventName: await eventNameOf(options.eventName, event),
      payload: options.payload === undefined ? event.data : await options.payload(event),
    }),
    async perform(plan, scene) {
      await raise(plan, scene);
      return { outcome: 'raised', instanceId: plan.instanceId! };
    },
  };
}

/** How an event finds its instance, or starts it. */
export interface StartOrRaiseActionOptions<T = unknown, I = unknown> extends Omit<
  StartActionOptions<T, I>,
  'onConflict' | 'instanceId'
> {
  readonly instanceId: FromEvent<T, string>;
  /** Default: the event's data. */
  readonly payload?: FromEvent<T, unknown> | undefined;
}

/** Starts the instance if there is none of this id, else raises the event at it; one or the other, once per event. */
export function startOrRaise<W extends AnyWorkflow, T = unknown>(
  workflow: W | string,
  options: StartOrRaiseActionOptions<T, WorkflowInput<W>>,
): Action<T> {
  return starting('startOrRaise', nameOf(workflow), options, 'raise');
}

/** Which instance an event is about. */
export interface SteerActionOptions<T = unknown> {
  readonly instanceId: FromEvent<T, string>;
}

export interface TerminateActionOptions<T = unknown> extends SteerActionOptions<T> {
  /** Saved as the output. */
  readonly output?: FromEvent<T, unknown> | undefined;
  /** Terminates its children too, and theirs. Default false. */
  readonly recursive?: boolean | undefined;
  /** Runs the undos of its steps first. Default false. */
  readonly undo?: boolean | undefined;
}

/** Terminates an instance. One that has ended is left as it is. */
export function terminate<T = unknown>(options: TerminateActionOptions<T>): Action<T> {
  const { recursive, undo } = options;
  return {
    plan: async (event) => ({
      action: 'terminate',
      instanceId: await options.instanceId(event),
      ...(options.output === undefined ? {} : { output: await options.output(event) }),
    }),
    async perform({ instanceId, output }, scene) {
      const call = { ...callOptions(scene, 'terminate', instanceId!), output, recursive, undo };
      await scene.host.workflows.terminate(instanceId!, call).catch(unlessEnded);
      return { outcome: 'terminated', instanceId: instanceId! };
    },
  };
}

/** Suspends an instance. */
export function suspend<T = unknown>(options: SteerActionOptions<T>): Action<T> {
  return {
    plan: async (event) => ({ action: 'suspend', instanceId: await options.instanceId(event) }),
    async perform({ instanceId }, scene) {
      await scene.host.workflows.suspend(instanceId!, callOptions(scene, 'suspend', instanceId!));
      return { outcome: 'suspended', instanceId: instanceId! };
    },
  };
}

/** Resumes an instance that is suspended. */
export function resume<T = unknown>(options: SteerActionOptions<T>): Action<T> {
  return {
    plan: async (event) => ({ action: 'resume', instanceId: await options.instanceId(event) }),
    async perform({ instanceId }, scene) {
      await scene.host.workflows.resume(instanceId!, callOptions(scene, 'resume', instanceId!));
      return { outcome: 'resumed', instanceId: instanceId! };
    },
  };
}

/** Which method of which actor an event calls. */
export interface CallActorOptions<T = unknown, M extends string = string> {
  readonly actorId: FromEvent<T, string>;
  readonly method: M;
  /** Default: the event's data alone. */
  readonly args?: FromEvent<T, readonly unknown[]> | undefined;
}

/** Calls a method of an actor, once per event (among the last 1,000 keys of the actor). What it throws is tried again. */
export function callActor<M, R, T = unknown>(
  definition: ActorDefinition<M, R>,
  options: CallActorOptions<T, keyof M & string>,
): Action<T> {
  if (!Object.hasOwn(definition.methods, options.method))
    throw new TypeError(`actor type ${definition.type} has no method ${JSON.stringify(options.method)}`);
  return {
    plan: async (event) => ({
      action: 'callActor',
      actor: `${definition.type}/${await options.actorId(event)}`,
      method: options.method,
      args: options.args === undefined ? [event.data] : await options.args(event),
    }),
    async perform({ actor, method, args }, { host, event }) {
      const id = actor!.slice(definition.type.length + 1);
      const ref: Record<string, (...args: readonly unknown[]) => Promise<unknown>> = host.actors.actor(definition, id, {
        idempotencyKey: eventKey(event.source, event.id, `call ${method}`),
        traceparent: event.traceparent,
      });
      await ref[method!]!(...args!);
      return { outcome: 'called' };
    },
  };
}

/** Does nothing: the event is acknowledged and counted. */
export function drop<T = unknown>(): Action<T> {
  return {
    plan: () => Promise.resolve({ action: 'drop' }),
    perform: () => Promise.resolve({ outcome: 'dropped' }),
  };
}

function starting<T, I>(
  action: 'start' | 'startOrRaise',
  workflowName: string,
  options: StartActionOptions<T, I> & { readonly payload?: FromEvent<T, unknown> | undefined },
  onConflict: 'dead-letter' | 'raise' | 'ack',
): Action<T> {
  if (!['dead-letter', 'raise', 'ack'].includes(onConflict))
    throw new TypeError(`onConflict is one of dead-letter, raise, ack, got ${JSON.stringify(onConflict)}`);
  return {
    async plan(event) {
      const plan: ActionPlan = {
        action,
        workflowName,
        instanceId:
          options.instanceId === undefined
            ? defaultInstanceId(event.source, event.id)
            : await options.instanceId(event),
        input: options.input === undefined ? event.data : await options.input(event),
      };
      return {
        ...plan,
        ...(options.tags === undefined ? {} : { tags: await options.tags(event) }),
        ...(options.startAt === undefined ? {} : { startAt: await options.startAt(event) }),
        ...(onConflict !== 'raise'
          ? {}
          : {
              eventName: await eventNameOf(options.eventName, event),
              payload: options.payload === undefined ? event.data : await options.payload(event),
            }),
      };
    },
    async perform(plan, scene) {
      const { host, event, trigger, dedupForMs } = scene;
      const instanceId = plan.instanceId!;
      try {
        const { outcome } = await host.workflows.start(workflowName, {
          instanceId,
          input: plan.input,
          startAt: plan.startAt,
          tags: { ...plan.tags, ...eventTags(event.source, event.id, trigger) },
          idempotencyKey: eventKey(event.source, event.id, `start ${workflowName}`),
          keyKeptMs: dedupForMs,
          traceparent: event.traceparent,
        });
        return { outcome: outcome === 'duplicate' ? 'duplicate' : 'started', instanceId };
      } catch (error) {
        if (!(error instanceof AlreadyExistsError)) throw error;
        if (onConflict === 'ack') return { outcome: 'dropped', instanceId };
        if (onConflict === 'raise' && error.workflowName === workflowName) {
          await raise(plan, scene);
          return { outcome: 'raised', instanceId };
        }
        throw new InstanceConflictError(
          instanceId,
          `event ${JSON.stringify(event.id)} of ${JSON.stringify(event.source)} would start ${workflowName} as ` +
            `${JSON.stringify(instanceId)}, but that is an instance of ${error.workflowName} (${error.status}) which this event did not start`,
          { cause: error },
        );
      }
    },
  };
}

async function raise({ instanceId, eventName, payload }: ActionPlan, scene: ActionScene): Promise<void> {
  const options = callOptions(scene, `raise ${eventName}`, instanceId!);
  await scene.host.workflows.raiseEvent(instanceId!, eventName!, payload, options);
}

function callOptions({ event }: ActionScene, deed: string, instanceId: string) {
  return {
    idempotencyKey: eventKey(event.source, event.id, `${deed} ${instanceId}`),
    traceparent: event.traceparent,
  };
}

async function eventNameOf<T>(
  eventName: string | FromEvent<T, string> | undefined,
  event: TriggerEvent<T>,
): Promise<string> {
  if (eventName === undefined) return event.type;
  return typeof eventName === 'string' ? eventName : eventName(event);
}

function nameOf(workflow: AnyWorkflow | string): string {
  const name = typeof workflow === 'string' ? workflow : workflow?.name;
  if (typeof name !== 'string' || name === '')
    throw new TypeError('an action starts a workflow: its definition or name');
  return name;
}

function unlessEnded(error: unknown): void {
  if (!(error instanceof InstanceEndedError)) throw error;
}
