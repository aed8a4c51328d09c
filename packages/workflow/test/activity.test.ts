import { expect, test } from 'vitest';
import { activity, NonRetryableError, workflow, type ActivityOptions } from '../src/index.ts';
import { testHost } from '../src/testing.ts';

const call = (name: string, options?: ActivityOptions) =>
  workflow('w', (ctx, input: unknown) => ctx.callActivity(name, input, options));
const boom = (): never => {
  throw new RangeError('boom');
};

async function attemptTimes(options: ActivityOptions, forMs: number, random = 0.5): Promise<number[]> {
  const w = call('a', options);
  const times: number[] = [];
  await using t = await testHost({
    workflows: [w],
    random: () => random,
    fakes: {
      a: () => {
        times.push(t.clock.nowMs());
        return boom();
      },
    },
  });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.advance(forMs);
  return times.map((time) => time - times[0]!);
}

test('a retry policy: attempts, interval, backoff and the longest interval', async () => {
  const retry = { maxAttempts: 5, initialIntervalMs: 100, backoff: 3, maxIntervalMs: 500, jitter: 0 };
  expect(await attemptTimes({ retry }, 60_000)).toEqual([0, 100, 400, 900, 1_400]);
});

test('without a policy there is one attempt; the default delays double from a second', async () => {
  expect(await attemptTimes({}, 60_000)).toEqual([0]);
  expect(await attemptTimes({ retry: { maxAttempts: 4, jitter: 0 } }, 60_000)).toEqual([0, 1_000, 3_000, 7_000]);
});

test('no attempt begins after the total time', async () => {
  const retry = { maxAttempts: Infinity, initialIntervalMs: 1_000, backoff: 1, jitter: 0, totalTimeoutMs: 3_500 };
  expect(await attemptTimes({ retry }, 60_000)).toEqual([0, 1_000, 2_000, 3_000]);
});

test('jitter moves a delay by no more than its part, both ways', async () => {
  const retry = { maxAttempts: 2, initialIntervalMs: 1_000, jitter: 0.2 };
  expect(await attemptTimes({ retry }, 60_000, 0)).toEqual([0, 800]);
  expect(await attemptTimes({ retry }, 60_000, 0.999_999)).toEqual([0, 1_200]);
});

test('a predicate ends the retries: of the definition, or of the call, which wins', async () => {
  const asked: string[] = [];
  const definition = activity('a', boom, {
    retry: {
      maxAttempts: 9,
      initialIntervalMs: 1,
      retryIf: ({ type }, attempt) => asked.push(`${type} ${attempt}`) < 3,
    },
  });
  const byDefinition = call('a');
  const byCall = workflow('v', (ctx) =>
    ctx.callActivity(definition, undefined, { retry: { maxAttempts: 9, retryIf: () => false } }),
  );
  await using t = await testHost({ workflows: [byDefinition, byCall], activities: [definition] });
  await t.workflows.start(byDefinition, { instanceId: 'i' });
  await t.advance('1h');
  expect(asked).toEqual(['RangeError 1', 'RangeError 2', 'RangeError 3']);
  await t.workflows.start(byCall, { instanceId: 'j' });
  await t.advance('1h');
  expect(t.executions.get('a')).toBe(4);
  expect((await t.workflows.get('j'))?.failure).toMatchObject({ type: 'RangeError', message: 'boom' });
});

test('errors that are not retryable, by name or by type, are not tried again; a predicate that throws ends it', async () => {
  const retry = { maxAttempts: 5, initialIntervalMs: 1 };
  expect(await attemptTimes({ retry: { ...retry, nonRetryable: ['RangeError'] } }, 60_000)).toHaveLength(1);
  expect(await attemptTimes({ retry: { ...retry, retryIf: boom } }, 60_000)).toHaveLength(1);
  const w = call('a', { retry });
  await using t = await testHost({
    workflows: [w],
    fakes: {
      a: () => {
        throw new NonRetryableError('declined');
      },
    },
  });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.advance('1h');
  expect(t.executions.get('a')).toBe(1);
  expect(await t.workflows.get('i')).toMatchObject({
    runtimeStatus: 'failed',
    failure: { type: 'NonRetryableError', message: 'declined' },
  });
});

