// Who is there and who owns what, over NATS: drives the protocol of `@troupe/actors` (which decides everything) by core
// NATS and the claim records of the streams.
//
// R1  Every host tells all others, and itself, on one subject, in the order of its own doing.
// R2  Each input is given to the protocol with the time of a clock that does not go back, and everything that it asks for
//     is answered: what fails is told as a failure.
// R3  A host that lacks actor types of a member does not join: it claims nothing and says goodbye. Types that only it
//     has are its own risk until the others have them.

import {
  asError,
  initialClusterState,
  isServing,
  membersOf,
  ownerOf,
  stepCluster,
  StoreUnavailableError,
  type Announcement,
  type CancelTimeout,
  type Claim,
  type Clock,
  type ClusterEffect,
  type ClusterInput,
  type ClusterState,
  type HostId,
  type Logger,
  type Member,
  type PartitionId,
  type Placement,
  type PlacementListener,
} from '@troupe/actors';
import { ClaimRecords, type ClaimNames } from './claim-records.ts';
import { HostMismatchError } from './errors.ts';
import { JetStream } from './jetstream.ts';
import { CLUSTER_TICK_MS, JOIN_TIMEOUT_MS, LOGGED_EVERY_MS, PROBE_TIMEOUT_MS } from './limits.ts';
import { decodeMemberMessage, encodeMemberMessage } from './member-message.ts';
import type { Requests } from './requests.ts';
import { SteadyClock } from './steady-clock.ts';
import type { StuckStreams } from './stuck-streams.ts';
import { checkHostId, membersSubject, probeSubject } from './subjects.ts';
import type { Wire, WireMessage } from './wire.ts';

export interface NatsPlacementOptions {
  readonly app: string;
  readonly hostId: HostId;
  readonly partitionCount: number;
  readonly announcement: Announcement;
  /** Its share of the partitions, in proportion to the other hosts'. Default 1. */
  readonly weight?: number | undefined;
  readonly wire: Wire;
  readonly requests: Requests;
  readonly stuck: StuckStreams;
  readonly names: ClaimNames;
  readonly clock: Clock;
  readonly logger: Logger;
  /** This host has the partition, before anybody else hears of it. Does not throw. */
  onAcquired?(partition: PartitionId): void;
  /** It has it no more. Does not throw. */
  onLost?(partition: PartitionId): void;
  /** A host is no member any more. Does not throw. */
  onGone?(hostId: HostId): void;
}

type Goodbye = (ClusterEffect & { kind: 'left' })['goodbye'];

export class NatsPlacement implements Placement {
  readonly #options: NatsPlacementOptions;
  readonly #state: ClusterState;
  readonly #clock: SteadyClock;
  readonly #claims: ClaimRecords;
  /** Claims that are refused in vain: since when, and by which epoch they expect. */
  readonly #refused = new Map<PartitionId, { readonly expectedEpoch: number; readonly sinceMs: number }>();
  #listener: PlacementListener | undefined;
  #members: readonly Member[];
  /** Claims that are told all when this round of the event loop ends. */
  readonly #tells = new Map<PartitionId, Claim>();
  #round: NodeJS.Immediate | undefined;
  #lastHeartbeat: Uint8Array = new Uint8Array(0);
  #cancelTick: CancelTimeout = () => {};
  readonly #ends: (() => void)[] = [];
  #isJoined = false;
  #joined: (refusal?: Error) => void = () => {};
  #left: (goodbye: Goodbye) => void = () => {};
  #stopping: Promise<void> | undefined;
  #loggedAtMs = -Infinity;

  constructor(options: NatsPlacementOptions) {
    checkHostId(options.hostId);
    this.#options = options;
    this.#state = initialClusterState(options.hostId, options.partitionCount, options.weight);
    this.#clock = new SteadyClock(options.clock);
    this.#claims = new ClaimRecords(new JetStream(options.requests), options.names, (reason) => this.#complain(reason));
    this.#members = membersOf(this.#state, options.announcement);
  }

