import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';

const w = workflow('w', async (ctx, input: string) => {
  ctx.setCustomStatus({ at: input });
  if (input === 'fail') throw new RangeError('no');
  return input === 'wait' ? ctx.waitForExternalEvent('go') : input;
});
const other = workflow('other', () => 1);

async function filled(): Promise<TestHost> {
  const t = await testHost({ workflows: [w, other] });
  for (let n = 0; n < 25; n++) {
    const input = n % 5 === 0 ? 'fail' : n % 5 === 1 ? 'wait' : 'x';
    await t.workflows.start(w, {
      instanceId: `a${String(n).padStart(2, '0')}`,
      input,
      tags: { mod: `${n % 5}`, all: 'yes' },
    });
    await t.advance(1_000);
  }
  await t.workflows.start(other, { instanceId: 'b' });
  await t.settle();
  return t;
}

test('lists filter by name, status, tags, prefix and time, newest first, in pages', async () => {
  await using t = await filled();
  const ids = async (query: Parameters<typeof t.workflows.list>[0]): Promise<string[]> =>
    (await t.workflows.list(query)).instances.map(({ instanceId }) => instanceId);
  expect(await ids({ workflowName: 'other' })).toEqual(['b']);
  expect(await ids({ status: 'failed' })).toEqual(['a20', 'a15', 'a10', 'a05', 'a00']);
  expect(await ids({ status: ['failed', 'running'], idPrefix: 'a0' })).toEqual(['a06', 'a05', 'a01', 'a00']);
  expect(await ids({ tags: { mod: '2', all: 'yes' } })).toHaveLength(5);
  expect(await ids({ tags: { mod: '2', all: 'no' } })).toEqual([]);
  const from = new Date(t.clock.nowMs() - 3_000);
  expect(await ids({ createdAfter: from })).toEqual(['b', 'a24', 'a23', 'a22']);
  expect(await ids({ createdBefore: from, limit: 1 })).toEqual(['a21']);
  const seen: string[] = [];
  for (let cursor: string | undefined, first = true; first || cursor !== undefined; first = false) {
    const page = await t.workflows.list({ limit: 7, cursor });
    seen.push(...page.instances.map(({ instanceId }) => instanceId));
    cursor = page.cursor;
  }
  expect(seen).toHaveLength(26);
  expect(new Set(seen).size).toBe(26);
  expect(await t.workflows.count()).toEqual({ failed: 5, running: 5, completed: 16 });
  expect(await t.workflows.count({ workflowName: 'other' })).toEqual({ completed: 1 });
});

test('get shows every field, also from a cold record', async () => {
  let t = await filled();
  for (const cold of [false, true]) {
    if (cold) t = await t.crash();
    expect(await t.workflows.get('a00')).toEqual({
      instanceId: 'a00',
      workflowName: 'w',
      version: '1',
      executionId: expect.stringMatching(/\.1$/),
      runtimeStatus: 'failed',
      createdAt: new Date(Date.UTC(2030, 0, 1)),
      startedAt: new Date(Date.UTC(2030, 0, 1)),
      lastUpdatedAt: new Date(Date.UTC(2030, 0, 1)),
      completedAt: new Date(Date.UTC(2030, 0, 1)),
      customStatus: { at: 'fail' },
      input: 'fail',
      failure: { type: 'RangeError', message: 'no', stack: expect.any(String) },
      tags: { mod: '0', all: 'yes' },
    });
    expect(await t.workflows.get('a02')).toMatchObject({ output: 'x', runtimeStatus: 'completed' });
    expect(await t.workflows.get('nobody')).toBeUndefined();
  }
  await t[Symbol.asyncDispose]();
});

