import { expect, test } from 'vitest';
import { ChildWorkflowFailedError, InstanceNotEndedError, workflow } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

const leaf = workflow('leaf', async (ctx, input: string) => {
  if (input === 'bad') throw new RangeError('bad leaf');
  if (input === 'wait') await ctx.waitForExternalEvent('go');
  return `${input} of ${ctx.parent?.instanceId}`;
});
const caught = (error: unknown): unknown =>
  error instanceof ChildWorkflowFailedError ? [error.instanceId, error.failure.type] : String(error);

test('a child gives its result or its failure; tags, version and parent are shown', async () => {
  const old = workflow('leaf', { version: '0.9' }, () => 'old');
  const w = workflow('w', async (ctx) => [
    await ctx.callChildWorkflow(leaf, 'x', { instanceId: 'c1', tags: { of: 'p' } }),
    await ctx.callChildWorkflow('leaf', undefined, { version: '0.9' }),
    await ctx.callChildWorkflow(leaf, 'bad', { instanceId: 'c2' }).catch(caught),
  ]);
  await using t = await testHost({ workflows: [w, leaf, old] });
  expect(await (await t.workflows.start(w, { instanceId: 'p' })).result()).toEqual([
    'x of p',
    'old',
    ['c2', 'RangeError'],
  ]);
  expect(await t.workflows.get('c1')).toMatchObject({ parent: { instanceId: 'p' }, tags: { of: 'p' }, version: '1' });
});

test('a taken id fails the child, and terminate and purge of the parent leave the other instance alone', async () => {
  const w = workflow('w', (ctx) => ctx.callChildWorkflow(leaf, 'x', { instanceId: 'taken' }).catch(caught));
  await using t = await testHost({ workflows: [w, leaf] });
  await t.workflows.start(leaf, { instanceId: 'taken', input: 'free' });
  const parent = await t.workflows.start(w, { instanceId: 'p' });
  expect(await parent.result()).toEqual(['taken', 'AlreadyExistsError']);
  await parent.purge({ recursive: true });
  expect((await t.workflows.get('taken'))?.output).toBe('free of undefined');
});

test('a detached child is not waited for, not told of as a parent, and not terminated', async () => {
  const w = workflow('w', async (ctx) => {
    const id = await ctx.callChildWorkflow(leaf, 'wait', { detached: true });
    await ctx.waitForExternalEvent('never');
    return id;
  });
  await using t = await testHost({ workflows: [w, leaf] });
  const parent = await t.workflows.start(w, { instanceId: 'p' });
  await t.settle();
  await parent.terminate({ recursive: true });
  const [child] = (await t.workflows.list({ workflowName: 'leaf' })).instances;
  expect(child?.runtimeStatus).toBe('running');
  await t.workflows.raiseEvent(child!.instanceId, 'go');
  expect(await t.workflows.result(child!.instanceId)).toBe('wait of undefined');
  expect((await t.workflows.get(child!.instanceId))?.parent).toBeUndefined();
});

test('a child that nobody has code for fails after a minute; one that is suspended meanwhile does not', async () => {
  const w = workflow('w', (ctx) => ctx.callChildWorkflow('nobody', 1).catch(caught));
  const v = workflow('v', (ctx) => ctx.callChildWorkflow(leaf, 'x', { instanceId: 'c' }));
  await using t = await testHost({ workflows: [w, v, leaf] });
  const parent = await t.workflows.start(w, { instanceId: 'p' });
  await t.advance('59s');
  expect((await parent.get())?.runtimeStatus).toBe('running');
  await t.advance('1s');
  expect(await parent.result()).toEqual([expect.stringContaining('p:'), 'NotRegisteredError']);
});

test('terminate and purge cascade over three levels', async () => {
  const middle = workflow('middle', (ctx) =>
    Promise.all([1, 2].map((n) => ctx.callChildWorkflow(leaf, 'wait', { instanceId: `${ctx.instanceId}.${n}` }))),
  );
  const root = workflow('root', (ctx) =>
    Promise.all([1, 2].map((n) => ctx.callChildWorkflow(middle, undefined, { instanceId: `r.${n}` }))),
  );
  await using t = await testHost({ workflows: [root, middle, leaf] });
  const instance = await t.workflows.start(root, { instanceId: 'r' });
  await t.settle();
  expect(await t.workflows.count()).toEqual({ running: 7 });
  await expect(instance.purge({ recursive: true })).rejects.toMatchObject({ name: 'InstanceNotEndedError' });
  await instance.terminate({ recursive: true });
  await t.settle();
  expect(await t.workflows.count()).toEqual({ terminated: 7 });
  await instance.purge({ recursive: true });
  expect(await t.workflows.count()).toEqual({});
});

test('a child is told to its parent when it is terminated or purged with force', async () => {
  const w = workflow('w', (ctx) =>
    Promise.all(['c1', 'c2'].map((instanceId) => ctx.callChildWorkflow(leaf, 'wait', { instanceId }).catch(caught))),
  );
  await using t = await testHost({ workflows: [w, leaf] });
  const parent = await t.workflows.start(w, { instanceId: 'p' });
  await t.settle();
  await t.workflows.terminate('c1');
  await t.workflows.purge('c2', { force: true });
  await t.settle();
  expect(await parent.result()).toEqual([
    ['c1', 'WorkflowTerminatedError'],
    ['c2', 'WorkflowTerminatedError'],
  ]);
});

test('a parent that is born again has children of its own, also by their default ids', async () => {
  const w = workflow('w', (ctx) => ctx.callChildWorkflow(leaf, 'x'));
  await using t = await testHost({ workflows: [w, leaf] });
  for (let life = 0; life < 3; life++) {
    const parent = await t.workflows.start(w, { instanceId: 'p', ifExists: 'restart-if-terminal' });
    expect(await parent.result()).toBe('x of p');
  }
});

test('ids of children fit, however long the ids of their parents are', async () => {
  const nested = workflow('nested', async (ctx, depth: number): Promise<number> =>
    depth === 0 ? ctx.instanceId.length : ctx.callChildWorkflow<number>('nested', depth - 1),
  );
  await using t = await testHost({ workflows: [nested] });
  const instance = await t.workflows.start(nested, { instanceId: 'é'.repeat(128), input: 20 });
  expect(await instance.result()).toBeLessThanOrEqual(256);
});

test('a purge with force and recursive takes a running tree of three levels', async () => {
  const waiting = workflow('waiting', async (ctx) => ctx.waitForExternalEvent('never'));
  const middle = workflow('middle', async (ctx) =>
    ctx.callChildWorkflow(waiting, undefined, { instanceId: 'tree-leaf' }),
  );
  const root = workflow('root', async (ctx) => ctx.callChildWorkflow(middle, undefined, { instanceId: 'tree-middle' }));
  await using t = await testHost({ workflows: [waiting, middle, root] });
  await t.workflows.start(root, { instanceId: 'tree-root' });
  await t.settle();
  expect((await t.workflows.get('tree-leaf'))?.runtimeStatus).toBe('running');
  await expect(t.workflows.purge('tree-root', { recursive: true })).rejects.toThrow(InstanceNotEndedError);
  await t.workflows.purge('tree-root', { recursive: true, force: true });
  for (const id of ['tree-root', 'tree-middle', 'tree-leaf']) expect(await t.workflows.get(id)).toBeUndefined();
});
