// Runs the bench as people do, as short as it gets, and looks at what it says: that it says everything, not how fast it was.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

async function bench(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/bench.mjs', '--runs', '1', ...args], {
    cwd: root,
  });
  return stdout;
}

const MACHINE = ['node', 'troupe', 'classicLevel', 'msgpackr', 'cores', 'cpu', 'store', 'durability'];
const COST = ['stepsPerSecond', 'msPerStep', 'totalMs', 'cpuMsPerStep', 'commitsPerStep', 'syncsPerStep'];
const RATIO = ['ratioToFloor', 'ratioToFloorMin', 'ratioToFloorMax'];

/** The lines of each workload, and what each of its lines must tell. */
const EXPECTED: Readonly<Record<string, { readonly lines: number; readonly figures: readonly string[] }>> = {
  W1: {
    lines: 2,
    figures: [
      'inFlight',
      'workflowsPerSecond',
      'p50Ms',
      'p99Ms',
      'floorStepsPerSecond',
      'storeStepsPerSecond',
      'ratioToStore',
      ...COST,
      ...RATIO,
    ],
  },
  W2: { lines: 1, figures: ['inFlight', 'p50Ms', 'p99Ms', 'floorP50Ms', ...COST, ...RATIO] },
  W3: { lines: 3, figures: ['steps', 'floorMsPerStep', ...COST, ...RATIO] },
  W4: { lines: 2, figures: ['width', 'floorTotalMs', ...COST, ...RATIO] },
  W5: { lines: 1, figures: ['inFlight', 'instances', 'floorTotalMs', ...COST, ...RATIO] },
  W6: {
    lines: 4,
    figures: [
      'kind',
      'actors',
      'inFlight',
      'callsPerSecond',
      'p50Ms',
      'p99Ms',
      'floorCallsPerSecond',
      ...COST,
      ...RATIO,
    ],
  },
  W7: { lines: 2, figures: ['kind', 'instances'] },
  W8: { lines: 1, figures: ['timers', 'latenessP50Ms', 'latenessP99Ms', 'floorP99Ms', ...COST] },
  W9: {
    lines: 1,
    figures: ['firstWorkflowsPerSecond', 'thirdWorkflowsPerSecond', 'thirdToFirst', 'purged', 'rowsLeft', ...COST],
  },
  W12: {
    lines: 1,
    figures: ['connections', 'requestsPerSecond', 'p50Ms', 'p99Ms', 'floorRequestsPerSecond', ...COST, ...RATIO],
  },
};

test('every workload of the embedded store prints its lines as JSON, with all figures and where they were taken', async () => {
  const only = Object.keys(EXPECTED).join();
  const printed = await bench('--only', only, '--seconds', '0.2', '--scale', '0.01', '--json');
  const lines = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const [workload, { lines: count, figures }] of Object.entries(EXPECTED)) {
    const of = lines.filter((line) => line['workload'] === workload);
    expect(of, workload).toHaveLength(count);
    for (const line of of) {
      expect(Object.keys(line)).toEqual(expect.arrayContaining(['runs', ...figures, ...MACHINE]));
      for (const value of Object.values(line)) if (typeof value !== 'string') expect(value).toBeTypeOf('number');
    }
  }
  expect(lines).toHaveLength(Object.values(EXPECTED).reduce((sum, { lines: count }) => sum + count, 0));
  expect(lines.find((line) => line['workload'] === 'W9')).toMatchObject({
    rowsLeft: 0,
    ownRows: 2,
    activationsLeft: 0,
    wakeUpsLeft: 0,
    recoveringLeft: 0,
  });
}, 300_000);

test('without --json it prints tables, and with --profile where the time went', async () => {
  const printed = await bench('--seconds', '0.2', '--only', 'W2', '--profile');
  expect(printed).toMatch(/^node: v\d+/);
  expect(printed).toMatch(/^workload +W2$/m);
  expect(printed).toMatch(/^ratioToFloor +[\d.]+$/m);
  expect(printed).toMatch(/^@troupe\/workflow +[\d.]+ %$/m);
  expect(printed).toMatch(/^msgpackr +[\d.]+ %$/m);
  expect(printed).toMatch(/^\S.* +@troupe\/\w+ +[\d.]+ %$/m);
}, 60_000);

test('a workload that does not exist is refused', async () => {
  await expect(bench('--only', 'W1,W99')).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('W12') });
}, 60_000);
