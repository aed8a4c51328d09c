// A host: the activations of one process, and everything around them. It owns what it was given (store, transport,
// placement): it starts them and stops them.
//
// H1  There is at most one activation of an address that is not gone. Calls that meet an ending one go to the next.
// H2  A partition is served between `acquired` and `drain`; nothing is activated outside of that but host actors.
// H3  While the host may not serve (`Placement.serving`), no turn begins and nothing is answered but by host actors: calls
//     wait, or are for another host; wake-ups are put off; what is durable meanwhile is held back.
// H4  Host actors are there from the start to the end of a stop: they go when no partition is left that could need them.
// H5  A stop ends in this order: no partition is left, no host actor, no call that others wait for; the transport takes
//     nothing more, and what it has said was heard; only then are the others told that this host is gone.

import { Activation } from './activation.ts';
import type { ActivationRuntime } from './activation-runtime.ts';
import { ActivationCache } from './activation-cache.ts';
import type { AnyActorDefinition } from './actor.ts';
import { checkId, formatAddress, partitionOf, type ActorAddress, type ActorId, type PartitionId } from './address.ts';
import type { Call, CallOptions, CallReceiver } from './call.ts';
import type { Cluster, ClusterContext, ClusterParts } from './cluster.ts';
import { keepProcessAlive, systemClock, type CancelTimeout, type Clock } from './clock.ts';
import { plainCodec, type Codec } from './codec.ts';
import { DueQueue } from './due-queue.ts';
import { NotDefinedError, type OutcomeUnknownError } from './errors.ts';
import {
  ACTIVATION_BYTES_MAX_DEFAULT,
  ACTIVATION_COUNT_MAX_DEFAULT,
  DRAIN_GRACE_MS,
  DUE_HORIZON_MS,
  DUE_PAGE_LENGTH,
  DUE_SCAN_INTERVAL_MS,
  IDLE_TIMEOUT_MS_DEFAULT,
  LOOK_AGAIN_MS_MAX,
  LOOK_AGAIN_MS_MIN,
  PARTITION_COUNT_DEFAULT,
  RETRY_DELAY_MS_MAX,
  STOP_GRACE_MS_DEFAULT,
  WAKE_AGAIN_MS,
} from './limits.ts';
import { LocalNetwork } from './local-transport.ts';
import { consoleLogger, type Logger } from './logger.ts';
import { singleHostPlacement, type Member, type Placement, type PlacementListener } from './placement.ts';
import { RECORD_FORMAT } from './record.ts';
import { reference, type ActorRef, type ArgumentsOf } from './reference.ts';
import { Router, type RouterHost } from './router.ts';
import type { ListFilter, ListPage, Store } from './store.ts';
import type { Envelope, HostId, SendStamp, Transport } from './transport.ts';

/** What a host is made of. Only the actors and either a store or a cluster are needed; the rest has defaults. */
export interface ActorHostOptions {
  /** The store of a host that is alone. */
  readonly store?: Store | undefined;
  /** What the host shares with others of the same application, instead of a store. */
  readonly cluster?: Cluster | undefined;
  readonly actors: readonly AnyActorDefinition[];
  /** Applications do not see each other. Default `"default"`. */
  readonly app?: string;
  /** Fixed by the first start on a store. Default 256. */
  readonly partitionCount?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /**
   * Numbers in [0, 1). Default `Math.random`. Hosts on one store need different ones: names of commits are made of
   * them.
   */
  readonly random?: () => number;
  readonly codec?: Codec;
  readonly transport?: Transport;
  readonly placement?: Placement;
  /** Told to the other hosts, under a name of each package's own. Plain data. */
  readonly announce?: Readonly<Record<string, unknown>>;
  /**
   * Called when hosts have come or gone, or partitions have come to this host; the first time before the first of its
   * actors is activated. It does not throw.
   */
  readonly onPlacementChanged?: (host: ActorHost) => void;
  /** Idle activations beyond these go, the least recently used first. */
  readonly activationCountMax?: number;
  readonly activationBytesMax?: number;
  /** An actor without a message for this long is deactivated. Default 10 minutes. */
  readonly idleTimeoutMs?: number;
}

