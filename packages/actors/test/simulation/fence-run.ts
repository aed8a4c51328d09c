// I4 and what follows from it: while hosts stand still, are cut off from placement, die and move partitions, callers of
// all hosts write and read. Whoever answers says so; what an answer shows must hold everything that anybody was told
// before. With `unfenced` hosts do not know when to be silent: then only what is durable must be right.

import { actor, parseAddress, partitionOf, startActorHost, type ActorHost, type Clock } from '../../src/index.ts';
import { unpack } from '../../src/codec.ts';
import { ActorRecord } from '../../src/record.ts';
import {
  HostLostError,
  simulate,
  type SeededRandom,
  type Simulation,
  type SimulationReport,
} from '../../src/testing.ts';
import { History, type Operation } from './history.ts';
import {
  checkI10Truthful,
  checkI1Chain,
  checkI2Fresh,
  checkI3Touched,
  checkI4Silent,
  checkReached,
  type Answer,
} from './invariants.ts';

const STEPS = 60;
const IDS = ['a', 'b'] as const;
const PARTITIONS = 2;
/** Longer than any call waits. */
const QUIET_MS = 60_000;
/** When no message is lost, nobody waits for longer after the last change: less than a call does. */
const SETTLED_MS_MAX = 10_000;

/** What the actor answers: how often it was written, and from where. */
interface Shown {
  readonly count: number;
  readonly hostId: string;
}

interface World {
  readonly hostId: string;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly history: History;
}

function actorsOf({ hostId, clock, random, history }: World) {
  const pause = async (): Promise<void> => {
    const delayMs = random.pick([0, 0, 3, 300]);
    if (delayMs > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, random.integer(1, delayMs)));
  };
  const tally = actor('tally', {
    state: () => ({ count: 0 }),
    methods: {
      write: (ctx, operation: number): Promise<Shown> =>
        history.turn(`tally/${ctx.actorId}`, hostId, 'turn', operation, async () => {
          await pause();
          ctx.state.count += 1;
          return { count: ctx.state.count, hostId };
        }),
    },
    readOnly: {
      async read(ctx): Promise<Shown> {
        const { count } = ctx.state;
        await pause();
        return { count, hostId };
      },
    },
  });
  const desk = actor('desk', {
    hostBound: true,
    methods: {
      where: (ctx, operation: number): string =>
        history.turn(`desk/${ctx.actorId}`, hostId, 'turn', operation, () => hostId),
    },
  });
  return { tally, desk };
}

type FenceActors = ReturnType<typeof actorsOf>;

class FenceRun {
  readonly #simulation: Simulation<ActorHost>;
  readonly #history: History;
  readonly #actors: FenceActors;
  /** From which host an operation was asked. */
  readonly #askedOn = new Map<Operation, string>();

  constructor(simulation: Simulation<ActorHost>, history: History, actors: FenceActors) {
    this.#simulation = simulation;
    this.#history = history;
    this.#actors = actors;
  }

  /** Does one thing. */
  step(): void {
    const { hosts, random } = this.#simulation;
    const id = random.pick(IDS);
    const choice = random.integer(1, 10);
    if (choice <= 4)
      this.#ask(`tally/${id}`, 'write', (host, operation) => host.actor(this.#actors.tally, id).write(operation));
    else if (choice <= 8) this.#ask(`tally/${id}`, 'read', (host) => host.actor(this.#actors.tally, id).read());
    else {
      const hostId = random.pick(hosts).hostId ?? 'nobody';
      this.#ask(`desk/${hostId}`, 'where', (host, operation) => host.actor(this.#actors.desk, hostId).where(operation));
    }
  }

