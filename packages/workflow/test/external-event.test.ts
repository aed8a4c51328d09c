import { expect, test } from 'vitest';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { event, EventTimeoutError, ValidationError, workflow, type WorkflowContext } from '../src/index.ts';
import { testHost, type TestHost } from '../src/testing.ts';

async function waiting(run: (ctx: WorkflowContext) => Promise<unknown>, fakes = {}): Promise<TestHost> {
  const w = workflow('w', run);
  const t = await testHost({ workflows: [w], fakes });
  await t.workflows.start('w', { instanceId: 'i' });
  await t.settle();
  return t;
}

test('events are kept before anybody waits, first in, first out per name, whatever the case', async () => {
  await using t = await waiting(async (ctx) => {
    await ctx.createTimer(1_000);
    return [
      await ctx.waitForExternalEvent('A'),
      await ctx.waitForExternalEvent('b'),
      await ctx.waitForExternalEvent('a'),
      await ctx.waitForExternalEvent('a'),
    ];
  });
  for (const [name, payload] of [
    ['a', 1],
    ['B', 2],
    ['A', 3],
  ] as const)
    await t.workflows.raiseEvent('i', name, payload);
  await t.advance('2s');
  await t.workflows.raiseEvent('i', 'a', 4);
  expect(await t.workflows.result('i')).toEqual([1, 2, 3, 4]);
});

test('two equal events count twice; a repeated idempotency key once', async () => {
  await using t = await waiting(async (ctx) => [
    await ctx.waitForExternalEvent('e'),
    await ctx.waitForExternalEvent('e'),
    await ctx.waitForExternalEvent('e'),
  ]);
  for (const key of ['k', 'k', undefined, undefined])
    await t.workflows.raiseEvent('i', 'e', key, { idempotencyKey: key });
  expect(await t.workflows.result('i')).toEqual(['k', undefined, undefined]);
});

test('a wait times out with a typed error; the next wait gets the event that comes then', async () => {
  await using t = await waiting(async (ctx) => {
    const error = await ctx.waitForExternalEvent('e', { timeoutMs: 1_000 }).catch((thrown: unknown) => thrown);
    return [
      error instanceof EventTimeoutError && error.eventName,
      await ctx.waitForExternalEvent('e', { timeoutMs: 1_000 }),
    ];
  });
  await t.advance('1s');
  await t.workflows.raiseEvent('i', 'e', 'late');
  expect(await t.workflows.result('i')).toEqual(['e', 'late']);
});

test('a time-out of 0 takes what is there and does not wait', async () => {
  await using t = await waiting(async (ctx) => {
    const none = await ctx.waitForExternalEvent('e', { timeoutMs: 0 }).catch((error: Error) => error.name);
    await ctx.createTimer(1);
    return [none, await ctx.waitForExternalEvent('e', { timeoutMs: 0 })];
  });
  await t.workflows.raiseEvent('i', 'e', 1);
  await t.advance(1);
  expect(await t.workflows.result('i')).toEqual(['EventTimeoutError', 1]);
});

test('an event and a time-out of the same moment: one of them wins, and the event is not lost', async () => {
  for (const eventFirst of [true, false]) {
    await using t = await waiting(async (ctx) => {
      const first = await ctx.waitForExternalEvent('e', { timeoutMs: 1_000 }).catch(() => 'time-out');
      return first === 'time-out' ? [first, await ctx.waitForExternalEvent('e')] : [first];
    });
    await t.advance(999);
    t.clock.setTimeout(() => eventFirst && void t.workflows.raiseEvent('i', 'e', 'event'), 1);
    await t.advance(1);
    if (!eventFirst) await t.workflows.raiseEvent('i', 'e', 'event');
    expect(((await t.workflows.result('i')) as string[]).at(-1)).toBe('event');
  }
});

const races: Record<string, (ctx: WorkflowContext) => Promise<unknown>> = {
  'a race of the promises': (ctx) => Promise.race([ctx.waitForExternalEvent('stop'), ctx.createTimer(1_000)]),
  'a race of chains': (ctx) =>
    Promise.race([
      ctx.waitForExternalEvent('stop').then((payload) => payload),
      ctx.createTimer(1_000).then(() => undefined),
    ]),
  any: (ctx) => Promise.any([ctx.waitForExternalEvent('stop'), ctx.createTimer(1_000)]),
};

