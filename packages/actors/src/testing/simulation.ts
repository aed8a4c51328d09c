// A whole cluster in one process, under a seed: the real runtime on a simulated clock, network, storage and placement,
// and disturbances that befall it. What a run does follows from its seed alone, so that a seed that fails is a test.
//
// The parts are in files of their own: `agenda.ts` (what happens next), `simulated-clock.ts`, `simulated-network.ts`,
// `simulated-storage.ts`, `simulated-placement.ts`, `faults.ts`, `disturber.ts`.

import type { ActorHostOptions } from '../host.ts';
import type { Logger } from '../logger.ts';
import { Agenda, SimulatedProcess } from './agenda.ts';
import { Disturber } from './disturber.ts';
import { ALL_FAULTS, NO_FAULTS, type SimulationFaults } from './faults.ts';
import { SeededRandom } from './seeded-random.ts';
import { simulatedClock } from './simulated-clock.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedPlacement } from './simulated-placement.ts';
import { SimulatedStorage } from './simulated-storage.ts';

/** What a simulated host is made of: give all of it to `startActorHost`, or to what is built on it. */
export type HostParts = Required<
  Pick<ActorHostOptions, 'store' | 'transport' | 'placement' | 'clock' | 'random' | 'logger' | 'partitionCount'>
>;

/** What a simulation needs to know of a host. */
export interface Stoppable {
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

export interface SimulationOptions<H extends Stoppable> {
  readonly seed: number;
  /** How many hosts there are. Default 3. */
  readonly hosts?: number;
  /** Default 8. */
  readonly partitionCount?: number;
  /** What goes wrong, until `calm`. Default: everything ({@link ALL_FAULTS}). */
  readonly faults?: Partial<SimulationFaults>;
  /** Makes a host, also each time that one is started again: `(parts) => startActorHost({ ...parts, actors })`. */
  readonly start: (parts: HostParts, simulation: Simulation<H>) => Promise<H>;
  /** What is done with the hosts. The simulation ends when it does; what it throws is a failure of the seed. */
  readonly scenario: (simulation: Simulation<H>) => Promise<void>;
  /** Happenings after which a run is said never to end. Default 200,000. */
  readonly happeningsMax?: number;
}

/** What a run did, in short. */
export interface SimulationReport {
  readonly seed: number;
  /** The same for every run of a seed, as long as the code is the same. */
  readonly digest: string;
  readonly happenings: number;
  readonly virtualMs: number;
}

/** A seed whose run failed; `cause` says how. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
  readonly seed: number;
  // Not a property, so that what prints an error with its properties does not print all of it.
  readonly #trace: readonly string[];

  constructor(seed: number, trace: readonly string[], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`seed ${seed} fails after ${trace.length} happenings: ${reason}`, { cause });
    this.seed = seed;
    this.#trace = trace;
  }

  /** What had happened before it failed, a line each; `count` of them at most. */
  last(count: number): readonly string[] {
    return this.#trace.slice(-count);
  }
}

/** The host that a call was made from was killed: nobody is there any more to hear the answer. */
export class HostLostError extends Error {
  override readonly name = 'HostLostError';
}

/**
 * Runs a scenario on simulated hosts.
 *
 * @throws {SimulationError} when the scenario throws, never ends, or leaves nothing that could happen
 */
export async function simulate<H extends Stoppable>(options: SimulationOptions<H>): Promise<SimulationReport> {
  const simulation = new Simulation(options);
  return simulation.run();
}

/** One host of a simulation, over all its lives. */
export class SimulatedHost<H extends Stoppable> {
  /** The same in every life. */
  readonly name: string;
  readonly #simulation: Simulation<H>;
  readonly #agenda: Agenda;
  #process: SimulatedProcess | undefined;
  #host: H | undefined;
  #lives = 0;

  /** @internal */
  constructor(name: string, simulation: Simulation<H>, agenda: Agenda) {
    this.name = name;
    this.#simulation = simulation;
    this.#agenda = agenda;
  }

  /** What placement and transport know this life of it by. Undefined while it is down. */
  get hostId(): string | undefined {
    return this.#process?.id;
  }

  get state(): 'running' | 'paused' | 'down' {
    const state = this.#process?.state ?? 'dead';
    return state === 'dead' ? 'down' : state;
  }

  /** It has started and was not killed since; it may be paused. */
  get up(): boolean {
    return this.#host !== undefined;
  }

