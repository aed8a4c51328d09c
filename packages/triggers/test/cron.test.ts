// Cron triggers on a real host in memory, whose time is moved by hand.

import { describe, expect, test } from 'vitest';
import { workflow } from '@troupe/workflow';
import type { CronTick, Overlap } from '../src/cron.ts';
import { raiseEvent } from '../src/index.ts';
import { openCursor } from '../src/reader-cursor.ts';
import { startedTicks } from './cron-oracle.ts';
import { CronStage, HOUR_MS, MIDNIGHT_MS, MINUTE_MS } from './cron-stage.ts';

test('each tick starts one instance, whose id and input tell the scheduled time', async () => {
  await using stage = await CronStage.begin({ schedule: '30 1 * * *', timeZone: 'Europe/Berlin' });
  await stage.advance(40 * MINUTE_MS);
  const { instances } = await stage.workflows.list();
  expect(instances.map(({ instanceId, tags }) => [instanceId, tags])).toEqual([
    [
      'cron=3Anightly=2F2030-01-01T00=3A30=3A00.000Z',
      { 'event-source': 'cron:nightly', 'event-id': '2030-01-01T00:30:00.000Z', trigger: 'nightly' },
    ],
  ]);
  const found = await stage.workflows.get(instances[0]!.instanceId);
  expect(found?.input).toEqual({
    scheduledAt: '2030-01-01T00:30:00.000Z',
    timeZone: 'Europe/Berlin',
    schedule: '30 1 * * *',
  });
  expect(found?.createdAt).toEqual(new Date('2030-01-01T00:30:00.000Z'));
});

test('a trigger that is new begins now: neither the tick of this moment nor one before is made up for', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * *' });
  await stage.advance(MINUTE_MS - 1);
  expect(await stage.started()).toEqual([]);
  await stage.advance(1);
  expect(await stage.started()).toEqual(['00:01']);
});

