// I12, for a sender whose host stands still for longer than its receiver remembers what it took: another host has taken
// over and delivered everything meanwhile, and the first goes on with what it was about to do.

import { partitionOf, startActorHost, type ActorHost } from '../../src/index.ts';
import { NO_FAULTS, simulate, type SimulationReport } from '../../src/testing.ts';
import { actorsOf, listed, type Actors } from './actors.ts';
import { History } from './history.ts';
import { checkI12Sends } from './invariants.ts';

const PARTITIONS = 4;
const partition = (type: string): number => partitionOf({ type, id: 'a' }, PARTITIONS);

/** Where the sender's host is frozen. */
export const MOMENTS = [
  // It was told that the receiver has moved, and waits before it asks again.
  'before it asks again',
  // The store has carried out the commit, and has not been heard.
  'before it hears of its commit',
  // The receiver has taken the first of two.
  'before it hears of the first',
] as const;
type Moment = (typeof MOMENTS)[number];

/** Throws when the receiver has not taken the two sends once each. */
export function runLateSend(seed: number, moment: Moment): Promise<SimulationReport> {
  let actors: Actors | undefined;
  return simulate<ActorHost>({
    seed,
    partitionCount: PARTITIONS,
    faults: NO_FAULTS,
    start(parts, { nowMs, random }) {
      const history = new History(nowMs);
      actors = actorsOf({ history, random, hostId: parts.transport.hostId, clock: parts.clock });
      return startActorHost({ ...parts, actors: listed(actors) });
    },
    async scenario(simulation) {
      const { hosts, placement } = simulation;
      const [a, b, c] = hosts as [(typeof hosts)[0], (typeof hosts)[0], (typeof hosts)[0]];
      const freeze = (): void => {
        placement.seize(a.hostId!);
        a.pause();
      };
      await simulation.calm();
      placement.move(partition('ledger'), a.hostId!);
      placement.move(partition('inbox'), c.hostId!);
      await simulation.calm();
      // Held back it would not be late.
      simulation.setFaults({ unfenced: true });
      if (moment === 'before it asks again') {
        placement.deafen(a.hostId!, 2_000);
        placement.move(partition('inbox'), b.hostId!);
        await simulation.sleep(1_000);
      } else {
        const pattern = moment === 'before it hears of the first' ? /reply \d+ done/ : /commit ledger\/a .*: done/;
        simulation.beforeHappening((hostId, line) => {
          if (hostId === a.hostId && pattern.test(line)) freeze();
        });
      }
      const sent = a.ask((host) => host.actor(actors!.ledger, 'a').send(1, 'a', 2));
      // Frozen before it hears of its commit it cannot know what became of the call.
      sent.catch(() => {});
      if (moment === 'before it asks again') {
        await simulation.sleep(200);
        freeze();
      }
      // The receiver takes its time: its turn may wait as well.
      for (let waitedMs = 0; a.state !== 'paused' && waitedMs < 10_000; waitedMs += 200) await simulation.sleep(200);
      if (a.state !== 'paused') throw new Error(`it was not frozen ${moment}`);
      simulation.beforeHappening(() => {});
      // The receiver forgets with the first commit after its time.
      await simulation.sleep(110_000);
      await b.ask((host) => host.actor(actors!.inbox, 'a').hear('nobody', 'a line'));
      await simulation.sleep(10_000);
      a.thaw();
      await simulation.sleep(60_000);
      const { taken } = await b.ask((host) => host.actor(actors!.inbox, 'a').all());
      const complaints = checkI12Sends('ledger/a', ['send 1 inbox/a 2'], 'inbox/a', taken['ledger/a'] ?? []);
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    },
  });
}
