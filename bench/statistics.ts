/** The value that the given part of all values does not exceed. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

/** The run with the median of one figure. */
export function medianRun<R>(runs: readonly R[], figure: (run: R) => number): R {
  return runs.toSorted((a, b) => figure(a) - figure(b))[runs.length >> 1]!;
}
