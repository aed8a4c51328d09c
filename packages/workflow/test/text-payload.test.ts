// Payloads that came as text, as workers and clients of other languages give them: stored as they came, and what they say to
// all code of this language.

import { checkPayload, PayloadError, TextPayload } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import {
  activity,
  event,
  exportHistory,
  NonRetryableError,
  ValidationError,
  workflow,
  WorkflowTerminatedError,
  type Schema,
} from '../src/index.ts';
import { ActivityRunner, type ActivityResult } from '../src/activity-runner.ts';
import { CodeDirectory } from '../src/code-directory.ts';
import { PAYLOAD_BYTES_MAX } from '../src/limits.ts';
import { checkPayload as checkSize, jsonLengthOf } from '../src/payload.ts';
import { Registry } from '../src/registry.ts';
import { WorkerPool } from '../src/workers/worker-pool.ts';
import { jsonText } from '../src/http-payload.ts';
import { replayExactly, replayHistory, testHost, type TestHost } from '../src/testing.ts';
import { TestCluster } from './cluster.ts';

const text = (payload: string): TextPayload => new TextPayload(payload);

/** What the events of an instance hold, as it is stored. */
async function storedTexts(t: Pick<TestHost, 'host'>, instanceId: string): Promise<string[]> {
  const found: string[] = [];
  for (const stored of await t.host.stored.events(instanceId, 1, 1_000)) {
    for (const value of Object.values(stored)) if (value instanceof TextPayload) found.push(value.text);
  }
  return found;
}

test('the limit of bytes counts the text', () => {
  checkSize(text('x'.repeat(PAYLOAD_BYTES_MAX - 100)), 'it');
  expect(() => checkSize(text('x'.repeat(PAYLOAD_BYTES_MAX)), 'it')).toThrow(PayloadError);
  expect(() => checkSize({ in: [text('é'.repeat(PAYLOAD_BYTES_MAX / 2))] }, 'it')).toThrow(PayloadError);
  // What it says is short, what is kept is not.
  expect(jsonLengthOf(text(`[${' '.repeat(5_000)}]`))).toBe(5_002);
});

const TEXTS: [string, unknown][] = [
  ['', undefined],
  ['null', null],
  ['no JSON', 'no JSON'],
  ['12345678901234567890', 12_345_678_901_234_567_000],
  ['{"a":1,"a":2}', { a: 2 }],
  ['{"__proto__":{"x":1},"b":{"c":[]}}', { b: { c: [] } }],
  ['"\\ud800"', '\ufffd'],
];

const pass = activity('pass', (_ctx, value: unknown) => {
  if (value instanceof TextPayload) throw new NonRetryableError('an activity saw a text payload');
  return { value };
});
/** Passes on whatever it is given, and shows all of it. */
const relay = workflow('relay', { events: { go: event<unknown>() } }, async (ctx, input: unknown) => {
  ctx.setCustomStatus(input);
  const passed = await ctx.callActivity(pass, input);
  const waited: unknown = await ctx.waitForExternalEvent('go');
  const buffered: unknown = await ctx.waitForExternalEvent('go');
  for (const given of [input, waited, buffered])
    if (given instanceof TextPayload) throw new TypeError('a text payload');
  return { input, passed, waited, buffered };
});

test.each(TEXTS)(
  '%j is %j to a workflow, also after a crash, and stays as it is where it is stored',
  async (came, value) => {
    let t = await testHost({ workflows: [relay], activities: [pass] });
    await t.workflows.start(relay, { instanceId: 'i', input: text(came) });
    await t.workflows.raiseEvent('i', 'go', text(came));
    await t.settle();
    t = await t.crash();
    await t.workflows.raiseEvent('i', 'go', text(came));
    const output = { input: value, passed: { value }, waited: value, buffered: value };
    expect(await t.workflows.result('i')).toEqual(output);
    expect(await storedTexts(t, 'i')).toEqual([came, came, came]);
    expect((await t.workflows.get('i'))!).toMatchObject(value === undefined ? { output } : { input: value, output });
    const history = await exportHistory(t.workflows, 'i');
    checkPayload(
      history.events.map(({ details }) => details),
      'the history',
    );
    expect(history.events[0]!.details['input']).toEqual(value);
    const viaJson = JSON.parse(JSON.stringify(history)) as typeof history;
    await replayExactly(relay, history);
    for (const one of [history, viaJson]) expect((await replayHistory(relay, one)).output).toEqual(output);
    expect(({} as { x?: unknown }).x).toBeUndefined();
    await t[Symbol.asyncDispose]();
  },
);