/** What a host holds, and whether it can serve. */
export interface ActorHostStatus {
  readonly activations: Readonly<Record<string, number>>;
  readonly partitions: number;
  /** Actors that are to be looked at within minutes: a reminder is due, or work is outstanding. */
  readonly wakeUps: number;
  /** Actors whose activation was lost, which are looked at again until one has ended well. */
  readonly recovering: number;
  readonly stopping: boolean;
  /** Whether the host can prove that its partitions are its own. While it cannot, nothing of them is answered. */
  readonly serving: boolean;
  /** Why the store cannot serve, if it cannot. */
  readonly failure: Error | undefined;
}

/**
 * Starts a host and takes up what is due in its store.
 *
 * @throws {StoreLockedError} when another process has the store open
 * @throws {LayoutMismatchError} when the store was laid out for other settings
 * @throws {NotDefinedError} when two definitions have the same type
 */
export async function startActorHost(options: ActorHostOptions): Promise<ActorHost> {
  // Before anything is connected that would have to be closed again.
  checkTypes(options.actors);
  const settings: HostSettings = {
    ...options,
    app: options.app ?? 'default',
    partitionCount: options.partitionCount ?? PARTITION_COUNT_DEFAULT,
    clock: options.clock ?? systemClock,
    logger: options.logger ?? consoleLogger,
    random: options.random ?? Math.random,
    announcement: {
      actorTypes: options.actors.map(({ type }) => type).sort(),
      details: options.announce ?? {},
    },
  };
  const host = new LocalHost(settings, await partsOf(settings));
  await host.start();
  return host;
}

/**
 * The part of a process that holds activations. Made by {@link startActorHost}. It keeps the process running until it
 * is stopped, as a server does.
 */
