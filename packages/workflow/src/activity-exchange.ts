// Activities that are run by another host than the one that owns their instance. Each host is both: it takes attempts for
// which it has no slot or no code to others, and runs attempts for others. Results go from whoever ran the body straight to
// the instance (`activity-delivery.ts`); what is here sees to it that each attempt is with somebody.
//
// X1  The one that took an attempt tells the owner of the instance, every 5 s and with the last heartbeat, that it still has
//     it, until the result has reached the instance. The owner gives it to another when the host is no member any more or
//     was silent for three beats: the same attempt, under the same key. Whoever has it already does not begin it twice.
// X2  A new owner asks the others for what may be under way before it begins that again.
// X3  What nobody takes stays with its owner: it waits for a slot here, for a host that has the code, or for a minute.
// X4  A host that stops gives back what it has not done.

import {
  actor,
  OutcomeUnknownError,
  waitAtMost,
  type ActorHost,
  type ActorRef,
  type CancelTimeout,
  type Clock,
  type HostId,
} from '@troupe/actors';
import type { DeliveredTask } from './activity-delivery.ts';
import {
  LOOKED_FOR,
  versionIn,
  type ActivityResult,
  type ActivityRunner,
  type ActivityTask,
  type Attempt,
  type Elsewhere,
} from './activity-runner.ts';
import type { CodeDirectory, Peer } from './code-directory.ts';
import { SessionBody, type StepBody } from './command.ts';
import {
  BEAT_INTERVAL_MS,
  BEAT_SILENCE_MS,
  FREE_SLOTS_TTL_MS,
  HELD_TIMEOUT_MS,
  OFFER_AGAIN_MS,
  RUN_BATCH_LENGTH,
} from './limits.ts';
import { pagesOf } from './payload.ts';
import { weightOf } from './placement-weight.ts';
import type { Registry } from './registry.ts';
import { askedOf } from './retry.ts';
import { wireOptions } from './session-wire.ts';
import type { WorkerDirectory } from './workers/worker-directory.ts';

/** Which attempt of all: of an execution, the number of the activity. */
export type AttemptKey = readonly [executionId: string, sequence: number];

/** An attempt on its way to another host. */
interface WireTask extends Omit<ActivityTask, 'options' | 'body' | 'again'> {
  readonly startToCloseTimeoutMs: number | undefined;
  readonly heartbeatTimeoutMs: number | undefined;
  /** The call has a policy of its own: that of the definition does not matter. */
  readonly ownRetry: boolean;
  /** The session whose closure it is. */
  readonly sessionId: string | undefined;
  /** Its owner could run it itself, and would rather wait than have it wait elsewhere. */
  readonly mayRefuse: boolean;
}

type Taken = 'taken' | 'full' | 'missing';

/** What is told of an attempt that is held. */
type Beat = readonly [executionId: string, sequence: number, attempt: number, heartbeat: unknown];

/** What an exchange needs of its host. */
export interface ExchangeServices {
  readonly host: ActorHost;
  readonly activities: ActivitiesActor;
  /** The owner of an instance, as far as this host knows. */
  ownerOf(instanceId: string): HostId | undefined;
  /** The closure of a step, if its session is here. */
  closure(sessionId: string, sequence: number): StepBody | undefined;
  /** Tells an instance that a closure cannot be run by the session that it names. */
  closureLost(instanceId: string, sessionId: string): void;
}

/** An attempt that this host holds for an instance of another. */
interface Held {
  readonly task: ActivityTask;
  readonly ownRetry: boolean;
}

const keyOf = (executionId: string, sequence: number): string => `${executionId} ${sequence}`;