test('code may change what it was given: a replay is given it anew', async () => {
  interface Box {
    list: number[];
  }
  const change = workflow('change', { events: { go: event<Box>() } }, async (ctx, input: Box) => {
    input.list.push(1);
    const box = await ctx.waitForExternalEvent('go');
    box.list.push(2);
    await ctx.waitForExternalEvent('end');
    return [input, box];
  });
  let t = await testHost({ workflows: [change] });
  await t.workflows.start('change', { instanceId: 'i', input: text('{"list":[]}') });
  await t.workflows.raiseEvent('i', 'go', text('{"list":[]}'));
  for (let round = 0; round < 2; round++) {
    await t.settle();
    t = await t.crash();
  }
  await t.workflows.raiseEvent('i', 'end');
  expect(await t.workflows.result('i')).toEqual([{ list: [1] }, { list: [2] }]);
  await t[Symbol.asyncDispose]();
});

test('children, continued executions and parents', async () => {
  const child = workflow('child', { events: { go: event<unknown>() } }, (ctx) => ctx.waitForExternalEvent('go'));
  const parent = workflow('parent', (ctx, input: unknown) =>
    ctx.callChildWorkflow('child', input, { instanceId: 'child' }),
  );
  const again = workflow('again', { events: { go: event<unknown>() } }, async (ctx, input: unknown) => {
    if (input === 'first') ctx.continueAsNew('last', { keepEvents: true });
    else return [await ctx.waitForExternalEvent('go'), await ctx.waitForExternalEvent('go')];
  });
  await using t = await testHost({ workflows: [child, parent, again] });
  await t.workflows.start(parent, { instanceId: 'parent', input: text('1') });
  await t.settle();
  await t.workflows.raiseEvent('child', 'go', text('{"a":1}'));
  expect(await t.workflows.result('parent')).toEqual({ a: 1 });
  await t.workflows.start(again, {
    instanceId: 'again',
    input: text('"first"'),
    startAt: new Date(t.clock.nowMs() + 10),
  });
  await t.workflows.raiseEvent('again', 'go', text('[ 1 ]'));
  await t.advance(10);
  await t.workflows.raiseEvent('again', 'go', text('[ 2 ]'));
  expect(await t.workflows.result('again')).toEqual([[1], [2]]);
  expect(await storedTexts(t, 'again')).toEqual(['[ 1 ]', '[ 2 ]']);
});

test('the output of a terminate is what it says to those who ask, and stays text', async () => {
  const idle = workflow('idle', (ctx) => ctx.waitForExternalEvent('never'));
  await using t = await testHost({ workflows: [idle] });
  const instance = await t.workflows.start(idle, { instanceId: 'i' });
  await instance.terminate({ output: text('{ "why" : "so" }') });
  const failed = (await instance.result().catch((error: unknown) => error)) as WorkflowTerminatedError;
  expect(failed).toBeInstanceOf(WorkflowTerminatedError);
  expect(failed.output).toEqual({ why: 'so' });
  expect((await instance.wait())!.output).toEqual({ why: 'so' });
  expect((await t.host.stored.describe('i'))!.metadata.output).toEqual(text('{ "why" : "so" }'));
  expect((await instance.history()).events.at(-1)!.details).toEqual({ output: { why: 'so' } });
});

const amount: Schema<unknown, { amount: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      if (value instanceof TextPayload) throw new TypeError('a schema saw a text payload');
      const given = (value as { amount?: unknown } | null | undefined)?.amount;
      return typeof given === 'number' ? { value: { amount: given } } : { issues: [{ message: 'is a number' }] };
    },
  },
};

test('schemas check what a text says, and what they make of it is stored', async () => {
  const charge = activity('charge', (_ctx, input: { amount: number }) => input, { input: amount, output: amount });
  const order = workflow('order', { input: amount, events: { more: event(amount) } }, async (ctx, input) => [
    await ctx.callActivity(charge, input),
    await ctx.waitForExternalEvent('more'),
  ]);
  const parent = workflow('parent', (ctx) => ctx.callChildWorkflow('order', new TextPayload('{"amount":"1"}')));
  await using t = await testHost({ workflows: [order, parent], activities: [charge] });
  const start = (input: TextPayload) => t.workflows.start('order', { instanceId: 'i', input });
  for (const bad of ['', '1', 'no JSON']) await expect(start(text(bad))).rejects.toBeInstanceOf(ValidationError);
  const instance = await start(text('{"amount":1,"other":2}'));
  await expect(instance.raiseEvent('more', text('{"amount":"2"}'))).rejects.toBeInstanceOf(ValidationError);
  await instance.raiseEvent('more', text('{"amount":2,"other":2}'));
  expect(await instance.result()).toEqual([{ amount: 1 }, { amount: 2 }]);
  expect(await storedTexts(t, 'i')).toEqual([]);
  expect((await t.host.stored.describe('i'))!.metadata.input).toEqual({ amount: 1 });
  const failed = await (await t.workflows.start(parent)).wait();
  expect(failed!.failure).toMatchObject({ type: 'ValidationError' });
});

