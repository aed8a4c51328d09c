// I11, for calls that wait already: a partition moves while a host that has calls for it hears nothing of placement, and
// tries in vain ever more slowly. As soon as it hears, they are answered.

import { actor, startActorHost, type ActorHost } from '../../src/index.ts';
import { NO_FAULTS, simulate, type SimulationReport } from '../../src/testing.ts';
import { History } from './history.ts';

/** Less than the silence after which it would be taken for dead. */
const DEAF_MS = 9_000;
/** News takes up to 300 ms, a call a few more. */
const ANSWERED_MS_MAX = 1_000;

/** Throws when a call is answered later than that. */
export function runMoves(seed: number): Promise<SimulationReport> {
  const tally = actor('tally', {
    state: () => ({ count: 0 }),
    methods: { write: (ctx) => (ctx.state.count += 1) },
  });
  return simulate<ActorHost>({
    seed,
    partitionCount: 1,
    faults: NO_FAULTS,
    start: (parts) => startActorHost({ ...parts, actors: [tally] }),
    async scenario(simulation) {
      const { hosts, nowMs, placement, random } = simulation;
      const history = new History(nowMs);
      await simulation.calm();
      const owner = hosts.find((host) => host.hostId === placement.ownerOf(0))!;
      const [caller, next] = hosts.filter((host) => host !== owner) as [typeof owner, typeof owner];
      placement.deafen(caller.hostId!, DEAF_MS);
      placement.move(0, next.hostId!);
      // The drain is over.
      await simulation.sleep(1_000);
      for (let call = 0; call < 10; call++) {
        history.call('tally/a', 'write', () => caller.ask((host) => host.actor(tally, 'a').write()));
        await simulation.sleep(random.integer(0, 400));
      }
      await simulation.sleep(DEAF_MS + ANSWERED_MS_MAX - (nowMs() - history.operations[0]!.askedAtMs) - 1_000);
      const late = history.operations.filter(({ outcome }) => outcome !== 'done');
      if (late.length > 0)
        throw new Error(`${late.length} calls are ${late[0]!.outcome}, ${ANSWERED_MS_MAX} ms after the news`);
    },
  });
}
