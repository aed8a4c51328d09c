// Three host processes under load, one kind of trouble at a time, and a little of everything at the end. What must hold is
// in ../cluster/checkers.ts; `npm run chaos -- --cluster` is the same for longer.

import { SeededRandom } from '@troupe/actors/testing';
import { afterEach, expect, test } from 'vitest';
import { Plan } from '../cluster/plan.ts';
import { freeze, kills, rollingRestart, serversAway, type Check } from '../cluster/scenarios.ts';
import { report, Stage, type StageOptions } from '../cluster/stage.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';

/** A run on a machine that is busy with other tests. */
const TIMEOUT_MS = 240_000;
/** Longer than a host may be out of touch before it answers nothing. */
const AWAY_MS = 12_000;
/** More for `npm run chaos`. */
const rounds = Number(process.env['TROUPE_ROUNDS'] ?? 1);
const seed = Number(process.env['TROUPE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const SMALL = { callers: 6, actors: 30, pauseMs: 50, instances: 40, paceMs: 2_000 };

let stage: Stage | undefined;

afterEach(async () => {
  await stage?.end();
  stage = undefined;
});

async function start(options: Partial<StageOptions> = {}): Promise<Stage> {
  const program = natsServerProgram();
  stage = await Stage.start({ program, servers: 1, hosts: 3, load: SMALL, seed, ...options });
  await stage.startLoads();
  await stage.waitForProgress();
  return stage;
}

/** Nothing is broken, and there was something that could have been. */
async function expectWhole(present: Stage, check: Check): Promise<void> {
  const verdict = await present.finish();
  expect(check(present.hosts.lines()), `seed ${seed}`).toEqual({});
  expect(verdict.broken, `seed ${seed}\n${report(verdict)}`).toEqual({});
  expect(verdict.calls.done).toBeGreaterThan(100);
  expect(verdict.instances.ended).toBeGreaterThan(0);
}

describeWithNats('three hosts', () => {
  test('are restarted one after the other and no call fails', { timeout: TIMEOUT_MS }, async () => {
    const present = await start();
    await expectWhole(present, await rollingRestart(present));
  });

  test('go on without one that is killed, and take up its work', { timeout: TIMEOUT_MS }, async () => {
    const present = await start();
    await expectWhole(present, await kills(present, 2 * rounds));
  });

  test('go on without one that stands still, which then does no harm', { timeout: TIMEOUT_MS }, async () => {
    const present = await start();
    await expectWhole(present, await freeze(present));
  });

  test('keep what they hold while their server is away', { timeout: TIMEOUT_MS }, async () => {
    const present = await start();
    await expectWhole(present, await serversAway(present, AWAY_MS));
  });
});

describeWithNats('three hosts on three servers', () => {
  test('lose nothing in trouble of every kind', { timeout: TIMEOUT_MS + rounds * 30_000 }, async () => {
    const present = await start({ servers: 3 });
    await new Plan(present, new SeededRandom(seed), () => {}).run(rounds * 30_000);
    await expectWhole(present, () => ({}));
  });
});
