// Events over HTTP, from the request to the instance, without a server.

import { createHmac } from 'node:crypto';
import { workflow } from '@troupe/workflow';
import { testHost, type TestHost } from '@troupe/workflow/testing';
import { afterEach, expect, test } from 'vitest';
import {
  cloudEvents,
  github,
  hmac,
  slack,
  webhook,
  type CloudEventsOptions,
  type WebhookOptions,
} from '../src/http.ts';
import {
  raiseEvent,
  start,
  trigger,
  Triggers,
  type HttpAnswer,
  type Source,
  type TriggerOptions,
} from '../src/index.ts';

const echo = workflow('echo', async (_ctx, input: unknown) => input);

const ending: (() => PromiseLike<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

interface Stage {
  readonly t: TestHost;
  readonly triggers: Triggers;
  readonly send: (
    body: string | Uint8Array,
    headers?: Record<string, string>,
    method?: string,
  ) => Promise<HttpAnswer & { readonly body?: any }>; // oxlint-disable-line typescript/no-explicit-any -- tests look into it
}

async function started(source: Source, options: Partial<TriggerOptions> = {}): Promise<Stage> {
  const triggers = new Triggers({ random: () => 0 });
  trigger(triggers, 'shop', source, { do: start(echo), ...options });
  const t = await testHost({ workflows: [echo], actors: triggers.actors });
  ending.push(() => t[Symbol.asyncDispose]());
  await triggers.start(t.host);
  ending.push(() => triggers.stop({ graceMs: 0 }));
  return {
    t,
    triggers,
    send: (body, headers = {}, method = 'POST') =>
      triggers.receive('shop', {
        method,
        headers: new Headers(headers),
        query: new URLSearchParams(),
        body: async () => Buffer.from(body),
      }),
  };
}

const stageOfEvents = (options?: CloudEventsOptions, rule?: Partial<TriggerOptions>): Promise<Stage> =>
  started(cloudEvents(options), rule);
const stageOfWebhooks = (options?: WebhookOptions): Promise<Stage> => started(webhook(options));

const BINARY = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'order.created' };
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const BATCHED = { 'content-type': 'application/cloudevents-batch+json' };
const event = (id: string, data: unknown) => ({ specversion: '1.0', id, source: '/shop', type: 'order.created', data });

test('the same event in each mode is one start', async () => {
  const { t, send } = await stageOfEvents();
  const binary = await send('{"n":1}', { ...BINARY, 'content-type': 'application/json' });
  expect(binary).toEqual({ status: 202, body: { outcome: 'started', instanceId: '=2Fshop=2F1' } });
  const structured = await send(JSON.stringify(event('1', { n: 1 })), STRUCTURED);
  expect(structured.body).toEqual({ outcome: 'duplicate', instanceId: '=2Fshop=2F1' });
  const batched = await send(JSON.stringify([event('1', { n: 1 }), event('2', { n: 2 })]), BATCHED);
  expect(batched).toEqual({
    status: 202,
    body: {
      events: [
        { outcome: 'duplicate', instanceId: '=2Fshop=2F1' },
        { outcome: 'started', instanceId: '=2Fshop=2F2' },
      ],
    },
  });
  await t.settle();
  expect(await t.workflows.result('=2Fshop=2F2')).toEqual({ n: 2 });
});

test('an empty batch is nothing, and well', async () => {
  const { send } = await stageOfEvents();
  expect(await send('[]', BATCHED)).toEqual({ status: 202, body: { events: [] } });
});

test('what is no event is refused, and not kept; in a batch it is a dead letter beside the others', async () => {
  const { send, triggers } = await stageOfEvents();
  for (const [body, headers] of [
    ['{"n":1}', {}],
    ['{"n":1}', { 'content-type': 'application/json' }],
    ['{', STRUCTURED],
    ['{}', STRUCTURED],
    ['{', { ...BINARY, 'content-type': 'application/json' }],
    ['{}', { ...BINARY, 'ce-id': '' }],
    ['{}', { ...BINARY, 'ce-specversion': '0.3' }],
  ] as [string, Record<string, string>][]) {
    const answer = await send(body, headers);
    expect([body, headers, answer.status]).toEqual([body, headers, 400]);
    expect(answer.body).toMatchObject({ errorCode: 'EVENT_FORMAT' });
  }
  const answer = await send(
    JSON.stringify([{ specversion: '1.0', source: '/shop', type: 'x' }, event('3', 3)]),
    BATCHED,
  );
  expect(answer.body.events).toMatchObject([
    { outcome: 'dead-lettered', error: { name: 'EventFormatError' } },
    { outcome: 'started' },
  ]);
  expect((await triggers.status('shop')).deadLetters).toBe(1);
});

