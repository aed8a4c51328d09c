// Dapr's shape of the contract, row by row.

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
      properties: { 'dapr.workflow.input': '"plain text, no JSON"', 'dapr.workflow.custom_status': '{"waiting":"go"}' },
    });
    expect((await client.call('POST', `${D}/${id('c')}/raiseEvent/go`, 'raw')).json).toEqual({});
    await until(id('c'), 'COMPLETED');
    expect((await client.get(`${D}/${id('c')}`)).json.properties['dapr.workflow.output']).toBe('"raw"');
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