test.each(Object.entries(races))('a wait left behind does not swallow a later event: %s', async (_, race) => {
  const w = workflow('w', async (ctx) => {
    for (let round = 0; ; round++) {
      const stop = await race(ctx);
      if (stop !== undefined) return [round > 0, stop];
      await ctx.callActivity('check');
    }
  });
  let free!: () => void;
  let t = await testHost({ workflows: [w], fakes: { check: () => new Promise<void>((resolve) => (free = resolve)) } });
  await t.workflows.start(w, { instanceId: 'i' });
  await t.advance('1s');
  // Nobody waits but the loser of the race, while the check goes on.
  await t.workflows.raiseEvent('i', 'stop', 'now');
  t = await t.crash();
  await t.settle();
  free();
  await t.settle();
  expect(await t.workflows.result('i')).toEqual([true, 'now']);
  await t[Symbol.asyncDispose]();
});

test('a wait that lost a race and is awaited after all gets the event that came meanwhile', async () => {
  await using t = await waiting(async (ctx) => {
    const approval = ctx.waitForExternalEvent('e');
    const first = await Promise.race([approval, ctx.createTimer(1_000).then(() => 'reminder')]);
    await ctx.createTimer(1_000);
    return [first, await approval];
  });
  await t.advance('1s');
  await t.workflows.raiseEvent('i', 'e', 'yes');
  await t.advance('1s');
  expect(await t.workflows.result('i')).toEqual(['reminder', 'yes']);
});

test('a payload is checked against the schema of its event, and nothing is stored when it does not match', async () => {
  const schema: StandardSchemaV1<unknown, { by: string }> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        const by = (value as { by?: unknown } | undefined)?.by;
        return typeof by === 'string'
          ? { value: { by: by.toUpperCase() } }
          : { issues: [{ message: 'not a name', path: ['by'] }] };
      },
    },
  };
  const w = workflow('w', { events: { approved: event(schema) } }, (ctx) => ctx.waitForExternalEvent('approved'));
  await using t = await testHost({ workflows: [w] });
  const instance = await t.workflows.start(w, { instanceId: 'i' });
  await expect(instance.raiseEvent('approved', { by: 1 as never })).rejects.toMatchObject({
    issues: [{ pointer: '/by' }],
  });
  await expect(t.workflows.raiseEvent('i', 'APPROVED')).rejects.toThrow(ValidationError);
  await instance.raiseEvent('approved', { by: 'ada' });
  expect(await instance.result()).toEqual({ by: 'ADA' });
});

test('the number of events that nobody has taken is bounded', { timeout: 30_000 }, async () => {
  await using t = await waiting((ctx) => ctx.waitForExternalEvent('never'));
  await Promise.all(Array.from({ length: 10_000 }, (_, n) => t.workflows.raiseEvent('i', 'e', n)));
  await expect(t.workflows.raiseEvent('i', 'e', 0)).rejects.toThrow('10000 events');
  await t.workflows.raiseEvent('i', 'never').catch(() => {});
});

test('an event from one instance to another is applied once, in order, also after a crash', async () => {
  const sender = workflow('sender', async (ctx) => {
    for (let n = 0; n < 3; n++) {
      ctx.raiseEvent('i', 'e', n);
      await ctx.createTimer(1_000);
    }
  });
  const receiver = workflow('receiver', async (ctx) => {
    const seen: unknown[] = [];
    for (let n = 0; n < 3; n++) seen.push(await ctx.waitForExternalEvent('e'));
    const more = await ctx.waitForExternalEvent('e', { timeoutMs: 10_000 }).catch(() => 'no more');
    return [...seen, more];
  });
  let t = await testHost({ workflows: [sender, receiver] });
  await t.workflows.start(receiver, { instanceId: 'i' });
  await t.workflows.start(sender, { instanceId: 's' });
  for (let round = 0; round < 4; round++) {
    t = await t.crash();
    await t.advance('1s');
  }
  await t.advance('1m');
  expect(await t.workflows.result('i')).toEqual([0, 1, 2, 'no more']);
  await t[Symbol.asyncDispose]();
});
