// Cron triggers in a cluster of two hosts, in one process: on one network, one store and one clock that is moved by hand.

import { expect, test } from 'vitest';
import { workflow, type WorkflowHost } from '@troupe/workflow';
import { TestCluster } from '../../workflow/test/cluster.ts';
import { cron } from '../src/cron.ts';
import { CronReader } from '../src/cron/cron-reader.ts';
import { start, trigger, Triggers, type SourceContext } from '../src/index.ts';
import { readerCursorActor } from '../src/reader-cursor.ts';

const MINUTE_MS = 60_000;
const job = workflow('job', () => Promise.resolve());
const source = cron({ schedule: '* * * * *', overlap: 'allow-all' });

function triggersOf(): Triggers {
  const triggers = new Triggers();
  trigger(triggers, 'nightly', source, { do: start(job) });
  return triggers;
}

async function ticks(host: WorkflowHost): Promise<string[]> {
  const { instances } = await host.workflows.list({ workflowName: 'job', limit: 1_000 });
  return instances.map(({ tags }) => tags['event-id']!.slice(11, 16)).toSorted();
}

const minutes = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `00:${String(from + index).padStart(2, '0')}`);

test('one host of two reads; when it dies the other goes on, and no tick is lost or comes twice', async () => {
  await using cluster = new TestCluster();
  const triggers = new Map([...['a', 'b']].map((name) => [name, triggersOf()]));
  for (const [name, ones] of triggers) {
    const host = await cluster.start(name, { workflows: [job], actors: ones.actors });
    await ones.start(host);
  }
  await cluster.advance(2.5 * MINUTE_MS);
  const states = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      await Promise.all(
        [...triggers].map(async ([name, ones]) => [name, (await ones.status('nightly')).state] as const),
      ),
    );
  const owner = cluster.host('a').actors.ownerOf(readerCursorActor, 'nightly')!;
  const other = owner === 'a' ? 'b' : 'a';
  expect(await states()).toEqual({ [owner]: 'running', [other]: 'standby' });
  expect(await ticks(cluster.host(other))).toEqual(minutes(1, 2));
  cluster.kill(owner);
  await cluster.advance(2 * MINUTE_MS);
  cluster.bury(owner, other);
  await cluster.advance(2 * MINUTE_MS);
  expect((await triggers.get(other)!.status('nightly')).state).toBe('running');
  expect(await ticks(cluster.host(other))).toEqual(minutes(1, 6));
  const stopped = triggers.get(other)!.stop();
  await cluster.advance(10_000);
  await stopped;
});

test('two hosts that both take themselves for the reader start one instance for each tick', async () => {
  await using cluster = new TestCluster();
  const readers: Awaited<ReturnType<typeof source.open>>[] = [];
  const outcomes: string[] = [];
  const stopping = new AbortController();
  for (const name of ['a', 'b']) {
    const ones = triggersOf();
    const host = await cluster.start(name, { workflows: [job], actors: ones.actors });
    await ones.start(host);
    await ones.stop();
    // Each has a cursor of its own: nothing but the keys of the events is between them.
    let value: unknown;
    const context: SourceContext = {
      trigger: 'nightly',
      app: 'default',
      host,
      clock: cluster.clock,
      logger: host.actors.logger,
      random: () => 0.5,
      concurrency: 1,
      signal: stopping.signal,
      free: () => 1,
      room: () => Promise.resolve(1),
      async deliver({ event }) {
        const plan = await start(job).plan(event!);
        const result = await start(job).perform(plan, { host, trigger: 'nightly', event: event!, dedupForMs: 1_000 });
        outcomes.push(result.outcome);
        return result;
      },
      cursor: {
        get value() {
          return value;
        },
        save: (saved) => Promise.resolve(void (value = saved)),
      },
      failing: (error) => void outcomes.push(String(error)),
      working() {},
    };
    readers.push(await source.open(context));
  }
  expect(readers.every((reader) => reader instanceof CronReader)).toBe(true);
  await cluster.advance(3.5 * MINUTE_MS);
  expect(await ticks(cluster.host('b'))).toEqual(minutes(1, 3));
  expect(outcomes.toSorted()).toEqual([...Array(3).fill('duplicate'), ...Array(3).fill('started')]);
  await Promise.all(readers.map((reader) => reader.close()));
});
