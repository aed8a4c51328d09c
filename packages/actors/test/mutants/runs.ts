// The simulations that must find the mutants. Bundled with the mutated sources by scripts/mutants.mjs.

import { runFirstCalls, runIdleRaces } from '../simulation/activation-run.ts';
import { runFenced } from '../simulation/fence-run.ts';
import { runLateSend } from '../simulation/late-send-run.ts';
import { runMoves } from '../simulation/move-run.ts';
import { runRandomly } from '../simulation/random-run.ts';
import { runReminders } from '../simulation/reminder-run.ts';
import { runRetries } from '../simulation/retry-run.ts';
import { runStruck } from '../simulation/strike-run.ts';

export const runs: Readonly<Record<string, (seed: number) => Promise<unknown>>> = {
  random: (seed) => runRandomly(seed),
  fenced: (seed) => runFenced(seed),
  zombies: (seed) => runFenced(seed, true),
  firstCalls: (seed) => runFirstCalls(seed, 60),
  idleRaces: runIdleRaces,
  reminders: runReminders,
  moves: runMoves,
  retries: runRetries,
  lateCommit: (seed) => runLateSend(seed, 'before it hears of its commit'),
  lateRetry: (seed) => runLateSend(seed, 'before it asks again'),
  // One step for each seed.
  kill: (step) => runStruck(1, step, 'kill'),
  freeze: (step) => runStruck(1, step, 'freeze'),
};
