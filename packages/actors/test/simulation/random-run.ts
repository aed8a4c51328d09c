// One run of everything at once: random calls, reads, durable sends, reminders and timers on three hosts while
// everything goes wrong; then calm; then what the actors hold, against what their callers were told and saw.

import { NotExecutedError, startActorHost, type ActorHost, type CallOptions } from '../../src/index.ts';
import { unpack } from '../../src/codec.ts';
import { HostLostError, simulate, type Simulation, type SimulationReport } from '../../src/testing.ts';
import { actorsOf, listed, LOG_TYPES, type Actors, type Log, type LogType } from './actors.ts';
import { History, type Operation } from './history.ts';
import {
  checkI10Truthful,
  checkI11Converged,
  checkI12Sends,
  checkI13Fired,
  checkI14OncePerOccurrence,
  checkI1Chain,
  checkI1Log,
  checkI2Acknowledged,
  checkI2Reads,
  checkI2Told,
  checkI6Turns,
  hopsOf,
} from './invariants.ts';

const STEPS = 50;
const PROBE_ATTEMPTS_MAX = 10;
const IDS = ['a', 'b'] as const;
/** Longer than any call waits, any durable send pauses and any reminder is set for. */
const QUIET_MS = 150_000;

/** The actors that are called, and what came of it. */
class RandomRun {
  readonly #simulation: Simulation<ActorHost>;
  readonly #history: History;
  readonly #actors: Actors;
  readonly #reads = new Map<string, Log[]>();
  readonly #reminders = new Map<string, string[]>();
  readonly #periodic = new Set<string>();

  constructor(simulation: Simulation<ActorHost>, history: History, actors: Actors) {
    this.#simulation = simulation;
    this.#history = history;
    this.#actors = actors;
  }

  /** Does one thing. */
  step(): void {
    const { random } = this.#simulation;
    const type = random.pick(LOG_TYPES);
    const id = random.pick(IDS);
    const timeoutMs = random.pick([200, 5_000, 30_000]);
    const add = (method: 'add' | 'addSlowly' | 'addAndFail' | 'askSelf' | 'leave'): void =>
      void this.#call(type, id, method, [], { timeoutMs });
    const choice = random.integer(1, 100);
    if (choice <= 18) add('add');
    else if (choice <= 30) add('addSlowly');
    else if (choice <= 34) add('addAndFail');
    else if (choice <= 39) add('askSelf');
    else if (choice <= 41) add('leave');
    else if (choice <= 46) this.#call(type, id, 'ask', [random.pick(IDS)], { timeoutMs });
    else if (choice <= 58) this.#call(type, id, 'send', [random.pick(IDS), random.integer(1, 3)], { timeoutMs });
    else if (choice <= 66) this.#remind(type, id);
    else if (choice <= 70) this.#cancel(type, id);
    else if (choice <= 73) this.#call(type, id, 'time', [random.integer(0, 500)], { timeoutMs });
    else if (choice <= 81) this.#twiceWithKey(type, id);
    else this.#read(type, id, random.chance(0.5) ? 'log' : 'logSlowly');
  }

