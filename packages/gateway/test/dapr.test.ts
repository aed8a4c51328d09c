// Dapr's shape of the contract, row by row.

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { Caller, startTestHost } from './harness.ts';

let host: WorkflowHost;
let client: Caller;
beforeAll(async () => {
  host = await startTestHost();
  client = new Caller(host);
});
afterAll(() => host.stop());

describe.each(['v1.0', 'v1.0-alpha1', 'v1.0-beta1'])('/%s/workflows/dapr', (version) => {
  const D = `/${version}/workflows/dapr`;
  const id = (name: string): string => `${version.replaceAll('.', '_')}-${name}`;
  const until = (instanceId: string, status: string) =>
    expect.poll(async () => (await client.get(`${D}/${instanceId}`)).json.runtimeStatus).toBe(status);

  test('start answers 202 with the id, given or generated', async () => {
    expect(await client.post(`${D}/echo/start?instanceID=${id('a')}`, 1)).toMatchObject({
      status: 202,
      json: { instanceID: id('a') },
    });
    const generated = await client.post(`${D}/echo/start`);
    expect(generated.json.instanceID).toMatch(/^[\da-f-]{36}$/);
    expect(Object.keys(generated.json)).toEqual(['instanceID']);
  });

  test('an active duplicate is 409 ERR_START_WORKFLOW; an ended one is replaced', async () => {
    const start = `${D}/waiter/start?instanceID=${id('b')}`;
    expect((await client.post(start, 1)).status).toBe(202);
    await until(id('b'), 'RUNNING');
    const duplicate = await client.post(start, 2);
    expect(duplicate.status).toBe(409);
    expect(duplicate.json).toMatchObject({
      errorCode: 'ERR_START_WORKFLOW',
      message: `an active workflow with ID '${id('b')}' already exists`,
    });
    await client.post(`${D}/${id('b')}/terminate`);
    expect((await client.post(start, 3)).status).toBe(202);
    expect((await client.get(`${D}/${id('b')}`)).json.properties['dapr.workflow.input']).toBe('3');
  });

  test('ids on create are 1 to 64 letters, digits, _ and -', async () => {
    expect((await client.post(`${D}/echo/start?instanceID=a%2Fb`)).json).toMatchObject({
      status: 400,
      errorCode: 'ERR_INSTANCE_ID_INVALID',
    });
    expect((await client.post(`${D}/echo/start?instanceID=${'x'.repeat(65)}`)).json).toMatchObject({
      status: 400,
      errorCode: 'ERR_INSTANCE_ID_TOO_LONG',
    });
  });

  test('get shows texts, each only when set', async () => {
    await client.call('POST', `${D}/waiter/start?instanceID=${id('c')}`, 'plain text, no JSON');
    await until(id('c'), 'RUNNING');
    const running = await client.get(`${D}/${id('c')}`);
    expect(running.status).toBe(200);
    expect(running.json).toEqual({
      instanceID: id('c'),
      workflowName: 'waiter',
      createdAt: expect.any(String),
      lastUpdatedAt: expect.any(String),
      runtimeStatus: 'RUNNING',
      properties: { 'dapr.workflow.input': 'plain text, no JSON', 'dapr.workflow.custom_status': '{"waiting":"go"}' },
    });
    expect((await client.call('POST', `${D}/${id('c')}/raiseEvent/go`, 'raw')).json).toEqual({});
    await until(id('c'), 'COMPLETED');
    expect((await client.get(`${D}/${id('c')}`)).json.properties['dapr.workflow.output']).toBe('"raw"');
  });

  test.each([
    ['null', null],
    ['12345678901234567890', 12_345_678_901_234_567_000],
    [' { "a": 1.0, "a" : 2 } ', { a: 2 }],
    ['{"__proto__":{"x":1},"b":2}', { b: 2 }],
    ['"\\ud800"', '\ufffd'],
    ['no JSON', 'no JSON'],
    [' ', ' '],
    ['['.repeat(5_000) + ']'.repeat(5_000), '['.repeat(5_000) + ']'.repeat(5_000)],
  ])('texts are kept as they came, and code is given what they say: %j', async (text, value) => {
    const name = id(`text-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`);
    await client.call('POST', `${D}/waiter/start?instanceID=${name}`, text);
    await until(name, 'RUNNING');
    expect((await client.get(`${D}/${name}`)).json.properties['dapr.workflow.input']).toBe(text);
    expect((await client.get(`/v1.0/workflows/waiter/${name}`)).json.input).toEqual(value);
    expect((await host.workflows.get(name))!.input).toEqual(value);
    await client.call('POST', `${D}/${name}/raiseEvent/go`, text);
    await until(name, 'COMPLETED');
    expect((await client.get(`/v1.0/workflows/waiter/${name}`)).json.output).toEqual(value);
    const history = await client.get(`/v1.0/workflows/waiter/${name}/history?payloads=true`);
    expect(history.json.events[0].details.input).toEqual(value);
    // That is what the code returned, and not what came.
    expect((await client.get(`${D}/${name}`)).json.properties['dapr.workflow.output']).toBe(JSON.stringify(value));
    await client.call('POST', `${D}/waiter/start?instanceID=${name}`, text);
    await client.call('POST', `${D}/${name}/terminate`, text);
    expect((await client.get(`${D}/${name}`)).json).toMatchObject({
      runtimeStatus: 'TERMINATED',
      properties: { 'dapr.workflow.output': text },
    });
    expect((await client.get(`/v1.0/workflows/waiter/${name}`)).json.output).toEqual(value);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test('an empty body is no payload, and a schema checks what a text says', async () => {
    await client.call('POST', `${D}/echo/start?instanceID=${id('none')}`, '');
    await until(id('none'), 'COMPLETED');
    expect((await client.get(`${D}/${id('none')}`)).json.properties).toEqual({
      'dapr.workflow.output': '{"none":true}',
    });
    expect((await client.call('POST', `${D}/order/start`, '{"amount":"1"}')).json).toMatchObject({
      status: 400,
      errorCode: 'ERR_START_WORKFLOW',
    });
    await client.call('POST', `${D}/order/start?instanceID=${id('order')}`, '{"amount":1,"other":2}');
    await until(id('order'), 'COMPLETED');
    expect((await client.get(`${D}/${id('order')}`)).json.properties).toEqual({
      'dapr.workflow.input': '{"amount":1}',
      'dapr.workflow.output': '1',
    });
  });

  test('a failure shows type, message and stack', async () => {
    await client.post(`${D}/failing/start?instanceID=${id('d')}`, 'broken');
    await until(id('d'), 'FAILED');
    const { properties } = (await client.get(`${D}/${id('d')}`)).json;
    expect(properties['dapr.workflow.failure.error_type']).toBe('RangeError');
    expect(properties['dapr.workflow.failure.error_message']).toBe('broken');
    expect(properties['dapr.workflow.failure.stack_trace']).toContain('RangeError');
    expect(properties).not.toHaveProperty(['dapr.workflow.output']);
  });

  test('pause, resume, terminate and purge answer 202 {}', async () => {
    await client.post(`${D}/parent/start?instanceID=${id('e')}`);
    const child = encodeURIComponent(`${id('e')}:child`);
    await until(child, 'RUNNING');
    for (const [action, status] of [
      ['pause', 'SUSPENDED'],
      ['resume', 'RUNNING'],
      ['terminate', 'TERMINATED'],
    ] as const) {
      expect(await client.post(`${D}/${id('e')}/${action}`)).toMatchObject({ status: 202, json: {} });
      expect((await client.get(`${D}/${id('e')}`)).json.runtimeStatus).toBe(status);
    }
    await until(child, 'TERMINATED');
    expect((await client.post(`${D}/${id('e')}/terminate`)).status).toBe(202);
    expect(await client.post(`${D}/${id('e')}/purge`)).toMatchObject({ status: 202, json: {} });
    expect((await client.get(`${D}/${id('e')}`)).status).toBe(404);
    await expect.poll(async () => (await client.get(`${D}/${child}`)).status).toBe(404);
  });

  test('an unknown id is 404 for all of them', async () => {
    const answers = await Promise.all([
      client.get(`${D}/nobody`),
      ...['raiseEvent/go', 'pause', 'resume', 'terminate', 'purge'].map((action) =>
        client.post(`${D}/nobody/${action}`),
      ),
    ]);
    for (const { status, json } of answers)
      expect([status, json.errorCode]).toEqual([404, 'ERR_INSTANCE_ID_NOT_FOUND']);
  });

  test('what has ended takes no event; what has not ended is not purged', async () => {
    await client.post(`${D}/waiter/start?instanceID=${id('f')}`);
    await until(id('f'), 'RUNNING');
    expect((await client.post(`${D}/${id('f')}/purge`)).json).toMatchObject({
      status: 409,
      errorCode: 'ERR_PURGE_WORKFLOW',
    });
    await client.post(`${D}/${id('f')}/terminate`);
    expect((await client.post(`${D}/${id('f')}/raiseEvent/go`)).json).toMatchObject({
      status: 409,
      errorCode: 'ERR_RAISE_EVENT_WORKFLOW',
    });
  });

  test('a workflow that nobody has code for is created and stays pending', async () => {
    expect((await client.post(`${D}/unknown-to-all/start?instanceID=${id('g')}`)).status).toBe(202);
    expect((await client.get(`${D}/${id('g')}`)).json).toMatchObject({
      workflowName: 'unknown-to-all',
      runtimeStatus: 'PENDING',
    });
  });
});