  /**
   * Does something with the host from a client in its process, and gives what comes of it.
   *
   * @throws {HostLostError} when the host is down, or is killed before the answer
   */
  ask<T>(question: (host: H) => Promise<T>): Promise<T> {
    const host = this.#host;
    const process = this.#process;
    if (host === undefined || process === undefined)
      return Promise.reject(new HostLostError(`host ${this.name} is down`));
    return new Promise<T>((resolve, reject) => {
      let answered = false;
      process.whenDead(() => {
        if (!answered) reject(new HostLostError(`host ${process.id} was killed`));
      });
      this.#agenda.add(process, 0, `a client asks ${process.id}`, () => {
        question(host)
          .finally(() => (answered = true))
          .then(resolve, reject);
      });
    });
  }

  /** Starts it, unless it is up. Resolves when it serves. */
  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    const { process, parts } = this.#simulation.newProcess(`${this.name}${++this.#lives}`);
    this.#process = process;
    const host = await this.#simulation.makeHost(parts);
    if (this.#process === process) this.#host = host;
  }

  /** Stops it gracefully. */
  async stop(options?: { readonly graceMs?: number }): Promise<void> {
    const host = this.#host;
    if (host === undefined) return;
    await this.ask(() => host.stop(options));
    if (this.#host === host) this.kill();
  }

  /** Ends it as a killed process would: nothing that it was about to do happens. */
  kill(): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#agenda.note(`kill ${process.id}`);
    this.#process = undefined;
    this.#host = undefined;
    process.die();
    this.#simulation.takeAwayAfter(process, this.#simulation.random.integer(500, 4_000));
  }

  /** Freezes it: what comes for it is held. Long enough, and its partitions are given to others. */
  pause(): void {
    const process = this.#process;
    if (process?.state !== 'running') return;
    this.#agenda.note(`pause ${process.id}`);
    this.#agenda.pause(process);
    this.#simulation.placement.silence(process.id);
  }

  /** Lets it go on. */
  thaw(): void {
    const process = this.#process;
    if (process?.state !== 'paused') return;
    this.#agenda.note(`thaw ${process.id}`);
    this.#agenda.thaw(process);
    this.#simulation.placement.unsilence(process.id);
  }

  /** Sets its clock forward, or back. Its next life has a right one again. */
  jumpClock(byMs: number): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#agenda.note(`the clock of ${process.id} jumps by ${byMs} ms`);
    process.clockAheadMs += byMs;
  }
}

/** A running simulation, as its scenario sees it. */
export class Simulation<H extends Stoppable> {
  readonly seed: number;
  /** For the scenario: what it draws changes nothing of what the simulation draws. */
  readonly random: SeededRandom;
  readonly hosts: readonly SimulatedHost<H>[];
  readonly network: SimulatedNetwork;
  readonly storage: SimulatedStorage;
  readonly placement: SimulatedPlacement;
  readonly #options: SimulationOptions<H>;
  readonly #agenda: Agenda;
  readonly #source: SeededRandom;
  readonly #disturber: Disturber<H>;
  readonly #made: H[] = [];
  #faults: SimulationFaults;

