// Dead letters under stress: retried twice at once, cut, too large to be kept, dropped while they are worked at.

import { workflow } from '@troupe/workflow';
import { testHost, type TestHost } from '@troupe/workflow/testing';
import { afterEach, expect, test } from 'vitest';
import {
  raiseEvent,
  SourceError,
  start,
  trigger,
  Triggers,
  type RawMessage,
  type SourceMessage,
  type TriggerOptions,
} from '../src/index.ts';
import { EVENT_BYTES_MAX } from '../src/limits.ts';
import { eventOf, queueSource, type QueueSource } from './queue-source.ts';

const echo = workflow('echo', async (_ctx, input: unknown) => input);
const waits = workflow('waits', async (ctx, _input: unknown) => ctx.waitForExternalEvent('go'));

const ending: (() => PromiseLike<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

interface Stage {
  readonly t: TestHost;
  readonly triggers: Triggers;
  readonly source: QueueSource;
}

async function started<T>(options: TriggerOptions<T>): Promise<Stage> {
  const source = queueSource();
  const triggers = new Triggers({ random: () => 0 });
  trigger(triggers, 'shop', source, options);
  const t = await testHost({ workflows: [echo, waits], actors: triggers.actors });
  ending.push(() => t[Symbol.asyncDispose]());
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  return { t, triggers, source };
}

const ONE_ATTEMPT: TriggerOptions = {
  do: raiseEvent({ instanceId: ({ id }) => id, eventName: 'go' }),
  retry: { maxAttempts: 1 },
};

function rawOf(body: Uint8Array, contentType: string): RawMessage {
  return { body, contentType, attributes: {}, headers: {}, plain: { source: 'queue', id: '1', type: 'message' } };
}

test('two retries at once handle the event once, and leave nothing', async () => {
  const { t, triggers, source } = await started(ONE_ATTEMPT);
  const { deadLetterId } = await source.deliver({ event: eventOf('1', 1) });
  await t.workflows.start(waits, { instanceId: '1', input: 0 });
  const retries = await Promise.all([1, 2].map(() => triggers.retryDeadLetter('shop', deadLetterId!)));
  expect(retries.map(({ outcome }) => outcome)).toEqual(['raised', 'raised']);
  expect((await triggers.deadLetters('shop')).deadLetters).toEqual([]);
});

test('a retry of all goes on when one of them is gone meanwhile', async () => {
  const { t, triggers, source } = await started(ONE_ATTEMPT);
  for (const id of ['1', '2', '3']) await source.deliver({ event: eventOf(id, id) });
  for (const id of ['1', '2', '3']) await t.workflows.start(waits, { instanceId: id, input: 0 });
  const reports = await Promise.all([triggers.retryDeadLetters('shop'), triggers.retryDeadLetters('shop')]);
  expect(reports.map(({ failed }) => failed)).toEqual([0, 0]);
  expect((await triggers.status('shop')).deadLetters).toBe(0);
});

test.each<[string, SourceMessage]>([
  ['is too large', { raw: rawOf(Buffer.alloc(EVENT_BYTES_MAX + 1, 'x'), 'text/plain') }],
  ['its source did not take whole', { raw: rawOf(Buffer.from('x'), 'text/plain'), refused: new SourceError('cut') }],
])('a message that %s is never handled in part', async (_what, message) => {
  const { t, triggers, source } = await started({ do: start(echo) });
  const { deadLetterId, error } = await source.deliver(message);
  expect(await triggers.deadLetter('shop', deadLetterId!)).toMatchObject({ incomplete: true });
  const retried = await triggers.retryDeadLetter('shop', deadLetterId!);
  expect(retried).toMatchObject({ outcome: 'dead-lettered', error: { code: 'event_format' } });
  expect(await triggers.deadLetter('shop', deadLetterId!)).toMatchObject({
    incomplete: true,
    attempts: 1,
    error: { name: error!.name, message: error!.message },
  });
  expect((await t.workflows.list()).instances).toEqual([]);
});

test('what would fail again is permanent, also at the last attempt', async () => {
  const { triggers, source } = await started({ do: start('nobody'), retry: { maxAttempts: 1 } });
  const { deadLetterId } = await source.deliver({ event: eventOf('1', 1) });
  expect(await triggers.deadLetter('shop', deadLetterId!)).toMatchObject({ reason: 'permanent' });
});

test('tags that there cannot be make a dead letter at once', async () => {
  const { triggers, source } = await started({ do: start(echo, { tags: () => ({ n: 1 as unknown as string }) }) });
  const { deadLetterId } = await source.deliver({ event: eventOf('1', 1) });
  expect(await triggers.deadLetter('shop', deadLetterId!)).toMatchObject({ reason: 'permanent', attempts: 1 });
});

test('what a mapping throws that is no error is told all the same', async () => {
  const { triggers, source } = await started({
    do: start(echo, {
      instanceId: () => {
        throw 'no id';
      },
    }),
  });
  const { deadLetterId } = await source.deliver({ event: eventOf('1', 1) });
  expect((await triggers.retryDeadLetter('shop', deadLetterId!)).error).toMatchObject({ message: 'no id' });
  expect((await triggers.dryRun('shop', { event: eventOf('1', 1) })).error).toMatchObject({ message: 'no id' });
});

test('an event that cannot be stored at all is a dead letter without its data', async () => {
  const { t, triggers, source } = await started({ do: start(echo) });
  const settling = source.deliver({ event: eventOf('1', { call: () => {} }) });
  await t.advance(20_000);
  const { deadLetterId } = await settling;
  expect(await triggers.deadLetter('shop', deadLetterId!)).toMatchObject({
    reason: 'permanent',
    incomplete: true,
    event: { id: '1', source: '/shop' },
  });
});

test('an export holds one dead letter at a time, and passes over those that go meanwhile', async () => {
  const { triggers, source } = await started({ do: start('nobody') });
  for (const id of ['1', '2', '3']) await source.deliver({ event: eventOf(id, id) });
  const exported: string[] = [];
  for await (const { event, id } of triggers.allDeadLetters('shop')) {
    exported.push(event!.id);
    if (exported.length > 1) continue;
    for (const other of (await triggers.deadLetters('shop')).deadLetters)
      if (other.id !== id) await triggers.dropDeadLetter('shop', other.id);
  }
  expect(exported).toHaveLength(1);
});
