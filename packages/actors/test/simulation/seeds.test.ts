import { afterEach, expect, test } from 'vitest';
import { forEachSeed } from '../../src/testing.ts';
import { runFirstCalls, runIdleRaces } from './activation-run.ts';
import { runRandomly } from './random-run.ts';
import { runReminders } from './reminder-run.ts';
import { runRetries } from './retry-run.ts';
import { runZombie } from './zombie-run.ts';

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
afterEach(() => expect(unhandled.splice(0)).toEqual([]));

/** Many seeds take as long as they are asked for. */
const timeout = 3_600_000;

function command(title: string): string {
  return `npx vitest run packages/actors/test/simulation/seeds.test.ts -t '${title}'`;
}

test.each([
  ['everything at once', 120, runRandomly],
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

test('an owner that is frozen at any step does no harm when it goes on', { timeout }, async () => {
  await forEachSeed({ count: 1, command: command('frozen at any step') }, async (seed) => {
    for (let step = 1; await runZombie(seed, step); step++);
  });
});
