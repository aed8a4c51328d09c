// From a reference to a turn: finds the host that owns an actor, hands the call to it, and tries again where that is
// safe.
//
// R1  A call settles exactly once: done, failed by the actor, not executed, or unknown.
// R2  It is handed on again only while nothing has begun, within its deadline; after an unknown outcome only if it has
//     an idempotency key or a send stamp (the outbox does that), or reads, which does no harm twice.
// R3  It is sent to members only. When a host is one no more, nobody waits for its answers, but for those that may be on
//     their way: a host that leaves has answered everything, or turned it away.
// R4  A call to a host actor goes to the host that its id names and nowhere else, at once or not at all.
// R5  An answer that certainly did not arrive is sent again, as long as the host that waits for it is a member.

import { partitionOf, type ActorAddress, type PartitionId } from './address.ts';
import { Call, type CallOptions, type CallReceiver } from './call.ts';
import type { CancelTimeout, Clock } from './clock.ts';
import { checkPayload, copyPayload, pack, unpack } from './codec.ts';
import type { Logger } from './logger.ts';
import { Deadlines } from './deadline.ts';
import { LimitError, NotExecutedError, OutcomeUnknownError } from './errors.ts';
import {
  CALL_CHAIN_LENGTH_MAX,
  CALL_TIMEOUT_MS_DEFAULT,
  GONE_GRACE_MS,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  REPLY_AGAIN_MS,
  RETRY_DELAY_MS_MAX,
  RETRY_DELAY_MS_MIN,
} from './limits.ts';
import type { Placement } from './placement.ts';
import type { CallEnvelope, Envelope, HostId, ReplyEnvelope, SendStamp, Transport } from './transport.ts';
import { fromWireError, toWireError, type WireError } from './wire-error.ts';

/** What a router needs of its host. */
export interface RouterHost {
  readonly clock: Clock;
  readonly hostId: HostId;
  readonly partitionCount: number;
  readonly placement: Placement;
  readonly transport: Transport;
  readonly logger: Logger;
  /** The host gives up its partitions for good. */
  readonly stopping: boolean;
  random(): number;
  /** Hands the call to the activation if there is one that takes it; false if not. */
  deliverToActive(call: Call): boolean;
  /** Hands the call to the activation, making one if needed. */
  deliver(call: Call, partition: PartitionId): void;
  /** Whether the partition is owned here and served. */
  serves(partition: PartitionId): boolean;
  /** Whether actors of the type live on the host that their id names. */
  isHostBound(type: string): boolean;
  isReadOnly(type: string, method: string): boolean;
  /** Hands the call to a host actor of this host. */
  deliverBound(call: Call): void;
  forgetSender(address: ActorAddress, stamp: SendStamp): void;
}

export interface RoutedCallOptions extends CallOptions {
  readonly chain?: readonly string[];
  readonly stamp?: SendStamp;
  /** It leaves when this is fulfilled, and is not executed if this is rejected. */
  readonly after?: Promise<void> | undefined;
}

export class Router {
  readonly #host: RouterHost;
  readonly #deadlines: Deadlines;
  readonly #pending = new Map<number, Call>();
  /** Calls that other hosts wait for, to be cancelled by them. */
  readonly #served = new Map<string, Call>();
  readonly #owners = new Map<number, HostId>();
  #members = new Set<HostId>();
  /** Calls that wait for an owner. */
  readonly #later = new Map<Call, CancelTimeout>();
  /** Answers that could not be delivered, each a function that sends it again. */
  readonly #answersAgain = new Map<() => void, CancelTimeout>();
  /** Ends the pauses between attempts of calls with a key. */
  readonly #pauses = new Set<() => void>();
  #callId = 0;
  #stopped = false;

  constructor(host: RouterHost) {
    this.#host = host;
    this.#deadlines = new Deadlines(host.clock);
  }

  /** Calls a method of an actor, wherever it is. */
  call(address: ActorAddress, method: string, args: readonly unknown[], options: RoutedCallOptions): Promise<unknown> {
    return new Promise((resolve, reject) =>
      this.post(address, method, copiedArguments(address, method, args), { resolve, reject }, options),
    );
  }