test('what was scheduled does not begin when its workflow is terminated before that is durable', async () => {
  let runs = 0;
  const w = call('a');
  await using t = await testHost({ workflows: [w], fakes: { a: () => void (runs += 1) } });
  const commit = t.store.commit.bind(t.store);
  const held: (() => void)[] = [];
  t.store.commit = (source) => void held.push(() => commit(source));
  const started = t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  const terminated = t.workflows.terminate('i');
  await t.settle();
  t.store.commit = commit;
  for (const go of held) go();
  await Promise.all([started, terminated]);
  await t.advance('1m');
  expect([runs, (await t.workflows.get('i'))?.runtimeStatus]).toEqual([0, 'terminated']);
});

test('an attempt that does not end in time, or gives no heartbeat, is aborted and tried again with the last detail', async () => {
  const signals: boolean[] = [];
  const details: unknown[] = [];
  const keys = new Set<string>();
  const w = call('a', {
    startToCloseTimeoutMs: 10_000,
    heartbeatTimeoutMs: 1_000,
    retry: { maxAttempts: 3, initialIntervalMs: 1 },
  });
  await using t = await testHost({
    workflows: [w],
    fakes: {
      a: async (_, ctx) => {
        keys.add(ctx.idempotencyKey);
        details.push(ctx.lastHeartbeat);
        ctx.signal.addEventListener('abort', () => signals.push(true));
        ctx.heartbeat({ attempt: ctx.attempt });
        if (ctx.attempt === 1) await new Promise(() => {});
        if (ctx.attempt === 3) return 'done';
        for (;;) {
          await new Promise<void>((resolve) => t.clock.setTimeout(resolve, 900));
          ctx.heartbeat();
          if (ctx.signal.aborted) return 'too late';
        }
      },
    },
  });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.advance('1m');
  expect(await instance.result()).toBe('done');
  expect(details).toEqual([undefined, { attempt: 1 }, { attempt: 2 }]);
  expect(signals).toHaveLength(2);
  expect(keys.size).toBe(1);
  const { events } = await instance.history();
  expect(
    events
      .filter(({ type }) => type === 'ActivityRetried')
      .map(({ details: { failure } }) => (failure as Error).message),
  ).toEqual(['attempt 1 of a gave no heartbeat within 1000 ms', 'attempt 2 of a did not end within 10000 ms']);
});

test('what times out for good fails with an ActivityTimeoutError', async () => {
  const w = call('a', { startToCloseTimeoutMs: 1_000 });
  await using t = await testHost({ workflows: [w], fakes: { a: () => new Promise(() => {}) } });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.advance('1s');
  expect((await t.workflows.get('i'))?.failure?.type).toBe('ActivityTimeoutError');
});

test('terminate aborts what runs; its late result is dropped', async () => {
  let finish!: (value: string) => void;
  let aborted = false;
  const w = call('a');
  await using t = await testHost({
    workflows: [w],
    fakes: {
      a: (_, { signal }) => {
        signal.addEventListener('abort', () => (aborted = true));
        return new Promise((resolve) => (finish = resolve));
      },
    },
  });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await instance.terminate({ output: 'stopped' });
  expect(aborted).toBe(true);
  finish('late');
  await t.settle();
  expect(await instance.get()).toMatchObject({ runtimeStatus: 'terminated', output: 'stopped' });
  expect((await instance.history()).events.map(({ type }) => type)).toEqual([
    'WorkflowStarted',
    'ActivityScheduled',
    'WorkflowTerminated',
  ]);
});

