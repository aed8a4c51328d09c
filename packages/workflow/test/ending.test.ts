// Whoever listens is told of each ending once: by a durable send in the commit of the end.

import { actor, type AnyActorDefinition, type ReadContext, type StateContext } from '@troupe/actors';
import { expect, test } from 'vitest';
import {
  startHost,
  workflow,
  type Ending,
  type EndingListener,
  type Failure,
  type WorkflowHostOptions,
} from '../src/index.ts';
import { ENDING_PART_BYTES_MAX } from '../src/limits.ts';
import { crashEverywhere, testHost, type Stimulus, type TestHost } from '../src/testing.ts';
import { TestCluster } from './cluster.ts';
import { startWorker, type Program } from './worker.ts';

const heard = actor('heard', {
  state: (): Ending[] => [],
  methods: { ended: (ctx: StateContext<Ending[]>, ending: Ending) => void ctx.state.push(ending) },
  readOnly: { all: (ctx: ReadContext<Ending[]>) => ctx.state },
});

const w = workflow('w', async (ctx, input: unknown) => {
  if (input === 'fail') throw new RangeError('no');
  if (input === 'wait') await ctx.waitForExternalEvent('go');
  if (input === 'again') ctx.continueAsNew('last');
  return input;
});
const parent = workflow('parent', async (ctx) => {
  await ctx.callChildWorkflow(w, 'done', { instanceId: 'kid' });
  await ctx.callChildWorkflow(w, 'fail', { instanceId: 'bad kid' }).catch(() => {});
  return ctx.callChildWorkflow(w, 'wait', { instanceId: 'detached', detached: true });
});

function listening(
  changes: Partial<EndingListener> = {},
): Pick<WorkflowHostOptions, 'actors' | 'endings' | 'workflows'> {
  return {
    workflows: [w, parent],
    actors: [heard],
    endings: { listens: () => true, actor: heard, actorIdOf: () => 'all', ...changes },
  };
}
const toldIn = ({ host }: TestHost, id = 'all'): Promise<Ending[]> => host.actors.actor(heard, id).all();

test('each way of ending is told with what there is to know, and continue-as-new is none', async () => {
  await using t = await testHost(listening());
  const beganMs = t.clock.nowMs();
  await t.workflows.start(w, { instanceId: 'done', input: { a: [1] }, tags: { of: 'x' }, traceparent: TRACE });
  await t.workflows.start(w, { instanceId: 'failed', input: 'fail' });
  await t.workflows.start(w, { instanceId: 'stopped', input: 'wait' });
  await t.workflows.start(w, { instanceId: 'again', input: 'again' });
  await t.workflows.start(w, { instanceId: 'late', input: 'late', startAt: new Date(beganMs + 60_000) });
  await t.settle();
  await t.advance('1s');
  await t.workflows.terminate('stopped', { output: 'enough' });
  await t.workflows.terminate('late');
  await t.settle();
  const told = new Map((await toldIn(t)).map((ending) => [ending.instanceId, ending]));
  expect([...told.keys()].sort()).toEqual(['again', 'done', 'failed', 'late', 'stopped']);
  const { executionId } = (await t.workflows.get('done'))!;
  expect(told.get('done')).toEqual({
    instanceId: 'done',
    workflowName: 'w',
    version: '1',
    executionId,
    status: 'completed',
    createdAtMs: beganMs,
    endedAtMs: beganMs,
    tags: { of: 'x' },
    output: { a: [1] },
    traceparent: TRACE,
  });
  expect(told.get('failed')).toMatchObject({ status: 'failed', failure: { type: 'RangeError', message: 'no' } });
  expect(told.get('failed')).not.toHaveProperty('output');
  expect(told.get('stopped')).toMatchObject({ status: 'terminated', output: 'enough', endedAtMs: beganMs + 1_000 });
  expect(told.get('again')).toMatchObject({ status: 'completed', output: 'last' });
  expect(told.get('late')).toMatchObject({ status: 'terminated' });
});

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test("children are told of with their parent, detached ones as nobody's", async () => {
  await using t = await testHost(listening());
  await t.workflows.start(parent, { instanceId: 'p' });
  await t.settle();
  await t.workflows.raiseEvent('detached', 'go');
  await t.settle();
  const told = await toldIn(t);
  const of = { instanceId: 'p', workflowName: 'parent' };
  expect(told.map(({ instanceId, status, parent: its }) => [instanceId, status, its])).toEqual([
    ['kid', 'completed', of],
    ['bad kid', 'failed', of],
    ['p', 'completed', undefined],
    ['detached', 'completed', undefined],
  ]);
});

