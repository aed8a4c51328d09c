// Several hosts of workflows in one process, on one store, one network and one clock that is moved by hand.

import { LocalNetwork, MemoryContents, MemoryStore, partitionOf, type Logger, type Transport } from '@troupe/actors';
import { ManualClock, SeededRandom, settled } from '@troupe/actors/testing';
import { SharedPlacement } from '../../actors/test/shared-placement.ts';
import { startHost, type WorkflowHost, type WorkflowHostOptions } from '../src/index.ts';

const PARTITIONS = 8;

export type ClusterHostOptions = Pick<
  WorkflowHostOptions,
  'workflows' | 'activities' | 'activityConcurrency' | 'actors' | 'announce' | 'endings' | 'idleTimeoutMs'
>;

interface Running {
  readonly host: WorkflowHost;
  readonly transport: Transport;
  readonly store: MemoryStore;
  dead: boolean;
}

/** Hosts by name. The first has everything; those that come later have what is moved to them. */
export class TestCluster implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly placement = new SharedPlacement(PARTITIONS);
  readonly warnings: string[] = [];
  /** Calls between hosts, as `from→to type.method`. */
  readonly calls: string[] = [];
  /** Told of each call before it leaves; true: it is lost. */
  loses: (call: string) => boolean = () => false;
  readonly #contents = new MemoryContents();
  readonly #network = new LocalNetwork();
  readonly #running = new Map<string, Running>();

  async start(name: string, options: ClusterHostOptions): Promise<WorkflowHost> {
    const { clock } = this;
    const store = new MemoryStore({ clock, contents: this.#contents });
    const transport = this.#spied(name, this.#network.transport(name));
    const running: { dead: boolean } = { dead: false };
    const log = (_details: object, message: string): void => void this.warnings.push(`${name}: ${message}`);
    const logger: Logger = { debug() {}, info() {}, warn: log, error: log };
    const host = await startHost({
      ...options,
      partitionCount: PARTITIONS,
      logger,
      random: new SeededRandom(this.#running.size + 1).next,
      clock: {
        nowMs: () => clock.nowMs(),
        setTimeout: (callback, delayMs) => clock.setTimeout(() => running.dead || callback(), delayMs),
      },
      cluster: {
        connect: async ({ announcement }) => ({
          store,
          transport,
          placement: this.placement.of(name, announcement),
        }),
      },
    });
    this.#running.set(name, Object.assign(running, { host, transport, store }));
    return host;
  }

  #spied(from: string, transport: Transport): Transport {
    return {
      hostId: transport.hostId,
      start: (receiver) => transport.start(receiver),
      stop: () => transport.stop(),
      send: (to, envelope) => {
        if (envelope.kind === 'call') {
          const call = `${from}→${to} ${envelope.address.type}.${envelope.method}`;
          this.calls.push(call);
          if (this.loses(call)) return;
        } else if (this.loses(`${from}→${to} ${envelope.kind}`)) return;
        transport.send(to, envelope);
      },
    };
  }

  host(name: string): WorkflowHost {
    return this.#running.get(name)!.host;
  }

  /** Has a host own this instance, after a drain where it was. */
  async move(instanceId: string, to: string): Promise<void> {
    const moved = this.placement.move(this.#partition(instanceId), to);
    for (let round = 0; round < 100; round++) await settled(1);
    await moved;
  }

  /** Gives an instance to another host at once, without a drain. */
  take(instanceId: string, to: string): void {
    this.placement.oust(this.#partition(instanceId), to);
  }

  takeEntity(entityId: string, to: string): void {
    this.placement.oust(this.#partition(entityId, 'entity'), to);
  }

  #partition(id: string, type = 'workflow'): number {
    return partitionOf({ type, id }, PARTITIONS);
  }

  /** Ends a host as a killed process would; nobody knows yet. */
  kill(name: string): void {
    const running = this.#running.get(name)!;
    running.dead = true;
    running.store.crash();
    void running.transport.stop();
  }

  /** The others notice that a host is dead. */
  bury(name: string, heir: string): void {
    this.placement.seize(name, heir);
  }

  advance(ms: number): Promise<void> {
    return this.clock.advance(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { host, dead } of this.#running.values()) {
      const stopped = host.stop({ graceMs: 0 }).catch(() => {});
      if (dead) continue;
      await this.clock.advance(10_000);
      await stopped;
    }
  }
}