test('what can never be handled is acknowledged, with the id of its dead letter', async () => {
  const { send, triggers } = await stageOfEvents({}, { do: start('nobody') });
  const { status, body } = await send(JSON.stringify(event('1', 1)), STRUCTURED);
  expect(status).toBe(202);
  expect(body).toMatchObject({ outcome: 'dead-lettered', error: { name: 'NotRegisteredError' } });
  expect(await triggers.deadLetter('shop', body.deadLetterId)).toMatchObject({ attempts: 1, event: { id: '1' } });
});

test('what takes longer than senders wait is for them to send again', async () => {
  const { t, send } = await stageOfEvents(
    {},
    { do: raiseEvent({ instanceId: () => 'later' }), retry: { maxAttempts: 100 } },
  );
  const answering = send(JSON.stringify(event('1', 1)), STRUCTURED);
  await t.advance('9s');
  expect(await answering).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
});

test('a trigger without room says so at once', async () => {
  const { t, send } = await stageOfEvents({}, { do: raiseEvent({ instanceId: () => 'later' }), concurrency: 1 });
  const first = send(JSON.stringify(event('1', 1)), STRUCTURED);
  await t.settle();
  expect(await send(JSON.stringify(event('2', 2)), STRUCTURED)).toMatchObject({
    status: 503,
    body: { errorCode: 'TRIGGER_BUSY' },
  });
  await t.advance('1m');
  await first;
});

