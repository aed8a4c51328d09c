// What every workload is asked and what it tells.

import type { CpuProfile } from './profile.ts';
import { medianRun } from './statistics.ts';

/**
 * One line of the report. Where a step is counted it is what the workload repeats: a step of a workflow, a call, an event,
 * a timer, a request.
 */
export interface Line {
  readonly workload: string;
  /** How many runs the line is the median of. */
  readonly runs: number;
  readonly [figure: string]: string | number;
}

/** How long and how large the workloads are. */
export interface Settings {
  readonly runs: number;
  readonly durationMs: number;
  /** Factor of the counts of steps, instances and timers. 1 is what the budgets are about. */
  readonly scale: number;
  /** Takes part while a workload is measured, not while its floor is. */
  readonly profile: CpuProfile | undefined;
}

/** Measures something and yields its lines as they come. */
export type Workload = (settings: Settings) => AsyncGenerator<Line>;

type Figures = Readonly<Record<string, string | number>>;

/** The line of several runs: the median run by one figure, with how far that figure spread. */
export function medianLine(workload: string, runs: readonly Figures[], figure: string): Line {
  const values = runs.map((run) => Number(run[figure]));
  return {
    workload,
    ...medianRun(runs, (run) => Number(run[figure])),
    [`${figure}Min`]: Math.min(...values),
    [`${figure}Max`]: Math.max(...values),
    runs: runs.length,
  };
}
