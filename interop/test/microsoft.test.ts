// What only Microsoft's SDK can express: retries, tags, versions, queries, history, restart, rewind, filters, recursion.

import { describe, expect, test } from 'vitest';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { sharedPeer } from './service.ts';

const peer = sharedPeer('microsoft');

async function family(instanceId: string): Promise<readonly string[]> {
  const ids = [instanceId, `${instanceId}.child`, `${instanceId}.child.child`];
  await peer.ask.start('family', 3, { instanceId });
  await eventually('the last child waits', async () => (await peer.ask.state(ids[2]!))?.status === 'RUNNING');
  return ids;
}

describe('a retry policy', () => {
  test('runs an activity until it succeeds', async () => {
    const id = await peer.ask.start('retry', { key: 'twice', failures: 2, attempts: 3 });
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '2' });
    expect(peer.process.runs('flaky', { key: 'twice', times: 2 })).toBe(3);
  });

  test('gives up after so many attempts', async () => {
    const id = await peer.ask.start('retry', { key: 'often', failures: 9, attempts: 3 });
    const state = await peer.ask.ended(id);
    expect(state!.status).toBe('FAILED');
    expect(state!.failure!.message).toContain('failure 3');
    expect(peer.process.runs('flaky', { key: 'often', times: 9 })).toBe(3);
  });

  test('starts a child again', async () => {
    const state = await peer.ask.ended(await peer.ask.start('retryChild', 3));
    expect(state!.status).toBe('FAILED');
    expect(state!.failure!.message).toContain('again');
  });
});

describe('an instance', () => {
  test('keeps its tags', async () => {
    const tags = { tier: 'gold', 'owner.name': 'Ada' };
    const id = await peer.ask.start('eventsInTurn', ['go'], { tags });
    expect((await peer.ask.started(id))!.tags).toEqual(tags);
    await peer.ask.raise(id, 'go');
    expect((await peer.ask.ended(id))!.tags).toEqual(tags);
  });

  test('knows its version', async () => {
    const id = await peer.ask.start('seesVersion', undefined, { version: '1.2.3' });
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '"1.2.3"' });
  });

  test('knows its parent', async () => {
    const id = await peer.ask.start('parentOf');
    const state = await peer.ask.ended(id);
    expect(JSON.parse(state!.output!)).toMatchObject({ name: 'parentOf', instanceId: id, taskScheduledId: 1 });
  });

  test('is terminated with its children when that is asked for', async () => {
    const ids = await family('all-terminated');
    await peer.ask.terminate(ids[0]!, 'all of you', { recursive: true });
    for (const id of ids) expect(await peer.ask.ended(id)).toMatchObject({ status: 'TERMINATED' });
  });

  test('is purged with its children when that is asked for', async () => {
    const ids = await family('all-purged');
    await peer.ask.raise(ids[2]!, 'go', 1);
    await peer.ask.ended(ids[0]!);
    expect(await peer.ask.purge(ids[0]!, { recursive: true })).toBe(3);
    for (const id of ids) expect(await peer.ask.state(id)).toBeUndefined();
  });

  test('is purged without its children when it is not', async () => {
    const ids = await family('one-purged');
    await peer.ask.raise(ids[2]!, 'go', 1);
    await peer.ask.ended(ids[0]!);
    expect(await peer.ask.purge(ids[0]!)).toBe(1);
    expect(await peer.ask.state(ids[1]!)).toMatchObject({ status: 'COMPLETED' });
  });
});

describe('history', () => {
  test('shows an activity, a timer and a child as they follow each other', async () => {
    const id = await peer.ask.start('history', 'child-in-history');
    await peer.ask.ended(id);
    const events = await peer.ask.history(id);
    expect(events.map(({ type }) => type)).toEqual([
      'OrchestratorStarted',
      'ExecutionStarted',
      'TaskScheduled',
      'OrchestratorStarted',
      'TaskCompleted',
      'TimerCreated',
      'OrchestratorStarted',
      'TimerFired',
      'SubOrchestrationInstanceCreated',
      'OrchestratorStarted',
      'SubOrchestrationInstanceCompleted',
      'ExecutionCompleted',
    ]);
    const numbered = events.map(({ eventId }) => eventId).filter((eventId) => eventId >= 0);
    expect(numbered).toEqual(numbered.toSorted((a, b) => a - b));
    expect(new Set(numbered).size).toBe(numbered.length);
  });

  test('of nobody is empty', async () => {
    expect(await peer.ask.history('nobody')).toEqual([]);
  });
});

