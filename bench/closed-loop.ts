/** What a closed loop got done. */
export interface Rounds {
  readonly rounds: number;
  readonly totalMs: number;
  readonly latenciesMs: readonly number[];
}

/** So many loops at once, each beginning its next round when the last is done, for a time. */
export async function closedLoop(
  loops: number,
  durationMs: number,
  round: (done: () => void) => void,
): Promise<Rounds> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const endsAt = startedAt + durationMs;
  await Promise.all(
    Array.from(
      { length: loops },
      () =>
        new Promise<void>((resolve) => {
          const next = (): void => {
            const beganAt = performance.now();
            if (beganAt >= endsAt) {
              resolve();
              return;
            }
            round(() => {
              latenciesMs.push(performance.now() - beganAt);
              next();
            });
          };
          next();
        }),
    ),
  );
  return { rounds: latenciesMs.length, totalMs: performance.now() - startedAt, latenciesMs };
}

/** Several stretches of a loop, counted as one. */
export class RoundsTogether implements Rounds {
  rounds = 0;
  totalMs = 0;
  readonly latenciesMs: number[] = [];

  add({ rounds, totalMs, latenciesMs }: Rounds): void {
    this.rounds += rounds;
    this.totalMs += totalMs;
    for (const latencyMs of latenciesMs) this.latenciesMs.push(latencyMs);
  }

  get perSecond(): number {
    return (this.rounds / this.totalMs) * 1_000;
  }
}

/** Does something for each index below `count`, so many at a time. */
export async function forEachIndex(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
}
