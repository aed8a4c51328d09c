// Runs about the beginning and the end of activations: I7, many first calls on loads that are slow and fail; I8, calls
// that race an idle timeout and moves of partitions.

import { actor, NotExecutedError, startActorHost, type ActorHost, type Clock, type Store } from '../../src/index.ts';
import { NO_FAULTS, simulate, type SeededRandom, type Simulation, type SimulationReport } from '../../src/testing.ts';
import type { LifeEvent } from './history.ts';
import { checkI7OneActivation, checkI8DeactivateFirst } from './invariants.ts';

interface Life {
  readonly events: LifeEvent[];
  readonly random: SeededRandom;
  readonly host: string;
  readonly clock: Clock;
}

async function wait({ clock, random }: Life, maxMs: number): Promise<void> {
  await new Promise<void>((resolve) => clock.setTimeout(resolve, random.integer(0, maxMs)));
}

/** An actor that counts its calls and takes its time to begin and to end. */
function sleeperOf(life: Life) {
  const note = (kind: LifeEvent['kind'], id: string): void =>
    void life.events.push({ kind, actor: `sleeper/${id}`, host: life.host });
  return actor('sleeper', {
    state: () => ({ seen: [] as number[] }),
    async onActivate({ actorId }) {
      note('activate-begins', actorId);
      await wait(life, 20);
      const fails = life.random.chance(0.2);
      note(fails ? 'activate-fails' : 'activate-ends', actorId);
      if (fails) throw new RangeError('it does not begin');
    },
    async onDeactivate({ actorId }) {
      note('deactivate-begins', actorId);
      await wait(life, 50);
      note('deactivate-ends', actorId);
    },
    methods: {
      async see(ctx, call: number) {
        note('turn-begins', ctx.actorId);
        if (life.random.chance(0.1)) await wait(life, 5);
        ctx.state.seen.push(call);
        note('turn-ends', ctx.actorId);
      },
    },
    readOnly: { seen: (ctx) => ctx.state.seen },
  });
}

/** A store whose loads are noted. */
function observed(store: Store, { events, host }: Life): Store {
  const load = store.load.bind(store);
  store.load = async (address) => {
    const note = (kind: LifeEvent['kind']): void =>
      void events.push({ kind, actor: `${address.type}/${address.id}`, host });
    note('load-begins');
    try {
      const loaded = await load(address);
      note('load-ends');
      return loaded;
    } catch (error) {
      note('load-fails');
      throw error;
    }
  };
  return store;
}

type Sleeper = ReturnType<typeof sleeperOf>;

/** Calls until it is done; what is not executed is asked again. Throws for any other outcome. */
async function callUntilDone(
  simulation: Simulation<ActorHost>,
  sleeper: Sleeper,
  id: string,
  call: number,
): Promise<void> {
  for (;;) {
    try {
      await simulation.random.pick(simulation.hosts).ask((host) => host.actor(sleeper, id).see(call));
      return;
    } catch (error) {
      if (!(error instanceof NotExecutedError)) throw error;
      await simulation.sleep(simulation.random.integer(1, 100));
    }
  }
}

/** Runs calls that `drive` makes, then looks for what contradicts I7 and I8, and for calls that are lost or doubled. */
function runSleepers(
  seed: number,
  idleTimeoutMs: number,
  drive: (simulation: Simulation<ActorHost>, call: (id: string) => Promise<void>) => Promise<void>,
): Promise<SimulationReport> {
  const events: LifeEvent[] = [];
  let sleeper: Sleeper | undefined;
  return simulate<ActorHost>({
    seed,
    hosts: 2,
    partitionCount: 4,
    faults: { ...NO_FAULTS, storeSlow: 0.3 },
    start(parts, { random }) {
      const life: Life = { events, random, host: parts.transport.hostId, clock: parts.clock };
      const made = sleeperOf(life);
      sleeper ??= made;
      return startActorHost({ ...parts, store: observed(parts.store!, life), actors: [made], idleTimeoutMs });
    },
    async scenario(simulation) {
      const { random, storage } = simulation;
      storage.decide = (operation) => (operation === 'load' && random.chance(0.3) ? 'lost' : 'well');
      const calls = new Map<string, number>();
      await drive(simulation, async (id) => {
        const call = (calls.get(id) ?? 0) + 1;
        calls.set(id, call);
        await callUntilDone(simulation, sleeper!, id, call);
      });
      storage.decide = undefined;
      await simulation.calm();
      const complaints = [...checkI7OneActivation(events), ...checkI8DeactivateFirst(events)];
      for (const [id, count] of calls) {
        const seen = await seenBy(simulation, sleeper!, id);
        if (seen.length !== count || new Set(seen).size !== count)
          complaints.push(`sleeper/${id} was called ${count} times and has seen ${seen.length}`);
      }
      if (complaints.length > 0) throw new Error(complaints.slice(0, 20).join('\n'));
    },
  });
}

async function seenBy(simulation: Simulation<ActorHost>, sleeper: Sleeper, id: string): Promise<readonly number[]> {
  for (;;) {
    try {
      return await simulation.hosts[0]!.ask((host) => host.actor(sleeper, id).seen());
    } catch (error) {
      // Its `onActivate` fails now and then.
      if (!(error instanceof NotExecutedError)) throw error;
    }
  }
}

/** I7: calls that come all at once for actors that are not active. */
export function runFirstCalls(seed: number, callCount: number): Promise<SimulationReport> {
  return runSleepers(seed, 600_000, async ({ random }, call) => {
    await Promise.all(Array.from({ length: callCount }, () => call(random.pick(['a', 'b', 'c']))));
  });
}

/** I8: calls now and then, about as far apart as actors stay without one, while partitions move. */
export function runIdleRaces(seed: number): Promise<SimulationReport> {
  return runSleepers(seed, 40, async (simulation, call) => {
    const { hosts, placement, random } = simulation;
    const clients = Array.from({ length: 4 }, async () => {
      for (let count = 0; count < 25; count++) {
        await call(random.pick(['a', 'b']));
        await simulation.sleep(random.integer(0, random.pick([5, 120])));
        if (random.chance(0.05)) placement.move(random.integer(0, 3), random.pick(hosts).hostId!);
      }
    });
    await Promise.all(clients);
  });
}