describe('queries', () => {
  const idsOf = (count: number): string[] => Array.from({ length: count }, (_, number) => `queried-${number}`);

  test('give pages of instances by prefix and status', async () => {
    const ids = idsOf(7);
    for (const [number, instanceId] of ids.entries())
      await peer.ask.start(number % 2 === 0 ? 'echo' : 'eventsInTurn', number % 2 === 0 ? number : ['go'], {
        instanceId,
        tags: { number: String(number) },
      });
    for (const [number, id] of ids.entries()) await (number % 2 === 0 ? peer.ask.ended(id) : peer.ask.started(id));

    const filter = { instanceIdPrefix: 'queried-', pageSize: 2 };
    const seen = async (more: object): Promise<readonly string[]> =>
      (await peer.ask.query({ ...filter, ...more })).map(({ instanceId }) => instanceId).sort();
    expect(await eventually('all are listed', async () => (await seen({})).length === 7 && (await seen({})))).toEqual(
      ids,
    );
    await eventually('ends are listed', async () => (await seen({ statuses: ['COMPLETED'] })).length === 4);
    expect(await seen({ statuses: ['COMPLETED'] })).toEqual(ids.filter((_, number) => number % 2 === 0));
    expect(await seen({ statuses: ['RUNNING'] })).toEqual(ids.filter((_, number) => number % 2 === 1));
    expect(await seen({ statuses: ['FAILED'] })).toEqual([]);

    const [bare] = await peer.ask.query({ instanceIdPrefix: 'queried-0', fetchInputsAndOutputs: false });
    expect(bare).toMatchObject({ instanceId: 'queried-0', name: 'echo', status: 'COMPLETED' });
    expect(bare!.output).toBeUndefined();
    const [full] = await peer.ask.query({ instanceIdPrefix: 'queried-0', fetchInputsAndOutputs: true });
    expect(full).toMatchObject({ input: '0', output: '0', tags: { number: '0' } });
  });

  test('list the ids of what has ended in pages', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => peer.ask.start('fail', 'to be listed')));
    for (const id of ids) await peer.ask.ended(id);
    const list = async (): Promise<readonly string[]> => {
      const listed: string[] = [];
      let lastInstanceKey: string | undefined;
      do {
        const page = await peer.ask.listIds({
          statuses: ['FAILED'],
          pageSize: 2,
          ...(lastInstanceKey === undefined ? {} : { lastInstanceKey }),
        });
        expect(page.ids.length).toBeLessThanOrEqual(2);
        listed.push(...page.ids);
        lastInstanceKey = page.next;
      } while (lastInstanceKey !== undefined && listed.length < 1_000);
      return listed;
    };
    await eventually('all are listed', async () => {
      const listed = await list();
      return ids.every((id) => listed.filter((one) => one === id).length === 1);
    });
  });
});

describe('restart', () => {
  test('runs what has ended once more under its id', async () => {
    const id = await peer.ask.start('echo', 'again', { tags: { kept: 'yes' } });
    const first = (await peer.ask.ended(id))!;
    expect(await peer.ask.restart(id, false)).toBe(id);
    const second = await peer.ask.ended(id);
    expect(second).toMatchObject({ name: 'echo', status: 'COMPLETED', output: '"again"', tags: { kept: 'yes' } });
    expect(second!.createdAtMs).toBeGreaterThanOrEqual(first.createdAtMs);
  });

  test('runs it beside itself under a new id', async () => {
    const id = await peer.ask.start('eventsInTurn', ['go']);
    await peer.ask.started(id);
    await expect(peer.ask.restart(id, false)).rejects.toThrow('cannot be restarted');
    const other = await peer.ask.restart(id, true);
    expect(other).not.toBe(id);
    await peer.ask.raise(other, 'go', 2);
    expect(await peer.ask.ended(other)).toMatchObject({ output: '[2]' });
    expect(await peer.ask.state(id)).toMatchObject({ status: 'RUNNING' });
  });
});

describe('rewind', () => {
  test('runs what failed once more, and nothing else', async () => {
    const id = await peer.ask.start('retry', { key: 'rewound', failures: 1, attempts: 1 });
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'FAILED' });
    await peer.ask.rewind(id, 'it works now');
    await eventually('it has run again', async () => (await peer.ask.state(id))!.status === 'COMPLETED');
    expect(await peer.ask.state(id)).toMatchObject({ output: '1' });
    expect(peer.process.runs('flaky', { key: 'rewound', times: 1 })).toBe(2);
  });

  test('is for what failed alone', async () => {
    const id = await peer.ask.start('echo', 1);
    await peer.ask.ended(id);
    await expect(peer.ask.rewind(id, 'for fun')).rejects.toThrow();
    expect(await peer.ask.state(id)).toMatchObject({ status: 'COMPLETED', output: '1' });
  });
});