test('a history in pages', async () => {
  const long = workflow('long', async (ctx) => {
    for (let n = 0; n < 30; n++) await ctx.callActivity('a', n);
  });
  await using t = await testHost({ workflows: [long], fakes: { a: (n: number) => n } });
  await (await t.workflows.start(long, { instanceId: 'i' })).result();
  const all = (await t.workflows.history('i')).events;
  expect(all).toHaveLength(62);
  const paged = [];
  for (let from: number | undefined = 1; from !== undefined;) {
    const page: Awaited<ReturnType<typeof t.workflows.history>> = await t.workflows.history('i', { from, limit: 31 });
    paged.push(...page.events);
    from = page.next;
  }
  expect(paged).toEqual(all);
  expect(all.map(({ number }) => number)).toEqual(Array.from({ length: 62 }, (_, n) => n + 1));
  expect((await t.workflows.history('i', { from: 100 })).events).toEqual([]);
});

test('who waits is told at the end: many at once, after a crash, with a time limit, and with a signal', async () => {
  let t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i', input: 'wait' });
  const limited = instance.wait({ timeoutMs: 1_000 });
  const late = instance.result({ timeoutMs: 1_000 }).catch((error: Error) => error.name);
  const controller = new AbortController();
  const given = instance.wait({ signal: controller.signal });
  await t.advance('1s');
  expect((await limited)?.runtimeStatus).toBe('running');
  expect(await late).toBe('ResultTimeoutError');
  controller.abort();
  await t.advance('1s');
  expect((await given)?.runtimeStatus).toBe('running');
  t = await t.crash();
  const waiting = Array.from({ length: 100 }, () => t.workflows.result('i'));
  await t.settle();
  await t.workflows.raiseEvent('i', 'go', 'now');
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['now']));
  expect(await t.workflows.result('i')).toBe('now');
  expect(await t.workflows.wait('nobody')).toBeUndefined();
  await t[Symbol.asyncDispose]();
});

test('who waits is told although the instance is deactivated meanwhile', async () => {
  await using t = await testHost({ workflows: [w], idleTimeoutMs: 1_000 });
  await t.workflows.start(w, { instanceId: 'i', input: 'wait' });
  const result = t.workflows.result('i');
  await t.advance('1h');
  await t.workflows.raiseEvent('i', 'go', 'now');
  await t.advance('1m');
  expect(await result).toBe('now');
});

test('a host that stops turns its waiters away; the next host serves them', async () => {
  const t = await testHost({ workflows: [w] });
  await t.workflows.start(w, { instanceId: 'i', input: 'wait' });
  const result = t.workflows.result('i').catch((error: Error) => error.name);
  await t.settle();
  await t.host.stop();
  expect(await result).toBe('NotExecutedError');
});

test('a read that a new life of the instance overtakes tells of one of the two', async () => {
  const w = workflow('w', async (ctx, n: number) => (n === 1 ? 'first' : ctx.waitForExternalEvent('go')));
  const first = await testHost({ workflows: [w] });
  await first.workflows.start(w, { instanceId: 'i', input: 1 });
  await using t = await first.crash();
  // The end of the first life is read while the second begins, and is gone when the read is carried out.
  t.store.faults = (operation) => (operation === 'read' ? { delayMs: 1_000 } : undefined);
  const found = t.workflows.get('i');
  const result = t.workflows.result('i');
  await t.settle();
  await t.workflows.start(w, { instanceId: 'i', input: 2, ifExists: 'restart-if-terminal' });
  await t.advance('5s');
  expect(await found).toMatchObject({ runtimeStatus: 'running', input: 2 });
  await t.workflows.raiseEvent('i', 'go', 'second');
  expect(await result).toBe('second');
});

test('a read that a purge overtakes finds nothing', async () => {
  const w = workflow('w', async () => 'done');
  const first = await testHost({ workflows: [w] });
  await first.workflows.start(w, { instanceId: 'i' });
  await using t = await first.crash();
  // The end is read when it is gone, and before its actor has heard that.
  t.store.faults = (operation) =>
    operation === 'read' ? { delayMs: 1_000 } : operation === 'purge' ? { answerDelayMs: 2_000 } : undefined;
  const found = t.workflows.get('i');
  const result = t.workflows.result('i').catch((error: Error) => error.name);
  await t.settle();
  const purged = t.workflows.purge('i');
  await t.advance('5s');
  expect(await found).toBeUndefined();
  expect(await result).toBe('InstanceNotFoundError');
  await purged;
});
