// Incidents that others had, as tests of one host; the number is that of the list in docs/guarantees.md, which also names
// the tests of the incidents that stand elsewhere. Two hosts here are two on one store that each believe to own everything.

import { MemoryStore, recordActor } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { describe, expect, test } from 'vitest';
import { workflow, type HistoryEntry } from '../src/index.ts';
import { testHost, type TestHost, type TestHostOptions } from '../src/testing.ts';

const typesOf = async (t: TestHost, id = 'i'): Promise<string[]> =>
  (await t.workflows.history(id)).events.map(({ type }: HistoryEntry) => type);

/** Something that ends when it is told to. */
function held<T>() {
  const ends: ((value: T) => void)[] = [];
  return { ends, body: () => new Promise<T>((resolve) => ends.push(resolve)) };
}

const waiting = workflow('waiting', async (ctx) => [
  await ctx.waitForExternalEvent('a'),
  await ctx.waitForExternalEvent('b'),
]);

/** Two on one store. */
async function twoHosts(options: TestHostOptions): Promise<[TestHost, TestHost]> {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const other = new MemoryStore({ clock, contents: store.contents });
  return [await testHost({ ...options, clock, store }), await testHost({ ...options, clock, store: other })];
}

describe('incident 1', () => {
  test('of two hosts that write to an instance at the same revision one loses, and both go on', async () => {
    const [one, two] = await twoHosts({ workflows: [waiting] });
    await one.workflows.start(waiting, { instanceId: 'i' });
    expect(await two.workflows.get('i')).toMatchObject({ runtimeStatus: 'running' });
    const outcomes = await Promise.all(
      [one, two].map(({ workflows }, index) =>
        workflows.raiseEvent('i', 'a', index).then(
          () => 'done',
          ({ name }: Error) => name,
        ),
      ),
    );
    expect(outcomes.toSorted()).toEqual(['OutcomeUnknownError', 'done']);
    // Whoever lost loads it anew. What was told is true: the event of the winner is there, that of the loser is not.
    const loser = outcomes[0] === 'done' ? two : one;
    await loser.workflows.raiseEvent('i', 'b', 'after');
    expect(await loser.workflows.result('i')).toEqual([outcomes.indexOf('done'), 'after']);
    expect(await typesOf(loser)).toEqual(['WorkflowStarted', 'EventRaised', 'EventRaised', 'WorkflowCompleted']);
    await Promise.all([one, two].map((host) => host[Symbol.asyncDispose]()));
  });
});

describe('incident 2', () => {
  test('what wakes an instance is in the write that needs it: a timer, a retry, an activity, a send', async () => {
    let failing = true;
    const kid = workflow('kid', async () => 'kid');
    const w = workflow('w', async (ctx) => {
      const retry = { maxAttempts: 5, initialIntervalMs: 5_000, jitter: 0 };
      const flaky = ctx.callActivity('flaky', undefined, { retry });
      return Promise.all([ctx.createTimer(60_000), flaky, ctx.callActivity('held'), ctx.callChildWorkflow(kid)]);
    });
    const slow = held<string>();
    const fakes = {
      held: slow.body,
      flaky: () => {
        if (failing) throw new Error('not yet');
        return 'flaky';
      },
    };
    const first = await testHost({ workflows: [w, kid], fakes });
    await first.workflows.start(w, { instanceId: 'i' });
    await first.settle();
    failing = false;
    await using second = await first.crash();
    // Nobody asks for it: time passes.
    await second.advance('2m');
    slow.ends.at(-1)!('held');
    await second.settle();
    const { instances } = await second.workflows.list({ workflowName: 'w' });
    expect(instances).toMatchObject([{ runtimeStatus: 'completed' }]);
    expect(await second.workflows.result('i')).toEqual([undefined, 'flaky', 'held', 'kid']);
  });
});

