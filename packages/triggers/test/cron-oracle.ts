// Which ticks start something, told without any of the machinery: a walk through the moments at which something can happen.

import type { Overlap } from '../src/cron.ts';

/** Nobody is there from one time on until another. */
export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
  /** How much of what happens in its first moment was done before. */
  readonly steps: number;
  /** An instance that was started in that moment begins only now: its code had not run. */
  readonly beginsAgainMs?: number;
}

export interface Course {
  /** In the order of time. */
  readonly ticks: readonly number[];
  readonly overlap: Overlap;
  readonly catchUpMs: number;
  /** How long an instance runs. */
  readonly durationMs: number;
  readonly outages: readonly Outage[];
  readonly untilMs: number;
}

/** The ticks that start an instance, in the order of their starts. */
export function startedTicks({ ticks, overlap, catchUpMs, durationMs, outages, untilMs }: Course): number[] {
  /** When the instance of each tick ends. */
  const endsMs = new Map<number, number>();
  let waiting: number[] = [];
  let running: number | undefined;
  let next = 0;
  const replaces = overlap === 'cancel-other' || overlap === 'terminate-other';

  /** Does one thing that can be done at this moment; false when there is none. */
  const step = (nowMs: number): boolean => {
    const busy = overlap !== 'allow-all' && running !== undefined && endsMs.get(running)! > nowMs;
    const due = next < ticks.length && ticks[next]! <= nowMs;
    const decide = (): boolean => {
      const tick = ticks[next++]!;
      if (nowMs - tick > catchUpMs) return true;
      if (replaces) {
        waiting = [tick];
        if (next < ticks.length && ticks[next]! <= nowMs) decide();
      } else if (overlap === 'allow-all' || overlap === 'buffer-all' || (!busy && waiting.length === 0))
        waiting.push(tick);
      else if (overlap === 'buffer-one' && waiting.length === 0) waiting.push(tick);
      return true;
    };
    if (due && (replaces || busy || waiting.length === 0)) return decide();
    const first = waiting[0];
    if (first === undefined) return false;
    if (busy && !replaces) return false;
    if (busy) endsMs.set(running!, nowMs);
    else if (!endsMs.has(first)) endsMs.set(first, nowMs + durationMs);
    else running = waiting.shift();
    return true;
  };

  const left = [...outages];
  for (let nowMs = Math.min(ticks[0] ?? untilMs, left[0]?.fromMs ?? untilMs); nowMs <= untilMs;) {
    const outage = left[0];
    const stepsMax = outage?.fromMs === nowMs ? outage.steps : Infinity;
    let steps = 0;
    while (steps < stepsMax && step(nowMs)) steps++;
    if (outage?.fromMs === nowMs) {
      left.shift();
      for (const [tick, endMs] of endsMs)
        if (outage.beginsAgainMs !== undefined && endMs === nowMs + durationMs)
          endsMs.set(tick, outage.beginsAgainMs + durationMs);
      nowMs = outage.untilMs;
      continue;
    }
    const moments = [ticks[next], running === undefined ? undefined : endsMs.get(running), outage?.fromMs];
    nowMs = Math.min(...moments.filter((moment) => moment !== undefined && moment > nowMs).map(Number), untilMs + 1);
  }
  return [...endsMs.keys()];
}
