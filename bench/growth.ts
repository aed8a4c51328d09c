// Whether something grows that should not: the second fifth of a run against its last fifth. The first fifth is left out:
// code is compiled and caches are filled there.

/** What one look at the process found. */
export type Sample = Readonly<Record<string, number>>;

/** What the last fifth may be above the second one. */
export interface Bound {
  readonly part: number;
  readonly plus: number;
}

/** One figure over the run. */
export interface Growth {
  readonly figure: string;
  /** Medians. */
  readonly secondFifth: number;
  readonly lastFifth: number;
  readonly limit: number;
  readonly exceeded: boolean;
}

/** Samples below which fifths say nothing. */
export const SAMPLES_MIN = 10;

/**
 * Compares the fifths of a run, figure by figure.
 *
 * @throws {RangeError} when there are fewer than {@link SAMPLES_MIN} samples
 */
export function growth(samples: readonly Sample[], bounds: Readonly<Record<string, Bound>>): Growth[] {
  if (samples.length < SAMPLES_MIN)
    throw new RangeError(`${samples.length} samples are too few, ${SAMPLES_MIN} needed`);
  const fifth = Math.floor(samples.length / 5);
  return Object.entries(bounds).map(([figure, { part, plus }]) => {
    const secondFifth = median(samples.slice(fifth, 2 * fifth), figure);
    const lastFifth = median(samples.slice(-fifth), figure);
    const limit = secondFifth * (1 + part) + plus;
    return { figure, secondFifth, lastFifth, limit, exceeded: !(lastFifth <= limit) };
  });
}

function median(samples: readonly Sample[], figure: string): number {
  const values = samples.map((sample) => sample[figure] ?? NaN).toSorted((a, b) => a - b);
  return values[values.length >> 1]!;
}
