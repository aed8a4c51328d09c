// C1 of the commit pipeline: on one host, whose store now and then does not say what became of a write, every call is
// told what is true: it is done. A commit that is asked for again is the same one.

import { startActorHost, type ActorHost } from '../../src/index.ts';
import { NO_FAULTS, simulate, type SimulationReport } from '../../src/testing.ts';
import { actorsOf, listed, LOG_TYPES, type Actors } from './actors.ts';
import { History } from './history.ts';
import { checkI1Log, checkI2Acknowledged } from './invariants.ts';

const CALLS = 40;

export function runRetries(seed: number): Promise<SimulationReport> {
  let history: History | undefined;
  let actors: Actors | undefined;
  return simulate<ActorHost>({
    seed,
    hosts: 1,
    faults: { ...NO_FAULTS, storeSlow: 0.2 },
    start(parts, { nowMs, random }) {
      history = new History(nowMs);
      actors = actorsOf({ history, random, hostId: parts.transport.hostId, clock: parts.clock });
      return startActorHost({ ...parts, actors: listed(actors) });
    },
    async scenario(simulation) {
      const { random, storage } = simulation;
      // Never often enough in a row that the pipeline gives up.
      const inRow = new Map<string, number>();
      storage.decide = (operation, address) => {
        if (operation !== 'commit') return 'well';
        const { type } = address!;
        const fails = (inRow.get(type) ?? 0) < 3 && random.chance(0.5);
        inRow.set(type, fails ? (inRow.get(type) ?? 0) + 1 : 0);
        return fails ? random.pick(['lost', 'unanswered', 'late']) : 'well';
      };
      for (let count = 0; count < CALLS; count++) {
        const type = random.pick(LOG_TYPES);
        history!.call(`${type}/a`, 'add', (operation) =>
          simulation.hosts[0]!.ask((host) => host.actor(actors![type], 'a', { timeoutMs: 120_000 }).add(operation)),
        );
        await simulation.sleep(random.integer(0, 200));
      }
      await simulation.sleep(120_000);
      const { operations } = history!;
      const complaints = operations
        .filter(({ outcome }) => outcome !== 'done')
        .map(({ actor, id, outcome }) => `${id} of ${actor} is ${outcome}, and nobody else writes`);
      for (const type of LOG_TYPES) {
        const log = await simulation.hosts[0]!.ask((host) => host.actor(actors![type], 'a').log(0));
        complaints.push(
          ...checkI1Log(`${type}/a`, operations, log),
          ...checkI2Acknowledged(`${type}/a`, operations, log),
        );
      }
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    },
  });
}
