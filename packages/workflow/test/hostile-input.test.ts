// Bad input for every call of the SDK: a clear typed error, nothing stored, nothing leaked.

import { expect, test } from 'vitest';
import { activity, event, startHost, workflow, type WorkflowContext } from '../src/index.ts';
import { MemoryStore } from '@troupe/actors';
import { testHost } from '../src/testing.ts';

const cyclic: Record<string, unknown> = {};
cyclic['self'] = { cyclic };
let deep: unknown = 1;
for (let n = 0; n < 2_000; n++) deep = [deep];
const payloads: Record<string, unknown> = {
  cyclic,
  deep,
  'too large': { parts: [Buffer.alloc(20e6), Buffer.alloc(20e6)] },
  'a long text': 'x'.repeat(34e6),
  'a function': () => 1,
  'a symbol': Symbol('s'),
  'a map': { of: new Map() },
  'a class': new (class Money {
    amount = 1;
  })(),
  'a promise': Promise.resolve(1),
  'a lone surrogate': '\ud800',
  'a hostile key': JSON.parse('{"__proto__": 1}'),
  'an invalid date': new Date(Number.NaN),
  'a bigint that is too large': 2n ** 70n,
};
const ids: unknown[] = [
  '',
  'x'.repeat(257),
  'x'.repeat(5_000),
  'a\u0000b',
  'a\nb',
  '\ud800',
  5,
  null,
  {},
  ['a'],
  Symbol('s'),
];
const oddIds = [
  '../x',
  '%00',
  '..',
  'a/b',
  'a|b@c',
  '🎭',
  '__proto__',
  'constructor',
  'toString',
  ' ',
  'x'.repeat(256),
  'é'.repeat(128),
  "'; drop",
  '*.>',
];
const names: unknown[] = ['', 'x'.repeat(300), 'a\u0000', '\udfff', 5, null, undefined, {}, Symbol('s')];

const w = workflow('w', async (ctx, input: unknown) => (input === 'wait' ? ctx.waitForExternalEvent('go') : input));

test('ids that cannot be used are refused by every call', async () => {
  await using t = await testHost({ workflows: [w] });
  for (const id of ids as string[]) {
    const calls = [
      () => t.workflows.start(w, { instanceId: id === null ? '\u0001' : id, input: 1 }),
      () => t.workflows.get(id),
      () => t.workflows.raiseEvent(id, 'e'),
      () => t.workflows.suspend(id),
      () => t.workflows.resume(id),
      () => t.workflows.terminate(id),
      () => t.workflows.purge(id),
      () => t.workflows.result(id),
      () => t.workflows.wait(id),
      () => t.workflows.history(id),
    ];
    for (const call of calls)
      await expect(Promise.resolve().then(call)).rejects.toMatchObject({ name: 'InstanceIdError' });
    expect(() => t.workflows.instance(id)).toThrow('instance id');
  }
  expect(await t.workflows.count()).toEqual({});
});

test('odd ids are ids like others', async () => {
  await using t = await testHost({ workflows: [w] });
  for (const id of oddIds) {
    const instance = await t.workflows.start(w, { instanceId: id, input: 'wait' });
    await instance.raiseEvent('go', id);
    expect(await instance.result()).toBe(id);
  }
  expect((await t.workflows.list({ limit: 100 })).instances.map(({ instanceId }) => instanceId).sort()).toEqual(
    [...oddIds].sort(),
  );
  for (const id of oddIds) await t.workflows.purge(id);
  expect(await t.workflows.count()).toEqual({});
});

test.each(Object.entries(payloads))(
  'a payload that does not survive is refused where it is given: %s',
  async (_, payload) => {
    await using t = await testHost({ workflows: [w] });
    await t.workflows.start(w, { instanceId: 'i', input: 'wait' });
    await t.settle();
    const refused = { name: 'PayloadError' };
    await expect(t.workflows.start(w, { instanceId: 'j', input: payload })).rejects.toMatchObject(refused);
    await expect(t.workflows.raiseEvent('i', 'go', payload)).rejects.toMatchObject(refused);
    await expect(t.workflows.terminate('i', { output: payload })).rejects.toMatchObject(refused);
    expect(await t.workflows.count()).toEqual({ running: 1 });
    const inside: ((ctx: WorkflowContext) => unknown)[] = [
      (ctx) => ctx.callActivity('a', payload),
      (ctx) => ctx.callChildWorkflow('w', payload),
      (ctx) => ctx.setCustomStatus(payload),
      (ctx) => ctx.continueAsNew(payload),
      (ctx) => ctx.raiseEvent('i', 'go', payload),
      (ctx) => ctx.step('s', () => [payload]),
      () => [payload],
    ];
    const all = workflow('all', async (ctx, which: number) => inside[which]!(ctx));
    await using u = await testHost({ workflows: [all] });
    for (let which = 0; which < inside.length; which++) {
      await expect((await u.workflows.start(all, { input: which })).result()).rejects.toMatchObject({
        failure: { type: 'PayloadError' },
      });
    }
  },
);