test('a trigger that was new when its host went down has begun: its first tick is made up for', async () => {
  await using stage = await CronStage.begin({ schedule: '*/5 * * * *' });
  await stage.advance(MINUTE_MS);
  await stage.outage(5 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:05']);
});

describe('five minutes without a host, with a job of 85 seconds every minute', () => {
  const wide = 24 * MINUTE_MS;
  const narrow = 2.5 * MINUTE_MS;
  // It goes down in the fourth minute and comes in the ninth; the instance of 00:03 ends then if it has not been ended.
  const cases: readonly (readonly [Overlap, number, string])[] = [
    ['skip', wide, '00:01 00:03 00:04 00:10'],
    ['skip', narrow, '00:01 00:03 00:06 00:10'],
    ['buffer-one', wide, '00:01 00:02 00:03 00:04'],
    ['buffer-one', narrow, '00:01 00:02 00:03 00:06'],
    ['buffer-all', wide, '00:01 00:02 00:03 00:04'],
    ['buffer-all', narrow, '00:01 00:02 00:03 00:06'],
    ['cancel-other', wide, '00:01 00:02 00:03 00:08 00:09 00:10'],
    ['cancel-other', narrow, '00:01 00:02 00:03 00:08 00:09 00:10'],
    ['terminate-other', wide, '00:01 00:02 00:03 00:08 00:09 00:10'],
    ['terminate-other', narrow, '00:01 00:02 00:03 00:08 00:09 00:10'],
    ['allow-all', wide, '00:01 00:02 00:03 00:04 00:05 00:06 00:07 00:08 00:09 00:10'],
    ['allow-all', narrow, '00:01 00:02 00:03 00:06 00:07 00:08 00:09 00:10'],
  ];
  test.each(cases)('%s, catching up %i ms: %s', async (overlap, catchUpMs, expected) => {
    const durationMs = 85_000;
    await using stage = await CronStage.begin({ schedule: '* * * * *', overlap, catchUpMs }, durationMs);
    await stage.advance(3.5 * MINUTE_MS);
    await stage.outage(5 * MINUTE_MS);
    await stage.advance(1.75 * MINUTE_MS);
    const started = await stage.started();
    expect(started.join(' ')).toBe(expected);
    const ticks = Array.from({ length: 10 }, (_, index) => MIDNIGHT_MS + (index + 1) * MINUTE_MS);
    const outages = [{ fromMs: MIDNIGHT_MS + 3.5 * MINUTE_MS, untilMs: MIDNIGHT_MS + 8.5 * MINUTE_MS, steps: 0 }];
    const untilMs = MIDNIGHT_MS + 10.25 * MINUTE_MS;
    expect(startedTicks({ ticks, overlap, catchUpMs, durationMs, outages, untilMs })).toEqual(
      started.map((time) => Date.parse(`2030-01-01T${time}:00Z`)),
    );
    const dropped = stage.warnings.filter((message) => message.includes('older than catchUpMs'));
    expect(dropped).toHaveLength(catchUpMs === narrow ? 1 : 0);
  });
});

test.each(['cancel-other', 'terminate-other'] as const)(
  '%s ends what runs, and only one of them undoes it',
  async (overlap) => {
    await using stage = await CronStage.begin({ schedule: '* * * * *', overlap }, 90_000);
    await stage.advance(2.5 * MINUTE_MS);
    expect(await stage.statuses()).toEqual({ '00:01': 'terminated', '00:02': 'running' });
    expect(stage.undone).toEqual(overlap === 'cancel-other' ? ['2030-01-01T00:01:00.000Z'] : []);
  },
);

test('a tick waits until the undos of what it cancels are done; a newer one takes its place', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * *', overlap: 'cancel-other' }, 90_000);
  stage.undo = () => {
    throw new Error('not yet');
  };
  await stage.advance(3.5 * MINUTE_MS);
  expect(await stage.statuses()).toEqual({ '00:01': 'running' });
  expect((await stage.triggers.status('nightly')).lag).toBe(1);
  stage.undo = () => {};
  await stage.advance(20_000);
  expect(await stage.statuses()).toEqual({ '00:01': 'terminated', '00:03': 'running' });
});

test('with buffer-all a thousand ticks wait and no more; what is dropped is told', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * * *', overlap: 'buffer-all' }, 30 * MINUTE_MS);
  await stage.advance(1_010_000);
  expect((await stage.triggers.status('nightly')).lag).toBe(1_000);
  expect(stage.warnings.filter((message) => message.includes('too many wait')).length).toBe(9);
});

test('a suspended instance is running: skipped while it is, started once it has ended', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * *' }, 30_000);
  await stage.advance(MINUTE_MS + 1_000);
  const first = (await stage.workflows.list()).instances[0]!.instanceId;
  await stage.workflows.suspend(first);
  await stage.advance(2 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:01']);
  await stage.workflows.resume(first);
  await stage.advance(MINUTE_MS);
  expect(await stage.started()).toEqual(['00:01', '00:04']);
});

test('an instance that is purged while its successor waits is no obstacle', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * *', overlap: 'buffer-one' }, 10 * MINUTE_MS);
  await stage.advance(2.5 * MINUTE_MS);
  const first = (await stage.workflows.list()).instances[0]!.instanceId;
  await stage.workflows.purge(first, { force: true });
  await stage.advance(2 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:02']);
});

