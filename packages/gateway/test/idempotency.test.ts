import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { Caller, startTestHost } from './harness.ts';

let host: WorkflowHost;
let client: Caller;
const W = '/v1.0/workflows';
const key = (value: string): Record<string, string> => ({ 'idempotency-key': value });

beforeAll(async () => {
  host = await startTestHost();
  client = new Caller(host);
});
afterAll(() => host.stop());

test('the same start answers the first answer again, also when the instance has ended or is purged', async () => {
  const first = await client.post(`${W}/echo/i1/start`, { a: 1 }, key('k1'));
  expect(first.status).toBe(202);
  await client.get(`${W}/echo/i1?wait=5s`);
  const second = await client.post(`${W}/echo/i1/start`, { a: 1 }, key('k1'));
  expect([second.status, second.text, second.headers.get('location')]).toEqual([
    202,
    first.text,
    first.headers.get('location'),
  ]);
  expect([first, second].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
  expect((await client.call('DELETE', `${W}/echo/i1`)).status).toBe(204);
  expect((await client.post(`${W}/echo/i1/start`, { a: 1 }, key('k1'))).text).toBe(first.text);
  expect((await client.get(`${W}/echo/i1`)).status).toBe(404);
});

test('another body under the same key is 422, byte for byte', async () => {
  await client.post(`${W}/echo/i2/start`, { a: 1 }, key('k2'));
  for (const body of ['{"a":2}', '{ "a":1}', undefined]) {
    const answer = await client.call('POST', `${W}/echo/i2/start`, body, key('k2'));
    expect([answer.status, answer.json.errorCode]).toEqual([422, 'IDEMPOTENCY_MISMATCH']);
  }
});

test('an id that another start made is 409, with a key or without', async () => {
  await client.post(`${W}/echo/i3/start`, 1);
  expect((await client.post(`${W}/echo/i3/start`, 1, key('k3'))).status).toBe(409);
  await client.post(`${W}/echo/i4/start`, 1, key('k4'));
  expect((await client.post(`${W}/echo/i4/start`, 1)).status).toBe(409);
  expect((await client.post(`${W}/echo/i4/start`, 1, key('other'))).status).toBe(409);
});

test('a key holds for one path: the same key starts another instance', async () => {
  expect((await client.post(`${W}/echo/i5/start`, 1, key('shared'))).status).toBe(202);
  expect((await client.post(`${W}/echo/i6/start`, 2, key('shared'))).status).toBe(202);
  expect((await client.get(`${W}/echo/i6?wait=5s`)).json.output).toEqual({ got: 2 });
});

test('without an id the key is the id, and repeats find it', async () => {
  const first = await client.post(`${W}/echo/start`, 1, key('"quoted-key"'));
  expect(first.json.instanceId).toBe('quoted-key');
  expect((await client.post(`${W}/echo/start`, 1, key('quoted-key'))).text).toBe(first.text);
  expect((await client.post(`${W}/echo/start`, 2, key('quoted-key'))).status).toBe(422);
});

test('an event takes effect once per key, suspend and terminate too', async () => {
  await client.started('waiter', 'i7', 'RUNNING');
  await client.post(`${W}/waiter/i7/suspend`, undefined, key('s'));
  await client.post(`${W}/waiter/i7/resume`);
  expect((await client.post(`${W}/waiter/i7/suspend`, undefined, key('s'))).status).toBe(202);
  expect((await client.get(`${W}/waiter/i7`)).json.runtimeStatus).toBe('RUNNING');
  for (let round = 0; round < 3; round++)
    expect((await client.post(`${W}/waiter/i7/raiseEvent/other`, 5, key('e'))).status).toBe(202);
  expect((await client.post(`${W}/waiter/i7/raiseEvent/other`, 6, key('e'))).status).toBe(422);
  // The same key is free for another event and another action: the path is another.
  expect((await client.post(`${W}/waiter/i7/raiseEvent/more`, 6, key('e'))).status).toBe(202);
  const { json } = await client.get(`${W}/waiter/i7/history`);
  const raised = json.events.filter((entry: { type: string }) => entry.type === 'EventRaised');
  expect(raised.map((entry: { details: { name: string } }) => entry.details.name)).toEqual(['other', 'more']);
  for (let round = 0; round < 2; round++)
    expect((await client.post(`${W}/waiter/i7/terminate`, 1, key('e'))).status).toBe(202);
  expect((await client.post(`${W}/waiter/i7/terminate`, 1)).status).toBe(409);
});

test('a refusal is not kept: the key can be used again', async () => {
  expect((await client.post(`${W}/waiter/i8/raiseEvent/go`, 1, key('early'))).status).toBe(404);
  await client.started('waiter', 'i8', 'RUNNING');
  expect((await client.post(`${W}/waiter/i8/raiseEvent/go`, 1, key('early'))).status).toBe(202);
});

test("Dapr's start takes a key too", async () => {
  const first = await client.post(`${W}/dapr/echo/start`, 1, key('dapr-key'));
  expect(first).toMatchObject({ status: 202, json: { instanceID: 'dapr-key' } });
  expect((await client.post(`${W}/dapr/echo/start`, 1, key('dapr-key'))).text).toBe(first.text);
  expect((await client.post(`${W}/dapr/echo/start`, 2, key('dapr-key'))).status).toBe(422);
});

test.each(['', '""', 'x'.repeat(256), 'ü', 'a\tb'])('the key %j is 400', async (value) => {
  expect((await client.post(`${W}/echo/start`, 1, key(value))).json).toMatchObject({
    status: 400,
    errorCode: 'IDEMPOTENCY_KEY_INVALID',
  });
});

test.each(['.', '..'])('the key %j cannot be an id', async (value) => {
  expect((await client.post(`${W}/echo/start`, 1, key(value))).json).toMatchObject({
    status: 400,
    errorCode: 'INSTANCE_ID_INVALID',
  });
});

test('50 concurrent starts with one key are one start', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => client.post(`${W}/waiter/i9/start`, 1, key('one'))),
  );
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1);
});
