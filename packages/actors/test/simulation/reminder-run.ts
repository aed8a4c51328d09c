// I13: reminders whose registrar dies right after their commit, or later, or not at all, fire in time.

import { actor, OutcomeUnknownError, partitionOf, startActorHost, type ActorHost } from '../../src/index.ts';
import { HostLostError, NO_FAULTS, simulate, type SimulationReport } from '../../src/testing.ts';
import { checkI13InTime, REMINDER_LATE_MS_MAX, type SetReminder } from './invariants.ts';

const REMINDERS = 12;
const PARTITIONS = 4;
/** From the kill of an owner until its partitions have another: what the simulated placement takes. */
const TAKEOVER_MS = 4_500;

/** A host that starts again gets partitions that others drain first. */
const REBALANCE_MS = 1_500;

/** From when to when owners may be missing. */
interface Change {
  readonly fromMs: number;
  readonly toMs: number;
}

export function runReminders(seed: number): Promise<SimulationReport> {
  const alarm = actor('alarm', {
    state: () => ({ rings: 0 }),
    methods: { set: (ctx, delayMs: number) => ctx.setReminder('ring', { delayMs }) },
    onReminder: (ctx) => void (ctx.state.rings += 1),
    readOnly: { rings: (ctx) => ctx.state.rings },
  });
  return simulate<ActorHost>({
    seed,
    partitionCount: PARTITIONS,
    faults: NO_FAULTS,
    start: (parts) => startActorHost({ ...parts, actors: [alarm] }),
    async scenario(simulation) {
      const { hosts, nowMs, placement, random, storage } = simulation;
      await simulation.calm();
      const changes: Change[] = [];
      const kill = (id: string): void => {
        const owner = placement.ownerOf(partitionOf({ type: 'alarm', id }, PARTITIONS));
        const host = hosts.find(({ hostId }) => hostId !== undefined && hostId === owner);
        if (host === undefined || hosts.filter(({ up }) => up).length === 1) return;
        host.kill();
        changes.push({ fromMs: nowMs(), toMs: nowMs() + TAKEOVER_MS });
        void simulation.sleep(random.integer(1, 10_000)).then(async () => {
          await host.start();
          changes.push({ fromMs: nowMs(), toMs: nowMs() + REBALANCE_MS });
        });
      };
      const acknowledged: { readonly id: string; readonly dueAtMs: number }[] = [];
      for (let index = 0; index < REMINDERS; index++) {
        const id = `a${index}`;
        const delayMs = random.integer(0, random.pick([100, 8_000]));
        try {
          await random.pick(hosts.filter(({ up }) => up)).ask((host) => host.actor(alarm, id).set(delayMs));
          acknowledged.push({ id, dueAtMs: nowMs() + delayMs });
        } catch (error) {
          // A kill that was to strike another reminder has struck this call.
          if (!(error instanceof HostLostError || error instanceof OutcomeUnknownError)) throw error;
        }
        const strike = random.integer(1, 10);
        if (strike <= 3) kill(id);
        else if (strike <= 5) void simulation.sleep(delayMs + random.integer(-5, 5)).then(() => kill(id));
        await simulation.sleep(random.integer(0, 2_000));
      }
      await simulation.sleep(60_000);
      const reminders = acknowledged.map(({ id, dueAtMs }): SetReminder => ({
        actor: `alarm/${id}`,
        name: 'ring',
        dueAtMs,
        ownedFromMs: ownedFrom(dueAtMs, changes),
        // The first commit set it, the next is that of its turn.
        firedAtMs: storage.applied.find(({ address, commit }) => address.id === id && commit!.expectedRevision > 0)
          ?.atMs,
      }));
      const complaints = checkI13InTime(reminders);
      for (const { id } of acknowledged) {
        const rings = await hosts[0]!.ask((host) => host.actor(alarm, id).rings());
        if (rings !== 1) complaints.push(`alarm/${id} rang ${rings} times`);
      }
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    },
  });
}

/** The first moment from `fromMs` on after which no owner changes for as long as a reminder may be late. */
function ownedFrom(fromMs: number, changes: readonly Change[]): number {
  const next = changes.find((change) => change.fromMs <= fromMs + REMINDER_LATE_MS_MAX && fromMs < change.toMs);
  return next === undefined ? fromMs : ownedFrom(next.toMs, changes);
}