test('a request keeps its room while its body is still coming', async () => {
  const { triggers, send } = await started(webhook(), { concurrency: 1 });
  let come!: (body: Uint8Array) => void;
  const body = new Promise<Uint8Array>((resolve) => (come = resolve));
  const slow = triggers.receive('shop', {
    method: 'POST',
    headers: new Headers(),
    query: new URLSearchParams(),
    body: () => body,
  });
  expect(await send('2')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  come(Buffer.from('1'));
  expect(await slow).toMatchObject({ status: 202 });
  expect(await send('2')).toMatchObject({ status: 202 });
  // One that failed has given its room back.
  expect(await send('{', { 'content-type': 'application/json' })).toMatchObject({ status: 400 });
  expect(await send('3')).toMatchObject({ status: 202 });
});

test('rate and size are limited', async () => {
  const { t, send } = await stageOfEvents({ rateLimit: { perSecond: 2 }, bodyBytesMax: 200 });
  const statuses = async (): Promise<number[]> => {
    const all = [];
    for (const id of ['1', '2', '3']) all.push((await send(JSON.stringify(event(id, id)), STRUCTURED)).status);
    return all;
  };
  expect(await statuses()).toEqual([202, 202, 429]);
  await t.advance('1s');
  expect(await statuses()).toEqual([202, 202, 429]);
  await t.advance('1s');
  expect((await send(JSON.stringify(event('4', 'x'.repeat(200))), STRUCTURED)).status).toBe(413);
  expect(() => cloudEvents({ rateLimit: { perSecond: 0 } })).toThrow(/perSecond/);
  expect(() => cloudEvents({ bodyBytesMax: -1 })).toThrow(/bodyBytesMax/);
});

test('the handshake names the origin if it may send', async () => {
  const { send } = await stageOfEvents({ allowedOrigins: ['eventgrid.example'], rateLimit: { perSecond: 10 } });
  const ask = (origin: string) => send('', { 'webhook-request-origin': origin }, 'OPTIONS');
  expect(await ask('eventgrid.example')).toMatchObject({
    status: 200,
    headers: { 'webhook-allowed-origin': 'eventgrid.example', 'webhook-allowed-rate': '600', allow: 'POST, OPTIONS' },
  });
  expect((await ask('evil.example')).status).toBe(403);
});

test('a signed webhook passes only with its signature, and its delivery id is the event', async () => {
  const { t, send, triggers } = await stageOfWebhooks({ verify: github({ secret: 'hush' }), source: 'github' });
  const body = JSON.stringify({ action: 'opened' });
  const signed = (text: string): Record<string, string> => ({
    'content-type': 'application/json',
    'x-github-event': 'issues',
    'x-github-delivery': 'd-1',
    'x-hub-signature-256': `sha256=${createHmac('sha256', 'hush').update(text).digest('hex')}`,
  });
  expect((await send(body, signed(body))).body).toEqual({ outcome: 'started', instanceId: 'github=2Fd-1' });
  expect((await send(body, signed(body))).body).toMatchObject({ outcome: 'duplicate' });
  for (const headers of [signed('other'), {}])
    expect(await send(body, headers)).toMatchObject({ status: 401, body: { errorCode: 'SIGNATURE_INVALID' } });
  // Not parsed before it is believed.
  expect((await send('{', {})).status).toBe(401);
  expect(triggers.verifies('shop')).toBe(true);
  await t.settle();
  expect((await t.workflows.get('github=2Fd-1'))?.tags['event-id']).toBe('d-1');
});

test('what shows who sends is not kept, whatever its header is called', async () => {
  const { send, triggers } = await started(webhook({ verify: hmac({ secret: 'hush', header: 'X-Proof' }) }), {
    do: start('nobody'),
  });
  const proof = createHmac('sha256', 'hush').update('{"a":1}').digest('hex');
  const { body } = await send('{"a":1}', { 'x-proof': proof, 'x-api-key': 's3cret', 'x-tenant': 'a' });
  const letter = await triggers.deadLetter('shop', body.deadLetterId);
  expect(letter.event?.headers).toEqual({ 'x-tenant': 'a' });
  expect(JSON.stringify(letter)).not.toMatch(new RegExp(`s3cret|${proof}`));
});

test('a webhook without an id of its own is named by its Idempotency-Key, or by what it says', async () => {
  const { send, triggers } = await stageOfWebhooks();
  expect((await send('{"a":1}', { 'idempotency-key': 'k' })).body.instanceId).toBe('webhook=3Ashop=2Fk');
  const first = await send('{"a":1,"b":2}', { 'content-type': 'application/json' });
  const again = await send('{"b":2, "a":1}', { 'content-type': 'application/json' });
  expect([first.body.outcome, again.body.outcome]).toEqual(['started', 'duplicate']);
  expect(again.body.instanceId).toBe(first.body.instanceId);
  expect(triggers.verifies('shop')).toBe(false);
  expect((await send('{')).status).toBe(400);
});

test("Slack's question whether the address is ours is answered, and starts nothing", async () => {
  const { t, send } = await stageOfWebhooks({ verify: slack({ secret: 'hush' }) });
  const body = JSON.stringify({ type: 'url_verification', challenge: 'c' });
  const seconds = Math.floor(t.clock.nowMs() / 1000);
  const signature = createHmac('sha256', 'hush').update(`v0:${seconds}:${body}`).digest('hex');
  const headers = { 'x-slack-request-timestamp': `${seconds}`, 'x-slack-signature': `v0=${signature}` };
  expect(await send(body, headers)).toEqual({ status: 200, body: { challenge: 'c' } });
  expect((await t.workflows.list()).instances).toEqual([]);
});

test('while its trigger is not open yet, and not any more, a sender is told to send again', async () => {
  const triggers = new Triggers();
  trigger(triggers, 'shop', webhook({ verify: github({ secret: 'hush' }) }), { do: start(echo) });
  const send = () =>
    triggers.receive('shop', {
      method: 'POST',
      headers: new Headers(),
      query: new URLSearchParams(),
      body: async () => Buffer.from('{}'),
    });
  const busy = { status: 503, headers: { 'retry-after': '1' }, body: { errorCode: 'TRIGGER_BUSY' } };
  expect(await send()).toMatchObject(busy);
  expect(triggers.verifies('shop')).toBe(true);
  await using t = await testHost({ workflows: [echo], actors: triggers.actors });
  await triggers.start(t.host);
  expect((await send()).status).toBe(401);
  await triggers.stop();
  expect(await send()).toMatchObject(busy);
  expect(triggers.verifies('shop')).toBe(true);
});

test('a trigger of another kind takes no requests, and one that there is not neither', async () => {
  const { triggers } = await stageOfEvents();
  const request = {
    method: 'POST',
    headers: new Headers(),
    query: new URLSearchParams(),
    body: async () => Buffer.of(),
  };
  await expect(triggers.receive('nobody', request)).rejects.toMatchObject({ code: 'trigger_not_found' });
});