test('names that cannot be used are refused where they are given', async () => {
  await using t = await testHost({ workflows: [w] });
  await t.workflows.start(w, { instanceId: 'i', input: 'wait' });
  for (const name of names as string[]) {
    expect(() => workflow(name, () => 1)).toThrow(TypeError);
    expect(() => activity(name, () => 1)).toThrow(TypeError);
    await expect(t.workflows.start(name)).rejects.toThrow(TypeError);
    await expect(t.workflows.raiseEvent('i', name)).rejects.toThrow(TypeError);
    const inside = [
      (ctx: WorkflowContext) => ctx.callActivity(name),
      (ctx: WorkflowContext) => ctx.step(name, () => 1),
      (ctx: WorkflowContext) => ctx.callChildWorkflow(name),
      (ctx: WorkflowContext) => ctx.waitForExternalEvent(name),
      (ctx: WorkflowContext) => ctx.raiseEvent('i', name),
      (ctx: WorkflowContext) => ctx.callChildWorkflow('w', 1, { version: name ?? '' }),
    ];
    const all = workflow('all', async (ctx, which: number) => inside[which]!(ctx));
    await using u = await testHost({ workflows: [all, w] });
    for (let which = 0; which < inside.length; which++) {
      await expect((await u.workflows.start(all, { input: which })).result()).rejects.toMatchObject({
        failure: { type: 'TypeError' },
      });
    }
  }
  expect(() => workflow('dapr', () => 1)).toThrow('dapr');
  expect(() => workflow('x', 5 as never)).toThrow('function');
  expect(() => activity('x', undefined as never)).toThrow('function');
  expect(() => workflow('x', { events: { '': event() } }, () => 1)).toThrow(TypeError);
  expect(() => workflow('x', { retention: { completed: -1 } }, () => 1)).toThrow(RangeError);
});

test('options that make no sense are refused, and nothing is stored', async () => {
  await using t = await testHost({ workflows: [w] });
  const starts: object[] = [
    { ifExists: 'maybe' },
    { startAt: 'tomorrow' },
    { startAt: new Date(Number.NaN) },
    { tags: [] },
    { tags: { a: 1 } },
    { tags: { ['x'.repeat(300)]: 'y' } },
    { tags: JSON.parse('{"__proto__":"x"}') },
    { version: 7 },
    { version: '' },
    { tags: Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`t${n}`, ''])) },
    { idempotencyKey: 5 },
    { idempotencyKey: '' },
    { idempotencyKey: '\ud800' },
    { idempotencyKey: 'x'.repeat(5_000) },
    { idempotencyKey: 'k', payloadHash: {} },
    { traceparent: 5 },
  ];
  for (const options of starts) {
    await expect(t.workflows.start(w, { input: 1, ...options } as never), JSON.stringify(options)).rejects.toThrow(
      TypeError,
    );
  }
  const lists: object[] = [
    { limit: 0 },
    { limit: 1_001 },
    { limit: 1.5 },
    { limit: '5' },
    { status: 'done' },
    { status: ['running', 5] },
    { tags: 5 },
    { createdAfter: 5 },
    { createdBefore: new Date(Number.NaN) },
    { workflowName: 5 },
    { idPrefix: {} },
  ];
  for (const query of lists)
    await expect(
      Promise.resolve().then(() => t.workflows.list(query)),
      JSON.stringify(query),
    ).rejects.toThrow();
  for (const query of [{ from: 0 }, { from: 1.5 }, { limit: 0 }, { limit: 5_000 }, { from: 'a' }]) {
    await expect(t.workflows.history('i', query as never)).rejects.toThrow(RangeError);
  }
  for (const timeoutMs of ['5', Number.NaN])
    await expect(t.workflows.wait('i', { timeoutMs: timeoutMs as never })).rejects.toThrow(TypeError);
  for (const options of [{ activityConcurrency: 0 }, { activityConcurrency: 1.5 }, { workflows: [w, w] }]) {
    await expect(startHost({ store: new MemoryStore(), ...options })).rejects.toThrow();
  }
  expect(await t.workflows.count()).toEqual({});
});

test('retry policies and time limits that make no sense are refused at the call and at the definition', async () => {
  const wrong: object[] = [
    { retry: { maxAttempts: 0 } },
    { retry: { maxAttempts: 1.5 } },
    { retry: { initialIntervalMs: -1 } },
    { retry: { backoff: 0.5 } },
    { retry: { jitter: 2 } },
    { retry: { totalTimeoutMs: Number.NaN } },
    { startToCloseTimeoutMs: 0 },
    { heartbeatTimeoutMs: 'soon' },
  ];
  const all = workflow('all', async (ctx, which: number) => ctx.callActivity('a', 1, wrong[which]));
  await using t = await testHost({ workflows: [all] });
  for (const [which, options] of wrong.entries()) {
    expect(() => activity('a', () => 1, options), JSON.stringify(options)).toThrow(RangeError);
    await expect((await t.workflows.start(all, { input: which })).result()).rejects.toMatchObject({
      failure: { type: 'RangeError' },
    });
  }
});
