// Random workflows on one to three hosts while everything goes wrong (I15 to I18). What is checked is in
// `simulation/checkers.ts`, what is done in `simulation/run.ts`. More seeds: `npm run chaos`, or TROUPE_SEEDS=5000.

import { forEachSeed } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import { runSeed } from './simulation/run.ts';

const command = 'npx vitest run packages/workflow/test/simulation.test.ts';
const alone = process.env['TROUPE_SEED'] !== undefined;

test(
  'whatever goes wrong, work is recorded once, done as promised, and comes to its end',
  { timeout: 3_600_000 },
  async () => {
    const met = new Map<string, number>();
    const meet = (what: string, times = 1): void => void met.set(what, (met.get(what) ?? 0) + times);
    const ran = await forEachSeed({ count: 250, command }, async (seed) => {
      const { log, arrivals, calls } = await runSeed({ seed });
      for (const executions of log.executions.values()) {
        for (const { events } of executions) {
          for (const { event } of events) meet(event.type);
          if (events[0]!.generation > 1) meet('another execution');
        }
      }
      meet('a purge', log.purges.length);
      meet('a body that ran twice', arrivals.length - new Set(arrivals.map(({ key, attempt }) => key + attempt)).size);
      for (const { outcome } of calls) meet(outcome);
    });
    expect(ran).toBeGreaterThan(0);
    if (alone) return;
    // A simulation that never meets a thing shows nothing about it.
    expect([...met.keys()]).toEqual(expect.arrayContaining(THINGS));
    expect(met.get('a body that ran twice')).toBeGreaterThan(ran / 50);
  },
);

const THINGS = [
  'ActivityScheduled',
  'ActivityCompleted',
  'ActivityFailed',
  'ActivityRetried',
  'TimerCreated',
  'TimerFired',
  'EventRaised',
  'EventSent',
  'ChildScheduled',
  'ChildCompleted',
  'ChildFailed',
  'WorkflowSuspended',
  'WorkflowResumed',
  'UndoRequested',
  'WorkflowCompleted',
  'WorkflowFailed',
  'WorkflowTerminated',
  'another execution',
  'a purge',
  'AlreadyExistsError',
  'InstanceNotFoundError',
  'InstanceEndedError',
  'NotExecutedError',
  'OutcomeUnknownError',
];

test('the same seed does the same', async () => {
  for (const seed of [3, 5]) {
    const { digest } = await runSeed({ seed });
    expect((await runSeed({ seed })).digest).toBe(digest);
  }
});
