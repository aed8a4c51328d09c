// One simulated run: clients start, steer and purge random workflows on one to three hosts while everything goes wrong;
// then it is calm, what is still open is told what it waits for, and everything that was recorded is looked at.

import {
  ALL_FAULTS,
  NO_FAULTS,
  SeededRandom,
  simulate,
  type HostParts,
  type Simulation,
  type SimulationReport,
} from '@troupe/actors/testing';
import { activity, startHost, type InstanceMetadata, type WorkflowClient, type WorkflowHost } from '../../src/index.ts';
import { isTerminal } from '../../src/status.ts';
import {
  checkAnswers,
  checkEnded,
  checkExecutions,
  checkGenerations,
  checkKept,
  checkMoved,
  checkQuiet,
  checkRecorded,
  checkReplays,
  type Arrival,
  type ClientCall,
  type Doings,
} from './checkers.ts';
import { executionLog, type ExecutionLog } from './execution-log.ts';
import { EVENT_NAMES, interpreter, randomInput, type Job } from './program.ts';

const INSTANCE_IDS = ['i0', 'i1', 'i2', 'i3'];
const IDLE_TIMEOUT_MS = 10_000;
/**
 * How long after the last fault everything that can move has moved. An owner that took over may have loaded an instance
 * before a commit of the owner before, and hears of it only when that activation is idle and the index is looked at again.
 */
const SETTLING_MS = 5 * 60_000;
/** The clock of a host may be behind by the sum of its jumps: what is due by it may not have come yet. */
const CLOCK_JUMPS_MS = 60_000;
/** Every fourth seed is left in peace: there nothing may happen twice. */
const isDisturbed = (seed: number): boolean => seed % 4 !== 0;

const hostsOf = (seed: number): number => 1 + (seed % 3);

export interface RunOptions {
  readonly seed: number;
  /** Client calls before it is calm. Default 30. */
  readonly calls?: number;
}

/** What a run met, for a test that not everything went past it. */
export interface RunReport extends SimulationReport {
  readonly log: ExecutionLog;
  readonly arrivals: readonly Arrival[];
  readonly calls: readonly ClientCall[];
}

export async function runSeed({ seed, calls = 30 }: RunOptions): Promise<RunReport> {
  const world = new World(seed, calls);
  const report = await simulate<WorkflowHost>({
    seed,
    hosts: hostsOf(seed),
    // On half of the seeds two hosts may run an instance at once, which is more than placement may do.
    faults: isDisturbed(seed) ? { ...ALL_FAULTS, unfenced: seed % 2 === 0 } : NO_FAULTS,
    start: ({ store, transport, placement, ...parts }, simulation) => {
      const { hostId } = transport;
      const { hasWorkflows, hasActivities, activityConcurrency } = roleOf(seed, hostId);
      return startHost({
        ...parts,
        cluster: {
          connect: async ({ announcement }) => {
            simulation.placement.announce(hostId, announcement);
            return { store: store!, transport, placement };
          },
        },
        workflows: hasWorkflows ? [interpreter] : [],
        activities: hasActivities ? [world.work(parts)] : [],
        activityConcurrency,
        idleTimeoutMs: IDLE_TIMEOUT_MS,
      });
    },
    scenario: (simulation) => world.play(simulation),
  });
  return { ...report, ...world.met() };
}

/**
 * What a host of a run is there for, in all its lives. The first of several has no code, the second has only workflows, the
 * third only activities; or all of them have all. Some have hardly any slots.
 */
function roleOf(seed: number, hostId: string) {
  const random = new SeededRandom(seed);
  const isSpecialised = hostsOf(seed) > 1 && random.chance(0.6);
  const fewSlots = random.integer(1, 3);
  const index = hostId.charCodeAt(0) - 'a'.charCodeAt(0);
  const isLast = index === hostsOf(seed) - 1;
  return {
    hasWorkflows: !isSpecialised || index === 1,
    hasActivities: !isSpecialised || isLast,
    activityConcurrency: random.chance(0.5) ? fewSlots : 256,
  };
}

class World {
  readonly #seed: number;
  readonly #callCount: number;
  readonly #arrivals: Arrival[] = [];
  readonly #calls: ClientCall[] = [];
  #simulation: Simulation<WorkflowHost> | undefined;
  #log: ExecutionLog | undefined;
  #calm = false;

  constructor(seed: number, callCount: number) {
    this.#seed = seed;
    this.#callCount = callCount;
  }