describe('incident 3', () => {
  // The messages of the engine, to be sent as often as one likes.
  const engine = recordActor('workflow', {
    open: () => undefined,
    snapshot: () => undefined,
    methods: {
      activityEnded: (_ctx, _execution: string, _sequence: number, _attempt: number, _result: unknown) => undefined,
      childEnded: (_ctx, _link: unknown, _childId: string, _output: unknown, _failure: unknown) => undefined,
    },
  });

  test.each(['running', 'suspended'])('the same completion comes many times to one that is %s', async (status) => {
    const kid = workflow('kid', (ctx) => ctx.waitForExternalEvent('go'));
    const w = workflow('w', async (ctx) => [
      await Promise.all([ctx.callActivity('held'), ctx.callChildWorkflow(kid, undefined, { instanceId: 'kid' })]),
      await ctx.waitForExternalEvent('go'),
    ]);
    await using t = await testHost({ workflows: [w, kid], fakes: { held: held().body } });
    const instance = await t.workflows.start(w, { instanceId: 'i' });
    await t.settle();
    if (status === 'suspended') await instance.suspend();
    const { executionId } = (await instance.get())! as { executionId: string } & object;
    const ref = t.host.actors.actor(engine, 'i');
    for (const result of ['first', 'second']) {
      await Promise.all([1, 2].map(() => ref.activityEnded(executionId, 1, 1, { ok: true, result })));
      await ref.childEnded({ executionId, sequence: 2, attempt: 1 }, 'kid', result, undefined);
      await ref.childEnded({ executionId, sequence: 2, attempt: 1 }, 'another kid', result, undefined);
    }
    await instance.resume();
    await instance.raiseEvent('go');
    expect(await instance.result()).toEqual([['first', 'first'], undefined]);
    const types = await typesOf(t);
    expect(types.filter((type) => type.endsWith('Completed'))).toEqual([
      'ActivityCompleted',
      'ChildCompleted',
      'WorkflowCompleted',
    ]);
  });
});

describe('incident 4', () => {
  test('an instance that is loaded again does not begin a body that still runs there', async () => {
    const slow = held<string>();
    const w = workflow('w', async (ctx) => [await ctx.callActivity('held'), await ctx.waitForExternalEvent('go')]);
    const [one, two] = await twoHosts({ workflows: [w], fakes: { held: slow.body } });
    await one.workflows.start(w, { instanceId: 'i' });
    await one.settle();
    const outcomes: unknown[] = [];
    for (const [index, host] of [two, one, two, one, two, one].entries()) {
      // The other one has written since: it loses what it has of the instance, and loads it again.
      const raised = host.workflows.raiseEvent('i', 'x', index).catch(({ name }: Error) => name);
      await one.settle();
      outcomes.push(await raised);
    }
    expect(outcomes.filter((name) => name === 'OutcomeUnknownError').length).toBeGreaterThanOrEqual(2);
    expect([one, two].map(({ executions }) => executions.get('held'))).toEqual([1, 1]);
    for (const end of slow.ends) end('done');
    await one.advance('1m');
    await one.workflows.raiseEvent('i', 'go', 'on').catch(() => one.workflows.raiseEvent('i', 'go', 'on'));
    expect(await one.workflows.result('i')).toEqual(['done', 'on']);
    const types = await typesOf(one);
    expect(types.filter((type) => type === 'ActivityCompleted')).toHaveLength(1);
    await Promise.all([one, two].map((host) => host[Symbol.asyncDispose]()));
  });
});

describe('incident 11', () => {
  test('a host that is behind begins nothing that another one has written since', async () => {
    const w = workflow('w', async (ctx) => [await ctx.waitForExternalEvent('a'), await ctx.callActivity('held')]);
    const [one, two] = await twoHosts({ workflows: [w], fakes: { held: held().body } });
    await one.workflows.start(w, { instanceId: 'i' });
    expect(await two.workflows.get('i')).toMatchObject({ runtimeStatus: 'running' });
    await one.workflows.raiseEvent('i', 'a');
    await one.settle();
    // It is as it was loaded, and asked to go on.
    await two.workflows.resume('i');
    await two.settle();
    expect([one, two].map(({ executions }) => executions.get('held'))).toEqual([1, undefined]);
    await Promise.all([one, two].map((host) => host[Symbol.asyncDispose]()));
  });
});

