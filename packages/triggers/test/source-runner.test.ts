// How the sources of one host are opened, given room, and closed: whoever waits is woken, and whatever was opened is closed.

import { workflow } from '@troupe/workflow';
import { testHost, type TestHost } from '@troupe/workflow/testing';
import { afterEach, expect, test } from 'vitest';
import {
  drop,
  raiseEvent,
  trigger,
  Triggers,
  type Source,
  type SourceContext,
  type SourceReader,
  type TriggerOptions,
} from '../src/index.ts';
import { eventOf, queueSource } from './queue-source.ts';

const waits = workflow('waits', async (ctx, _input: unknown) => ctx.waitForExternalEvent('go'));

const ending: (() => PromiseLike<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

interface Stage {
  readonly t: TestHost;
  readonly triggers: Triggers;
}

async function staged(source: Source, options: TriggerOptions = { do: drop() }): Promise<Stage> {
  const triggers = new Triggers({ random: () => 0 });
  trigger(triggers, 'shop', source, options);
  const t = await testHost({ workflows: [waits], actors: triggers.actors });
  ending.push(() => t[Symbol.asyncDispose]());
  return { t, triggers };
}

/** A source that does as the test says when it is opened. */
function sourceOf(
  open: (context: SourceContext) => Promise<Partial<SourceReader>>,
  runsOn: Source['runsOn'] = 'every-host',
): Source {
  const reader: SourceReader = { drain: async () => {}, close: async () => {} };
  return { kind: 'made', runsOn, open: async (context) => ({ ...reader, ...(await open(context)) }) };
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

/** Works at an event until `waits` runs under its id. */
const RAISES: TriggerOptions = {
  do: raiseEvent({ instanceId: ({ id }) => id, eventName: 'go' }),
  retry: { maxAttempts: 100, maxMs: 1_000 },
  concurrency: 1,
};

test('whoever waits for room hears of it, though another who waited wants none any more', async () => {
  const source = queueSource();
  const { t, triggers } = await staged(source, RAISES);
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  const settled = source.deliver({ event: eventOf('1', 1) });
  await t.settle();
  const rooms: number[] = [];
  // The first one has given up waiting, as a reader does whose connection was lost.
  for (let count = 0; count < 2; count++) void source.context.room().then((room) => rooms.push(room));
  await t.workflows.start(waits, { instanceId: '1', input: 0 });
  await t.advance(2_000);
  expect((await settled).outcome).toBe('raised');
  expect(rooms).toEqual([1, 1]);
});

test('a message that is handed over without room is next, before there is room for others', async () => {
  const source = queueSource();
  const { t, triggers } = await staged(source, RAISES);
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  const first = source.deliver({ event: eventOf('1', 1) });
  await t.settle();
  let room: number | undefined;
  void source.context.room().then((count) => (room = count));
  const second = source.deliver({ event: eventOf('2', 2) });
  await t.workflows.start(waits, { instanceId: '1', input: 0 });
  await t.advance(2_000);
  expect((await first).outcome).toBe('raised');
  expect((await triggers.status('shop')).inFlight).toBe(1);
  expect(room).toBeUndefined();
  await t.workflows.start(waits, { instanceId: '2', input: 0 });
  await t.advance(2_000);
  expect((await second).outcome).toBe('raised');
  expect(room).toBe(1);
});

test('a stop while sources are being opened leaves none of them open', async () => {
  const slow = gate();
  const open = new Set<string>();
  const named = (name: string, before?: Promise<void>): Source =>
    sourceOf(async () => {
      await before;
      open.add(name);
      return { close: async () => void open.delete(name) };
    });
  const { t, triggers } = await staged(named('first', slow.opened));
  trigger(triggers, 'second', named('second'), { do: drop() });
  const starting = triggers.start(t.host).catch((error: unknown) => error);
  await t.settle();
  const stopping = triggers.stop({ graceMs: 0 });
  await t.settle();
  slow.open();
  await Promise.all([starting, stopping]);
  await t.settle();
  expect([...open]).toEqual([]);
});

test('a stop does not wait for ever for a source that does not open', async () => {
  const slow = gate();
  let closed = 0;
  const source = sourceOf(async () => {
    await slow.opened;
    return { close: async () => void closed++ };
  }, 'one-host');
  const { t, triggers } = await staged(source);
  await triggers.start(t.host);
  await t.advance(1_000);
  const stopped = triggers.stop({ graceMs: 500 });
  await t.advance(1_000);
  await stopped;
  slow.open();
  await t.settle();
  expect(closed).toBe(1);
});

test('triggers that were stopped are not started', async () => {
  const source = queueSource();
  const { t, triggers } = await staged(source);
  await triggers.stop();
  await expect(triggers.start(t.host)).rejects.toThrow(/stopped/);
  expect(source.opened).toBe(0);
});

test('a reader that fails to end holds up neither the others nor the stop', async () => {
  let closed = 0;
  const failing = sourceOf(async () => ({
    drain: () => Promise.reject(new Error('cannot drain')),
    close: () => {
      closed++;
      return Promise.reject(new Error('cannot close'));
    },
  }));
  const { t, triggers } = await staged(failing);
  const other = queueSource();
  trigger(triggers, 'other', other, { do: drop() });
  await triggers.start(t.host);
  await triggers.stop({ graceMs: 0 });
  expect([closed, other.closed]).toEqual([1, true]);
  expect((await triggers.status('shop')).state).toBe('stopped');
});

test('a source that opens after it could not be opened works', async () => {
  let failures = 1;
  const source = sourceOf(async () => {
    if (failures-- > 0) throw new Error('not yet');
    return {};
  }, 'one-host');
  const { t, triggers } = await staged(source);
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  await t.settle();
  expect(await triggers.status('shop')).toMatchObject({ state: 'failing', reason: 'not yet' });
  await t.advance(2_000);
  expect((await triggers.status('shop')).state).toBe('running');
});

test('a former reader that hears that it is stale does not end the one that came after it', async () => {
  const source = queueSource('one-host');
  const { t, triggers } = await staged(source);
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  await t.settle();
  const former = source.context.cursor!;
  // Another takes over, and this host opens again when it hears of it.
  const again = new Triggers();
  trigger(again, 'shop', queueSource('one-host'), { do: drop() });
  await again.start(t.host);
  ending.push(() => again.stop({ graceMs: 0 }));
  await t.settle();
  await expect(former.save(1)).rejects.toMatchObject({ code: 'stale_reader' });
  await t.advance(1_000);
  expect(source.opened).toBe(2);
  await expect(former.save(2)).rejects.toMatchObject({ code: 'stale_reader' });
  await t.advance(2_000);
  expect(source.opened).toBe(2);
});

test('what another host reads now is not tried again here', async () => {
  const source = queueSource('one-host');
  const { t, triggers } = await staged(source, RAISES);
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  await t.settle();
  const { context } = source;
  const settled = source.deliver({ event: eventOf('1', 1) });
  const again = new Triggers();
  trigger(again, 'shop', queueSource('one-host'), RAISES);
  await again.start(t.host);
  ending.push(() => again.stop({ graceMs: 0 }));
  await t.settle();
  await expect(context.cursor!.save(1)).rejects.toMatchObject({ code: 'stale_reader' });
  await t.advance(100);
  expect((await settled).outcome).toBe('released');
});

test('an origin that does not say how much waits there holds up no list', async () => {
  const { t, triggers } = await staged(sourceOf(async () => ({ lag: () => new Promise<number>(() => {}) })));
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  const listing = triggers.list();
  await t.advance(10_000);
  const [status] = await listing;
  expect(status).toMatchObject({ name: 'shop', state: 'running' });
  expect(status).not.toHaveProperty('lag');
});
