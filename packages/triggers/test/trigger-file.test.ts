// Files that are right: that they do what they say.

import * as fc from 'fast-check';
import { workflow } from '@troupe/workflow';
import { testHost, type TestHost } from '@troupe/workflow/testing';
import { stringify } from 'yaml';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseTriggerFile, triggersFrom } from '../src/config.ts';
import type { Triggers } from '../src/triggers.ts';
import { eventOf } from './queue-source.ts';

const echo = workflow('echo', async (_ctx, input: unknown) => input);
const waits = workflow('waits', async (ctx, _input: unknown) => ctx.waitForExternalEvent('go'));

async function started(text: string): Promise<{ readonly t: TestHost; readonly triggers: Triggers }> {
  const triggers = await triggersFrom(parseTriggerFile(text, 'f'), { sources: false });
  const t = await testHost({ workflows: [echo, waits], actors: triggers.actors });
  onTestFinished(() => t[Symbol.asyncDispose]());
  await triggers.start(t.host);
  onTestFinished(() => triggers.stop({ graceMs: 0 }));
  return { t, triggers };
}

const SOURCE = 'source: { nats: { servers: nats://h, subject: s } }';

test('an event starts an instance with the id, the input and the tags that are computed from it', async () => {
  const { t, triggers } = await started(`
triggers:
  shop:
    ${SOURCE}
    types: [order.created, made]
    filter: event.data.total > 0
    schema: { type: object, required: [id] }
    start:
      workflow: echo
      instanceId: "'order-' + event.data.id"
      input: { order: event.data.id, lines: ["event.data.total * 2", 3, null], from: "'web'", kept: true }
      tags: { customer: event.data.customer, tier: 3 }
`);
  const deliver = (id: string, data: unknown) =>
    triggers.deliver('shop', { event: { ...eventOf(id, data), type: 'made' } });
  expect(await deliver('1', { id: 17, total: 2, customer: 'c' })).toEqual({
    outcome: 'started',
    instanceId: 'order-17',
  });
  await t.settle();
  expect(await t.workflows.get('order-17')).toMatchObject({
    workflowName: 'echo',
    output: { order: 17, lines: [4, 3, null], from: 'web', kept: true },
    tags: { customer: 'c', tier: '3', trigger: 'shop' },
  });
  expect(await deliver('2', { id: 18, total: 0 })).toEqual({ outcome: 'filtered' });
  expect(await deliver('3', { total: 1 })).toMatchObject({
    outcome: 'dead-lettered',
    error: { message: expect.stringContaining("must have required property 'id'") as string },
  });
  expect(await deliver('4', { id: 19 })).toMatchObject({
    outcome: 'dead-lettered',
    error: {
      name: 'ExpressionError',
      message: expect.stringContaining('event.data.total > 0 fails: no such key: total') as string,
    },
  });
  expect(await deliver('5', { id: {}, total: 1, customer: 'c' })).toMatchObject({ outcome: 'dead-lettered' });
});

