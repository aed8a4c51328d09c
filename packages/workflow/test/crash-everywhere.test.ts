// Crash everywhere (I15): a crash before and after every store operation of varied workflows changes nothing of what they
// ask for and end with; no call of an activity is executed more than once more; replays ask for the same, byte for byte.

import { expect, test } from 'vitest';
import { crashEverywhere } from '../src/testing.ts';
import { fakes, scenarios } from './crash-scenarios.ts';

test.each(scenarios.map(({ title, ...scenario }) => [title, scenario] as const))('%s', async (_, scenario) => {
  const { ends, ...rest } = scenario;
  const report = await crashEverywhere({ ...rest, fakes });
  expect(report.ends).toMatchObject(ends);
  expect(report.runs).toBe(1 + 2 * report.operations);
});