test('only what is listened for is told, to the actor that is named', async () => {
  const asked: unknown[] = [];
  await using t = await testHost(
    listening({
      listens: (name, status) => asked.push([name, status]) > 0 && status !== 'completed',
      actorIdOf: ({ instanceId, status }) => `${instanceId} ${status}`,
    }),
  );
  await t.workflows.start(w, { instanceId: 'a', input: 1 });
  await t.workflows.start(w, { instanceId: 'b', input: 'fail' });
  await t.settle();
  expect(asked).toEqual([
    ['w', 'completed'],
    ['w', 'failed'],
  ]);
  expect((await toldIn(t, 'b failed')).map(({ instanceId }) => instanceId)).toEqual(['b']);
  expect(await t.host.actors.count({ type: 'heard' })).toEqual({});
  expect(await toldIn(t, 'a completed')).toEqual([]);
});

test('an id that is used again is told of with each of its lives', async () => {
  await using t = await testHost(listening());
  const start = async (ifExists?: 'terminate-and-restart' | 'restart-if-terminal') => {
    await t.workflows.start(w, { instanceId: 'i', input: 'wait', ifExists });
    await t.settle();
  };
  await start();
  await start('terminate-and-restart');
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  await start('restart-if-terminal');
  await t.workflows.purge('i', { force: true });
  await start();
  await t.workflows.raiseEvent('i', 'go');
  await t.settle();
  const told = await toldIn(t);
  expect(told.map(({ status }) => status)).toEqual(['terminated', 'completed', 'terminated', 'completed']);
  expect(new Set(told.map(({ executionId }) => executionId)).size).toBe(4);
});

test('what is purged at once, by hand or by a retention of nothing, is told before it goes', async () => {
  const brief = workflow('brief', { retention: { completed: 0, terminated: 0 } }, (ctx) =>
    ctx.waitForExternalEvent('go'),
  );
  let t = await testHost({ ...listening(), workflows: [brief] });
  for (const instanceId of ['forced', 'kept not', 'done']) await t.workflows.start(brief, { instanceId });
  await t.settle();
  await Promise.all([t.workflows.purge('forced', { force: true }), t.workflows.terminate('kept not')]);
  await t.workflows.raiseEvent('done', 'go');
  await t.advance('1m');
  expect((await t.workflows.list()).instances).toEqual([]);
  expect((await toldIn(t)).map(({ instanceId, status }) => `${instanceId}: ${status}`).sort()).toEqual([
    'done: completed',
    'forced: terminated',
    'kept not: terminated',
  ]);
  t = await t.crash();
  expect(await toldIn(t)).toHaveLength(3);
  await t[Symbol.asyncDispose]();
});