test('an activity that nobody has waits a minute, then fails with NotRegisteredError that names its neighbours', async () => {
  const w = call('chargeCrad');
  await using t = await testHost({ workflows: [w], fakes: { chargeCard: () => 1 } });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.advance('59s');
  expect((await t.workflows.get('i'))?.runtimeStatus).toBe('running');
  await t.advance('1s');
  expect((await t.workflows.get('i'))?.failure).toMatchObject({
    type: 'NotRegisteredError',
    message: expect.stringContaining('chargeCard'),
  });
});

test('no more bodies run at once than the host allows, and all get their turn', async () => {
  let running = 0;
  let most = 0;
  const w = workflow('w', (ctx) => Promise.all(Array.from({ length: 40 }, (_, n) => ctx.callActivity('a', n))));
  await using t = await testHost({
    workflows: [w],
    activityConcurrency: 3,
    fakes: {
      a: async (n: number) => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running -= 1;
        return n;
      },
    },
  });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  expect(await instance.result()).toEqual(Array.from({ length: 40 }, (_, n) => n));
  expect(most).toBe(3);
});

test('what is scheduled and never awaited runs all the same and does not hold up the end', async () => {
  const w = workflow('w', async (ctx) => {
    void ctx.callActivity('a');
    void ctx.callActivity('b').then(() => ctx.setCustomStatus('too late'));
    return 'done';
  });
  await using t = await testHost({ workflows: [w], fakes: { a: () => 1, b: boom } });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  expect(await instance.result()).toBe('done');
  await t.settle();
  expect([...t.executions]).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
});

test.each(['completed', 'failed'] as const)(
  'what is scheduled and never awaited runs though the process dies as soon as the workflow has %s',
  async (status) => {
    const ran: string[] = [];
    const w = workflow('w', async (ctx) => {
      void ctx.callActivity('a');
      void ctx.step('s', () => ran.push('s'));
      if (status === 'failed') throw new Error('over');
      return 'done';
    });
    const first = await testHost({ workflows: [w], fakes: { a: () => ran.push('a') } });
    // The commit is durable and not acknowledged: nothing that it releases has begun.
    first.store.faults = (operation) => (operation === 'commit' ? { silent: true } : undefined);
    void first.workflows.start(w, { instanceId: 'i' }).catch(() => {});
    await first.settle();
    expect(ran).toEqual([]);
    const second = await first.crash();
    await second.settle();
    expect(await second.workflows.get('i')).toMatchObject({ runtimeStatus: status });
    expect(ran.sort()).toEqual(['a', 's']);
    await using third = await second.crash();
    await third.settle();
    expect(ran.sort()).toEqual(['a', 's']);
  },
);

test('what a workflow left behind is dropped by its purge, and by a new life under its id', async () => {
  const bodies: ((value: unknown) => void)[] = [];
  const w = workflow('w', async (ctx) => void ctx.callActivity('a'));
  await using t = await testHost({
    workflows: [w],
    fakes: { a: () => new Promise((resolve) => bodies.push(resolve)) },
  });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.workflows.start(w, { instanceId: 'i', ifExists: 'restart-if-terminal' });
  await t.settle();
  await t.workflows.purge('i');
  expect(bodies).toHaveLength(2);
  for (const end of bodies) end('late');
  await t.advance('1h');
  expect(await t.workflows.get('i')).toBeUndefined();
  expect(t.executions.get('a')).toBe(2);
});

test('a result that does not survive the codec is the failure of the call that made it, with the path', async () => {
  const w = workflow('w', async (ctx) => [
    await ctx.callActivity('a').catch((error: Error) => error.message),
    await ctx.step('s', () => ({ deep: [new Map()] })).catch((error: Error) => error.message),
  ]);
  await using t = await testHost({ workflows: [w], fakes: { a: () => ({ list: [1, () => 2] }) } });
  const [first, second] = (await (await t.workflows.start(w)).result()) as string[];
  expect(first).toContain('.list[1]');
  expect(second).toContain('.deep[0]');
});

