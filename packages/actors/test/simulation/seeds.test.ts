import { afterEach, expect, test } from 'vitest';
import { forEachSeed } from '../../src/testing.ts';
import { runFirstCalls, runIdleRaces } from './activation-run.ts';
import { runFenced } from './fence-run.ts';
import { MOMENTS, runLateSend } from './late-send-run.ts';
import { runMoves } from './move-run.ts';
import { runRandomly } from './random-run.ts';
import { runReminders } from './reminder-run.ts';
import { runRetries } from './retry-run.ts';
import { runStruck } from './strike-run.ts';

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
afterEach(() => expect(unhandled.splice(0)).toEqual([]));

/** Many seeds take as long as they are asked for. */
const timeout = 3_600_000;

function command(title: string): string {
  return `npx vitest run packages/actors/test/simulation/seeds.test.ts -t '${title}'`;
}

test.each([
  ['everything at once', 80, runRandomly],
  ['zombies among everything', 40, (seed: number) => runRandomly(seed, true)],
  ['fenced hosts', 60, runFenced],
  ['zombies alone', 40, (seed: number) => runFenced(seed, true)],
  ['first calls', 20, (seed: number) => runFirstCalls(seed, 60)],
  ['idle races', 15, runIdleRaces],
  ['reminders in time', 30, runReminders],
  ['moves unheard of', 20, runMoves],
  ['retried commits', 30, runRetries],
])('no seed breaks an invariant: %s', { timeout }, async (title, count, run) => {
  await forEachSeed({ count, command: command(title) }, run);
});

test('a seed does the same each time', async () => {
  for (const seed of [1, 2, 3]) expect(await runRandomly(seed)).toEqual(await runRandomly(seed));
});

test('a thousand first calls at once make one activation', async () => {
  await runFirstCalls(1, 1_000);
});

/** About as many as the owner makes; prime, so that the seeds strike here and there and, in as many, everywhere. */
const STEPS = 293;

test.each(['kill', 'freeze'] as const)(
  'a %s of the owner at any of its steps does no harm',
  { timeout },
  async (strike) => {
    await forEachSeed({ count: 80, command: command(`a ${strike} of`) }, (seed) =>
      runStruck(Math.ceil(seed / STEPS), 1 + ((seed * 97) % STEPS), strike),
    );
  },
);

test.each(MOMENTS)(
  'a sender that is frozen %s sends nothing that its receiver has forgotten',
  { timeout },
  async (moment) => {
    await forEachSeed({ count: 10, command: command(`frozen ${moment}`) }, (seed) => runLateSend(seed, moment));
  },
);