  /**
   * As {@link call} without a promise of its own, and with arguments that are handed over as they are.
   *
   * @throws {TypeError} for options that cannot be meant; then nothing is sent
   * @throws {LimitError} when the chain of calls is too long
   */
  post(
    address: ActorAddress,
    method: string,
    args: readonly unknown[],
    receiver: CallReceiver,
    options: RoutedCallOptions,
  ): void {
    const { idempotencyKey, timeoutMs } = options;
    if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
      throw new TypeError(`timeoutMs is a number of milliseconds from 0 on, got ${String(timeoutMs)}`);
    }
    if (idempotencyKey === undefined) {
      this.#postOnce(address, method, args, receiver, options);
      return;
    }
    if (
      typeof idempotencyKey !== 'string' ||
      idempotencyKey === '' ||
      idempotencyKey.length > IDEMPOTENCY_KEY_LENGTH_MAX
    ) {
      throw new TypeError(`an idempotency key is a string of 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`);
    }
    this.#callWithKey(address, method, args, options).then(
      (result) => receiver.resolve(result),
      (error: unknown) => receiver.reject(error),
    );
  }

  /** The key makes it safe to try again after an unknown outcome. */
  async #callWithKey(
    address: ActorAddress,
    method: string,
    args: readonly unknown[],
    options: RoutedCallOptions,
  ): Promise<unknown> {
    const deadlineAtMs = this.#host.clock.nowMs() + (options.timeoutMs ?? CALL_TIMEOUT_MS_DEFAULT);
    let unknown: OutcomeUnknownError | undefined;
    for (let failures = 0; ; failures++) {
      // Never below zero, also when the wait for the last attempt took longer than it should.
      const timeoutMs = Math.max(0, deadlineAtMs - this.#host.clock.nowMs());
      try {
        return await new Promise((resolve, reject) =>
          // Copied for each attempt: an earlier one may have changed what it was given.
          this.#postOnce(
            address,
            method,
            copiedArguments(address, method, args),
            { resolve, reject },
            { ...options, timeoutMs },
          ),
        );
      } catch (error) {
        if (error instanceof OutcomeUnknownError) unknown = error;
        // Once an attempt may have run, one that did not says nothing of the whole.
        else if (unknown === undefined || !(error instanceof NotExecutedError)) throw error;
        const delayMs = this.#delayMs(failures);
        const hopeless = (): boolean => options.signal?.aborted === true || this.#stopped || this.#host.stopping;
        if (hopeless() || this.#host.clock.nowMs() + delayMs >= deadlineAtMs) throw unknown;
        await this.#pause(delayMs, options.signal);
        if (hopeless()) throw unknown;
      }
    }
  }

  #pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal?.removeEventListener('abort', end);
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = this.#host.clock.setTimeout(end, delayMs);
      signal?.addEventListener('abort', end, { once: true });
      this.#pauses.add(end);
    });
  }

  #postOnce(
    address: ActorAddress,
    method: string,
    args: readonly unknown[],
    receiver: CallReceiver,
    options: RoutedCallOptions,
  ): void {
    const { after, chain, signal } = options;
    if (chain !== undefined && chain.length >= CALL_CHAIN_LENGTH_MAX)
      throw new LimitError(`a chain of calls is longer than ${CALL_CHAIN_LENGTH_MAX}: ${chain.join(' → ')}`);
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS_DEFAULT;
    const deadlineAtMs = timeoutMs === Infinity ? Infinity : this.#host.clock.nowMs() + timeoutMs;
    const call = new Call(address, method, args, receiver, deadlineAtMs, options);
    if (signal !== undefined || timeoutMs !== Infinity) this.#watch(call, signal);
    if (call.settled) return;
    if (after === undefined) this.route(call);
    else {
      after.then(
        () => this.route(call),
        (error: unknown) =>
          call.reject(
            new NotExecutedError(address, 'what its caller had done before is not durable', { cause: error }),
          ),
      );
    }
  }

  #watch(call: Call, signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) {
      call.abandon('the caller gave up before it was sent', signal.reason);
      return;
    }
    const onAbort = (): void => call.abandon('the caller gave up', signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const timed = call.deadlineAtMs !== Infinity;
    if (timed) this.#deadlines.add(call);
    call.onSettled = () => {
      if (timed) this.#deadlines.remove(call);
      signal?.removeEventListener('abort', onAbort);
      if (call.remoteId !== 0) this.#settledRemote(call);
    };
  }

  /** Hands a call to where its actor lives, now. */
  route(call: Call): void {
    if (call.settled) return;
    if (this.#stopped) {
      this.turnedAway(call);
      return;
    }
    if (this.#host.deliverToActive(call)) return;
    if (this.#host.isHostBound(call.address.type)) {
      this.#routeBound(call);
      return;
    }
    const partition = this.#partitionOf(call);
    const owner = this.#host.placement.ownerOf(partition);
    if (owner === this.#host.hostId && this.#host.serves(partition)) {
      this.#host.deliver(call, partition);
    } else if (owner === undefined || owner === this.#host.hostId || call.onMoved !== undefined) this.turnedAway(call);
    else if (this.#isMember(owner)) this.#sendTo(owner, call);
    else this.#tryLater(call);
  }

  /** R4 */
  #routeBound(call: Call): void {
    const hostId = call.address.id;
    if (hostId === this.#host.hostId) this.#host.deliverBound(call);
    else if (call.onMoved !== undefined || !this.#isMember(hostId))
      call.reject(new NotExecutedError(call.address, 'its host is not a member of the cluster'));
    else this.#sendTo(hostId, call);
  }

  #isMember(hostId: HostId): boolean {
    return this.#members.has(hostId) || this.#lookAtMembers().has(hostId);
  }

  #lookAtMembers(): ReadonlySet<HostId> {
    this.#members = new Set(this.#host.placement.members().map((member) => member.hostId));
    return this.#members;
  }

  /** Hosts have come or gone. */
  membersChanged(): void {
    const members = this.#lookAtMembers();
    const gone = new Set([...this.#owners.values()].filter((owner) => !members.has(owner)));
    if (gone.size > 0) this.#host.clock.setTimeout(() => this.#giveUp(gone), GONE_GRACE_MS);
    this.routeWaiting();
  }

  #giveUp(gone: ReadonlySet<HostId>): void {
    for (const [callId, owner] of [...this.#owners]) {
      // It may have been let in again.
      const call = gone.has(owner) && !this.#members.has(owner) ? this.#pending.get(callId) : undefined;
      if (call !== undefined)
        this.#unknown(call, new OutcomeUnknownError(call.address, `host ${owner}, which had it, is gone`));
    }
  }

  /** An attempt on another host, which is over, may have run. */
  #unknown(call: Call, error: OutcomeUnknownError): void {
    const { address, method, remoteId } = call;
    if (!this.#host.isReadOnly(address.type, method) || this.#host.isHostBound(address.type)) {
      call.reject(error);
      return;
    }
    this.#pending.delete(remoteId);
    this.#owners.delete(remoteId);
    call.remoteId = 0;
    call.begun = false;
    call.unknown = error;
    this.#tryLater(call);
  }

  /** The actor is not here, or not for long: the call is for another host, or tried again when there is one. */
  turnedAway(call: Call): void {
    if (call.settled) return;
    if (this.#host.isHostBound(call.address.type)) {
      call.reject(new NotExecutedError(call.address, 'its host is stopping'));
      return;
    }
    const owner = this.#host.placement.ownerOf(this.#partitionOf(call));
    if (call.onMoved !== undefined) call.onMoved();
    else if (this.#stopped || (this.#host.stopping && (owner === undefined || owner === this.#host.hostId))) {
      call.reject(new NotExecutedError(call.address, 'its host is stopping'));
    } else this.#tryLater(call);
  }

  /** R2: what a read saw here is lost. One of another host hears so, and that host tries it again. */
  readLost(call: Call, error: OutcomeUnknownError): void {
    if (call.onMoved !== undefined || this.#host.isHostBound(call.address.type)) call.reject(error);
    else {
      call.unknown = error;
      this.turnedAway(call);
    }
  }

  /** The activation that the call waited for has ended. The first time it goes on at once, then with growing delays. */
  again(call: Call): void {
    if (call.attempts > 0) this.#tryLater(call);
    else {
      call.attempts++;
      queueMicrotask(() => this.route(call));
    }
  }

  #tryLater(call: Call): void {
    if (call.settled) return;
    const cancel = this.#host.clock.setTimeout(
      () => {
        this.#later.delete(call);
        this.#routeAgain(call);
      },
      this.#delayMs(call.attempts++),
    );
    this.#later.set(call, cancel);
  }

  /** Routes the calls that wait for an owner again, now: those of one partition, or all. */
  routeWaiting(partition?: PartitionId): void {
    for (const [call, cancel] of [...this.#later]) {
      if (partition !== undefined && this.#partitionOf(call) !== partition) continue;
      cancel();
      this.#later.delete(call);
      this.#routeAfresh(call);
    }
  }

  /** It has not been tried yet where it goes now: what it has waited for elsewhere does not count. */
  #routeAfresh(call: Call): void {
    call.attempts = 0;
    this.#routeAgain(call);
  }

  /** A host does not have what the call is for. */
  #notThere(call: Call, hostId: HostId | undefined): void {
    if (this.#host.placement.ownerOf(this.#partitionOf(call)) === hostId) this.#tryLater(call);
    else this.#routeAfresh(call);
  }

  #routeAgain(call: Call): void {
    // The process may have stood still for long: R2.
    if (call.deadlineAtMs <= this.#host.clock.nowMs()) call.abandon('its deadline passed');
    else this.route(call);
  }

  #partitionOf(call: Call): PartitionId {
    return (call.partition ??= partitionOf(call.address, this.#host.partitionCount));
  }

  #delayMs(failures: number): number {
    return Math.min(RETRY_DELAY_MS_MIN * 2 ** Math.min(failures, 10), RETRY_DELAY_MS_MAX) * (0.5 + this.#host.random());
  }

  /** Tells a receiver that the sender has nothing left for it. Lost ones only cost a few bytes. */
  forget(address: ActorAddress, stamp: SendStamp): void {
    const owner = this.#host.placement.ownerOf(partitionOf(address, this.#host.partitionCount));
    if (owner === this.#host.hostId) this.#host.forgetSender(address, stamp);
    else if (owner !== undefined) this.#post(owner, { kind: 'forget', address, send: stamp });
  }

  // ── Between hosts ──────────────────────────────────────────────────────────────────────────────────────────────────

  #sendTo(owner: HostId, call: Call): void {
    call.remoteId = ++this.#callId;
    // From here on it may run there: giving up means not knowing.
    call.begun = true;
    this.#pending.set(call.remoteId, call);
    this.#owners.set(call.remoteId, owner);
    if (call.onSettled === undefined) call.onSettled = () => this.#settledRemote(call);
    const unsent = this.#post(owner, {
      kind: 'call',
      callId: call.remoteId,
      address: call.address,
      method: call.method,
      args: pack(call.args),
      timeoutMs: call.deadlineAtMs === Infinity ? undefined : Math.max(0, call.deadlineAtMs - this.#host.clock.nowMs()),
      idempotencyKey: call.idempotencyKey,
      chain: call.chain,
      traceparent: call.traceparent,
      send: call.stamp,
    });
    if (unsent === undefined) return;
    this.#take(call.remoteId);
    call.reject(new NotExecutedError(call.address, 'it could not be sent', { cause: unsent }));
  }

  /** Sends what may get lost; returns why it could not be sent, if so. */
  #post(to: HostId, envelope: Envelope): unknown {
    try {
      this.#host.transport.send(to, envelope);
      return undefined;
    } catch (error) {
      this.#host.logger.warn({ to, kind: envelope.kind, err: error }, 'an envelope could not be sent');
      return error ?? new Error('the transport threw nothing');
    }
  }

  #settledRemote(call: Call): void {
    const owner = this.#owners.get(call.remoteId);
    this.#owners.delete(call.remoteId);
    // Still pending: the caller gave up before the answer came.
    if (this.#pending.delete(call.remoteId) && owner !== undefined)
      this.#post(owner, { kind: 'cancel', callId: call.remoteId });
  }

  receive(from: HostId, envelope: Envelope): void {
    switch (envelope.kind) {
      case 'call':
        this.#serve(from, envelope);
        return;
      case 'reply':
        this.#replied(envelope);
        return;
      case 'cancel':
        this.#served.get(`${from}/${envelope.callId}`)?.abandon('the caller gave up');
        return;
      case 'forget':
        this.#host.forgetSender(envelope.address, envelope.send);
    }
  }

  undeliverable(to: HostId, envelope: Envelope): void {
    if (envelope.kind === 'reply') this.#answerAgain(to, envelope);
    // Lost ones of the others only cost a little: of memory, or of work that nobody waits for.
    if (envelope.kind !== 'call') return;
    const owner = this.#owners.get(envelope.callId);
    const call = this.#take(envelope.callId);
    if (call === undefined) return;
    if (this.#host.isHostBound(call.address.type))
      call.reject(new NotExecutedError(call.address, 'its host cannot be reached'));
    else this.#notThere(call, owner);
  }

  /** R5. Its host connects again, or is taken for dead: that bounds it. */
  #answerAgain(to: HostId, reply: ReplyEnvelope): void {
    if (this.#stopped || !this.#isMember(to)) return;
    const again = (): void => {
      this.#answersAgain.delete(again);
      this.#post(to, reply);
    };
    this.#answersAgain.set(again, this.#host.clock.setTimeout(again, REPLY_AGAIN_MS * (0.5 + this.#host.random())));
  }

  #take(callId: number): Call | undefined {
    const call = this.#pending.get(callId);
    this.#pending.delete(callId);
    this.#owners.delete(callId);
    if (call !== undefined) {
      call.remoteId = 0;
      call.begun = false;
    }
    return call;
  }

  #replied(reply: ReplyEnvelope): void {
    const call = this.#pending.get(reply.callId);
    if (call === undefined) return;
    if (reply.outcome === 'moved') {
      const owner = this.#owners.get(reply.callId);
      this.#take(reply.callId);
      this.#notThere(call, owner);
      return;
    }
    this.#pending.delete(reply.callId);
    let body: unknown;
    try {
      body = unpack(reply.body);
    } catch (error) {
      call.reject(new OutcomeUnknownError(call.address, 'its answer cannot be read', { cause: error }));
      return;
    }
    if (reply.outcome === 'done') {
      call.resolve(body);
      return;
    }
    const error = fromWireError(body as WireError, reply.outcome, call.address);
    if (error instanceof OutcomeUnknownError) this.#unknown(call, error);
    else call.reject(error);
  }

  #serve(from: HostId, envelope: CallEnvelope): void {
    const { callId, address } = envelope;
    const key = `${from}/${callId}`;
    const reply = (outcome: ReplyEnvelope['outcome'], body: unknown): void => {
      this.#served.delete(key);
      this.#post(from, { kind: 'reply', callId, outcome, body: pack(body) });
    };
    let args: unknown[];
    try {
      args = unpack(envelope.args) as unknown[];
    } catch (error) {
      reply('failed', toWireError(error));
      return;
    }
    const receiver: CallReceiver = {
      resolve: (value) => reply('done', value),
      reject: (error) => {
        if (error instanceof NotExecutedError) reply('not-executed', toWireError(error));
        else if (error instanceof OutcomeUnknownError) reply('unknown', toWireError(error));
        else reply('failed', toWireError(error));
      },
    };
    const deadlineAtMs = envelope.timeoutMs === undefined ? Infinity : this.#host.clock.nowMs() + envelope.timeoutMs;
    const { idempotencyKey, traceparent, chain, send: stamp } = envelope;
    const call = new Call(address, envelope.method, args, receiver, deadlineAtMs, {
      idempotencyKey,
      traceparent,
      chain,
      stamp,
    });
    call.onMoved = () => {
      call.dismiss();
      reply('moved', undefined);
    };
    this.#served.set(key, call);
    if (call.deadlineAtMs !== Infinity) this.#watch(call, undefined);
    this.route(call);
  }

  /**
   * Calls that come from now on, and those that wait for an owner, are not executed here; calls to other hosts have an
   * unknown outcome. Everybody else who waits has been answered.
   */
  stop(): void {
    this.#stopped = true;
    for (const call of [...this.#pending.values()]) call.abandon('this host is stopping');
    for (const [call, cancel] of [...this.#later]) {
      cancel();
      this.turnedAway(call);
    }
    this.#later.clear();
    for (const [again, cancel] of [...this.#answersAgain]) {
      cancel();
      again();
    }
    for (const end of [...this.#pauses]) end();
    this.#deadlines.stop();
  }
}

/** What the actor gets shares nothing with what the caller holds. */
function copiedArguments(address: ActorAddress, method: string, args: readonly unknown[]): readonly unknown[] {
  return args.map((value) => {
    const type = typeof value;
    if (type === 'number' || type === 'boolean' || type === 'undefined' || value === null) return value;
    checkPayload(value, `an argument of ${address.type}.${method}`);
    return copyPayload(value);
  });
}
