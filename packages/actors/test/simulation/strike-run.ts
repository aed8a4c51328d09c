// I3, with I1, I2, I10 and I12: the owner of an actor is struck at a certain step, in the middle of whatever it does, and
// another host takes over and writes. It was killed; or only frozen, then it goes on and does not know. Once for every step.

import { startActorHost, type ActorHost } from '../../src/index.ts';
import { NO_FAULTS, simulate, type SimulationReport } from '../../src/testing.ts';
import { actorsOf, listed, LOG_TYPES, type Actors } from './actors.ts';
import { History } from './history.ts';
import {
  checkI10Truthful,
  checkI12Sends,
  checkI14OncePerOccurrence,
  checkI1Chain,
  checkI1Log,
  checkI2Acknowledged,
  checkI2Told,
  checkI6Turns,
} from './invariants.ts';

const DOWN_MS = 20_000;

/** `kill`: it comes back with nothing in memory. `freeze`: it goes on where it stood. */
export type Strike = 'kill' | 'freeze';

/** Strikes the owner before its `step`-th happening. Gives whether it made that many. */
export async function runStruck(seed: number, step: number, strike: Strike): Promise<boolean> {
  let struck = false;
  await simulateStruck(seed, step, strike, () => (struck = true));
  return struck;
}

function simulateStruck(seed: number, step: number, strike: Strike, onStruck: () => void): Promise<SimulationReport> {
  let history: History | undefined;
  let actors: Actors | undefined;
  return simulate<ActorHost>({
    seed,
    hosts: 2,
    partitionCount: 1,
    faults: NO_FAULTS,
    start(parts, { nowMs, random }) {
      history ??= new History(nowMs);
      const made = actorsOf({ history, random, hostId: parts.transport.hostId, clock: parts.clock });
      actors ??= made;
      return startActorHost({ ...parts, actors: listed(made) });
    },
    async scenario(simulation) {
      const { hosts, placement, storage } = simulation;
      await simulation.calm();
      // It is taken for dead as soon as it is struck, and does not know.
      simulation.setFaults({ unfenced: true });
      const owner = hosts.find((host) => host.hostId === placement.ownerOf(0))!;
      const other = hosts.find((host) => host !== owner)!;
      const ownerId = owner.hostId!;
      let steps = 0;
      simulation.beforeHappening((hostId) => {
        if (hostId !== ownerId || owner.hostId !== ownerId || ++steps !== step) return;
        onStruck();
        if (strike === 'kill') owner.kill();
        else owner.pause();
        placement.seize(ownerId);
      });
      const calls = async (round: number): Promise<void> => {
        for (const [index, type] of LOG_TYPES.entries()) {
          const from = (round + index) % 2 === 0 ? owner : other;
          const call = (method: 'add' | 'addSlowly' | 'ask' | 'send' | 'remind', ...args: unknown[]) =>
            history!.call(`${type}/a`, method, (operation) =>
              from.ask((host) => {
                const ref = host.actor(actors![type], 'a') as Record<string, (...given: unknown[]) => Promise<unknown>>;
                return ref[method]!(operation, ...args);
              }),
            );
          call('add');
          call('ask', 'a');
          call('addSlowly');
          call('send', 'a', 1);
          call('remind', `r${round}`, 10, undefined);
        }
        await simulation.sleep(round === 1 ? DOWN_MS : 30);
      };
      for (let round = 0; round < 3; round++) await calls(round);
      if (strike === 'kill') await owner.start();
      else owner.thaw();
      await calls(3);
      await simulation.sleep(120_000);
      await simulation.restartAll();
      const complaints = [
        ...checkI1Chain(storage.applied),
        ...checkI6Turns(history!.turns),
        ...checkI10Truthful(history!.operations, history!.turns),
      ];
      const { heard, taken } = await other.ask((host) => host.actor(actors!.inbox, 'a').all());
      for (const type of LOG_TYPES) {
        const log = await other.ask((host) => host.actor(actors![type], 'a').log(0));
        complaints.push(
          ...checkI1Log(`${type}/a`, history!.operations, log),
          ...checkI2Acknowledged(`${type}/a`, history!.operations, log),
          ...checkI2Told(`${type}/a`, heard[`${type}/a`] ?? [], log),
          ...checkI12Sends(`${type}/a`, log, 'inbox/a', taken[`${type}/a`] ?? []),
          ...checkI14OncePerOccurrence(`${type}/a`, log, new Set()),
        );
      }
      if (complaints.length > 0) throw new Error(`${strike} at step ${step}: ${complaints.join('\n')}`);
    },
  });
}