  constructor(options: SimulationOptions<H>) {
    this.#options = options;
    this.seed = options.seed;
    this.#source = new SeededRandom(options.seed);
    this.random = this.#source.fork();
    this.#faults = { ...ALL_FAULTS, ...options.faults };
    this.#agenda = new Agenda(this.#source.fork(), START_MS, options.happeningsMax ?? 200_000);
    const faults = (): SimulationFaults => this.#faults;
    this.network = new SimulatedNetwork(this.#agenda, this.#source.fork(), faults);
    this.storage = new SimulatedStorage(this.#agenda, this.#source.fork(), faults);
    this.placement = new SimulatedPlacement(this.#agenda, this.#source.fork(), options.partitionCount ?? 8, faults);
    this.hosts = Array.from(
      { length: options.hosts ?? 3 },
      (_, index) => new SimulatedHost(String.fromCharCode(97 + index), this, this.#agenda),
    );
    this.#disturber = new Disturber(this, this.#agenda, this.#source.fork(), faults);
  }

  /** True time, which no clock of a host need show. */
  readonly nowMs = (): number => this.#agenda.nowMs;

  /** What has happened, a line each. */
  get trace(): readonly string[] {
    return this.#agenda.trace;
  }

  /**
   * Calls back before each happening, for a test that strikes at one certain moment: with whose it is (a `hostId`, or
   * undefined), and its line in the trace. A host that is paused or killed by then does not have it.
   */
  beforeHappening(callback: (hostId: string | undefined, line: string) => void): void {
    this.#agenda.beforeHappening = callback;
  }

  /** One of the hosts that are up, or undefined while there is none. */
  anyHost(): SimulatedHost<H> | undefined {
    const up = this.hosts.filter((host) => host.up);
    return up.length === 0 ? undefined : this.random.pick(up);
  }

  /** Lets virtual time pass. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#agenda.add(undefined, ms, 'the scenario goes on', resolve);
    });
  }

  /** Changes what goes wrong from now on. */
  setFaults(faults: Partial<SimulationFaults>): void {
    this.#faults = { ...this.#faults, ...faults };
  }

  /**
   * Ends everything that goes wrong, and waits until the store has answered what it was asked before, and all hosts are
   * up and agree on who owns what. Clocks stay as they are.
   */
  async calm(): Promise<void> {
    this.#agenda.note('calm');
    this.setFaults(NO_FAULTS);
    this.network.mend();
    this.storage.electLeader();
    for (const host of this.hosts) host.thaw();
    await Promise.all(this.hosts.map((host) => host.start()));
    while (!this.hosts.every((host) => host.up)) await this.sleep(100);
    this.placement.converge();
    const asked = this.storage.operations;
    while (!this.placement.converged || this.storage.awaits(asked)) await this.sleep(50);
  }

  /** Kills all hosts, starts them again, and waits as `calm` does: what is seen then is what was durable. */
  async restartAll(): Promise<void> {
    for (const host of this.hosts) host.kill();
    await this.calm();
  }

  // ── For the simulation itself ──────────────────────────────────────────────────────────────────────────────────────

  /** @internal */
  async run(): Promise<SimulationReport> {
    try {
      await this.#agenda.runUntil(this.#play());
      const { digest, trace } = this.#agenda;
      return { seed: this.seed, digest, happenings: trace.length, virtualMs: this.nowMs() - START_MS };
    } catch (error) {
      throw new SimulationError(this.seed, this.trace, error);
    } finally {
      await this.#discard();
    }
  }

  async #play(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.start()));
    this.#disturber.begin();
    await this.#options.scenario(this);
  }

  /** Frees what hosts hold of the real process, such as what keeps it running. Nothing that they do now is seen. */
  async #discard(): Promise<void> {
    for (const host of this.hosts) host.kill();
    this.#agenda.over = true;
    const left = new Set(this.#made);
    for (const host of this.#made) {
      const freed = (): void => void left.delete(host);
      host.stop({ graceMs: 0 }).then(freed, freed);
    }
    for (let round = 0; left.size > 0 && round < DISCARD_ROUNDS_MAX; round++)
      await new Promise((resolve) => setImmediate(resolve));
  }

  /** @internal */
  newProcess(id: string): { readonly process: SimulatedProcess; readonly parts: HostParts } {
    const random = this.#source.fork();
    const process = new SimulatedProcess(id, random);
    const parts = {
      store: this.storage.store(process),
      transport: this.network.transport(process),
      placement: this.placement.placement(process),
      clock: simulatedClock(this.#agenda, process),
      random: random.next,
      logger: this.#logger(id),
      partitionCount: this.placement.partitionCount,
    };
    return { process, parts };
  }

  #logger(id: string): Logger {
    const note =
      (level: string) =>
      (_details: object, message: string): void =>
        this.#agenda.note(`${id} logs ${level}: ${message}`);
    return { debug() {}, info: note('info'), warn: note('warn'), error: note('error') };
  }

  /** @internal */
  async makeHost(parts: HostParts): Promise<H> {
    const host = await this.#options.start(parts, this);
    this.#made.push(host);
    return host;
  }

  /** @internal The partitions of a dead process go to others. */
  takeAwayAfter(process: SimulatedProcess, afterMs: number): void {
    this.#agenda.add(undefined, afterMs, `${process.id} is missed`, () => this.placement.seize(process.id));
  }
}

/** Rounds of the event loop that freeing the hosts may take. */
const DISCARD_ROUNDS_MAX = 1_000;
const START_MS = Date.UTC(2030, 0, 1);
