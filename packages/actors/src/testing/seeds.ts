import { SimulationError } from './simulation.ts';

/** Lines of the trace that a failure shows. */
const TRACE_TAIL_LENGTH = 25;

/**
 * Runs a simulation for each of many seeds, one after another: 1 to `count`, or to `TROUPE_SEEDS` if that is set, or
 * only the one that `TROUPE_SEED` names. `command` runs the caller again: it is shown, with the seed, when one fails.
 * Gives how many ran.
 *
 * @throws {Error} that names the seed, the command that runs it alone, and what happened last
 */
export async function forEachSeed(
  { count, command }: { readonly count: number; readonly command: string },
  run: (seed: number) => Promise<unknown>,
): Promise<number> {
  const { TROUPE_SEED: alone, TROUPE_SEEDS: many } = process.env;
  const first = alone === undefined ? 1 : Number(alone);
  const last = alone === undefined ? Number(many ?? count) : first;
  for (let seed = first; seed <= last; seed++) {
    try {
      await run(seed);
    } catch (error) {
      const tail = error instanceof SimulationError ? error.last(TRACE_TAIL_LENGTH) : [];
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error([reason, `Run it alone: TROUPE_SEED=${seed} ${command}`, ...tail].join('\n'), { cause: error });
    }
  }
  if (many !== undefined) console.info(`${command}: ${last - first + 1} seeds ran`);
  return last - first + 1;
}