test('an output or a failure that is too large is left out, and the instance ends all the same', async () => {
  const large = 'x'.repeat(ENDING_PART_BYTES_MAX);
  const nested = (levels: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < levels; level++) value = [value];
    return value;
  };
  const failing = workflow('failing', () => {
    let error = new Error('the first');
    for (let depth = 0; depth < 8; depth++) error = new Error('y'.repeat(60_000), { cause: error });
    throw error;
  });
  await using t = await testHost({ ...listening(), workflows: [w, failing] });
  const [fits, tooLarge, tooDeep] = [large.slice(0, -100), [large], nested(500)];
  for (const [index, input] of [fits, tooLarge, tooDeep].entries())
    await t.workflows.start(w, { instanceId: `${index}`, input });
  await t.workflows.start(failing, { instanceId: 'failing' });
  await t.settle();
  const told = new Map((await toldIn(t)).map((ending) => [ending.instanceId, ending]));
  expect(told.get('0')).toMatchObject({ output: fits });
  expect(told.get('0')).not.toHaveProperty('outputOmitted');
  for (const [id, output] of [
    ['1', tooLarge],
    ['2', tooDeep],
  ] as const) {
    expect(told.get(id)).toMatchObject({ status: 'completed', outputOmitted: true });
    expect(told.get(id)).not.toHaveProperty('output');
    expect(await t.workflows.result(id)).toEqual(output);
  }
  expect(told.get('failing')!.failure).toEqual({ type: 'Error', message: 'y'.repeat(60_000) });
  expect((await t.workflows.get('failing'))!.failure!.cause!.message).toBe('y'.repeat(60_000));
});

test('what code on workers of other languages comes to is told as what it says, also after a rewind', async () => {
  let broken = true;
  const activities = {
    ship: () => {
      if (broken) throw new Error('no carrier');
      return { by: 'ship' };
    },
  };
  const order: Program = function* (ctx) {
    const [shipped] = yield { all: [ctx.activity('ship')] };
    return shipped;
  };
  const big: Program = function* (_, length: number) {
    yield* [];
    return 'z'.repeat(length);
  };
  await using t = await testHost(listening());
  startWorker(t.host, { workflows: { order, big }, activities });
  await t.settle();
  await t.workflows.start('order', { instanceId: 'i' });
  await t.workflows.start('big', { instanceId: 'b', input: ENDING_PART_BYTES_MAX });
  await t.advance('1s');
  broken = false;
  await t.host.repeats.rewind('i', { reason: 'repaired' });
  await t.advance('1s');
  const told = await toldIn(t);
  const [failed, completed] = told.filter(({ instanceId }) => instanceId === 'i');
  expect(failed).toMatchObject({ status: 'failed' });
  expect((failed!.failure as Failure).message).toContain('no carrier');
  expect(completed).toMatchObject({ status: 'completed', output: { by: 'ship' } });
  expect(completed!.endedAtMs).toBeGreaterThan(failed!.endedAtMs);
  expect(completed!.executionId).not.toBe(failed!.executionId);
  expect(told.find(({ instanceId }) => instanceId === 'b')).toMatchObject({ status: 'completed', outputOmitted: true });
});

test('a listener that throws, or names no actor, keeps nothing from ending', async () => {
  const lines: string[] = [];
  const logger = { debug() {}, info() {}, warn() {}, error: (_: object, line: string) => void lines.push(line) };
  const answers: (() => string)[] = [
    () => '',
    () => '\n',
    () => 5 as never,
    () => {
      throw new Error('mapping');
    },
  ];
  await using t = await testHost({
    ...listening({
      listens: () => {
        throw new Error('rule');
      },
      actorIdOf: ({ instanceId }) => answers[Number(instanceId)]!(),
    }),
    logger,
  });
  for (const index of answers.keys()) await t.workflows.start(w, { instanceId: `${index}`, input: 'fail' });
  await t.settle();
  expect(await t.workflows.count()).toEqual({ failed: answers.length });
  for (const index of answers.keys()) expect(await toldIn(t, `${index}`)).toMatchObject([{ instanceId: `${index}` }]);
  expect(lines.filter((line) => line === 'listens of the listener for endings failed')).toHaveLength(answers.length);
  expect(lines.filter((line) => line === 'actorIdOf of the listener for endings failed')).toHaveLength(answers.length);
});

test('an ending whose receiver throws counts as taken', async () => {
  const broken = actor('heard', {
    state: () => 0,
    methods: {
      ended: () => {
        throw new Error('no');
      },
    },
  });
  await using t = await testHost({ ...listening({ actor: broken }), actors: [broken] });
  await t.workflows.start(w, { instanceId: 'i', input: 1 });
  await t.workflows.purge('i');
  expect(await t.workflows.get('i')).toBeUndefined();
});