  /**
   * Resolves when this host knows who is there, and begins to take its share.
   *
   * @throws {HostMismatchError} when a member registers actor types that this host lacks
   * @throws {StoreUnavailableError} when the servers cannot be reached
   */
  async start(listener: PlacementListener): Promise<void> {
    if (this.#listener !== undefined)
      throw new TypeError(`the placement of ${this.#options.hostId} was started before`);
    this.#listener = listener;
    const { app, hostId, wire, clock } = this.#options;
    this.#ends.push(
      wire.subscribe(membersSubject(app), (message) => this.#hear(message)),
      wire.subscribe(probeSubject(app, hostId), (message) => this.#answerProbe(message)),
      wire.onStatus((status) => this.#step({ kind: status === 'connected' ? 'connected' : 'disconnected' })),
    );
    const joined = new Promise<void>((resolve, reject) => {
      this.#joined = (refusal) => (refusal === undefined ? resolve() : reject(refusal));
    });
    if (wire.status !== 'connected') this.#step({ kind: 'disconnected' });
    this.#step({ kind: 'started' });
    this.#armTick();
    const cancel = clock.setTimeout(() => {
      const reason = `${hostId} could not join: it does not hear itself over NATS, or the streams do not answer`;
      this.#joined(new StoreUnavailableError(reason, { wroteNothing: true }));
    }, JOIN_TIMEOUT_MS);
    try {
      await joined;
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      cancel();
    }
    // At once, not with the next tick.
    this.#step({ kind: 'tick' });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  ownerOf(partition: PartitionId): HostId | undefined {
    return ownerOf(this.#state, partition);
  }

  get serving(): boolean {
    return this.#options.wire.status === 'connected' && isServing(this.#state, this.#clock.nowMs());
  }

  members(): readonly Member[] {
    return this.#members;
  }

  /** Nobody listened when something was sent to this host. */
  noResponders(host: HostId): void {
    this.#step({ kind: 'noResponders', host });
  }

  async #stop(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    const left = new Promise<Goodbye>((resolve) => {
      this.#left = resolve;
    });
    this.#step({ kind: 'stopAsked' });
    const goodbye = await left;
    this.#cancelTick();
    clearImmediate(this.#round);
    // Who is turned away knows where to go.
    this.#tell();
    await listener.leaving();
    this.#beat(goodbye);
    this.#joined(new StoreUnavailableError(`${this.#options.hostId} was stopped`, { wroteNothing: true }));
    for (const end of this.#ends) end();
  }

  #armTick(): void {
    this.#cancelTick = this.#options.clock.setTimeout(() => {
      this.#armTick();
      this.#step({ kind: 'tick' });
    }, CLUSTER_TICK_MS);
  }

  #step(input: ClusterInput): void {
    for (const effect of stepCluster(this.#state, input, this.#clock.nowMs())) this.#perform(effect);
  }

  // ── What comes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #hear({ data }: WireMessage): void {
    const message = decodeMemberMessage(data);
    if (message === undefined) {
      this.#complain('a message to all hosts is not one of this version');
      return;
    }
    switch (message.kind) {
      case 'heartbeat':
        if (message.heartbeat.from !== this.#options.hostId) this.#step(message);
        else this.#step({ kind: 'ownHeartbeatSeen', sentAtMs: message.sentAtMs });
        return;
      case 'hello':
        if (message.from !== this.#options.hostId) this.#step({ kind: 'helloSeen' });
        return;
      case 'claims':
        if (message.from === this.#options.hostId) return;
        for (const [partition, claim] of message.claims) this.#step({ kind: 'claimSeen', partition, claim });
    }
  }

  /** Everybody hears that this host lives, and who asked hears it for certain. */
  #answerProbe({ reply }: WireMessage): void {
    if (reply === undefined) return;
    this.#step({ kind: 'helloSeen' });
    this.#publish(reply, this.#lastHeartbeat);
  }

  // ── What is to be done ─────────────────────────────────────────────────────────────────────────────────────────────

  #perform(effect: ClusterEffect): void {
    const listener = this.#listener!;
    switch (effect.kind) {
      case 'heartbeat':
        this.#beat(effect.heartbeat);
        return;
      case 'hello':
        this.#publish(
          membersSubject(this.#options.app),
          encodeMemberMessage({ kind: 'hello', from: this.#options.hostId }),
        );
        return;
      case 'tell':
        this.#tells.set(effect.partition, effect.claim);
        this.#round ??= setImmediate(() => this.#tell());
        return;
      case 'probe':
        this.#probe(effect.host);
        return;
      case 'readClaim':
        void this.#read(effect.partition, effect.askedAtMs);
        return;
      case 'claim':
        void this.#claim(effect);
        return;
      case 'acquired':
        this.#options.onAcquired?.(effect.partition);
        listener.acquired(effect.partition, effect.epoch);
        return;
      case 'drain':
        void this.#drain(listener, effect.partition, effect.epoch);
        return;
      case 'lost':
        listener.lost(effect.partition);
        this.#options.onLost?.(effect.partition);
        return;
      case 'ownerChanged':
        listener.ownerChanged(effect.partition);
        return;
      case 'membersChanged':
        this.#membersChanged(listener);
        return;
      case 'servingAgain':
        listener.servingAgain();
        return;
      case 'joined':
        this.#isJoined = true;
        this.#warnOfTypes();
        this.#joined();
        return;
      case 'left':
        this.#left(effect.goodbye);
    }
  }

  #beat(told: Goodbye): void {
    const heartbeat = { ...told, announcement: this.#options.announcement };
    this.#lastHeartbeat = encodeMemberMessage({ kind: 'heartbeat', heartbeat, sentAtMs: this.#clock.nowMs() });
    this.#publish(membersSubject(this.#options.app), this.#lastHeartbeat);
  }

  #tell(): void {
    this.#round = undefined;
    if (this.#tells.size === 0) return;
    const message = { kind: 'claims', from: this.#options.hostId, claims: [...this.#tells] } as const;
    this.#tells.clear();
    this.#publish(membersSubject(this.#options.app), encodeMemberMessage(message));
  }

  #probe(host: HostId): void {
    const sentAtMs = this.#clock.nowMs();
    const receiver = {
      answered: (message: WireMessage) => this.#hear(message),
      failed: (failure: string) => {
        if (failure === 'no-responders') this.#step({ kind: 'noResponders', host });
        else if (failure === 'timeout') this.#step({ kind: 'probeUnanswered', host, sentAtMs });
      },
    };
    this.#options.requests.send(probeSubject(this.#options.app, host), new Uint8Array(0), receiver, PROBE_TIMEOUT_MS);
  }

  async #read(partition: PartitionId, askedAtMs: number): Promise<void> {
    const claim = await this.#claims.read(partition);
    this.#step({ kind: 'claimRead', partition, claim, askedAtMs });
  }

  async #claim({ partition, expectedEpoch, holder, successor }: ClusterEffect & { kind: 'claim' }): Promise<void> {
    const answer = await this.#claims.write(partition, expectedEpoch, holder, successor);
    if (answer === 'unanswered') this.#step({ kind: 'claimUnanswered', partition, expectedEpoch });
    else if (answer !== 'refused') {
      this.#refused.delete(partition);
      this.#step({ kind: 'claimAccepted', partition, claim: answer.accepted });
    } else {
      const claim = await this.#claims.read(partition);
      if (claim?.epoch === expectedEpoch) this.#refusedInVain(partition, expectedEpoch);
      else this.#refused.delete(partition);
      this.#step({ kind: 'claimRefused', partition, expectedEpoch, claim });
    }
  }

  #refusedInVain(partition: PartitionId, expectedEpoch: number): void {
    const { clock, names, stuck } = this.#options;
    const before = this.#refused.get(partition);
    // What was refused of another epoch was decided without this host.
    const sinceMs = before?.expectedEpoch === expectedEpoch ? before.sinceMs : clock.nowMs();
    this.#refused.set(partition, { expectedEpoch, sinceMs });
    stuck.refusedSince(sinceMs, names.streamOf(partition), names.claim(partition));
  }