test('a clock that is set back fires no tick twice, and goes on where it was', async () => {
  await using stage = await CronStage.begin({ schedule: '*/10 * * * *', overlap: 'allow-all' });
  await stage.advance(35 * MINUTE_MS);
  stage.setClock(-20 * MINUTE_MS);
  await stage.advance(15 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:10', '00:20', '00:30']);
  expect((await stage.triggers.status('nightly')).counts).toEqual({ started: 3 });
  await stage.advance(12 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:10', '00:20', '00:30', '00:40']);
});

test('a clock that was days ahead and is set right does not silence the schedule', async () => {
  await using stage = await CronStage.begin({
    schedule: '*/6 * * * *',
    overlap: 'allow-all',
    catchUpMs: 10 * MINUTE_MS,
  });
  await stage.advance(7 * MINUTE_MS);
  stage.setClock(10 * 24 * HOUR_MS);
  await stage.advance(2 * MINUTE_MS);
  stage.setClock(-10 * 24 * HOUR_MS);
  await stage.advance(6 * MINUTE_MS);
  const started = await stage.started();
  expect(started.filter((time) => time.length === 5)).toEqual(['00:06', '00:12']);
  expect(started.filter((time) => time.startsWith('2030-01-11'))).toHaveLength(2);
  expect(stage.warnings.filter((message) => message.includes('begins anew'))).toHaveLength(1);
});

test('a clock that is set forward is noticed within a minute, and what it passed is caught up', async () => {
  await using stage = await CronStage.begin({ schedule: '*/10 * * * *', overlap: 'allow-all' });
  await stage.advance(5 * MINUTE_MS);
  stage.setClock(30 * MINUTE_MS);
  await stage.advance(MINUTE_MS);
  expect(await stage.started()).toEqual(['00:10', '00:20', '00:30']);
});

test('a schedule that has changed begins when it is first read; what waited is kept', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * *', overlap: 'buffer-one' }, 90_000);
  await stage.advance(2.25 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:01']);
  stage.options = { schedule: '*/3 * * * *', overlap: 'allow-all' };
  await stage.outage(2 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:01', '00:02']);
  await stage.advance(2 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:01', '00:02', '00:06']);
});

test('jitter delays a tick by what its time says, and its id stays the scheduled time', async () => {
  await using stage = await CronStage.begin({ schedule: '*/10 * * * *', jitterMs: 5 * MINUTE_MS });
  await stage.advance(10 * MINUTE_MS);
  expect(await stage.started()).toEqual([]);
  await stage.advance(5 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:10']);
  const { createdAt } = (await stage.workflows.list()).instances[0]!;
  expect(createdAt.getTime()).toBeGreaterThan(MIDNIGHT_MS + 10 * MINUTE_MS);
});

test('a trigger of another kind may have left its cursor: the schedule begins now', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * *' }, 0, async (host) => {
    const cursor = await openCursor(host.actors, 'nightly');
    await cursor.save({ offset: 7 });
  });
  await stage.advance(MINUTE_MS);
  expect(await stage.started()).toEqual(['00:01']);
});

test('a store that is away for a while costs no tick', async () => {
  await using stage = await CronStage.begin({ schedule: '* * * * *', overlap: 'allow-all' });
  await stage.advance(90_000);
  stage.storeAway(true);
  await stage.advance(5 * MINUTE_MS);
  stage.storeAway(false);
  await stage.advance(2 * MINUTE_MS);
  expect(await stage.started()).toEqual(['00:01', '00:02', '00:03', '00:04', '00:05', '00:06', '00:07', '00:08']);
});

test('ticks may do other things than start: an event is raised at each', async () => {
  const counter = workflow('counter', async (ctx) => {
    const times: string[] = [];
    for (let count = 0; count < 3; count++)
      times.push(((await ctx.waitForExternalEvent('cron.tick')) as CronTick).scheduledAt);
    return times;
  });
  await using stage = await CronStage.begin({ schedule: '*/5 * * * *' }, 0, undefined, {
    workflows: [counter],
    do: raiseEvent({ instanceId: () => 'counter' }),
  });
  await stage.workflows.start(counter, { instanceId: 'counter' });
  await stage.advance(16 * MINUTE_MS);
  expect(await stage.workflows.result('counter')).toEqual(
    ['00:05', '00:10', '00:15'].map((time) => `2030-01-01T${time}:00.000Z`),
  );
});