test('texts travel between hosts, to the code and to readers', async () => {
  const checked = workflow('checked', { input: amount }, async (_ctx, input) => input);
  await using cluster = new TestCluster();
  const owner = await cluster.start('owner', {});
  const coder = await cluster.start('coder', { workflows: [relay, checked], activities: [pass] });
  await cluster.advance(1_000);
  const came = '{ "a": 12345678901234567890 }';
  await coder.workflows.start(relay, { instanceId: 'i', input: text(came) });
  for (let round = 0; round < 2; round++) await coder.workflows.raiseEvent('i', 'go', text(came));
  for (let round = 0; round < 20; round++) await cluster.advance(100);
  const value = { a: 12_345_678_901_234_567_000 };
  expect(await coder.workflows.result('i')).toEqual({
    input: value,
    passed: { value },
    waited: value,
    buffered: value,
  });
  for (const host of [owner, coder]) {
    expect((await host.stored.describe('i'))!.metadata.input).toEqual(text(came));
    expect(await storedTexts({ host }, 'i')).toEqual([came, came, came]);
    expect((await host.workflows.get('i'))!.input).toEqual(value);
  }
  await owner.workflows.start('checked', { instanceId: 'c', input: text('{"amount":1,"b":2}') });
  await cluster.advance(1_000);
  expect(await owner.workflows.result('c')).toEqual({ amount: 1 });
});

test('over HTTP a text goes as the JSON of what it says', () => {
  for (const [came, value] of TEXTS) {
    expect(jsonText(text(came), 'it')).toBe(JSON.stringify(value));
    if (value !== undefined) expect(jsonText({ in: [text(came)] }, 'it')).toBe(JSON.stringify({ in: [value] }));
  }
  expect(() => jsonText(text('1e400'), 'it')).toThrow(PayloadError);
});

test('an activity is given what a text says, anew with each attempt, after its schema', async () => {
  const seen: unknown[] = [];
  const grow = activity('grow', (_ctx, box: { list: number[] }) => {
    seen.push(structuredClone(box));
    box.list.push(1);
    return box;
  });
  const charge = activity('charge', (_ctx, input: { amount: number }) => input, { input: amount });
  const registry = new Registry([], [pass, grow, charge]);
  const results: ActivityResult[] = [];
  const clock = new ManualClock();
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const workers = new WorkerPool({ clock, logger, random: () => 0.5, onChanged() {} });
  const runner = new ActivityRunner({
    registry,
    clock,
    logger,
    concurrency: 1,
    workers,
    directory: new CodeDirectory(registry, workers),
    deliver: (_task, result) => results.push(result),
  });
  const run = async (name: string, input: unknown, attempt = 1): Promise<ActivityResult | undefined> => {
    const of = { instanceId: 'i', executionId: 'e', workflowName: 'w', sequence: 1, attempt, name, input };
    const before = results.length;
    const nothing = { body: undefined, lastHeartbeat: undefined, traceparent: undefined, details: undefined };
    const rest = { ...nothing, options: {}, patient: false, again: false };
    runner.start({ ...of, ...rest });
    await expect.poll(() => results.length).toBe(before + 1);
    return results.at(-1);
  };
  for (const [came, value] of TEXTS) expect(await run('pass', text(came))).toEqual({ ok: true, result: { value } });
  const input = text('{"list":[]}');
  for (const attempt of [1, 2]) expect(await run('grow', input, attempt)).toEqual({ ok: true, result: { list: [1] } });
  expect(seen).toEqual([{ list: [] }, { list: [] }]);
  expect(await run('charge', text('{"amount":1,"b":2}'))).toEqual({ ok: true, result: { amount: 1 } });
  expect(await run('charge', text('no JSON'))).toMatchObject({ ok: false, failure: { type: 'ValidationError' } });
});