  async #drain(listener: PlacementListener, partition: PartitionId, epoch: number): Promise<void> {
    await listener.drain(partition);
    this.#options.onLost?.(partition);
    this.#step({ kind: 'drained', partition, epoch });
  }

  #membersChanged(listener: PlacementListener): void {
    const before = this.#members;
    this.#members = membersOf(this.#state, this.#options.announcement);
    const present = new Set(this.#members.map(({ hostId }) => hostId));
    for (const { hostId } of before) if (!present.has(hostId)) this.#options.onGone?.(hostId);
    if (!this.#isJoined) this.#refuseMismatch();
    listener.membersChanged();
  }

  /** R3: before anybody drains anything for this host. */
  #refuseMismatch(): void {
    const own = this.#options.announcement.actorTypes;
    for (const { hostId, announcement } of this.#members) {
      const missing = announcement.actorTypes.filter((type) => !own.includes(type));
      if (missing.length > 0) this.#joined(new HostMismatchError(this.#options.hostId, hostId, missing));
    }
  }

  #warnOfTypes(): void {
    for (const { hostId, announcement } of this.#members) {
      const lacks = this.#options.announcement.actorTypes.filter((type) => !announcement.actorTypes.includes(type));
      if (lacks.length === 0) continue;
      this.#options.logger.warn(
        { hostId, actorTypes: lacks },
        'another host lacks actor types of this one: their actors cannot live there, and it cannot start again',
      );
    }
  }

  #publish(subject: string, data: Uint8Array): void {
    if (this.#options.wire.status === 'closed') return;
    try {
      this.#options.wire.publish(subject, data);
    } catch (error) {
      // What a host says of itself has grown too large: without heartbeats it stops serving, and the log says why.
      this.#complain(asError(error).message);
    }
  }

  /** Whatever goes wrong goes wrong for every partition at once: one line is enough for a while. */
  #complain(reason: string): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#loggedAtMs < LOGGED_EVERY_MS || this.#options.wire.status !== 'connected') return;
    this.#loggedAtMs = nowMs;
    this.#options.logger.warn({ hostId: this.#options.hostId, reason }, 'a host is not understood by the cluster');
  }
}