describe('incident 7', () => {
  test('children hear of a termination only when that of their parent is durable', async () => {
    const kid = workflow('kid', (ctx) => ctx.waitForExternalEvent('go'));
    const parent = workflow('parent', (ctx) =>
      Promise.all(['k1', 'k2'].map((instanceId) => ctx.callChildWorkflow(kid, undefined, { instanceId }))),
    );
    const first = await testHost({ workflows: [parent, kid] });
    await first.workflows.start(parent, { instanceId: 'p' });
    await first.settle();
    first.store.faults = (operation, address) =>
      operation === 'commit' && address?.id === 'p' ? { silent: true, fail: 'before-write' } : undefined;
    void first.workflows.terminate('p', { recursive: true }).catch(() => {});
    await first.settle();
    expect(await first.workflows.get('k1')).toMatchObject({ runtimeStatus: 'running' });
    await using second = await first.crash();
    await second.settle();
    expect(await second.workflows.count()).toEqual({ running: 3 });
    await second.workflows.terminate('p', { recursive: true });
    await second.settle();
    expect(await second.workflows.count()).toEqual({ terminated: 3 });
  });
});

describe('incident 8', () => {
  test('purges of a parent, of its child and of one that wrote to itself do not wait for each other', async () => {
    const kid = workflow('kid', async (ctx) => {
      ctx.raiseEvent('p', 'hello');
      await ctx.waitForExternalEvent('go');
    });
    const parent = workflow('parent', async (ctx) => {
      for (const to of ['p', 'kid', 'p']) ctx.raiseEvent(to, 'hello');
      await ctx.callChildWorkflow(kid, undefined, { instanceId: 'kid' });
    });
    await using t = await testHost({ workflows: [parent, kid] });
    await t.workflows.start(parent, { instanceId: 'p' });
    const purges = Promise.all([
      t.workflows.purge('p', { force: true }),
      t.workflows.purge('kid', { force: true }).catch(({ name }: Error) => name),
    ]);
    await t.advance('1m');
    await purges;
    for (const id of ['p', 'kid'])
      if ((await t.workflows.get(id)) !== undefined) await t.workflows.purge(id, { force: true });
    expect(await t.workflows.count()).toEqual({});
  });

  test('nobody goes on telling an instance that is gone', async () => {
    const slow = held<string>();
    const kid = workflow('kid', (ctx) => ctx.waitForExternalEvent('go'));
    const w = workflow('w', async (ctx) => {
      await Promise.all([
        ctx.callActivity('held'),
        ctx.callChildWorkflow(kid, undefined, { instanceId: 'kid' }),
        ctx.createTimer(60_000),
      ]);
    });
    await using t = await testHost({ workflows: [w, kid], fakes: { held: slow.body } });
    await t.workflows.start(w, { instanceId: 'i' });
    await t.settle();
    await t.workflows.purge('i', { force: true });
    slow.ends[0]!('late');
    await t.workflows.raiseEvent('kid', 'go');
    await t.advance('20m');
    let operations = 0;
    t.store.faults = (_, address) => void (address === undefined ? 0 : (operations += 1));
    await t.advance('1h');
    expect(operations).toBe(0);
    t.store.faults = undefined;
    expect(await t.workflows.get('i')).toBeUndefined();
    expect(await t.workflows.get('kid')).toMatchObject({ runtimeStatus: 'completed' });
  });
});

describe('incident 9', () => {
  test('a timer whose instance is slow does not delay those of others', async () => {
    const w = workflow('w', async (ctx) => {
      await ctx.createTimer(1_000);
      return ctx.now().getTime();
    });
    await using t = await testHost({ workflows: [w] });
    const ids = Array.from({ length: 20 }, (_, index) => `i${index}`);
    for (const instanceId of ids) await t.workflows.start(w, { instanceId });
    t.store.faults = (operation, address) =>
      operation === 'commit' && address?.id === 'i0' ? { delayMs: 30_000 } : undefined;
    await t.advance('1s');
    expect(await t.workflows.count()).toEqual({ completed: 19, running: 1 });
    await t.advance('1m');
    expect(await t.workflows.count()).toEqual({ completed: 20 });
  });
});