export interface ActorHost extends AsyncDisposable {
  readonly hostId: HostId;
  /** The application's name. */
  readonly app: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A typed reference to an actor. `options` hold for each call made through it. */
  actor<D extends AnyActorDefinition>(definition: D, id: ActorId, options?: CallOptions): ActorRef<D>;
  /**
   * Sends a call whose answer goes to a receiver instead of a promise: for those that send very many. Arguments are handed
   * over as they are, unchecked: nobody may change them afterwards.
   *
   * @throws {TypeError} | {@link ActorAddressError} when it cannot be sent; then the receiver hears nothing
   */
  post<D extends AnyActorDefinition, K extends keyof ActorRef<D> & string>(
    definition: D,
    id: ActorId,
    method: K,
    args: ArgumentsOf<ActorRef<D>[K]>,
    receiver: CallReceiver,
    options?: CallOptions,
  ): void;
  /** Summaries of actors, newest created first. */
  list(filter: ListFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<ListPage>;
  /** How many summaries match, by status. */
  count(filter: ListFilter): Promise<Readonly<Record<string, number>>>;
  /** Removes what purges left behind before `beforeMs` to be remembered; resolves with how many. */
  sweepTombstones(beforeMs: number): Promise<number>;
  /** The hosts of the cluster that are taken for alive, this one among them. */
  members(): readonly Member[];
  /** The host that owns an actor as far as this one knows, or undefined while there is none. A hint. */
  ownerOf(definition: AnyActorDefinition, id: ActorId): HostId | undefined;
  status(): ActorHostStatus;
  /**
   * Stops gracefully: new calls are not executed, running turns finish within `graceMs` (default 10 s) and are
   * committed, then everything is closed. Turns that take longer are lost, their callers told that the outcome is
   * unknown.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

/** The options with their defaults. */
type HostSettings = ActorHostOptions & ClusterContext;

function checkTypes(definitions: readonly AnyActorDefinition[]): void {
  const types = new Set<string>();
  for (const { type } of definitions) {
    if (types.has(type)) throw new NotDefinedError(`actor type ${type} is defined twice`);
    types.add(type);
  }
}

async function partsOf(settings: HostSettings): Promise<ClusterParts> {
  const { cluster, store, transport, placement, partitionCount, announcement } = settings;
  if (cluster !== undefined) {
    if (store !== undefined || transport !== undefined || placement !== undefined)
      throw new TypeError('a host has either a cluster or a store, a transport and a placement of its own');
    return cluster.connect(settings);
  }
  if (store === undefined) throw new TypeError('a host needs a store or a cluster');
  const own = transport ?? new LocalNetwork().transport(`host-${Math.floor(settings.random() * 2 ** 50).toString(36)}`);
  return {
    store,
    transport: own,
    placement: placement ?? singleHostPlacement(own.hostId, partitionCount, announcement),
  };
}

const NO_OPTIONS: CallOptions = {};

interface ActorTypeSlot {
  readonly definition: AnyActorDefinition;
  readonly activations: Map<ActorId, Activation>;
}

class LocalHost implements ActorHost, ActivationRuntime, RouterHost, PlacementListener {
  readonly store: Store;
  readonly clock: Clock;
  readonly codec: Codec;
  readonly logger: Logger;
  readonly hostId: HostId;
  readonly partitionCount: number;
  readonly placement: Placement;
  readonly transport: Transport;
  readonly router: Router;
  readonly due: DueQueue;
  readonly app: string;
  readonly #random: () => number;
  readonly #onPlacementChanged: ((host: ActorHost) => void) | undefined;
  readonly #types = new Map<string, ActorTypeSlot>();
  readonly #cache: ActivationCache;
  /** The partitions that are served, with the epochs of their claims. */
  readonly #partitions = new Map<PartitionId, number>();
  /** The first activation of each partition; they are linked to each other. After the last one, the host actors. */
  readonly #byPartition: (Activation | undefined)[];
  /** How often in a row the activations of an actor were lost before a commit was accepted. */
  readonly #losses = new Map<string, number>();
  /** Set when the host actors go. */
  #boundGone: Promise<void> | undefined;
  #leaving: Promise<void> | undefined;
  readonly #tokenPrefix: string;
  #tokens = 0;
  #cancelScan: CancelTimeout | undefined;
  /** True from the first step of a stop on: partitions are drained within the call. */
  stopping = false;
  #stopping: Promise<void> | undefined;
  /** A stop waits for no turn any more, also for none that began since. */
  #graceIsOver = false;
  #letProcessEnd: (() => void) | undefined;

  constructor(options: HostSettings, { store, transport, placement }: ClusterParts) {
    this.store = store;
    this.transport = transport;
    this.placement = placement;
    this.hostId = transport.hostId;
    this.clock = options.clock;
    this.codec = options.codec ?? plainCodec;
    this.logger = options.logger;
    this.app = options.app;
    this.#random = options.random;
    this.#onPlacementChanged = options.onPlacementChanged;
    this.partitionCount = options.partitionCount;
    this.#byPartition = Array.from({ length: this.partitionCount + 1 });
    this.#tokenPrefix = Math.floor(this.#random() * 2 ** 50).toString(36);
    this.router = new Router(this);
    this.due = new DueQueue(this.clock, (address) => this.#wake(address));
    this.#cache = new ActivationCache(
      {
        countMax: options.activationCountMax ?? ACTIVATION_COUNT_MAX_DEFAULT,
        bytesMax: options.activationBytesMax ?? ACTIVATION_BYTES_MAX_DEFAULT,
        idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS_DEFAULT,
      },
      this.clock,
    );
    for (const definition of options.actors) this.#types.set(definition.type, { definition, activations: new Map() });
  }

  /** Opens the store, joins, and takes up what is due. */
  async start(): Promise<void> {
    await this.store.start({
      app: this.app,
      partitionCount: this.partitionCount,
      hash: 'fnv1a-fmix32',
      format: RECORD_FORMAT,
    });
    try {
      await this.transport.start({
        receive: (from: HostId, envelope: Envelope) => this.router.receive(from, envelope),
        undeliverable: (to: HostId, envelope: Envelope) => this.router.undeliverable(to, envelope),
      });
      await this.placement.start(this);
    } catch (error) {
      this.due.stop();
      await this.transport.stop();
      await this.store.stop();
      throw error;
    }
    this.#scheduleScan();
    this.#letProcessEnd = keepProcessAlive();
  }

  actor<D extends AnyActorDefinition>(definition: D, id: ActorId, options: CallOptions = {}): ActorRef<D> {
    return reference(definition, id, (address, method, args) =>
      this.router.call(address, method, args, options),
    ) as ActorRef<D>;
  }

  post(
    definition: AnyActorDefinition,
    id: ActorId,
    method: string,
    args: readonly unknown[],
    receiver: CallReceiver,
    options: CallOptions = NO_OPTIONS,
  ): void {
    checkId(definition.type, id);
    this.router.post({ type: definition.type, id }, method, args, receiver, options);
  }

  list(filter: ListFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<ListPage> {
    return this.store.list(filter, page);
  }

  count(filter: ListFilter): Promise<Readonly<Record<string, number>>> {
    return this.store.count(filter);
  }

  sweepTombstones(beforeMs: number): Promise<number> {
    return this.store.sweepTombstones(beforeMs);
  }

  members(): readonly Member[] {
    return this.placement.members();
  }

  ownerOf({ type }: AnyActorDefinition, id: ActorId): HostId | undefined {
    return this.placement.ownerOf(partitionOf({ type, id }, this.partitionCount));
  }

  status(): ActorHostStatus {
    const activations: Record<string, number> = {};
    for (const [type, slot] of this.#types) activations[type] = slot.activations.size;
    return {
      activations,
      partitions: this.#partitions.size,
      wakeUps: this.due.size,
      recovering: this.#losses.size,
      stopping: this.stopping,
      serving: this.placement.serving,
      failure: this.store.failure(),
    };
  }

  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.graceMs ?? STOP_GRACE_MS_DEFAULT);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(graceMs: number): Promise<void> {
    this.stopping = true;
    this.#cancelScan?.();
    this.due.stop();
    const cancel = this.clock.setTimeout(() => {
      this.#graceIsOver = true;
      this.#boundGone ??= Promise.resolve();
      for (const activation of this.#all()) activation.abandon('its host stopped before the turn ended');
    }, graceMs);
    try {
      await this.placement.stop();
    } finally {
      // A placement that failed may not have come to this.
      await this.leaving();
      cancel();
      await this.store.stop();
      this.#letProcessEnd?.();
    }
  }

  *#all(): Iterable<Activation> {
    for (const slot of this.#types.values()) yield* [...slot.activations.values()];
  }

  // ── For activations and the router ─────────────────────────────────────────────────────────────────────────────────

  random(): number {
    return this.#random();
  }

  get serving(): boolean {
    return this.placement.serving;
  }

  token(): string {
    return `${this.#tokenPrefix}-${(++this.#tokens).toString(36)}`;
  }

  defines(type: string, method: string): boolean {
    return this.#types.get(type)?.definition.methods[method] !== undefined;
  }

  epochOf(partition: PartitionId): number {
    return this.#partitions.get(partition) ?? 0;
  }

  serves(partition: PartitionId): boolean {
    return this.#partitions.has(partition) && this.placement.serving;
  }

  deliverToActive(call: Call): boolean {
    const activation = this.#types.get(call.address.type)?.activations.get(call.address.id);
    if (activation === undefined || !activation.mayAnswer || !activation.accepts(call)) return false;
    activation.deliver(call);
    return true;
  }

  isHostBound(type: string): boolean {
    return this.#types.get(type)?.definition.hostBound === true;
  }

  isReadOnly(type: string, method: string): boolean {
    return this.#types.get(type)?.definition.readOnly[method] !== undefined;
  }

  deliverBound(call: Call): void {
    if (this.#boundGone === undefined) this.deliver(call, this.partitionCount);
    else this.router.turnedAway(call);
  }

  deliver(call: Call, partition: PartitionId): void {
    const { type, id } = call.address;
    const slot = this.#types.get(type);
    if (slot === undefined) {
      call.reject(
        new NotDefinedError(`no actor type ${type} is defined; defined are ${[...this.#types.keys()].join(', ')}`),
      );
      return;
    }
    const activation = slot.activations.get(id);
    if (activation === undefined) this.#activate(slot, call.address, partition, call);
    else activation.deliver(call);
  }

  forgetSender(address: ActorAddress, stamp: SendStamp): void {
    const activation = this.#types.get(address.type)?.activations.get(address.id);
    if (activation?.phase === 'active') activation.commits.forgetSender(stamp);
  }

  turnedAway(call: Call): void {
    this.router.turnedAway(call);
  }

  readLost(call: Call, error: OutcomeUnknownError): void {
    this.router.readLost(call, error);
  }

  resized(activation: Activation): void {
    this.#cache.resized(activation);
  }

  gone(activation: Activation, waiting: readonly Call[]): void {
    const { type, id } = activation.address;
    const activations = this.#types.get(type)!.activations;
    if (activations.get(id) === activation) activations.delete(id);
    this.#unlink(activation);
    this.#cache.remove(activation);
    this.#lookAgain(activation);
    for (const call of waiting) this.router.again(call);
  }

  /**
   * A lost activation may have left work that only its record knows: the actor is looked at again, ever more slowly.
   */
  #lookAgain(activation: Activation): void {
    if (!activation.lost && this.#losses.size === 0) return;
    const key = formatAddress(activation.address);
    if (!activation.lost || this.stopping || !this.#partitions.has(activation.partition)) {
      this.#losses.delete(key);
      return;
    }
    const losses = activation.commits.barren ? Math.min((this.#losses.get(key) ?? 0) + 1, 10) : 1;
    this.#losses.set(key, losses);
    const delayMs = Math.min(LOOK_AGAIN_MS_MIN * 2 ** (losses - 1), LOOK_AGAIN_MS_MAX) * (0.5 + this.#random());
    this.due.set(activation.address, this.clock.nowMs() + delayMs);
  }

  /** `call`: what it is activated for; undefined: it is due. */
  #activate(slot: ActorTypeSlot, address: ActorAddress, partition: PartitionId, call: Call | undefined): void {
    const activation = new Activation(address, partition, slot.definition, this);
    activation.woken = call === undefined;
    slot.activations.set(address.id, activation);
    const next = this.#byPartition[partition];
    this.#byPartition[partition] = activation;
    activation.nextInPartition = next;
    if (next !== undefined) next.previousInPartition = activation;
    this.#cache.add(activation);
    // Before it begins, which it may do within this call: it may also fail, or want to go, in its first turn.
    if (call !== undefined) activation.deliver(call);
    activation.activate();
  }

  #unlink(activation: Activation): void {
    const { partition, nextInPartition: next, previousInPartition: previous } = activation;
    if (previous !== undefined) previous.nextInPartition = next;
    else if (this.#byPartition[partition] === activation) this.#byPartition[partition] = next;
    if (next !== undefined) next.previousInPartition = previous;
    activation.nextInPartition = undefined;
    activation.previousInPartition = undefined;
  }

  #wake(address: ActorAddress): void {
    const partition = partitionOf(address, this.partitionCount);
    if (this.stopping || !this.#partitions.has(partition)) return;
    if (!this.serving) {
      this.due.set(address, this.clock.nowMs() + WAKE_AGAIN_MS);
      return;
    }
    const slot = this.#types.get(address.type);
    if (slot === undefined) {
      this.logger.warn(
        { type: address.type, id: address.id },
        'an actor is due whose type is not defined on this host',
      );
      return;
    }
    const activation = slot.activations.get(address.id);
    if (activation === undefined) this.#activate(slot, address, partition, undefined);
    else activation.wake();
  }

  // ── For placement ──────────────────────────────────────────────────────────────────────────────────────────────────

  acquired(partition: PartitionId, epoch: number): void {
    // Another host may have had it in between.
    if (this.epochOf(partition) !== epoch) this.lost(partition);
    this.#partitions.set(partition, epoch);
    this.#onPlacementChanged?.(this);
    void this.#scan(partition);
  }

  async drain(partition: PartitionId): Promise<void> {
    this.#partitions.delete(partition);
    await this.#drain(partition);
  }

  leaving(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  /** H5 */
  async #leave(): Promise<void> {
    await (this.#boundGone ??= this.#drain(this.partitionCount));
    for (const activation of this.#all()) activation.abandon('its host has stopped');
    this.router.stop();
    this.#cache.stop();
    await this.transport.stop();
  }

  async #drain(partition: PartitionId): Promise<void> {
    const leaving = this.#activationsOf(partition);
    if (leaving.length === 0) return;
    if (this.#graceIsOver) {
      for (const activation of leaving) activation.abandon('its host stopped before the turn ended');
      return;
    }
    // A stop has a bound of its own.
    const cancel = this.stopping
      ? undefined
      : this.clock.setTimeout(() => {
          for (const activation of leaving)
            activation.abandon('its partition went to another host before the turn ended');
        }, DRAIN_GRACE_MS);
    await Promise.all(leaving.map((activation) => activation.drain()));
    cancel?.();
  }

  lost(partition: PartitionId): void {
    this.#partitions.delete(partition);
    for (const activation of this.#activationsOf(partition))
      activation.abandon('its partition belongs to another host');
  }

  #activationsOf(partition: PartitionId): readonly Activation[] {
    const activations: Activation[] = [];
    for (let next = this.#byPartition[partition]; next !== undefined; next = next.nextInPartition)
      activations.push(next);
    return activations;
  }

  ownerChanged(partition: PartitionId): void {
    this.router.routeWaiting(partition);
  }

  membersChanged(): void {
    this.router.membersChanged();
    this.#onPlacementChanged?.(this);
  }

  servingAgain(): void {
    for (const activation of this.#all()) activation.servingAgain();
    this.router.routeWaiting();
  }

  #scheduleScan(): void {
    this.#cancelScan = this.clock.setTimeout(() => {
      void (async () => {
        for (const partition of [...this.#partitions.keys()]) await this.#scan(partition);
        if (!this.stopping) this.#scheduleScan();
      })();
    }, DUE_SCAN_INTERVAL_MS);
  }

  /** Takes what is due soon in a partition from the store's index into the queue. */
  async #scan(partition: PartitionId): Promise<void> {
    const untilMs = this.clock.nowMs() + DUE_HORIZON_MS;
    let cursor: string | undefined;
    do {
      if (this.stopping || !this.#partitions.has(partition)) return;
      try {
        const page = await this.store.due(partition, untilMs, cursor, DUE_PAGE_LENGTH);
        for (const { address, dueAtMs } of page.entries) {
          const activation = this.#types.get(address.type)?.activations.get(address.id);
          if (activation === undefined) this.due.set(address, dueAtMs);
          else activation.compareDue(dueAtMs);
        }
        cursor = page.cursor;
      } catch (error) {
        if (!this.stopping) {
          this.logger.error({ partition, err: error }, 'the due index could not be read; it is tried again');
          this.clock.setTimeout(() => void this.#scan(partition), RETRY_DELAY_MS_MAX / 10);
        }
        return;
      }
    } while (cursor !== undefined);
  }
}
