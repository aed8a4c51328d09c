// The core: rules, deeds, attempts, dead letters, on a clock that stands still and a source that does as it is told.

import { actor } from '@troupe/actors';
import { workflow } from '@troupe/workflow';
import { testHost, type TestHost, type TestHostOptions } from '@troupe/workflow/testing';
import { afterEach, expect, test } from 'vitest';
import {
  callActor,
  drop,
  raiseEvent,
  resume,
  start,
  startOrRaise,
  suspend,
  terminate,
  trigger,
  Triggers,
  TryLaterError,
  type Action,
  type TriggerOptions,
} from '../src/index.ts';
import { eventOf, queueSource, type QueueSource } from './queue-source.ts';

const echo = workflow('echo', async (_ctx, input: unknown) => input);
const waits = workflow('waits', async (ctx, _input: unknown) => ctx.waitForExternalEvent('go'));
const counter = actor('counter', {
  state: () => ({ count: 0 }),
  methods: {
    add(ctx, by: number) {
      ctx.state.count += by;
    },
  },
  readOnly: { count: (ctx) => ctx.state.count },
});

const ending: (() => PromiseLike<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

interface Stage {
  readonly t: TestHost;
  readonly triggers: Triggers;
  readonly source: QueueSource;
}

async function started<T>(
  options: TriggerOptions<T>,
  hostOptions: TestHostOptions = {},
  source: QueueSource = queueSource(),
): Promise<Stage> {
  const triggers = new Triggers({ random: () => 0 });
  trigger(triggers, 'shop', source, options);
  const t = await testHost({ workflows: [echo, waits], actors: [...triggers.actors, counter], ...hostOptions });
  ending.push(() => t[Symbol.asyncDispose]());
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  return { t, triggers, source };
}

async function ids(t: TestHost): Promise<string[]> {
  return (await t.workflows.list()).instances.map(({ instanceId }) => instanceId).sort();
}

test('an event starts an instance under the id that its source and id give, and says where it came from', async () => {
  const { t, source } = await started({ do: start(echo) });
  expect(await source.deliver({ event: eventOf('a b', { total: 3 }) })).toEqual({
    outcome: 'started',
    instanceId: '=2Fshop=2Fa=20b',
  });
  await t.settle();
  expect(await t.workflows.get('=2Fshop=2Fa=20b')).toMatchObject({
    workflowName: 'echo',
    output: { total: 3 },
    tags: { 'event-source': '/shop', 'event-id': 'a b', trigger: 'shop' },
  });
});

test('the same event again is a duplicate, whatever its trigger, also when the instance is purged, until its time is over', async () => {
  const [source, other] = [queueSource(), queueSource()];
  const triggers = new Triggers();
  trigger(triggers, 'one', source, { do: start(echo), dedupForMs: 60_000 });
  trigger(triggers, 'other', other, { do: start(echo), dedupForMs: 60_000 });
  const t = await testHost({ workflows: [echo], actors: triggers.actors });
  ending.push(() => t[Symbol.asyncDispose]());
  await triggers.start(t.host);
  const deliveries = [source, other, source].map((from) => from.deliver({ event: eventOf('1', 'x') }));
  const outcomes = (await Promise.all(deliveries)).map(({ outcome }) => outcome).sort();
  expect(outcomes).toEqual(['duplicate', 'duplicate', 'started']);
  await t.settle();
  await t.workflows.purge('=2Fshop=2F1');
  expect((await other.deliver({ event: eventOf('1', 'x') })).outcome).toBe('duplicate');
  await t.advance(60_001);
  expect((await other.deliver({ event: eventOf('1', 'x') })).outcome).toBe('started');
  await triggers.stop();
});

test('types, filter and mapping decide what an event starts, if anything', async () => {
  const { t, source, triggers } = await started<{ n: number }>({
    types: ['order.created'],
    filter: ({ data }) => data.n > 1,
    do: start('echo', { instanceId: ({ data }) => `order-${data.n}`, input: ({ data }) => data.n }),
  });
  expect((await source.deliver({ event: eventOf('0', undefined, { type: 'other' }) })).outcome).toBe('filtered');
  expect((await source.deliver({ event: eventOf('1', { n: 1 }) })).outcome).toBe('filtered');
  expect((await source.deliver({ event: eventOf('2', { n: 2 }) })).instanceId).toBe('order-2');
  await t.settle();
  expect(await t.workflows.result('order-2')).toBe(2);
  expect(await triggers.status('shop')).toMatchObject({
    state: 'running',
    lag: 7,
    counts: { filtered: 2, started: 1 },
  });
});

test.each([
  [undefined, 'dead-lettered'],
  ['ack', 'dropped'],
  ['raise', 'raised'],
] as const)('an instance that another created is a conflict: with %s it is %s', async (onConflict, outcome) => {
  const { t, source } = await started({ do: start(waits, { instanceId: () => 'taken', onConflict, eventName: 'go' }) });
  await t.workflows.start(waits, { instanceId: 'taken', input: 0 });
  const settlement = await source.deliver({ event: eventOf('1', 'now') });
  expect(settlement.outcome).toBe(outcome);
  if (onConflict === undefined) expect(settlement.error).toMatchObject({ code: 'instance_conflict' });
  await t.settle();
  expect((await t.workflows.get('taken'))?.output).toBe(onConflict === 'raise' ? 'now' : undefined);
});

test('another workflow under the id is a conflict even where events are raised', async () => {
  const { t, source } = await started({ do: startOrRaise(waits, { instanceId: () => 'taken', eventName: 'go' }) });
  await t.workflows.start(echo, { instanceId: 'taken', input: 0 });
  expect((await source.deliver({ event: eventOf('1', 'x') })).error).toMatchObject({ code: 'instance_conflict' });
});

test('startOrRaise starts once and raises afterwards, each event once', async () => {
  const { t, source } = await started({ do: startOrRaise(waits, { instanceId: () => 'w', eventName: 'go' }) });
  const outcomes = [];
  for (const id of ['1', '1', '2', '2', '1'])
    outcomes.push((await source.deliver({ event: eventOf(id, `data ${id}`) })).outcome);
  expect(outcomes).toEqual(['started', 'duplicate', 'raised', 'raised', 'duplicate']);
  await t.settle();
  expect(await t.workflows.result('w')).toBe('data 2');
});

test('events steer instances', async () => {
  const instanceId = (): string => 'w';
  const { t, source } = await started({
    do: ({ type }): Action => {
      if (type === 'suspend') return suspend({ instanceId });
      if (type === 'resume') return resume({ instanceId });
      return type === 'drop' ? drop() : terminate({ instanceId, output: () => 'enough' });
    },
  });
  await t.workflows.start(waits, { instanceId: 'w', input: 0 });
  const statuses = [];
  for (const [n, type] of ['suspend', 'drop', 'resume', 'end', 'end'].entries()) {
    const { outcome } = await source.deliver({ event: eventOf(`${n}`, {}, { type }) });
    statuses.push([outcome, (await t.workflows.get('w'))?.runtimeStatus]);
  }
  expect(statuses).toEqual([
    ['suspended', 'suspended'],
    ['dropped', 'suspended'],
    ['resumed', 'running'],
    ['terminated', 'terminated'],
    ['terminated', 'terminated'],
  ]);
  expect((await t.workflows.get('w'))?.output).toBe('enough');
});

test('an event calls an actor once', async () => {
  const { t, source } = await started({
    do: callActor(counter, { actorId: () => 'c', method: 'add', args: ({ data }) => [data] }),
  });
  for (const id of ['1', '2', '1']) expect((await source.deliver({ event: eventOf(id, 5) })).outcome).toBe('called');
  expect(await t.host.actors.actor(counter, 'c').count()).toBe(10);
});

test('what fails is tried as often as the rule says, with growing pauses, then is a dead letter, which can be retried', async () => {
  const { t, source, triggers } = await started({
    do: raiseEvent({ instanceId: () => 'later', eventName: 'go' }),
    retry: { maxAttempts: 4, initialMs: 1_000, maxMs: 3_000 },
  });
  const settled = source.deliver({ event: eventOf('1', { a: 1 }) });
  await t.advance(1_000 + 2_000 + 2_999);
  expect((await triggers.status('shop')).inFlight).toBe(1);
  await t.advance(1);
  const { outcome, deadLetterId, error } = await settled;
  expect(outcome).toBe('dead-lettered');
  expect(error).toMatchObject({ code: 'instance_not_found' });
  expect((await triggers.deadLetters('shop')).deadLetters).toMatchObject([
    {
      id: deadLetterId,
      trigger: 'shop',
      reason: 'exhausted',
      attempts: 4,
      error: { name: 'InstanceNotFoundError', code: 'instance_not_found' },
      event: { id: '1', data: { a: 1 } },
    },
  ]);
  expect((await triggers.retryDeadLetter('shop', deadLetterId!)).outcome).toBe('dead-lettered');
  expect(await triggers.deadLetter('shop', deadLetterId!)).toMatchObject({ attempts: 5, reason: 'exhausted' });
  await t.workflows.start(waits, { instanceId: 'later', input: 0 });
  expect((await triggers.retryDeadLetter('shop', deadLetterId!)).outcome).toBe('raised');
  expect((await triggers.status('shop')).deadLetters).toBe(0);
  await t.settle();
  expect(await t.workflows.result('later')).toEqual({ a: 1 });
  await expect(triggers.deadLetter('shop', deadLetterId!)).rejects.toMatchObject({ code: 'dead_letter_not_found' });
});

test.each([
  [
    'a mapping that throws',
    start<typeof echo, { n: string }>(echo, { instanceId: ({ data }) => data.n.trim() }),
    'TypeError',
  ],
  ['a mapping that gives no id', start(echo, { instanceId: () => '' }), 'TypeError'],
  ['an unknown workflow', start('nobody'), 'NotRegisteredError'],
  ['an id that none can have', start(echo, { instanceId: () => 'x'.repeat(300) }), 'InstanceIdError'],
])('%s makes a dead letter at once', async (_what, action, name) => {
  const { source, triggers } = await started({ do: action });
  expect((await source.deliver({ event: eventOf('1', {}) })).outcome).toBe('dead-lettered');
  expect((await triggers.deadLetters('shop')).deadLetters).toMatchObject([
    { reason: 'permanent', attempts: 1, error: { name } },
  ]);
});

test('a mapping may say that it is to be tried later', async () => {
  let ready = false;
  const { t, source } = await started({
    do: start(echo, {
      instanceId: () => {
        if (!ready) throw new TryLaterError('the catalogue is away');
        return 'ok';
      },
    }),
  });
  const settled = source.deliver({ event: eventOf('1', {}) });
  await t.advance(100);
  ready = true;
  await t.advance(1_000);
  expect((await settled).outcome).toBe('started');
});

test('what cannot be read is kept as it came, and the same bytes again are the same dead letter', async () => {
  const { source, triggers } = await started({ do: start(echo) });
  const raw = {
    body: Buffer.from('{ "id": '),
    contentType: 'application/json',
    attributes: {},
    headers: { topic: 'orders' },
    plain: { source: 'queue:a', id: '7', type: 'message' },
  };
  for (let times = 0; times < 2; times++)
    expect((await source.deliver({ raw })).error).toMatchObject({ code: 'event_format' });
  const { deadLetters } = await triggers.deadLetters('shop');
  expect(deadLetters).toMatchObject([{ attempts: 2, error: { name: 'EventFormatError' }, raw: { plain: raw.plain } }]);
  expect(Buffer.from(deadLetters[0]!.raw!.body).toString()).toBe('{ "id": ');
  await triggers.dropDeadLetter('shop', deadLetters[0]!.id);
  expect((await triggers.deadLetters('shop')).deadLetters).toEqual([]);
});

test.each([
  [
    'is too large',
    { body: Buffer.alloc(33 * 1024 * 1024, 'a'), contentType: 'text/plain' },
    undefined,
    'EventFormatError',
  ],
  ['was not taken whole', { body: Buffer.of(), contentType: 'text/plain' }, new RangeError('too long'), 'RangeError'],
])('a message that %s is kept in part, and never handled as if that were all', async (_what, part, refused, name) => {
  const { t, source, triggers } = await started({ do: start(echo) });
  const raw = { ...part, attributes: {}, headers: {}, plain: { source: 'queue:a', id: '7', type: 'message' } };
  const { deadLetterId } = await source.deliver(refused === undefined ? { raw } : { raw, refused });
  expect((await triggers.retryDeadLetter('shop', deadLetterId!)).outcome).toBe('dead-lettered');
  const letter = await triggers.deadLetter('shop', deadLetterId!);
  expect(letter).toMatchObject({ incomplete: true, reason: 'permanent', error: { name } });
  expect(letter.raw!.body.byteLength).toBeLessThanOrEqual(64 * 1024);
  expect(await ids(t)).toEqual([]);
});

test('while the store is away attempts are not used up, and nothing is settled', async () => {
  const { t, source, triggers } = await started({ do: start(echo), retry: { maxAttempts: 2 } });
  t.store.faults = (operation) => (operation === 'commit' ? { fail: 'before-write' } : undefined);
  const settled = source.deliver({ event: eventOf('1', 'x') });
  await t.advance(60_000);
  expect((await triggers.status('shop')).inFlight).toBe(1);
  t.store.faults = undefined;
  await t.advance(60_000);
  expect((await settled).outcome).toBe('started');
  expect(await ids(t)).toEqual(['=2Fshop=2F1']);
});

test('no more than the concurrency are worked at; room says how many more', async () => {
  const { t, source, triggers } = await started({
    do: raiseEvent({ instanceId: ({ id }) => id, eventName: 'go' }),
    retry: { maxAttempts: 100 },
    concurrency: 2,
  });
  const settled = ['1', '2', '3'].map((id) => source.deliver({ event: eventOf(id, id) }));
  await t.settle();
  expect((await triggers.status('shop')).inFlight).toBe(2);
  expect(source.context.free()).toBe(0);
  let room: number | undefined;
  void source.context.room().then((count) => (room = count));
  await t.settle();
  expect(room).toBeUndefined();
  for (const id of ['1', '2', '3']) await t.workflows.start(waits, { instanceId: id, input: 0 });
  await t.advance(60_000);
  expect((await Promise.all(settled)).map(({ outcome }) => outcome)).toEqual(['raised', 'raised', 'raised']);
  expect(room).toBeGreaterThan(0);
});

test('a stop releases what waits for its next attempt, gives no room, and closes the source', async () => {
  const { t, source, triggers } = await started({ do: raiseEvent({ instanceId: () => 'nobody', eventName: 'go' }) });
  const settled = source.deliver({ event: eventOf('1', 1) });
  await t.settle();
  const stopped = triggers.stop({ graceMs: 1_000 });
  await t.advance(1_000);
  await stopped;
  expect((await settled).outcome).toBe('released');
  expect(await source.context.room()).toBe(0);
  expect([source.drained, source.closed]).toEqual([true, true]);
  expect((await triggers.status('shop')).state).toBe('stopped');
});

test('a dry run says what would be done and does nothing', async () => {
  const { t, triggers } = await started<{ n: number }>({
    filter: ({ data }) => data.n > 0,
    do: start(echo, { instanceId: ({ data }) => `o-${data.n}` }),
  });
  const run = (id: string, data: unknown) => triggers.dryRun('shop', { event: eventOf(id, data) });
  expect(await run('1', { n: 1 })).toMatchObject({ would: 'start', plan: { instanceId: 'o-1', input: { n: 1 } } });
  expect(await run('1', { n: 0 })).toMatchObject({ would: 'filter' });
  expect(await run('1', undefined)).toMatchObject({ would: 'failure', error: { name: 'TypeError', permanent: true } });
  await t.workflows.start(echo, { instanceId: 'o-2', input: 0 });
  expect(await run('2', { n: 2 })).toMatchObject({ would: 'conflict' });
  expect(await ids(t)).toEqual(['o-2']);
  expect((await triggers.status('shop')).counts).toEqual({});
  expect((await triggers.deadLetters('shop')).deadLetters).toEqual([]);
});

test('the cursor of a single reader survives, and a former reader cannot move it', async () => {
  const source = queueSource('one-host');
  const { t, triggers } = await started({ do: start(echo) }, {}, source);
  await t.advance(1_000);
  expect(source.opened).toBe(1);
  const former = source.context.cursor!;
  await former.save({ at: 5 });
  await triggers.stop({ graceMs: 0 });
  const again = new Triggers();
  const next = queueSource('one-host');
  trigger(again, 'shop', next, { do: start(echo) });
  await again.start(t.host);
  await t.advance(1_000);
  expect(next.context.cursor?.value).toEqual({ at: 5 });
  await expect(former.save({ at: 1 })).rejects.toMatchObject({ code: 'stale_reader' });
  await next.context.cursor!.save({ at: 6 });
  expect(next.context.cursor?.value).toEqual({ at: 6 });
  await again.stop({ graceMs: 0 });
});

test('rules that make no sense are refused at once', () => {
  const triggers = new Triggers();
  const source = queueSource();
  const rule = { do: start(echo) };
  expect(() => trigger(triggers, 'a/b', source, rule)).toThrow(/name is 1 to 64/);
  expect(() => trigger(triggers, 'a', {} as never, rule)).toThrow(/needs a source/);
  expect(() => trigger(triggers, 'a', source, {} as never)).toThrow(/needs `do`/);
  expect(() => trigger(triggers, 'a', source, { ...rule, concurrency: 0 })).toThrow(/concurrency is/);
  expect(() => trigger(triggers, 'a', source, { ...rule, retry: { maxAttempts: 0 } })).toThrow(/maxAttempts/);
  trigger(triggers, 'a', source, rule);
  expect(() => trigger(triggers, 'a', source, rule)).toThrow(/defined twice/);
});

test('a host that was not given the actors is told so', async () => {
  const triggers = new Triggers();
  await using t = await testHost({});
  await expect(triggers.start(t.host)).rejects.toThrow(/actors: triggers.actors/);
});
