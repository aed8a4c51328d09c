import type { Agenda } from './agenda.ts';
import type { Disturbance, SimulationFaults } from './faults.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedHost, Simulation, Stoppable } from './simulation.ts';

/** Brings the disturbances of {@link SimulationFaults} upon the hosts of a simulation, now one, now another. */
export class Disturber<H extends Stoppable> {
  readonly #simulation: Simulation<H>;
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #faults: () => SimulationFaults;

  constructor(simulation: Simulation<H>, agenda: Agenda, random: SeededRandom, faults: () => SimulationFaults) {
    this.#simulation = simulation;
    this.#agenda = agenda;
    this.#random = random;
    this.#faults = faults;
  }

  /** Goes on until the faults say that there are none. */
  begin(): void {
    const { disturbanceEveryMs } = this.#faults();
    if (disturbanceEveryMs === Infinity) return;
    const delayMs = -Math.log(1 - this.#random.next()) * disturbanceEveryMs;
    this.#agenda.add(undefined, delayMs, 'a disturbance', () => {
      if (this.#faults().disturbanceEveryMs === Infinity) return;
      this.#disturb(this.#chosen());
      this.begin();
    });
  }

  #chosen(): Disturbance | undefined {
    const weights = Object.entries(this.#faults().disturbances) as [Disturbance, number][];
    let left = this.#random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0);
    return weights.find(([, weight]) => (left -= weight) < 0)?.[0];
  }

  #disturb(disturbance: Disturbance | undefined): void {
    const random = this.#random;
    const { hosts, network, placement, storage } = this.#simulation;
    const running = hosts.filter((host) => host.up && host.state === 'running');
    if (running.length === 0) return;
    const host = random.pick(running);
    switch (disturbance) {
      case 'pause':
        host.pause();
        this.#later(random.integer(1, random.pick([100, 3_000, 25_000, 100_000])), `${host.name} is to go on`, () =>
          host.thaw(),
        );
        return;
      case 'kill':
        this.#kill(host);
        return;
      case 'move':
        placement.move(random.integer(0, placement.partitionCount - 1), host.hostId!);
        return;
      case 'cut':
        network.cut(host.hostId!, random.pick(running).hostId!, random.integer(1, random.pick([500, 10_000])));
        return;
      case 'leader-loss':
        storage.loseLeader(random.integer(4_000, 20_000));
        return;
      case 'watch-gap':
        placement.deafen(host.hostId!, random.integer(1, random.pick([500, 10_000, 30_000])));
        return;
      case 'clock-jump':
        host.jumpClock(random.integer(-10_000, 10_000));
        return;
      case undefined:
    }
  }

  #kill(host: SimulatedHost<H>): void {
    host.kill();
    this.#later(this.#random.integer(1, this.#random.pick([100, 5_000])), `${host.name} is to start`, () => {
      void host.start();
    });
  }

  #later(delayMs: number, label: string, run: () => void): void {
    this.#agenda.add(undefined, delayMs, label, run);
  }
}
