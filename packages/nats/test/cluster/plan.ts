// Trouble of every kind, drawn under a seed, at least one host being well at any time.

import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '@troupe/actors/testing';
import type { HostProcess } from '../integration/hosts.ts';
import type { Stage } from './stage.ts';

/** How often each is drawn, of what is possible. */
const WEIGHTS = {
  kill: 10,
  cut: 3,
  delay: 2,
  reset: 3,
  freeze: 1,
  server: 2,
  rolling: 0.5,
} as const;

type Trouble = keyof typeof WEIGHTS;

const PAUSE_MS = [1_000, 5_000] as const;
const FROZEN_MS = 20_000;

export class Plan {
  readonly #stage: Stage;
  readonly #random: SeededRandom;
  readonly #say: (line: string) => void;
  /** Hosts in trouble. */
  readonly #troubled = new Set<HostProcess>();
  #serverTroubled = false;
  readonly #going = new Set<Promise<void>>();

  constructor(stage: Stage, random: SeededRandom, say: (line: string) => void) {
    this.#stage = stage;
    this.#random = random;
    this.#say = say;
  }

  /** Makes trouble for so long, and waits until what it has done to hosts and servers is undone. */
  async run(durationMs: number): Promise<void> {
    const untilMs = Date.now() + durationMs;
    const failures: unknown[] = [];
    while (Date.now() < untilMs && failures.length === 0) {
      await sleep(this.#random.integer(...PAUSE_MS));
      const trouble = this.#draw();
      if (trouble === undefined) continue;
      const going = this.#make(trouble)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => this.#going.delete(going));
      this.#going.add(going);
    }
    await Promise.all(this.#going);
    if (failures.length > 0) throw failures[0];
  }

  #draw(): Trouble | undefined {
    const well = this.#stage.hosts.hosts.length - this.#troubled.size;
    const possible = (Object.keys(WEIGHTS) as Trouble[]).filter((trouble) => {
      if (trouble === 'server') return !this.#serverTroubled;
      if (trouble === 'rolling') return this.#troubled.size === 0;
      return well > 1;
    });
    let draw = this.#random.next() * possible.reduce((sum, trouble) => sum + WEIGHTS[trouble], 0);
    return possible.find((trouble) => (draw -= WEIGHTS[trouble]) < 0);
  }

  async #make(trouble: Trouble): Promise<void> {
    switch (trouble) {
      case 'server':
        return await this.#killServer();
      case 'rolling':
        return await this.#restartAll();
      default:
        return await this.#troubleHost(trouble);
    }
  }

  async #troubleHost(trouble: Exclude<Trouble, 'server' | 'rolling'>): Promise<void> {
    const host = this.#random.pick(this.#stage.hosts.hosts.filter((each) => !this.#troubled.has(each)));
    this.#troubled.add(host);
    const lastsMs = this.#random.integer(1_000, 10_000);
    const direction = this.#random.pick(['both', 'toServer', 'toClient'] as const);
    const delayMs = this.#random.integer(20, 200);
    try {
      switch (trouble) {
        case 'kill':
          this.#say(`kill ${host.by}`);
          await host.kill();
          await sleep(lastsMs);
          return await this.#start(host);
        case 'freeze':
          this.#say(`freeze ${host.by} for ${FROZEN_MS} ms`);
          host.freeze();
          await sleep(FROZEN_MS);
          return host.thaw();
        case 'cut':
          this.#say(`cut ${host.by} off (${direction}) for ${2 * lastsMs} ms`);
          host.cut(direction);
          await sleep(2 * lastsMs);
          return host.heal();
        case 'delay':
          this.#say(`delay ${host.by} by ${delayMs} ms for ${lastsMs} ms`);
          host.delay(delayMs);
          await sleep(lastsMs);
          return host.heal();
        case 'reset':
          this.#say(`reset the connection of ${host.by}`);
          return host.reset();
      }
    } finally {
      this.#troubled.delete(host);
    }
  }

  async #start(host: HostProcess): Promise<void> {
    await host.start();
    await this.#stage.startLoad(host);
  }

  async #restartAll(): Promise<void> {
    this.#say('restart every host');
    const { hosts } = this.#stage.hosts;
    for (const host of hosts) this.#troubled.add(host);
    for (const host of hosts) {
      // The load may have ended it, which the audit says.
      if (host.running) await host.stop();
      await this.#start(host);
      this.#troubled.delete(host);
    }
  }

  async #killServer(): Promise<void> {
    const { faults } = this.#stage.hosts;
    const server = this.#random.pick(this.#stage.servers.servers);
    const lastsMs = this.#random.integer(1_000, 10_000);
    this.#serverTroubled = true;
    this.#say(`kill ${server.name} for ${lastsMs} ms`);
    faults.write({ kind: 'fault', fault: 'kill-server', event: 'begin', target: server.name });
    await server.kill();
    await sleep(lastsMs);
    await server.start();
    faults.write({ kind: 'fault', fault: 'kill-server', event: 'end', target: server.name });
    this.#serverTroubled = false;
  }
}
