import { expect, test } from 'vitest';
import { workflow, type IfExists } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';

const w = workflow('w', async (ctx, input: string) => {
  if (input === 'fail') throw new Error('no');
  return input === 'wait' ? ctx.waitForExternalEvent('go') : input;
});
const make: Record<string, (t: TestHost) => Promise<unknown>> = {
  pending: (t) => t.workflows.start(w, { instanceId: 'i', input: 'old', startAt: new Date(t.clock.nowMs() + 1_000) }),
  running: (t) => t.workflows.start(w, { instanceId: 'i', input: 'wait' }),
  suspended: async (t) => (await t.workflows.start(w, { instanceId: 'i', input: 'wait' })).suspend(),
  completed: (t) => t.workflows.start(w, { instanceId: 'i', input: 'old' }),
  failed: (t) => t.workflows.start(w, { instanceId: 'i', input: 'fail' }),
  terminated: async (t) => (await t.workflows.start(w, { instanceId: 'i', input: 'wait' })).terminate(),
};
const ended = (status: string): boolean => ['completed', 'failed', 'terminated'].includes(status);

test.each(Object.keys(make))('a start with the id of one that is %s, by policy', async (status) => {
  for (const ifExists of ['fail', 'attach', 'restart-if-terminal', 'terminate-and-restart'] as IfExists[]) {
    await using t = await testHost({ workflows: [w] });
    await make[status]!(t);
    await t.settle();
    const starting = t.workflows.start(w, { instanceId: 'i', input: 'new', ifExists });
    if (ifExists === 'fail' || (ifExists === 'restart-if-terminal' && !ended(status))) {
      await expect(starting).rejects.toMatchObject({
        name: 'AlreadyExistsError',
        status,
        workflowName: 'w',
        instanceId: 'i',
      });
    } else {
      expect((await starting).outcome).toBe(ifExists === 'attach' ? 'attached' : 'started');
    }
    await t.settle();
    const restarted = ifExists === 'terminate-and-restart' || (ifExists === 'restart-if-terminal' && ended(status));
    expect((await t.workflows.get('i'))?.runtimeStatus).toBe(restarted ? 'completed' : status);
    if (restarted) expect(await t.workflows.result('i')).toBe('new');
    expect((await t.workflows.list()).instances).toHaveLength(1);
  }
});

test('who waits for one that is terminated and started anew gets the result of the new one', async () => {
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i', input: 'wait' });
  const result = instance.result();
  await t.workflows.start(w, { instanceId: 'i', input: 'wait', ifExists: 'terminate-and-restart' });
  await t.settle();
  await instance.raiseEvent('go', 'new');
  expect(await result).toBe('new');
});

test('of fifty concurrent starts of one id one wins', async () => {
  await using t = await testHost({ workflows: [w] });
  const starts = await Promise.allSettled(
    Array.from({ length: 50 }, (_, n) => t.workflows.start(w, { instanceId: 'i', input: `${n}` })),
  );
  expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(t.host.counters().started).toBe(1);
});

test('a start for later happens then, once, also after a crash', async () => {
  let t = await testHost({ workflows: [w] });
  await t.workflows.start(w, { instanceId: 'i', input: 'late', startAt: new Date(t.clock.nowMs() + 86_400_000) });
  await t.advance('23h');
  t = await t.crash();
  expect(await t.workflows.get('i')).toMatchObject({
    runtimeStatus: 'pending',
    input: 'late',
    startAt: expect.any(Date),
  });
  await t.advance('1h');
  expect(await t.workflows.result('i')).toBe('late');
  expect(await t.workflows.count()).toEqual({ completed: 1 });
  await t[Symbol.asyncDispose]();
});

test('idempotency keys: a duplicate, another payload, another creator, and the tombstone after a purge', async () => {
  await using t = await testHost({ workflows: [w] });
  const start = (idempotencyKey?: string, payloadHash?: string) =>
    t.workflows.start(w, { instanceId: 'i', input: 'x', idempotencyKey, payloadHash });
  expect((await start('k', 'h')).outcome).toBe('started');
  expect((await start('k', 'h')).outcome).toBe('duplicate');
  await expect(start('k', 'other')).rejects.toMatchObject({ name: 'IdempotencyMismatchError' });
  await expect(start('other', 'h')).rejects.toMatchObject({ name: 'AlreadyExistsError' });
  await expect(start()).rejects.toMatchObject({ name: 'AlreadyExistsError' });
  await t.workflows.purge('i');
  expect((await start('k', 'h')).outcome).toBe('duplicate');
  expect(await t.workflows.get('i')).toBeUndefined();
  await expect(start('k', 'other')).rejects.toMatchObject({ name: 'IdempotencyMismatchError' });
  expect((await start()).outcome).toBe('started');
  expect(await t.workflows.result('i')).toBe('x');
});

test('a new instance takes the newest version, or the one it names; a running one keeps its own', async () => {
  const versions = ['1', '2', '10', '9'].map((version) =>
    workflow('v', { version }, async (ctx) => [version, await ctx.waitForExternalEvent('go')]),
  );
  let t = await testHost({ workflows: versions.slice(0, 1) });
  await t.workflows.start('v', { instanceId: 'old' });
  t = await t.crash({ workflows: versions });
  await t.workflows.start('v', { instanceId: 'new' });
  await t.workflows.start('v', { instanceId: 'named', version: '2' });
  for (const id of ['old', 'new', 'named']) await t.workflows.raiseEvent(id, 'go', 1);
  expect(await Promise.all(['old', 'new', 'named'].map((id) => t.workflows.result(id)))).toEqual([
    ['1', 1],
    ['10', 1],
    ['2', 1],
  ]);
  await expect(t.workflows.start('v', { version: '3' })).rejects.toMatchObject({ name: 'NotRegisteredError' });
  await expect(t.workflows.start('vv')).rejects.toMatchObject({ name: 'NotRegisteredError', nearest: ['v'] });
  await t[Symbol.asyncDispose]();
});

test('the key of a purged instance stops the same start for seven days, and no longer', async () => {
  const quick = workflow('quick', () => 'done');
  await using t = await testHost({ workflows: [quick] });
  const again = () => t.workflows.start(quick, { instanceId: 'keyed', idempotencyKey: 'k' });
  await (await again()).result();
  await t.workflows.purge('keyed');
  await t.advance('6d');
  expect((await again()).outcome).toBe('duplicate');
  await t.advance('2d');
  expect((await again()).outcome).toBe('started');
});