export class ActivityExchange implements Elsewhere {
  readonly #directory: CodeDirectory;
  readonly #registry: Registry;
  readonly #runner: ActivityRunner;
  readonly #clock: Clock;
  readonly #workers: WorkerDirectory;
  readonly #services: () => ExchangeServices;
  /** Attempts that are with others, and when those were last heard of. */
  readonly #away = new Map<Attempt, number>();
  /** Attempts that wait for a host that has the code. */
  readonly #homeless = new Set<Attempt>();
  /** What is to go to each host in one message. */
  readonly #leaving = new Map<HostId, Attempt[]>();
  readonly #asking = new Map<HostId, { readonly attempt: Attempt; answer: (held: boolean) => void }[]>();
  /** What others said of their free slots, less what went to them since. */
  readonly #free = new Map<HostId, { count: number; untilMs: number }>();
  /** What is run here for others, or was and has not reached its instance. */
  readonly #held = new Map<string, Held>();
  /** Results that are on their way to their instances, with the attempt that each is of. */
  readonly #delivering = new Map<string, number>();
  #cancelBeat: CancelTimeout | undefined;
  #cancelWatch: CancelTimeout | undefined;
  #onDelivered: (() => void) | undefined;
  #stopped = false;

  constructor(parts: {
    directory: CodeDirectory;
    registry: Registry;
    runner: ActivityRunner;
    clock: Clock;
    workers: WorkerDirectory;
    services: () => ExchangeServices;
  }) {
    this.#directory = parts.directory;
    this.#registry = parts.registry;
    this.#runner = parts.runner;
    this.#clock = parts.clock;
    this.#workers = parts.workers;
    this.#services = parts.services;
  }

  // ── To others ──────────────────────────────────────────────────────────────────────────────────────────────────────

  take(attempt: Attempt, mayStay: boolean): boolean {
    const { body } = attempt.task;
    if (body instanceof SessionBody) {
      // The host of the session may be this one by now: then the session is gone, since its owner was another.
      if (this.#directory.isPeer(body.hostId)) this.#send(attempt, body.hostId);
      else this.#closureLost(attempt);
      return true;
    }
    const hostId = this.#hostFor(attempt, mayStay);
    if (hostId === undefined) return false;
    this.#send(attempt, hostId);
    return true;
  }

  /**
   * The host with a free slot that the attempt hashes to; without one, and if it cannot stay, any that has the code; without
   * one of these, any whose workers may have it.
   */
  #hostFor({ task, refusedBy }: Attempt, mayStay: boolean): HostId | undefined {
    const key = keyOf(task.executionId, task.sequence);
    let best: HostId | undefined;
    let bestWeight = -1;
    for (const peer of this.#directory.peers) {
      if (refusedBy?.has(peer.hostId) === true) continue;
      const isRegistered = peer.code.activities.has(task.name);
      if (!isRegistered && !this.#workers.peerMayRun(peer.hostId, 'activity', task.name, versionIn(task.details)))
        continue;
      // Workers have room of their own.
      const isFree = isRegistered && this.#freeOf(peer) > 0;
      if (!isFree && mayStay) continue;
      const weight = weightOf(peer.hostId, key) + (isFree ? 2 ** 30 : 0) + (isRegistered ? 2 ** 31 : 0);
      if (weight > bestWeight) [best, bestWeight] = [peer.hostId, weight];
    }
    return best;
  }

  #freeOf({ hostId, code }: Peer): number {
    const told = this.#free.get(hostId);
    return told === undefined || told.untilMs < this.#clock.nowMs() ? code.slots : told.count;
  }

