// Triggers behind the gateway, as the service puts them together: who may send, and what is asked for beside.

import { createHmac } from 'node:crypto';
import { MemoryStore } from '@troupe/actors';
import { httpGateway, type HttpGatewayOptions } from '@troupe/gateway/http';
import { start, trigger, Triggers } from '@troupe/triggers';
import { cloudEvents, github, webhook } from '@troupe/triggers/http';
import { startHost, workflow } from '@troupe/workflow';
import { afterEach, expect, test } from 'vitest';

const echo = workflow('echo', async (_ctx, input: unknown) => input);

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

type Ask = (
  method: string,
  path: string,
  options?: { readonly body?: string; readonly headers?: Record<string, string> },
) => Promise<{ readonly status: number; readonly headers: Headers; readonly text: string; readonly json: any }>; // oxlint-disable-line typescript/no-explicit-any -- tests look into it

async function served(options: Partial<HttpGatewayOptions> = {}, isStarted = true): Promise<Ask> {
  const triggers = new Triggers();
  trigger(triggers, 'orders', cloudEvents({ allowedOrigins: ['sender.example'] }), { do: start(echo) });
  trigger(triggers, 'hooks', webhook({ verify: github({ secret: 'hush' }), source: 'github' }), { do: start(echo) });
  trigger(triggers, 'broken', webhook(), { do: start('nobody') });
  const host = await startHost({ store: new MemoryStore(), workflows: [echo], actors: triggers.actors });
  ending.push(() => host.stop());
  if (isStarted) await triggers.start(host);
  ending.push(() => triggers.stop());
  const gateway = httpGateway(host, { ...options, triggers });
  return async (method, path, { body, headers = {} } = {}) => {
    const request = new Request(`http://127.0.0.1:3500/v1.0/${path}`, {
      method,
      headers: { host: '127.0.0.1:3500', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const response = await gateway.fetch(request);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.endsWith('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && !text.includes('}\n') ? JSON.parse(text) : undefined,
    };
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const event = (id: string): string =>
  JSON.stringify({ specversion: '1.0', id, source: '/shop', type: 'order.created', data: { id } });
const signed = (body: string): Record<string, string> => ({
  'content-type': 'application/json',
  'x-github-delivery': 'd1',
  'x-hub-signature-256': `sha256=${createHmac('sha256', 'hush').update(body).digest('hex')}`,
});

test('an event that is sent to its trigger starts an instance, which shows in lists, counts and metrics', async () => {
  const ask = await served();
  expect((await ask('POST', 'triggers/orders', { body: event('1'), headers: STRUCTURED })).json).toEqual({
    outcome: 'started',
    instanceId: '=2Fshop=2F1',
  });
  expect((await ask('GET', 'workflows?tag=event-id:1')).json.instances).toMatchObject([{ instanceId: '=2Fshop=2F1' }]);
  expect((await ask('GET', 'triggers')).json.triggers).toMatchObject([
    { name: 'orders', kind: 'cloudevents', state: 'running', counts: { started: 1 } },
    { name: 'hooks', kind: 'webhook' },
    { name: 'broken' },
  ]);
  expect((await ask('GET', 'triggers/orders')).json).toMatchObject({ name: 'orders', deadLetters: 0 });
});

test('a trigger that checks who sends needs no token of the gateway; everything else does', async () => {
  const ask = await served({ token: 'sesame' });
  const authorization = 'Bearer sesame';
  const body = '{"a":1}';
  expect((await ask('POST', 'triggers/hooks', { body, headers: signed(body) })).json).toMatchObject({
    outcome: 'started',
  });
  expect((await ask('POST', 'triggers/hooks', { body, headers: signed('other') })).status).toBe(401);
  expect((await ask('POST', 'triggers/orders', { body: event('1'), headers: STRUCTURED })).status).toBe(401);
  expect(
    (await ask('POST', 'triggers/orders', { body: event('1'), headers: { ...STRUCTURED, authorization } })).status,
  ).toBe(202);
  for (const [method, path] of [
    ['GET', 'triggers'],
    ['GET', 'triggers/hooks'],
    ['POST', 'triggers/hooks/dry-run'],
    ['GET', 'triggers/hooks/dead-letters'],
    ['POST', 'triggers/hooks/dead-letters/retry'],
    ['POST', 'triggers/hooks/dead-letters/x/retry'],
    ['GET', 'triggers/hooks/dead-letters/x'],
    ['DELETE', 'triggers/hooks/dead-letters/x'],
  ] as const)
    expect([method, path, (await ask(method, path)).status]).toEqual([method, path, 401]);
});

test('dead letters are listed, shown, exported, retried and deleted', async () => {
  const ask = await served();
  const sent = await ask('POST', 'triggers/broken', {
    body: '{"a":1}',
    headers: { 'idempotency-key': 'k', ...JSON_TYPE },
  });
  expect(sent.json).toMatchObject({ outcome: 'dead-lettered', error: { name: 'NotRegisteredError' } });
  const { deadLetterId: id } = sent.json;
  await ask('POST', 'triggers/broken', { body: '{"a":2}', headers: { 'idempotency-key': 'l', ...JSON_TYPE } });
  const page = await ask('GET', 'triggers/broken/dead-letters?limit=1');
  expect(page.json.deadLetters).toHaveLength(1);
  const link = /<\/v1\.0\/(.*)>; rel="next"/.exec(page.headers.get('link')!)![1]!;
  const next = await ask('GET', link);
  expect([...page.json.deadLetters, ...next.json.deadLetters].map((letter: { id: string }) => letter.id)).toContain(id);
  expect((await ask('GET', `triggers/broken/dead-letters/${id}`)).json).toMatchObject({
    id,
    reason: 'permanent',
    attempts: 1,
    event: { source: 'webhook:broken', id: 'k', data: { a: 1 } },
  });
  const exported = await ask('GET', 'triggers/broken/dead-letters', { headers: { accept: 'application/x-ndjson' } });
  expect(exported.text.trim().split('\n')).toHaveLength(2);
  expect(await ask('POST', `triggers/broken/dead-letters/${id}/retry`)).toMatchObject({
    status: 409,
    json: { errorCode: 'RETRY_FAILED' },
  });
  expect((await ask('POST', 'triggers/broken/dead-letters/retry')).json).toEqual({ retried: 2, failed: 2 });
  expect((await ask('DELETE', `triggers/broken/dead-letters/${id}`)).status).toBe(204);
  expect((await ask('DELETE', `triggers/broken/dead-letters/${id}`)).json).toMatchObject({
    status: 404,
    errorCode: 'DEAD_LETTER_NOT_FOUND',
  });
  expect((await ask('GET', 'triggers/broken')).json.deadLetters).toBe(1);
});

test('a dry run says what would be done, and does nothing', async () => {
  const ask = await served();
  expect((await ask('POST', 'triggers/orders/dry-run', { body: event('1') })).json).toMatchObject({
    would: 'start',
    plan: { workflowName: 'echo', instanceId: '=2Fshop=2F1', input: { id: '1' } },
  });
  expect((await ask('POST', 'triggers/orders/dry-run', { body: '{' })).json).toMatchObject({
    would: 'failure',
    error: { name: 'EventFormatError', permanent: true },
  });
  expect((await ask('GET', 'workflows')).json.instances).toEqual([]);
});

test('what there is not is 404, what is wrong is 400, and the handshake is answered', async () => {
  const ask = await served();
  expect((await ask('POST', 'triggers/nobody', { body: '{}' })).json).toMatchObject({
    status: 404,
    errorCode: 'TRIGGER_NOT_FOUND',
  });
  expect((await ask('GET', 'triggers/nobody/dead-letters')).status).toBe(404);
  expect((await ask('GET', 'triggers/orders/dead-letters?limit=0')).status).toBe(400);
  expect((await ask('GET', 'triggers/orders/dead-letters?cursor=nonsense')).json).toMatchObject({
    status: 400,
    errorCode: 'CURSOR_INVALID',
  });
  expect((await ask('POST', 'triggers/orders', { body: '{}', headers: STRUCTURED })).json).toMatchObject({
    status: 400,
    errorCode: 'EVENT_FORMAT',
  });
  const handshake = await ask('OPTIONS', 'triggers/orders', {
    headers: { 'webhook-request-origin': 'sender.example' },
  });
  expect([handshake.status, handshake.headers.get('webhook-allowed-origin')]).toEqual([200, 'sender.example']);
  expect((await ask('PUT', 'triggers/orders')).status).toBe(405);
});

test('whoever shows no token does not learn which triggers there are', async () => {
  const ask = await served({ token: 'sesame' });
  for (const name of ['nobody', '__proto__', '%2e%2e%2forders']) {
    const { status, text } = await ask('OPTIONS', `triggers/${name}`);
    expect([name, status]).toEqual([name, 404]);
    expect(text).not.toMatch(/orders|hooks|broken/);
  }
});

test('before the triggers are started everything is to be asked again', async () => {
  const ask = await served({}, false);
  for (const [method, path] of [
    ['POST', 'triggers/orders'],
    ['POST', 'triggers/hooks'],
    ['POST', 'triggers/orders/dry-run'],
    ['GET', 'triggers/orders/dead-letters'],
    ['GET', 'triggers/orders/dead-letters?cursor=x'],
    ['POST', 'triggers/orders/dead-letters/retry'],
  ] as const) {
    const { status, headers } = await ask(method, path, method === 'POST' ? { body: event('1') } : {});
    expect([path, status, headers.get('retry-after')]).toEqual([path, 503, '1']);
  }
  expect((await ask('GET', 'triggers')).json.triggers).toMatchObject([{ state: 'starting' }, {}, {}]);
});

test.each(['x'.repeat(600), 'a%2Fb', '..%2Fa', '%F0%9F%98%80', '__proto__'])(
  'there is no dead letter %s',
  async (id) => {
    const ask = await served();
    for (const method of ['GET', 'DELETE'])
      expect((await ask(method, `triggers/orders/dead-letters/${id}`)).json).toMatchObject({
        status: 404,
        errorCode: 'DEAD_LETTER_NOT_FOUND',
      });
  },
);