  #call(
    type: LogType,
    id: string,
    method: 'add' | 'addSlowly' | 'addAndFail' | 'askSelf' | 'leave' | 'ask' | 'send' | 'remind' | 'cancel' | 'time',
    args: readonly unknown[],
    options: CallOptions,
    sameAs?: number,
  ): Operation {
    return this.#history.call(
      `${type}/${id}`,
      method,
      async (operation) => {
        const host = this.#simulation.anyHost();
        if (host === undefined) throw new HostLostError('no host is up');
        return host.ask((asked) => {
          const ref = asked.actor(this.#actors[type], id, options) as Record<
            string,
            (...given: unknown[]) => Promise<unknown>
          >;
          return ref[method]!(operation, ...args);
        });
      },
      sameAs,
    );
  }

  #remind(type: LogType, id: string): void {
    const { random } = this.#simulation;
    const name = `r${this.#history.operations.length + 1}`;
    const periodMs = random.chance(0.2) ? random.integer(10_000, 60_000) : undefined;
    if (periodMs !== undefined) this.#periodic.add(name);
    const known = this.#reminders.get(`${type}/${id}`) ?? [];
    this.#reminders.set(`${type}/${id}`, [...known, name]);
    this.#call(type, id, 'remind', [name, random.integer(0, 5_000), periodMs], {});
  }

  #cancel(type: LogType, id: string): void {
    const known = this.#reminders.get(`${type}/${id}`);
    if (known !== undefined) this.#call(type, id, 'cancel', [this.#simulation.random.pick(known)], {});
  }

  /** A client that asks again under its key, from wherever it is. */
  #twiceWithKey(type: LogType, id: string): void {
    const { random } = this.#simulation;
    const options = { idempotencyKey: `k${this.#history.operations.length}`, timeoutMs: random.pick([2_000, 30_000]) };
    const { id: first } = this.#call(type, id, 'addSlowly', [], options);
    void this.#simulation.sleep(random.integer(0, random.pick([10, 10_000]))).then(() => {
      this.#call(type, id, 'addSlowly', [], options, first);
    });
  }

  #read(type: LogType, id: string, method: 'log' | 'logSlowly'): void {
    const read = this.#simulation.anyHost()?.ask((host) => host.actor(this.#actors[type], id)[method](0));
    read?.then(
      (log) => this.#reads.set(`${type}/${id}`, [...(this.#reads.get(`${type}/${id}`) ?? []), log]),
      // A read that fails has shown nothing.
      () => {},
    );
  }

  /** Calls every actor from every host, as soon as placement has come to rest. */
  async probe(): Promise<string[]> {
    const { hosts, network } = this.#simulation;
    const sentBefore = network.sent.length;
    const probes = hosts.flatMap((host) =>
      LOG_TYPES.flatMap((type) =>
        IDS.map((id) =>
          this.#history.call(`${type}/${id}`, 'log', async (operation, probe) => {
            for (; ; probe.attempts++) {
              try {
                return await host.ask((asked) => asked.actor(this.#actors[type], id).log(operation));
              } catch (error) {
                if (!(error instanceof NotExecutedError) || probe.attempts === PROBE_ATTEMPTS_MAX) throw error;
                await this.#simulation.sleep(100);
              }
            }
          }),
        ),
      ),
    );
    await this.#simulation.sleep(QUIET_MS);
    const operationOf = (args: Uint8Array): number | undefined => (unpack(args) as number[])[0];
    return checkI11Converged(probes, hopsOf(network.sent.slice(sentBefore), operationOf));
  }

  /** What contradicts the invariants, when everything has come to rest. */
  async check(): Promise<string[]> {
    const { operations, turns } = this.#history;
    const complaints = [
      ...checkI1Chain(this.#simulation.storage.applied),
      ...checkI6Turns(turns),
      ...checkI10Truthful(operations, turns),
    ];
    const logs = new Map<string, Log>();
    for (const type of LOG_TYPES)
      for (const id of IDS)
        logs.set(`${type}/${id}`, await this.#ask((host) => host.actor(this.#actors[type], id).log(0)));
    for (const [actor, log] of logs) {
      complaints.push(
        ...checkI1Log(actor, operations, log),
        ...checkI2Acknowledged(actor, operations, log),
        ...checkI2Reads(actor, this.#reads.get(actor) ?? [], log),
        ...checkI13Fired(actor, log),
        ...checkI14OncePerOccurrence(actor, log, this.#periodic),
      );
    }
    for (const id of IDS) {
      const { heard, taken } = await this.#ask((host) => host.actor(this.#actors.inbox, id).all());
      for (const [actor, log] of logs) {
        complaints.push(
          ...checkI2Told(actor, heard[actor] ?? [], log),
          ...checkI12Sends(actor, log, `inbox/${id}`, taken[actor] ?? []),
        );
      }
    }
    for (const { actor, id, outcome } of operations)
      if (outcome === 'waiting') complaints.push(`${id} of ${actor} was never answered`);
    return complaints;
  }

  #ask<T>(question: (host: ActorHost) => Promise<T>): Promise<T> {
    return this.#simulation.random.pick(this.#simulation.hosts).ask(question);
  }
}

/** Runs a seed; throws what contradicts the invariants. `unfenced`: hosts do not know when to be silent. */
export function runRandomly(seed: number, unfenced = false): Promise<SimulationReport> {
  let history: History | undefined;
  let actors: Actors | undefined;
  return simulate<ActorHost>({
    seed,
    partitionCount: 4,
    faults: { disturbanceEveryMs: 1_000, unfenced },
    // Ten times what a run has.
    happeningsMax: 10_000,
    start(parts, { nowMs, random }) {
      history ??= new History(nowMs);
      const made = actorsOf({ history, random, hostId: parts.transport.hostId, clock: parts.clock });
      actors ??= made;
      return startActorHost({
        ...parts,
        actors: listed(made),
        idleTimeoutMs: random.pick([500, 60_000]),
        activationCountMax: random.pick([2, 100]),
      });
    },
    async scenario(simulation) {
      const run = new RandomRun(simulation, history!, actors!);
      for (let step = 0; step < STEPS; step++) {
        run.step();
        await simulation.sleep(simulation.random.integer(0, simulation.random.pick([3, 3, 300, 300, 8_000])));
      }
      await simulation.calm();
      const complaints = await run.probe();
      await simulation.restartAll();
      complaints.push(...(await run.check()));
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    },
  });
}
