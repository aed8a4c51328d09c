// Calls on the actors of instances, for whoever asks from outside: the client, and those who read what is stored.

import type { ActorHost, ActorRef, ArgumentsOf, CallOptions } from '@troupe/actors';
import { isOutOfReach } from './errors.ts';
import { END_WAIT_MS, WAIT_PAUSE_MS } from './limits.ts';
import { checkInstanceId } from './name.ts';
import type { WorkflowActor } from './workflow-actor.ts';

type WaitMethod = 'untilEnded' | 'untilOutcome' | 'untilStartedStored' | 'untilEndedStored';
type Methods = ActorRef<WorkflowActor>;

/** What a wait gives when what it waits for has come. */
export type Found<K extends WaitMethod> = NonNullable<Awaited<ReturnType<Methods[K]>>>;

export class InstanceCalls {
  readonly #host: ActorHost;
  readonly #actor: WorkflowActor;
  /** Instances may be on other hosts. */
  readonly #shared: boolean;

  constructor(host: ActorHost, actor: WorkflowActor, shared: boolean) {
    this.#host = host;
    this.#actor = actor;
    this.#shared = shared;
  }

  ref(instanceId: string, options?: CallOptions): Methods {
    checkInstanceId(instanceId);
    return this.#host.actor(this.#actor, instanceId, options);
  }

  /** A call whose arguments are given away: they are made for it, or copies. */
  ask<K extends keyof Methods>(
    instanceId: string,
    method: K,
    args: ArgumentsOf<Methods[K]>,
    options: CallOptions,
  ): ReturnType<Methods[K]> {
    return new Promise((resolve, reject) =>
      this.#host.post(this.#actor, instanceId, method, args, { resolve, reject }, options),
    ) as ReturnType<Methods[K]>;
  }

  /** Undefined: the time is up, or there is no such instance. */
  async until<K extends WaitMethod>(
    instanceId: string,
    method: K,
    args: ArgumentsOf<Methods[K]>,
    { timeoutMs = Infinity, signal }: { timeoutMs?: number | undefined; signal?: AbortSignal | undefined },
    hasCome: (found: Found<K>) => boolean,
  ): Promise<Found<K> | undefined> {
    checkInstanceId(instanceId);
    if (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs)) {
      throw new TypeError(`timeoutMs is a number of milliseconds, got ${String(timeoutMs)}`);
    }
    const { clock } = this.#host;
    const deadlineMs = clock.nowMs() + timeoutMs;
    const isOver = (): boolean => clock.nowMs() >= deadlineMs || signal?.aborted === true;
    while (!isOver()) {
      const leftMs = deadlineMs - clock.nowMs();
      try {
        // An answer may get lost between hosts: then it is asked for again.
        const askMs = this.#shared ? Math.min(leftMs, END_WAIT_MS) : leftMs;
        const found = (await this.ask(instanceId, method, args, { timeoutMs: askMs, signal })) as Found<K> | undefined;
        // One that ended and was started anew is waited for again.
        if (found === undefined || hasCome(found)) return found;
      } catch (error) {
        if (!isOutOfReach(error) || this.#host.status().stopping) throw error;
        // The activation went away, its host died, or the time is up: the loop tells.
        if (!isOver()) await new Promise<void>((resolve) => clock.setTimeout(resolve, WAIT_PAUSE_MS));
      }
    }
    return undefined;
  }
}