test('neither an activity nor a workflow changes history or a retry by changing what it was given', async () => {
  const seen: unknown[] = [];
  const w = workflow('w', async (ctx, input: { list: number[] }) => {
    const mine = { list: [...input.list] };
    input.list.push(99);
    const pending = ctx.callActivity<{ list: number[] }>('a', mine, {
      retry: { maxAttempts: 2, initialIntervalMs: 1 },
    });
    mine.list.push(98);
    const result = await pending;
    result.list.push(97);
    await ctx.createTimer(1);
    return ctx.callActivity('b', result);
  });
  const shared = { list: [7] };
  let t = await testHost({
    workflows: [w],
    fakes: {
      a: (input: { list: number[] }, { attempt }) => {
        seen.push([...input.list]);
        input.list.push(1);
        if (attempt === 1) return boom();
        setImmediate(() => shared.list.push(5));
        return shared;
      },
      b: (input: unknown) => input,
    },
  });
  await t.workflows.start(w, { instanceId: 'i', input: { list: [0] } });
  await t.advance(500);
  t = await t.crash();
  await t.advance('2s');
  expect(await t.workflows.result('i')).toEqual({ list: [7, 97] });
  expect(seen).toEqual([[0], [0]]);
  expect((await t.workflows.get('i'))?.input).toEqual({ list: [0] });
  const { events } = await t.workflows.history('i');
  expect(events.find(({ type }) => type === 'ActivityCompleted')?.details).toEqual({ result: { list: [7] } });
  await t[Symbol.asyncDispose]();
});

test('a result of five megabytes', async () => {
  const w = call('a');
  let t = await testHost({ workflows: [w], fakes: { a: () => 'x'.repeat(5 * 1024 * 1024) } });
  await (await t.workflows.start(w, { instanceId: 'i' })).result();
  t = await t.crash();
  expect(((await t.workflows.result('i')) as string).length).toBe(5 * 1024 * 1024);
  await t[Symbol.asyncDispose]();
});

test('a result that is too large fails the call', async () => {
  const w = call('a');
  await using t = await testHost({ workflows: [w], fakes: { a: () => [Buffer.alloc(33 * 1024 * 1024)] } });
  await expect((await t.workflows.start(w)).result()).rejects.toThrow('larger than');
});

test('a fan-out of a thousand', { timeout: 30_000 }, async () => {
  const w = workflow('w', async (ctx) => {
    const results = await Promise.all(Array.from({ length: 1_000 }, (_, n) => ctx.callActivity<number>('a', n)));
    return results.reduce((sum, n) => sum + n, 0);
  });
  await using t = await testHost({ workflows: [w], fakes: { a: (n: number) => n } });
  expect(await (await t.workflows.start(w)).result()).toBe(499_500);
  expect(t.executions.get('a')).toBe(1_000);
});

test('an attempt that failed while the code was stalled is not taken for the last one', async () => {
  let fail!: (error: Error) => void;
  const w = workflow('w', async (ctx) => {
    const pending = ctx.callActivity('a', 1, { retry: { maxAttempts: 2, initialIntervalMs: 1 } });
    await ctx.waitForExternalEvent('go');
    if (stuck) await Promise.reject(await new Promise(() => {}));
    return pending;
  });
  let stuck = true;
  await using t = await testHost({
    workflows: [w],
    fakes: { a: (_, { attempt }) => (attempt === 1 ? new Promise((__, reject) => (fail = reject)) : 'second') },
  });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await t.settle();
  await instance.raiseEvent('go');
  // The code waits for the activity still: it is not stalled before that has ended.
  fail(new Error('first'));
  await t.advance('1s');
  expect((await instance.get())?.runtimeStatus).toBe('stalled');
  stuck = false;
  await instance.resume();
  await t.advance('1s');
  expect(await instance.result()).toBe('second');
});
