import { expect, test } from 'vitest';
import { workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

function saga(log: string[], options: { readonly end?: 'fail' | 'wait'; readonly badUndo?: string } = {}) {
  return workflow('saga', async (ctx) => {
    for (const name of ['a', 'b', 'c']) {
      await ctx.step(name, () => name, {
        undo: (result) => {
          log.push(`un${result}`);
          if (options.badUndo === name) throw new RangeError(`cannot undo ${name}`);
        },
        undoOptions: { retry: { maxAttempts: 2, initialIntervalMs: 1_000, jitter: 0 } },
      });
    }
    if (options.end === 'wait') await ctx.waitForExternalEvent('never');
    throw new TypeError('the end');
  });
}

test('undos run in reverse, each recorded, with what their steps returned; then the instance fails', async () => {
  const log: string[] = [];
  const w = saga(log);
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await expect(instance.result()).rejects.toThrow('the end');
  expect(log).toEqual(['unc', 'unb', 'una']);
  const { events } = await instance.history();
  expect(events.filter(({ details }) => details['kind'] === 'undo').map(({ details }) => details['name'])).toEqual([
    'undo c',
    'undo b',
    'undo a',
  ]);
});

test('an undo that fails for good ends it failed with both errors, and the rest is not undone', async () => {
  const log: string[] = [];
  const w = saga(log, { badUndo: 'b' });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.advance('10s');
  expect(log).toEqual(['unc', 'unb', 'unb']);
  expect(await instance.get()).toMatchObject({
    runtimeStatus: 'failed',
    failure: { type: 'TypeError', message: expect.stringContaining('cannot undo b'), cause: { type: 'RangeError' } },
  });
});

test('terminate with undo: running and undoing until the last one, then terminated with the output', async () => {
  const log: string[] = [];
  const w = saga(log, { end: 'wait', badUndo: 'b' });
  const good = saga(log, { end: 'wait' });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await instance.terminate({ undo: true, output: 'gone' });
  await t.settle();
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'running', undoing: true });
  await instance.terminate({ undo: true });
  await t.advance('10s');
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'failed', failure: { message: 'cannot undo b' } });

  log.length = 0;
  await using u = await testHost({ workflows: [good] });
  const other = await u.workflows.start(good, { instanceId: 'i' });
  await u.settle();
  await other.terminate({ undo: true, output: 'gone' });
  await u.settle();
  expect(await other.get()).toMatchObject({ runtimeStatus: 'terminated', output: 'gone' });
  expect((await other.get())?.undoing).toBeUndefined();
  expect(log).toEqual(['unc', 'unb', 'una']);
});

test('terminate with undo works on a suspended instance with messages that wait', async () => {
  const log: string[] = [];
  const w = saga(log, { end: 'wait' });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await instance.suspend();
  await instance.raiseEvent('never');
  await instance.terminate({ undo: true });
  await t.settle();
  expect((await instance.get())?.runtimeStatus).toBe('terminated');
  expect(log).toEqual(['unc', 'unb', 'una']);
});

test('a plain terminate never undoes, also in the middle of undoing', async () => {
  const log: string[] = [];
  const w = saga(log, { end: 'wait', badUndo: 'c' });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await instance.terminate({ undo: true });
  await t.settle();
  await instance.terminate();
  await t.advance('1h');
  expect(log).toEqual(['unc']);
  expect((await instance.get())?.runtimeStatus).toBe('terminated');
});

test('a step that runs beside the failure is undone as well when it succeeds after it', async () => {
  const log: string[] = [];
  let finish!: () => void;
  const w = workflow('w', async (ctx) => {
    await Promise.all([
      ctx.step('slow', () => new Promise<string>((resolve) => (finish = () => resolve('slow'))), {
        undo: (r) => log.push(`un${r}`),
      }),
      ctx.step('bad', () => Promise.reject(new Error('bad'))),
      ctx.step('quick', () => 'quick', { undo: (r) => log.push(`un${r}`) }),
    ]);
  });
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'running', undoing: true });
  finish();
  await expect(instance.result()).rejects.toThrow('bad');
  expect(log).toEqual(['unslow', 'unquick']);
});

test('once the undos have begun the code asks for nothing more', async () => {
  const w = workflow('w', async (ctx) => {
    await ctx.step('a', () => 1, { undo: () => 1 });
    try {
      await ctx.waitForExternalEvent('e');
    } finally {
      await ctx.callActivity('later');
    }
  });
  await using t = await testHost({ workflows: [w], fakes: { later: () => 1 } });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await instance.terminate({ undo: true });
  await t.settle();
  expect((await instance.get())?.runtimeStatus).toBe('terminated');
  expect(t.executions.size).toBe(0);
});
