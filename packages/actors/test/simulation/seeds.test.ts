import { afterEach, expect, test } from 'vitest';
import { forEachSeed } from '../../src/testing.ts';
import { runFirstCalls, runIdleRaces } from './activation-run.ts';
import { MOMENTS, runLateSend } from './late-send-run.ts';
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
  ['everything at once', 100, runRandomly],
  ['first calls', 20, (seed: number) => runFirstCalls(seed, 60)],
  ['idle races', 15, runIdleRaces],
  ['reminders in time', 30, runReminders],
  ['retried commits', 30, runRetries],
])('no seed breaks an invariant: %s', { timeout }, async (title, count, run) => {
  await forEachSeed({ count, command: command(title) }, run);
});

test('a thousand first calls at once make one activation', async () => {
  await runFirstCalls(1, 1_000);
});

test.each(['kill', 'freeze'] as const)(
  'a %s of the owner at any of its steps does no harm',
  { timeout },
  async (strike) => {
    await forEachSeed({ count: 1, command: command(`a ${strike} of`) }, async (seed) => {
      // Three seeds in a row strike at every step.
      for (let step = 1 + (seed % 3); await runStruck(seed, step, strike); step += 3);
    });
  },
);

test.each(MOMENTS)(
  'a sender that is frozen %s sends nothing that its receiver has forgotten',
  { timeout },
  async (moment) => {
    await forEachSeed({ count: 5, command: command(`frozen ${moment}`) }, (seed) => runLateSend(seed, moment));
  },
);