  #noteFree(hostId: HostId, count: number): void {
    this.#free.set(hostId, { count, untilMs: this.#clock.nowMs() + FREE_SLOTS_TTL_MS });
  }

  #send(attempt: Attempt, hostId: HostId): void {
    this.#homeless.delete(attempt);
    this.#runner.settle(attempt, hostId);
    this.#away.set(attempt, this.#clock.nowMs());
    const peer = this.#directory.peers.find((one) => one.hostId === hostId);
    if (peer !== undefined) this.#noteFree(hostId, this.#freeOf(peer) - 1);
    this.#watchLater();
    const leaving = this.#leaving.get(hostId);
    if (leaving !== undefined) {
      leaving.push(attempt);
      return;
    }
    this.#leaving.set(hostId, [attempt]);
    // Together with what else the same round leads to.
    queueMicrotask(() => {
      const all = this.#leaving.get(hostId)!;
      this.#leaving.delete(hostId);
      for (const page of pagesOf(all, ({ task }) => task.input, RUN_BATCH_LENGTH)) void this.#run(hostId, page);
    });
  }

  async #run(hostId: HostId, attempts: readonly Attempt[]): Promise<void> {
    const left = attempts.filter((attempt) => this.#isAt(attempt, hostId));
    if (left.length === 0) return;
    const sent = left.map((attempt) => attempt.task);
    try {
      const { taken, free } = await this.#ref(hostId).run(left.map((attempt) => this.#wireTask(attempt)));
      this.#noteFree(hostId, free);
      for (const [index, attempt] of left.entries()) {
        if (attempt.task === sent[index] && this.#isAt(attempt, hostId))
          this.#answered(attempt, hostId, taken[index] ?? 'missing');
      }
    } catch (error) {
      // It may be under way there, or not: the watch finds out.
      if (error instanceof OutcomeUnknownError) return;
      for (const attempt of left) if (this.#isAt(attempt, hostId)) this.#answered(attempt, hostId, 'missing');
    }
  }

  #isAt(attempt: Attempt, hostId: HostId): boolean {
    return attempt.where === hostId && this.#runner.find(attempt.task.executionId, attempt.task.sequence) === attempt;
  }

  #wireTask({ task }: Attempt): WireTask {
    const { options, body, again: _again, ...plain } = task;
    const { startToCloseTimeoutMs, heartbeatTimeoutMs } = options;
    return {
      ...plain,
      startToCloseTimeoutMs,
      heartbeatTimeoutMs,
      ownRetry: options.retry !== undefined,
      sessionId: body instanceof SessionBody ? body.sessionId : undefined,
      mayRefuse: body === undefined && this.#registry.activity(task.name) !== undefined,
    };
  }

  #answered(attempt: Attempt, hostId: HostId, taken: Taken): void {
    if (taken === 'taken') {
      attempt.missing = false;
      this.#away.set(attempt, this.#clock.nowMs());
      return;
    }
    if (attempt.task.body instanceof SessionBody) {
      this.#closureLost(attempt);
      return;
    }
    this.#back(attempt);
    (attempt.refusedBy ??= new Set()).add(hostId);
    if (this.#registry.activity(attempt.task.name) !== undefined) this.#runner.enqueue(attempt);
    else this.#runner.place(attempt);
  }

  /** It is with nobody. */
  #back(attempt: Attempt): void {
    this.#away.delete(attempt);
    this.#runner.settle(attempt, undefined);
  }

  #closureLost(attempt: Attempt): void {
    this.#back(attempt);
    this.#runner.drop(attempt);
    const { instanceId, body } = attempt.task;
    this.#services().closureLost(instanceId, (body as SessionBody).sessionId);
  }

  await(attempt: Attempt): void {
    this.#homeless.add(attempt);
    // Those who refused it may have room, or have been replaced, by then.
    if (attempt.refusedBy === undefined) return;
    attempt.refusedBy = undefined;
    this.#clock.setTimeout(() => this.#offerAgain(attempt), OFFER_AGAIN_MS);
  }

  #offerAgain(attempt: Attempt): void {
    const { executionId, sequence } = attempt.task;
    if (!this.#homeless.delete(attempt) || this.#runner.find(executionId, sequence) !== attempt) return;
    this.#runner.place(attempt);
  }

  abort(attempt: Attempt): void {
    const { where: hostId, task } = attempt;
    this.#away.delete(attempt);
    this.#homeless.delete(attempt);
    if (hostId === LOOKED_FOR) this.abortEverywhere(task.executionId);
    else if (hostId !== undefined) this.#tellAbort(hostId, task.executionId);
  }

  abortEverywhere(executionId: string): void {
    for (const { hostId } of this.#directory.peers) this.#tellAbort(hostId, executionId);
  }

  #tellAbort(hostId: HostId, executionId: string): void {
    // A body that does not hear of it goes on for nobody: its result is dropped.
    this.#ref(hostId)
      .abort(executionId)
      .catch(() => {});
  }

  // ── After a takeover ───────────────────────────────────────────────────────────────────────────────────────────────

  find(attempt: Attempt, begin: () => void): void {
    const { peers } = this.#directory;
    let open = peers.length;
    let found = false;
    for (const { hostId } of peers) {
      this.#askHeld(hostId, attempt, (held) => {
        open -= 1;
        if (found || this.#runner.find(attempt.task.executionId, attempt.task.sequence) !== attempt) return;
        if (held) {
          found = true;
          this.#runner.settle(attempt, hostId);
          this.#away.set(attempt, this.#clock.nowMs());
          this.#watchLater();
        } else if (open === 0) begin();
      });
    }
  }

  #askHeld(hostId: HostId, attempt: Attempt, answer: (held: boolean) => void): void {
    const asking = this.#asking.get(hostId);
    if (asking !== undefined) {
      asking.push({ attempt, answer });
      return;
    }
    const all = [{ attempt, answer }];
    this.#asking.set(hostId, all);
    queueMicrotask(() => {
      this.#asking.delete(hostId);
      const keys = all.map(({ attempt: { task } }): AttemptKey => [task.executionId, task.sequence]);
      this.#ref(hostId, HELD_TIMEOUT_MS)
        .held(keys)
        .then(
          (held) => all.forEach((one, index) => one.answer(held[index] === true)),
          // Whoever does not answer has lost it, or will find that somebody else has done it.
          () => all.forEach((one) => one.answer(false)),
        );
    });
  }

  // ── Watching ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #watchLater(): void {
    this.#cancelWatch ??= this.#clock.setTimeout(() => {
      this.#cancelWatch = undefined;
      this.#watch();
    }, BEAT_INTERVAL_MS);
  }

  /** X1 */
  #watch(): void {
    const silentSinceMs = this.#clock.nowMs() - BEAT_SILENCE_MS;
    for (const [attempt, heardMs] of this.#away) {
      const { where } = attempt;
      if (where === undefined || !this.#isAt(attempt, where)) this.#away.delete(attempt);
      else if (!this.#directory.isPeer(where) || heardMs < silentSinceMs) this.#again(attempt);
    }
    if (this.#away.size > 0 && !this.#stopped) this.#watchLater();
  }

  #again(attempt: Attempt): void {
    const { where: hostId, task } = attempt;
    const owner = this.#services().ownerOf(task.instanceId);
    if (owner !== this.#services().host.hostId) {
      // Beats go to the new owner by now, who sees to it. While there is none it may yet be this one.
      if (owner === undefined) return;
      this.#back(attempt);
      this.#runner.drop(attempt);
      return;
    }
    if (task.body instanceof SessionBody) {
      this.#closureLost(attempt);
      return;
    }
    this.#back(attempt);
    attempt.task = { ...task, lastHeartbeat: attempt.heartbeatDetail };
    // Silent, and perhaps only that: rather somebody else.
    if (hostId !== undefined) attempt.refusedBy = new Set([hostId]);
    this.#runner.place(attempt);
  }

  /** Hosts have come or gone. */
  membersChanged(): void {
    this.#watch();
    this.codeChanged();
  }

  /** Somebody may have now what nobody had. */
  codeChanged(): void {
    for (const attempt of [...this.#homeless]) this.#offerAgain(attempt);
  }

  // ── For others ─────────────────────────────────────────────────────────────────────────────────────────────────────

  run(tasks: readonly WireTask[]): { taken: Taken[]; free: number } {
    const taken = tasks.map((task) => this.#runFor(task));
    return { taken, free: this.#runner.stopped ? 0 : this.#runner.free };
  }

  #runFor(wire: WireTask): Taken {
    const { startToCloseTimeoutMs, heartbeatTimeoutMs, ownRetry, sessionId, mayRefuse, ...plain } = wire;
    const key = keyOf(wire.executionId, wire.sequence);
    const held = this.#held.get(key);
    if ((held?.task.attempt ?? this.#delivering.get(key) ?? 0) >= wire.attempt) return 'taken';
    let body: StepBody | undefined;
    if (sessionId !== undefined) {
      body = this.#services().closure(sessionId, wire.sequence);
      if (body === undefined) return 'missing';
    }
    const options = {
      ...(startToCloseTimeoutMs === undefined ? {} : { startToCloseTimeoutMs }),
      ...(heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs }),
    };
    const task: ActivityTask = { ...plain, options, body, again: false };
    // Before it begins: a body may end at once.
    this.#held.set(key, { task, ownRetry });
    const taken = this.#runner.startFor(task, mayRefuse);
    if (taken === 'taken') this.#beatLater();
    else if (held === undefined) this.#held.delete(key);
    else this.#held.set(key, held);
    return taken;
  }

  /** Which of these this host has under way; from now on it tells their owner. */
  held(keys: readonly AttemptKey[]): boolean[] {
    return keys.map(([executionId, sequence]) => {
      const key = keyOf(executionId, sequence);
      if (this.#held.has(key) || this.#delivering.has(key)) return true;
      const attempt = this.#runner.find(executionId, sequence);
      if (attempt === undefined || attempt.where !== undefined || attempt.missing) return false;
      this.#held.set(key, { task: attempt.task, ownRetry: attempt.task.options.retry !== undefined });
      this.#beatLater();
      return true;
    });
  }

  /** The owner of an instance has no more use for what this host runs of an execution. */
  letGo(executionId: string): void {
    const instanceId = this.#runner.instanceOf(executionId);
    // Said by one that does not know yet that it is the owner no more.
    if (instanceId === undefined || this.#services().ownerOf(instanceId) === this.#services().host.hostId) return;
    for (const [key, { task }] of this.#held) if (task.executionId === executionId) this.#held.delete(key);
    this.#runner.abort(executionId, new Error('the workflow has ended, or continued as new'), false);
  }

  /** Another host tells what it still has. */
  beat(from: HostId, free: number, beats: readonly Beat[]): void {
    const nowMs = this.#clock.nowMs();
    this.#noteFree(from, free);
    for (const [executionId, sequence, , heartbeat] of beats) {
      const attempt = this.#runner.find(executionId, sequence);
      if (attempt?.where !== from) continue;
      attempt.heartbeatDetail = heartbeat;
      this.#away.set(attempt, nowMs);
    }
  }

  /** Another host stops before these were done. */
  givenBack(from: HostId, keys: readonly AttemptKey[]): void {
    for (const [executionId, sequence] of keys) {
      const attempt = this.#runner.find(executionId, sequence);
      if (attempt?.where === from) this.#again(attempt);
    }
  }

  #beatLater(): void {
    this.#cancelBeat ??= this.#clock.setTimeout(() => {
      this.#cancelBeat = undefined;
      this.#beat();
    }, BEAT_INTERVAL_MS);
  }

  #beat(): void {
    const byOwner = new Map<HostId, Beat[]>();
    for (const [key, { task }] of this.#held) {
      const isDone = this.#runner.find(task.executionId, task.sequence) === undefined && !this.#delivering.has(key);
      // It was aborted.
      if (isDone) this.#held.delete(key);
      const owner = this.#services().ownerOf(task.instanceId);
      if (isDone || owner === undefined || !this.#directory.isPeer(owner)) continue;
      const detail = this.#runner.find(task.executionId, task.sequence)?.heartbeatDetail ?? task.lastHeartbeat;
      const beats = byOwner.get(owner) ?? [];
      beats.push([task.executionId, task.sequence, task.attempt, detail]);
      byOwner.set(owner, beats);
    }
    const { hostId } = this.#services().host;
    for (const [owner, beats] of byOwner) {
      for (const page of pagesOf(beats, ([, , , heartbeat]) => heartbeat, RUN_BATCH_LENGTH)) {
        // One that gets lost is one of three.
        this.#ref(owner)
          .beat(hostId, this.#runner.free, page)
          .catch(() => {});
      }
    }
    if (this.#held.size > 0 && !this.#stopped) this.#beatLater();
  }

  giveBack(task: ActivityTask): boolean {
    const { executionId, sequence, instanceId } = task;
    if (!this.#held.delete(keyOf(executionId, sequence))) return false;
    const owner = this.#services().ownerOf(instanceId);
    if (owner === undefined || !this.#directory.isPeer(owner)) return true;
    // If it gets lost this host is no member soon.
    this.#ref(owner)
      .givenBack(this.#services().host.hostId, [[executionId, sequence]])
      .catch(() => {});
    return true;
  }

  // ── Results ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A result sets out for its instance: what it has to tell an owner that may not have the definition. */
  delivering(task: ActivityTask, result: ActivityResult): ActivityResult {
    const key = keyOf(task.executionId, task.sequence);
    this.#delivering.set(key, task.attempt);
    if (result.ok || task.body !== undefined) return result;
    const held = this.#held.get(key);
    const ownRetry = held?.ownRetry ?? task.options.retry !== undefined;
    const policy = this.#registry.activity(task.name)?.options.retry;
    if (ownRetry || policy === undefined) return result;
    const retryable = result.retryable && askedOf(policy, result.failure, task.attempt);
    return { ...result, retryable, definedRetry: wireOptions({ retry: policy }).retry };
  }

  /** The instance has it, or is not to be found. */
  delivered({ executionId, sequence, attempt }: DeliveredTask): void {
    const key = keyOf(executionId, sequence);
    if (this.#delivering.get(key) === attempt) this.#delivering.delete(key);
    if (this.#held.get(key)?.task.attempt === attempt) this.#held.delete(key);
    if (this.#delivering.size === 0) this.#onDelivered?.();
  }

  /** Nothing more is watched or told. Resolves when the last result has reached its instance, or after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#cancelBeat?.();
    this.#cancelWatch?.();
    if (this.#delivering.size === 0 || this.#directory.alone) return;
    const delivered = new Promise<void>((resolve) => (this.#onDelivered = resolve));
    await waitAtMost(this.#clock, graceMs, delivered);
  }

  #ref(hostId: HostId, timeoutMs?: number): ActorRef<ActivitiesActor> {
    const { host, activities } = this.#services();
    return host.actor(activities, hostId, timeoutMs === undefined ? {} : { timeoutMs });
  }
}

/** The host actor by which other hosts reach the exchange of one. */
export function activitiesActor(exchange: () => ActivityExchange) {
  return actor('troupe.activities', {
    hostBound: true,
    methods: {
      run: (_ctx, tasks: readonly WireTask[]) => exchange().run(tasks),
      abort: (_ctx, executionId: string) => exchange().letGo(executionId),
      held: (_ctx, keys: readonly AttemptKey[]) => exchange().held(keys),
      beat: (_ctx, from: HostId, free: number, beats: readonly Beat[]) => exchange().beat(from, free, beats),
      givenBack: (_ctx, from: HostId, keys: readonly AttemptKey[]) => exchange().givenBack(from, keys),
    },
  });
}

export type ActivitiesActor = ReturnType<typeof activitiesActor>;
