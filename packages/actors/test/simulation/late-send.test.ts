import { expect, test } from 'vitest';
import { partitionOf, startActorHost, type ActorHost } from '../../src/index.ts';
import { NO_FAULTS, simulate } from '../../src/testing.ts';
import { actorsOf, listed, type Actors } from './actors.ts';
import { History } from './history.ts';

const PARTITIONS = 4;
const partition = (type: string): number => partitionOf({ type, id: 'a' }, PARTITIONS);

/** Where the sender's host is frozen. */
type Moment =
  /** It was told that the receiver has moved, and waits before it asks again. */
  | 'before it asks again'
  /** The store has carried out the commit, and has not been heard. */
  | 'before it hears of its commit'
  /** The receiver has taken the first of two. */
  | 'before it hears of the first';

/**
 * What the receiver has taken of two sends, when the sender's host was frozen, another has taken over and delivered
 * both, the receiver has forgotten the number, and the frozen one goes on.
 */
async function takenAfterFreeze(seed: number, moment: Moment): Promise<readonly number[]> {
  let actors: Actors | undefined;
  let taken: readonly number[] = [];
  await simulate<ActorHost>({
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
      await simulation.sleep(200);
      if (moment === 'before it asks again') freeze();
      expect(a.state).toBe('paused');
      simulation.beforeHappening(() => {});
      // The receiver forgets with the first commit after its time.
      await simulation.sleep(110_000);
      await b.ask((host) => host.actor(actors!.inbox, 'a').hear('nobody', 'a line'));
      await simulation.sleep(10_000);
      a.thaw();
      await simulation.sleep(60_000);
      taken = (await b.ask((host) => host.actor(actors!.inbox, 'a').all())).taken['ledger/a'] ?? [];
    },
  });
  return taken;
}

test.each<Moment>(['before it asks again', 'before it hears of its commit', 'before it hears of the first'])(
  'a sender that is frozen %s sends nothing that its receiver has forgotten',
  async (moment) => {
    for (let seed = 1; seed <= 15; seed++)
      expect({ seed, taken: await takenAfterFreeze(seed, moment) }).toEqual({ seed, taken: [1, 2] });
  },
);