  met() {
    return { log: this.#log!, arrivals: this.#arrivals, calls: this.#calls };
  }

  /** The activity of all programs: the world outside counts every arrival. */
  work({ clock }: Pick<HostParts, 'clock'>) {
    return activity('work', async (ctx, { takesMs, failures }: Job) => {
      const { idempotencyKey: key, attempt } = ctx;
      this.#arrivals.push({ atMs: this.#simulation!.nowMs(), key, attempt });
      if (takesMs > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, takesMs));
      if (attempt <= failures) throw new Error(`attempt ${attempt} fails`);
      return { key };
    });
  }

  async play(simulation: Simulation<WorkflowHost>): Promise<void> {
    this.#simulation = simulation;
    if (isDisturbed(this.#seed)) killAfterWrites(simulation, () => this.#calm);
    // Until the hosts that have just started have shared the partitions out: a takeover is a fault.
    if (!isDisturbed(this.#seed)) await simulation.sleep(5_000);
    for (let call = 0; call < this.#callCount; call++) {
      await simulation.sleep(simulation.random.integer(1, simulation.random.pick([5, 300, 2_000])));
      this.#callSomething(simulation, call);
    }
    this.#calm = true;
    await simulation.calm();
    await simulation.sleep(SETTLING_MS);
    const moved = checkMoved(executionLog(simulation.storage.applied), simulation.nowMs() - CLOCK_JUMPS_MS);
    const instances = await this.#letEnd(simulation);
    const before = this.#done(simulation);
    await simulation.sleep(15 * 60_000);
    const after = this.#done(simulation);
    const listed = await this.#listed(simulation);
    const log = (this.#log = executionLog(simulation.storage.applied));
    const wrong = [
      ...moved,
      ...checkMoved(log, simulation.nowMs() - CLOCK_JUMPS_MS),
      ...log.vanished,
      ...checkRecorded(log),
      ...checkGenerations(log),
      ...checkExecutions(
        log,
        this.#arrivals,
        loadsIn(simulation.trace),
        lossesIn(simulation.trace),
        isDisturbed(this.#seed),
      ),
      ...checkEnded(instances, listed),
      ...checkQuiet(before, after),
      ...checkAnswers(log, this.#calls),
      ...(await checkReplays(log, interpreter)),
      ...(await checkKept(log, interpreter)),
    ];
    if (wrong.length > 0) throw new Error(`${wrong.length} things are wrong:\n${wrong.slice(0, 20).join('\n')}`);
  }

  // ── The clients ────────────────────────────────────────────────────────────────────────────────────────────────────

  #callSomething(simulation: Simulation<WorkflowHost>, number: number): void {
    const { random } = simulation;
    const instanceId = random.pick(INSTANCE_IDS);
    const choice = number < INSTANCE_IDS.length ? 0 : random.integer(0, 12);
    if (choice <= 2) this.#start(simulation, number < INSTANCE_IDS.length ? INSTANCE_IDS[number]! : instanceId);
    else if (choice <= 6) this.#raise(simulation, instanceId, random.pick(EVENT_NAMES), `event ${number}`);
    else if (choice === 7) this.#call(simulation, 'suspend', instanceId, undefined, (w) => w.suspend(instanceId));
    else if (choice === 8) this.#call(simulation, 'resume', instanceId, undefined, (w) => w.resume(instanceId));
    else if (choice === 9) {
      const [recursive, undo] = [random.chance(0.5), random.chance(0.5)];
      this.#call(simulation, 'terminate', instanceId, undefined, (w) => w.terminate(instanceId, { recursive, undo }));
    } else if (choice === 10) {
      const [recursive, force] = [random.chance(0.5), random.chance(0.5)];
      this.#call(simulation, 'purge', instanceId, undefined, (w) => w.purge(instanceId, { recursive, force }));
    } else if (choice === 11) {
      this.#call(simulation, 'result', instanceId, undefined, (w) => w.result(instanceId, { timeoutMs: 20_000 }));
    } else this.#call(simulation, 'get', instanceId, undefined, (w) => w.get(instanceId));
  }

  #start(simulation: Simulation<WorkflowHost>, instanceId: string): void {
    const { random } = simulation;
    const input = randomInput(random, INSTANCE_IDS);
    const ifExists = random.pick(['fail', 'attach', 'restart-if-terminal', 'terminate-and-restart'] as const);
    const startAt = random.chance(0.1) ? { startAt: new Date(simulation.nowMs() + 2_000) } : {};
    this.#call(simulation, 'start', instanceId, { ifExists }, async (workflows) => {
      await workflows.start(interpreter, { instanceId, input, ifExists, ...startAt });
    });
  }

  #raise(simulation: Simulation<WorkflowHost>, instanceId: string, name: string, payload: string): void {
    const keyed = simulation.random.chance(0.5) ? { idempotencyKey: payload } : {};
    this.#call(simulation, 'raiseEvent', instanceId, payload, (workflows) =>
      workflows.raiseEvent(instanceId, name, payload, keyed),
    );
  }

  #call(
    simulation: Simulation<WorkflowHost>,
    verb: ClientCall['verb'],
    instanceId: string,
    value: unknown,
    work: (workflows: WorkflowClient) => Promise<unknown>,
  ): void {
    const beganAtMs = simulation.nowMs();
    const note = (outcome: string, told: unknown): void => {
      const endedAtMs = simulation.nowMs();
      this.#calls.push({ verb, instanceId, beganAtMs, endedAtMs, outcome, value: value ?? told });
    };
    simulation
      .anyHost()
      ?.ask((host) => work(host.workflows))
      .then(
        (told) => note('done', told),
        (error: Error) => note(error.name, undefined),
      );
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Resumes whoever is suspended and raises whatever can be waited for, until all have ended. */
  async #letEnd(simulation: Simulation<WorkflowHost>): Promise<InstanceMetadata[]> {
    for (let round = 0; ; round++) {
      const instances = await this.#everyone(simulation);
      const open = instances.filter(({ runtimeStatus }) => !isTerminal(runtimeStatus));
      if (open.length === 0 || round === 15) return instances;
      for (const { instanceId } of open) {
        await this.#quietly(simulation, (workflows) => workflows.resume(instanceId));
        for (const name of EVENT_NAMES)
          await this.#quietly(simulation, (workflows) => workflows.raiseEvent(instanceId, name, `last ${round}`));
      }
      await simulation.sleep(20_000);
    }
  }