  #ask(actorName: string, method: string, question: (host: ActorHost, operation: number) => Promise<unknown>): void {
    const host = this.#simulation.anyHost();
    const hostId = host?.hostId;
    const asked = this.#history.call(actorName, method, (operation) =>
      host === undefined
        ? Promise.reject(new HostLostError('no host is up'))
        : host.ask((each) => question(each, operation)),
    );
    if (hostId !== undefined) this.#askedOn.set(asked, hostId);
  }

  /** What was answered by a host of its own: to a caller beside it, or by a message. */
  #answers(): Answer[] {
    const answers: Answer[] = [];
    for (const operation of this.#history.operations) {
      if (operation.outcome !== 'done' || !operation.actor.startsWith('tally/')) continue;
      const { count, hostId } = operation.value as Shown;
      const { actor: of, endedAtMs } = operation;
      if (this.#askedOn.get(operation) === hostId) answers.push({ actor: of, hostId, count, atMs: endedAtMs });
    }
    const asked = new Map<string, string>();
    for (const { atMs, envelope, from, to } of this.#simulation.network.sent) {
      if (envelope.kind === 'call' && envelope.address.type === 'tally')
        asked.set(`${to}→${from} ${envelope.callId}`, `tally/${envelope.address.id}`);
      const of = envelope.kind === 'reply' ? asked.get(`${from}→${to} ${envelope.callId}`) : undefined;
      if (envelope.kind !== 'reply' || of === undefined || envelope.outcome !== 'done') continue;
      answers.push({ actor: of, hostId: from, count: (unpack(envelope.body) as Shown).count, atMs });
    }
    return answers;
  }

  /** What contradicts the invariants, when everything has come to rest. */
  async check(unfenced: boolean): Promise<string[]> {
    const { hosts, placement, random, storage } = this.#simulation;
    const { operations, turns } = this.#history;
    const counts = await Promise.all(
      IDS.map((id) => random.pick(hosts).ask((host) => host.actor(this.#actors.tally, id).read())),
    );
    const complaints = [
      ...checkI1Chain(storage.applied),
      ...checkI10Truthful(operations, turns),
      ...checkReached(operations),
      ...checkI3Touched(
        this.#answers(),
        placement.acquisitions,
        storage.applied.map(({ address, atMs, commit }) => ({
          actor: `${address.type}/${address.id}`,
          atMs,
          epoch: commit === undefined || commit.state === 'same' ? 0 : ActorRecord.decode(commit.state).epoch,
        })),
        (name) => partitionOf(parseAddress(name), PARTITIONS),
      ),
    ];
    if (!unfenced) complaints.push(...checkI2Fresh(operations), ...checkI4Silent(this.#answers(), placement.silences));
    for (const [index, { count }] of counts.entries()) {
      const writes = operations.filter(({ actor: of, method }) => of === `tally/${IDS[index]}` && method === 'write');
      const done = writes.filter(({ outcome }) => outcome === 'done').length;
      if (count < done) complaints.push(`tally/${IDS[index]} has ${count} of ${done} acknowledged writes`);
      const most = writes.filter(({ outcome }) => outcome !== 'not-executed').length;
      if (count > most) complaints.push(`tally/${IDS[index]} has ${count} of ${most} writes`);
      const told = new Set(
        writes.filter(({ outcome }) => outcome === 'done').map(({ value }) => (value as Shown).count),
      );
      if (told.size < done) complaints.push(`two writes of tally/${IDS[index]} were told the same`);
    }
    return complaints;
  }

  /** Who has not been answered yet. */
  waiting(): string[] {
    return this.#history.operations
      .filter(({ outcome }) => outcome === 'waiting')
      .map(({ actor: of, id, method }) => `${method} ${id} of ${of} has no answer`);
  }
}

/** Runs a seed; throws what contradicts the invariants. */
export function runFenced(seed: number, unfenced = false): Promise<SimulationReport> {
  let history: History | undefined;
  let actors: FenceActors | undefined;
  return simulate<ActorHost>({
    seed,
    partitionCount: PARTITIONS,
    faults: {
      unfenced,
      disturbanceEveryMs: 1_500,
      // Then a caller would wait for its deadline.
      messageDrop: 0,
      messageDelay: 0,
      messageReorder: 0,
      disturbances: { pause: 6, kill: 1, move: 2, cut: 0, 'leader-loss': 1, 'watch-gap': 6, 'clock-jump': 1 },
    },
    happeningsMax: 20_000,
    start(parts, { nowMs, random }) {
      history ??= new History(nowMs);
      const made = actorsOf({ history, random, hostId: parts.transport.hostId, clock: parts.clock });
      actors ??= made;
      return startActorHost({ ...parts, actors: Object.values(made), idleTimeoutMs: random.pick([500, 60_000]) });
    },
    async scenario(simulation) {
      const run = new FenceRun(simulation, history!, actors!);
      for (let step = 0; step < STEPS; step++) {
        run.step();
        await simulation.sleep(simulation.random.integer(0, simulation.random.pick([3, 300, 300, 3_000])));
      }
      await simulation.calm();
      await simulation.sleep(SETTLED_MS_MAX);
      const complaints = run.waiting().map((line) => `${line}, ${SETTLED_MS_MAX} ms after the last change`);
      await simulation.sleep(QUIET_MS);
      complaints.push(...run.waiting(), ...(await run.check(unfenced)));
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    },
  });
}