test('a crash at any store operation neither loses an ending nor tells it twice', async () => {
  const start =
    (instanceId: string, input: unknown): Stimulus =>
    (workflows) =>
      workflows.start(w, { instanceId, input, ifExists: 'attach' });
  const { compared, operations } = await crashEverywhere({
    ...listening({ actorIdOf: ({ status }) => status }),
    instanceIds: ['p', 'kid', 'bad kid', 'detached', 'again', 'done', 'failed', 'stopped'],
    script: [
      start('done', 1),
      start('failed', 'fail'),
      start('again', 'again'),
      (workflows) => workflows.start(parent, { instanceId: 'p', ifExists: 'attach' }),
      start('stopped', 'wait'),
      (workflows) => workflows.terminate('stopped', { output: 'enough', idempotencyKey: 'stop' }),
      (workflows) => workflows.raiseEvent('detached', 'go', 1, { idempotencyKey: 'go' }),
      '10m',
    ],
    compare: async (t) => {
      const told = [
        ...(await toldIn(t, 'completed')),
        ...(await toldIn(t, 'failed')),
        ...(await toldIn(t, 'terminated')),
      ];
      return told.map(({ instanceId, status, output }) => `${instanceId}: ${status} ${String(output)}`).sort();
    },
  });
  expect(compared).toEqual([
    'again: completed last',
    'bad kid: failed undefined',
    'detached: completed wait',
    'done: completed 1',
    'failed: failed undefined',
    'kid: completed done',
    'p: completed detached',
    'stopped: terminated enough',
  ]);
  expect(operations).toBeGreaterThan(30);
}, 60_000);

test('an ending reaches an actor of another host, also when the host of the instance is killed before it is taken', async () => {
  await using cluster = new TestCluster();
  const a = await cluster.start('a', listening({ actorIdOf: ({ instanceId }) => instanceId }));
  await cluster.start('b', listening({ actorIdOf: ({ instanceId }) => instanceId }));
  const ids = Array.from({ length: 16 }, (_, index) => `i${index}`);
  const away = ids.filter((id) => a.actors.ownerOf(heard, id) === 'a');
  for (const id of away) await cluster.move(id, 'b');
  const lost: string[] = [];
  cluster.loses = (call) => call === 'b→a heard.ended' && lost.push(call) > 0;
  await Promise.all(away.map((instanceId) => a.workflows.start(w, { instanceId, input: 1 })));
  await cluster.advance(1_000);
  const untold: string[] = [];
  for (const id of away) if ((await a.actors.actor(heard, id).all()).length === 0) untold.push(id);
  expect(lost.length).toBeGreaterThan(0);
  expect(untold.length).toBeGreaterThan(0);
  cluster.loses = () => false;
  cluster.kill('b');
  cluster.bury('b', 'a');
  await cluster.advance(120_000);
  for (const id of away) {
    expect(await a.actors.actor(heard, id).all()).toMatchObject([{ instanceId: id, status: 'completed' }]);
  }
});

test('a host is not started with a listener that could not be told', async () => {
  const volatile = actor('heard', { methods: { ended: () => {} } });
  const bound = actor('heard', { hostBound: true, methods: { ended: () => {} } });
  const deaf = actor('heard', { state: () => 0, methods: { other: () => {} } });
  const { store } = await testHost();
  const refused = async (receiver: unknown, actors: readonly AnyActorDefinition[], message: string) => {
    const starting = startHost({ ...listening({ actor: receiver as never }), actors, store });
    await expect(starting).rejects.toThrow(TypeError);
    await expect(starting).rejects.toThrow(message);
  };
  await refused(heard, [], 'actor type heard, which is not among the actors of this host');
  await refused(heard, [actor('other', { state: () => 0, methods: {} })], 'not among the actors');
  await refused(deaf, [deaf], 'no method "ended"');
  await refused(volatile, [volatile], 'of which nothing is stored');
  await refused(bound, [bound], 'of which nothing is stored');
});