  async #everyone(simulation: Simulation<WorkflowHost>): Promise<InstanceMetadata[]> {
    const found: InstanceMetadata[] = [];
    for (const instanceId of executionLog(simulation.storage.applied).states.keys()) {
      const one = await simulation.hosts[0]!.ask((host) => host.workflows.get(instanceId));
      if (one !== undefined) found.push(one);
    }
    return found;
  }

  async #quietly(
    simulation: Simulation<WorkflowHost>,
    work: (workflows: WorkflowClient) => Promise<unknown>,
  ): Promise<void> {
    try {
      await simulation.hosts[0]!.ask((host) => work(host.workflows));
    } catch (error) {
      // An activation that was behind learns it from its commit; the next round meets another.
      if (!['InstanceEndedError', 'OutcomeUnknownError'].includes((error as Error).name)) throw error;
    }
  }

  async #listed(simulation: Simulation<WorkflowHost>): Promise<Map<string, string>> {
    const { instances } = await simulation.hosts[0]!.ask((host) => host.workflows.list({ limit: 1_000 }));
    return new Map(instances.map(({ instanceId, runtimeStatus }) => [instanceId, runtimeStatus]));
  }

  /** What has been done so far. */
  #done({ storage, network }: Simulation<WorkflowHost>): Doings {
    return { writes: storage.applied.length, messages: network.sent.length, executions: this.#arrivals.length };
  }
}

/**
 * Kills a host now and then just when the answer to a write comes to it: what is durable then is known to nobody, and
 * whatever it was to lead to has not begun.
 */
function killAfterWrites(simulation: Simulation<WorkflowHost>, isCalm: () => boolean): void {
  const random = new SeededRandom(simulation.seed);
  simulation.beforeHappening((hostId, line) => {
    if (isCalm() || !/ commit workflow\/\S+ \S+ at \d+: done$/.test(line) || !random.chance(0.02)) return;
    const host = simulation.hosts.find((one) => one.hostId === hostId);
    if (host === undefined) return;
    host.kill();
    void simulation.sleep(random.integer(1, 3_000)).then(() => host.start());
  });
}

/** When which instance was loaded: an activation each. */
function loadsIn(trace: readonly string[]): { instanceId: string; atMs: number }[] {
  const loads: { instanceId: string; atMs: number }[] = [];
  for (const line of trace) {
    const [, atMs, instanceId] = /^(\d+) \S+ load workflow\/(\S+) is carried out$/.exec(line) ?? [];
    if (instanceId !== undefined) loads.push({ instanceId, atMs: Number(atMs) });
  }
  return loads;
}

/** When something befell a host or what was on its way: whoever ran a body may have been taken for dead. */
function lossesIn(trace: readonly string[]): number[] {
  const losses: number[] = [];
  for (const line of trace) {
    const [, atMs] =
      /^(\d+) (?:kill |pause |lost |\S+ is cut |\S+ is missed|\S+ hears |the clock |\S+ is to drain )/.exec(line) ?? [];
    if (atMs !== undefined) losses.push(Number(atMs));
  }
  return losses;
}