describe('incident 13', () => {
  test('terminate wins over what comes in before and after it, and nothing runs on', async () => {
    const w = workflow('w', async (ctx) => {
      for (;;) await ctx.callActivity('job');
    });
    for (let rounds = 0; rounds < 12; rounds++) {
      await using t = await testHost({ workflows: [w], fakes: { job: () => 1 } });
      const instance = await t.workflows.start(w, { instanceId: 'i' });
      for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve));
      await instance.terminate({ output: 'stopped' });
      expect(await instance.get()).toMatchObject({ runtimeStatus: 'terminated', output: 'stopped' });
      const before = t.executions.get('job');
      await t.settle();
      // The body that was just beginning at most.
      expect((t.executions.get('job') ?? 0) - (before ?? 0)).toBeLessThanOrEqual(1);
      expect((await typesOf(t)).at(-1)).toBe('WorkflowTerminated');
      expect(t.host.status()).toMatchObject({ runningActivities: 0, waitingActivities: 0 });
    }
  });
});

describe('incident 14', () => {
  test.each([100, 1_000, 10_000])('a fan-out of %i: each once, all of them in the result', async (count) => {
    const w = workflow('w', async (ctx) => {
      const all = await Promise.all(Array.from({ length: count }, (_, n) => ctx.callActivity<number>('job', n)));
      return all.reduce((sum, n) => sum + n, 0);
    });
    await using t = await testHost({ workflows: [w], fakes: { job: (n: number) => n } });
    const instance = await t.workflows.start(w);
    expect(await instance.result()).toBe((count * (count - 1)) / 2);
    expect(t.executions.get('job')).toBe(count);
  });
});

describe('incident 19', () => {
  test('a host that cannot work says so, and goes on where it was when it can', async () => {
    const w = workflow('w', async (ctx) => {
      await ctx.createTimer(60_000);
      return ctx.callActivity('job');
    });
    await using t = await testHost({ workflows: [w], fakes: { job: () => 'done' } });
    await t.workflows.start(w, { instanceId: 'i' });
    expect(t.host.status()).toMatchObject({ ready: true, reason: undefined });
    t.store.unavailable = true;
    expect(t.host.status()).toMatchObject({ ready: false, reason: expect.stringContaining('store') });
    await t.advance('10m');
    t.store.unavailable = false;
    expect(t.host.status().ready).toBe(true);
    await t.advance('5m');
    expect(await t.workflows.get('i')).toMatchObject({ runtimeStatus: 'completed', output: 'done' });
  });
});

describe('incident 20', () => {
  test('the same work costs the same the third time, and leaves nothing behind', async () => {
    const kid = workflow('kid', (ctx) => ctx.callActivity('job'));
    const w = workflow('w', async (ctx) => {
      await Promise.all([ctx.callActivity('job'), ctx.createTimer(1_000), ctx.callChildWorkflow(kid)]);
      return ctx.waitForExternalEvent('go', { timeoutMs: 60_000 });
    });
    await using t = await testHost({ workflows: [w, kid], fakes: { job: () => 1 } });
    let operations = 0;
    t.store.faults = (_, address) => void (address === undefined ? 0 : (operations += 1));
    const costs: number[] = [];
    const timeouts: number[] = [];
    for (let run = 0; run < 3; run++) {
      operations = 0;
      const ids = Array.from({ length: 50 }, (_, index) => `${run}.${index}`);
      for (const instanceId of ids) await t.workflows.start(w, { instanceId });
      await t.advance('2s');
      for (const id of ids) await t.workflows.raiseEvent(id, 'go');
      await t.advance('30m');
      costs.push(operations);
      timeouts.push(t.clock.pending);
      expect(t.host.status().activeInstances).toBe(0);
    }
    expect(new Set(costs)).toEqual(new Set([costs[0]]));
    expect(new Set(timeouts)).toEqual(new Set([timeouts[0]]));
  });
});