test('of several things to do the first that applies is done, and nothing when none does', async () => {
  const { t, triggers } = await started(`
triggers:
  shop:
    ${SOURCE}
    do:
      - when: event.type == 'go'
        raiseEvent: { instanceId: event.subject, eventName: go, payload: event.data }
      - when: event.type == 'named'
        raiseEvent: { instanceId: event.subject, eventName: { cel: "'g' + 'o'" } }
      - when: event.type == 'end'
        terminate: { instanceId: event.subject, output: "'ended'" }
      - when: event.type == 'wait'
        suspend: { instanceId: event.subject }
      - when: event.type == 'on'
        resume: { instanceId: event.subject }
      - when: event.type == 'either'
        startOrRaise: { workflow: waits, instanceId: event.subject, eventName: go }
      - when: event.type == 'new'
        start: { workflow: waits, instanceId: event.subject }
`);
  let count = 0;
  const deliver = async (type: string, subject: string, data?: unknown) => {
    const { outcome } = await triggers.deliver('shop', { event: { ...eventOf(String(count++), data), type, subject } });
    await t.settle();
    return outcome;
  };
  expect(await deliver('new', 'a')).toBe('started');
  expect(await deliver('wait', 'a')).toBe('suspended');
  expect(await t.workflows.get('a')).toMatchObject({ runtimeStatus: 'suspended' });
  expect(await deliver('on', 'a')).toBe('resumed');
  expect(await deliver('go', 'a', { n: 1 })).toBe('raised');
  expect(await t.workflows.get('a')).toMatchObject({ runtimeStatus: 'completed', output: { n: 1 } });
  expect(await deliver('either', 'b')).toBe('started');
  expect(await deliver('either', 'b', 2)).toBe('raised');
  expect(await t.workflows.get('b')).toMatchObject({ runtimeStatus: 'completed', output: 2 });
  expect(await deliver('new', 'c')).toBe('started');
  expect(await deliver('named', 'c', 3)).toBe('raised');
  expect(await t.workflows.get('c')).toMatchObject({ output: 3 });
  expect(await deliver('new', 'd')).toBe('started');
  expect(await deliver('end', 'd')).toBe('terminated');
  expect(await t.workflows.get('d')).toMatchObject({ runtimeStatus: 'terminated', output: 'ended' });
  expect(await deliver('strange', 'd')).toBe('dropped');
});

describe('any file that is right', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/);
  const expression = fc.constantFrom(
    'event.id',
    "'a: #' + event.type",
    'event.data.a.b',
    'string(event.data.n)',
    'event.data["k: [x"]',
  );
  const filter = fc.constantFrom('event.type == "a" ? true : false', "event.id != ''", 'event.data.n > 3\n&& true');
  const input: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      expression,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).value;
  const start = fc.record(
    {
      workflow: name,
      instanceId: expression,
      input,
      tags: fc.dictionary(name, fc.oneof(expression, fc.integer()), { noNullPrototype: true }),
      onConflict: fc.constantFrom('dead-letter', 'raise', 'ack'),
    },
    { requiredKeys: ['workflow'] },
  );
  const source = fc.oneof(
    fc.record({
      cron: fc.record(
        {
          schedule: fc.constantFrom('@daily', '0 2 * * *'),
          catchUp: fc.constantFrom('1h', '90m'),
          jitterMs: fc.nat(1_000),
        },
        { requiredKeys: ['schedule'] },
      ),
    }),
    fc.record({
      jetstream: fc.record(
        {
          servers: fc.constantFrom('nats://h', ['nats://a', 'nats://b']),
          stream: fc.constant('S'),
          ackWait: fc.constantFrom('30s', '1m30s'),
        },
        { requiredKeys: ['servers', 'stream'] },
      ),
    }),
  );
  const rule = fc.record(
    {
      source,
      start,
      filter,
      types: fc.array(
        fc.string({ minLength: 1 }).filter((text) => !text.includes('${')),
        { minLength: 1, maxLength: 3 },
      ),
      retry: fc.record(
        { maxAttempts: fc.integer({ min: 1, max: 1_000 }), max: fc.constantFrom('30s', '5m') },
        { requiredKeys: [] },
      ),
      deadLetter: fc.boolean(),
      concurrency: fc.integer({ min: 1, max: 10_000 }),
      dedupFor: fc.constantFrom('7d', '12h'),
    },
    { requiredKeys: ['source', 'start'] },
  );

  test('is read as it was meant, in YAML of any width and in JSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, rule, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
        fc.constantFrom(0, 20, 80),
        async (triggers, lineWidth) => {
          for (const text of [stringify({ triggers }, { lineWidth }), JSON.stringify({ triggers }, undefined, 2)]) {
            const file = parseTriggerFile(text, 'f');
            expect(file.triggers.toSorted()).toEqual(Object.keys(triggers).sort());
            const made = await triggersFrom(file);
            for (const { name: ruleName, kind } of await made.list())
              expect([kind]).toEqual(Object.keys(triggers[ruleName]!.source));
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
