// The contract of the design, row by row, on a real host.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { Caller, startTestHost } from './harness.ts';

let host: WorkflowHost;
let client: Caller;
const W = '/v1.0/workflows';
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

beforeAll(async () => {
  host = await startTestHost();
  client = new Caller(host);
});
afterAll(() => host.stop());

describe('POST …/{workflowType}/{instanceId}/start', () => {
  test('answers 202 with Location, Retry-After and links', async () => {
    const answer = await client.post(`${W}/waiter/s1/start`, { n: 1 });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`${W}/waiter/s1`);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.json).toMatchObject({ instanceId: 's1', workflowType: 'waiter', runtimeStatus: 'PENDING' });
    expect(answer.json.links).toMatchObject({ self: `${W}/waiter/s1`, terminate: `${W}/waiter/s1/terminate` });
  });

  test('an id that exists is 409 with the existing status and Location, also of another type', async () => {
    await client.started('waiter', 's2', 'RUNNING');
    for (const type of ['waiter', 'echo']) {
      const answer = await client.post(`${W}/${type}/s2/start`);
      expect(answer.status).toBe(409);
      expect(answer.json).toMatchObject({
        errorCode: 'ALREADY_EXISTS',
        instanceId: 's2',
        workflowType: 'waiter',
        runtimeStatus: 'RUNNING',
      });
      expect(answer.headers.get('location')).toBe(`${W}/waiter/s2`);
    }
  });

  test('an unknown type is 404 with the nearest names', async () => {
    const answer = await client.post(`${W}/Waitr/s3/start`);
    expect(answer.status).toBe(404);
    expect(answer.json.errorCode).toBe('NOT_REGISTERED');
    expect(answer.json.nearest[0]).toBe('waiter');
  });

  test('a schema violation is 400 with one entry per JSON pointer', async () => {
    const answer = await client.post(`${W}/order/s4/start`, { amount: 'x' });
    expect(answer.status).toBe(400);
    expect(answer.json.errors).toEqual([
      { pointer: '/amount', detail: 'is a number' },
      { pointer: '/a~1b~0c', detail: 'is missing' },
    ]);
    expect((await client.get(`${W}/order/s4`)).status).toBe(404);
  });

  test('takes tags and startAt', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    expect(
      (await client.post(`${W}/echo/s5/start?tag=team:red&tag=u:http://x&startAt=${encodeURIComponent(startAt)}`))
        .status,
    ).toBe(202);
    const { json, status } = await client.get(`${W}/echo/s5`);
    expect(status).toBe(202);
    expect(json).toMatchObject({ runtimeStatus: 'PENDING', tags: { team: 'red', u: 'http://x' }, startAt });
  });

  test('takes ifExists: attach, restart-if-terminal, terminate-and-restart, fail', async () => {
    await client.started('waiter', 's6', 'RUNNING', 1);
    const attached = await client.post(`${W}/waiter/s6/start?ifExists=attach`, 2);
    expect(attached.status).toBe(202);
    expect(attached.json).toMatchObject({ runtimeStatus: 'RUNNING', attached: true });
    expect((await client.post(`${W}/waiter/s6/start?ifExists=restart-if-terminal`, 3)).status).toBe(409);
    expect((await client.post(`${W}/waiter/s6/start?ifExists=terminate-and-restart`, 4)).status).toBe(202);
    expect((await client.get(`${W}/waiter/s6`)).json.input).toBe(4);
    await client.post(`${W}/waiter/s6/terminate`);
    expect((await client.post(`${W}/waiter/s6/start?ifExists=fail`, 5)).status).toBe(409);
    expect((await client.post(`${W}/waiter/s6/start?ifExists=restart-if-terminal`, 6)).status).toBe(202);
    expect((await client.post(`${W}/waiter/s6/start?ifExists=perhaps`, 7)).json).toMatchObject({
      status: 400,
      parameter: 'ifExists',
    });
  });

  test('takes a version; an unknown one is 404', async () => {
    expect((await client.post(`${W}/echo/s7/start?version=1`)).status).toBe(202);
    expect((await client.post(`${W}/echo/s8/start?version=9`)).status).toBe(404);
  });

  test('no body is no input, null is null, and any JSON value is one', async () => {
    const inputs: [string | undefined, unknown][] = [
      [undefined, { none: true }],
      ['null', { got: null }],
      ['0', { got: 0 }],
      ['""', { got: '' }],
      ['[]', { got: [] }],
      [' {"a":[1,{"b":"ü"}]} ', { got: { a: [1, { b: 'ü' }] } }],
    ];
    for (const [index, [body, output]] of inputs.entries()) {
      expect((await client.call('POST', `${W}/echo/in${index}/start`, body)).status).toBe(202);
      expect((await client.get(`${W}/echo/in${index}?wait=5s`)).json.output).toEqual(output);
    }
  });
});

test('POST …/{workflowType}/start generates an id, or takes the Idempotency-Key', async () => {
  const generated = await client.post(`${W}/echo/start`, 1);
  expect(generated.status).toBe(202);
  expect(generated.json.instanceId).toMatch(/^[\da-f-]{36}$/);
  const named = await client.post(`${W}/echo/start`, 1, { 'idempotency-key': 'my key/1' });
  expect(named.json.instanceId).toBe('my key/1');
  expect(named.headers.get('location')).toBe(`${W}/echo/my%20key%2F1`);
});

describe('POST …/terminate', () => {
  test('has taken effect when it answers; the body is the output; ended is 409, unknown 404', async () => {
    await client.started('waiter', 't1', 'RUNNING');
    expect((await client.post(`${W}/waiter/t1/terminate`, { why: 'over' })).status).toBe(202);
    const found = await client.get(`${W}/waiter/t1`);
    expect(found.status).toBe(200);
    expect(found.json).toMatchObject({ runtimeStatus: 'TERMINATED', output: { why: 'over' } });
    const again = await client.post(`${W}/waiter/t1/terminate`);
    expect(again.status).toBe(409);
    expect(again.json).toMatchObject({ errorCode: 'INSTANCE_ENDED', runtimeStatus: 'TERMINATED' });
    expect((await client.post(`${W}/waiter/nobody/terminate`)).status).toBe(404);
  });

  test('without a body there is no output', async () => {
    await client.started('waiter', 't2', 'RUNNING');
    await client.post(`${W}/waiter/t2/terminate`);
    expect((await client.get(`${W}/waiter/t2`)).json).not.toHaveProperty('output');
  });

  test('recursive takes the children along; without it they live', async () => {
    for (const recursive of [true, false]) {
      const id = `family-${recursive}`;
      await client.started('parent', id, 'RUNNING');
      await expect.poll(async () => (await client.get(`${W}/waiter/${id}:child`)).json.runtimeStatus).toBe('RUNNING');
      expect((await client.get(`${W}/waiter/${id}:child`)).json.parent).toEqual({ instanceId: id });
      expect((await client.post(`${W}/parent/${id}/terminate?recursive=${recursive}`)).status).toBe(202);
      const wanted = recursive ? 'TERMINATED' : 'RUNNING';
      await expect.poll(async () => (await client.get(`${W}/waiter/${id}:child`)).json.runtimeStatus).toBe(wanted);
    }
    expect((await client.post(`${W}/parent/family-false/terminate?undo=true`)).status).toBe(409);
  });
});

describe('POST …/raiseEvent', () => {
  const forms: [string, (id: string) => [string, unknown]][] = [
    ['with the name in the path', (id) => [`${W}/waiter/${id}/raiseEvent/go`, { by: 'ada' }]],
    ['with the name in the body', (id) => [`${W}/waiter/${id}/raiseEvent`, { eventName: 'go', data: { by: 'ada' } }]],
    ['with the name in the query', (id) => [`${W}/waiter/${id}/raiseEvent?eventName=go`, { by: 'ada' }]],
  ];
  test.each(forms)('%s is 202 and reaches the workflow', async (name, form) => {
    const id = `e-${name.replaceAll(' ', '-')}`;
    await client.started('waiter', id, 'RUNNING');
    const [path, body] = form(id);
    expect((await client.post(path, body)).status).toBe(202);
    expect((await client.get(`${W}/waiter/${id}?wait=5s`)).json.output).toEqual({ by: 'ada' });
    expect((await client.post(path, body)).status).toBe(409);
    const [unknownPath] = form('nobody');
    expect((await client.post(unknownPath, body)).status).toBe(404);
  });

  test('without any name is 400 with a hint', async () => {
    const answer = await client.post(`${W}/waiter/x/raiseEvent`, { data: 1 });
    expect(answer.status).toBe(400);
    expect(answer.json.hint).toContain('eventName');
  });
});

test('POST …/suspend and …/resume have changed the state before they answer', async () => {
  await client.started('waiter', 'p1', 'RUNNING');
  expect((await client.post(`${W}/waiter/p1/suspend`)).status).toBe(202);
  expect((await client.get(`${W}/waiter/p1`)).json.runtimeStatus).toBe('SUSPENDED');
  expect((await client.post(`${W}/waiter/p1/suspend`)).status).toBe(202);
  expect((await client.post(`${W}/waiter/p1/resume`)).status).toBe(202);
  expect((await client.get(`${W}/waiter/p1`)).json.runtimeStatus).toBe('RUNNING');
  await client.post(`${W}/waiter/p1/terminate`);
  for (const action of ['suspend', 'resume']) {
    expect((await client.post(`${W}/waiter/p1/${action}`)).status).toBe(409);
    expect((await client.post(`${W}/waiter/nobody/${action}`)).status).toBe(404);
  }
});

describe('GET …/{instanceId}', () => {
  test('is 202 with Location and Retry-After while not terminal, then 200', async () => {
    await client.started('waiter', 'g1', 'RUNNING', { n: 1 });
    const running = await client.get(`${W}/waiter/g1`);
    expect(running.status).toBe(202);
    expect(running.headers.get('location')).toBe(`${W}/waiter/g1`);
    expect(running.headers.get('retry-after')).toBe('1');
    expect(running.json).toMatchObject({
      instanceId: 'g1',
      workflowType: 'waiter',
      input: { n: 1 },
      customStatus: { waiting: 'go' },
    });
    for (const absent of ['output', 'failure', 'completedAt', 'parent', 'tags', 'startAt'])
      expect(running.json).not.toHaveProperty(absent);
    await client.post(`${W}/waiter/g1/raiseEvent/go`);
    const ended = await client.get(`${W}/waiter/g1?wait=5s`);
    expect(ended.status).toBe(200);
    for (const time of ['createdAt', 'startedAt', 'lastUpdatedAt', 'completedAt'])
      expect(ended.json[time]).toMatch(RFC3339);
  });

  test('a failed instance is 200, or what failedStatus or failedStatusCode say', async () => {
    await client.started('failing', 'g2', 'FAILED', 'broken');
    const found = await client.get(`${W}/failing/g2`);
    expect(found.status).toBe(200);
    expect(found.json.failure).toMatchObject({ type: 'RangeError', message: 'broken' });
    expect((await client.get(`${W}/failing/g2?failedStatus=503`)).status).toBe(503);
    expect((await client.get(`${W}/failing/g2?failedStatus=503&statusCodes=always200`)).status).toBe(200);
    for (const wrong of ['200', '399', '600', '5x', '-1', '500.5'])
      expect((await client.get(`${W}/failing/g2?failedStatus=${wrong}`)).status).toBe(400);
    const strict = new Caller(host, { failedStatusCode: 500 });
    expect((await strict.get(`${W}/failing/g2`)).status).toBe(500);
    expect((await strict.get(`${W}/failing/g2`)).json.runtimeStatus).toBe('FAILED');
    expect(() => new Caller(host, { failedStatusCode: 302 })).toThrow(TypeError);
  });

  test('statusCodes=always200 gives the metadata of a running instance as 200', async () => {
    await client.started('waiter', 'g3', 'RUNNING');
    expect((await client.get(`${W}/waiter/g3?statusCodes=always200`)).status).toBe(200);
  });

  test('wait answers as soon as the instance ends, or with what is known when the time is up', async () => {
    await client.started('waiter', 'g4', 'RUNNING');
    const startedAt = performance.now();
    expect((await client.get(`${W}/waiter/g4?wait=150ms`)).status).toBe(202);
    expect(performance.now() - startedAt).toBeGreaterThan(120);
    const waiting = client.get(`${W}/waiter/g4?wait=20s`);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await client.post(`${W}/waiter/g4/raiseEvent/go`, 7);
    expect(await waiting).toMatchObject({ status: 200, json: { output: 7 } });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    for (const wrong of ['soon', '-1s', '1h', '1e3'])
      expect((await client.get(`${W}/waiter/g4?wait=${wrong}`)).status).toBe(400);
  });

  test('an instance of another type, and no instance, are 404 at once', async () => {
    await client.started('waiter', 'g5', 'RUNNING');
    const startedAt = performance.now();
    for (const path of ['echo/g5', 'echo/g5?wait=20s', 'waiter/nobody?wait=20s', 'echo/g5/history']) {
      const answer = await client.get(`${W}/${path}`);
      expect(answer.status).toBe(404);
      expect(answer.json.errorCode).toBe('INSTANCE_NOT_FOUND');
    }
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    for (const action of ['suspend', 'resume', 'terminate', 'raiseEvent/go'])
      expect((await client.post(`${W}/echo/g5/${action}`)).status).toBe(404);
    expect((await client.call('DELETE', `${W}/echo/g5?force=true`)).status).toBe(404);
  });

  test('the type "-" is any type', async () => {
    await client.started('waiter', 'g6', 'RUNNING');
    expect((await client.get(`${W}/-/g6`)).json.workflowType).toBe('waiter');
    expect((await client.post(`${W}/-/g6/terminate`)).status).toBe(202);
    expect((await client.post(`${W}/-/g7/start`)).status).toBe(404);
  });

  test('HEAD answers as GET, without a body', async () => {
    await client.started('waiter', 'g8', 'RUNNING');
    const head = await client.call('HEAD', `${W}/waiter/g8`);
    expect([head.status, head.text, head.headers.get('location')]).toEqual([202, '', `${W}/waiter/g8`]);
    expect((await client.call('HEAD', `${W}/waiter/nobody`)).status).toBe(404);
  });

  test('what JSON cannot hold is written as the nearest thing', async () => {
    await client.started('exotic', 'g9', 'COMPLETED');
    expect((await client.get(`${W}/exotic/g9`)).json.output).toEqual({
      big: String(12345678901234567890n % 2n ** 62n),
      bytes: 'AQL6',
      nan: null,
      endless: null,
      date: '1970-01-01T00:00:00.000Z',
      nested: [{ list: [0, null, null] }],
    });
    for (const path of ['/history?payloads=true', ''])
      expect((await client.get(`${W}/exotic/g9${path}`)).status).toBe(200);
    expect((await client.get(`${W}/dapr/g9`)).json.properties['dapr.workflow.output']).toContain('"AQL6"');
  });
});

describe('DELETE …/{instanceId}', () => {
  test('is 204 and everything is gone; unknown 404; not terminal 409', async () => {
    await client.started('waiter', 'd1', 'RUNNING');
    const refused = await client.call('DELETE', `${W}/waiter/d1`);
    expect(refused.status).toBe(409);
    expect(refused.json).toMatchObject({ errorCode: 'INSTANCE_NOT_ENDED', runtimeStatus: 'RUNNING' });
    await client.post(`${W}/waiter/d1/terminate`);
    expect(await client.call('DELETE', `${W}/waiter/d1`)).toMatchObject({ status: 204, text: '' });
    expect((await client.get(`${W}/waiter/d1`)).status).toBe(404);
    expect((await client.call('DELETE', `${W}/waiter/d1`)).status).toBe(404);
    expect((await client.get(`${W}?idPrefix=d1`)).json.instances).toEqual([]);
  });

  test('force terminates first', async () => {
    await client.started('waiter', 'd2', 'RUNNING');
    expect((await client.call('DELETE', `${W}/waiter/d2?force=true`)).status).toBe(204);
    expect((await client.get(`${W}/waiter/d2`)).status).toBe(404);
  });

  test('recursive takes the children along', async () => {
    await client.started('parent', 'd3', 'RUNNING');
    await expect.poll(async () => (await client.get(`${W}/waiter/d3:child`)).json.runtimeStatus).toBe('RUNNING');
    await client.post(`${W}/waiter/d3:child/raiseEvent/go`, 1);
    expect((await client.get(`${W}/parent/d3?wait=5s`)).json.output).toBe(1);
    expect((await client.call('DELETE', `${W}/parent/d3?recursive=true`)).status).toBe(204);
    expect((await client.get(`${W}/waiter/d3:child`)).status).toBe(404);
  });
});

describe('GET /v1.0/workflows', () => {
  test('lists newest first, filters, counts and pages', async () => {
    for (let n = 1; n <= 5; n++) {
      await client.post(`${W}/${n % 2 === 0 ? 'waiter' : 'echo'}/l-${n}/start?tag=list:yes&tag=n:${n}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    for (const n of [1, 3, 5]) await client.get(`${W}/echo/l-${n}?wait=5s`);
    await expect.poll(async () => (await client.get(`${W}/waiter/l-4`)).json.runtimeStatus).toBe('RUNNING');
    const ids = async (query: string): Promise<string[]> =>
      (await client.get(`${W}?tag=list:yes&${query}`)).json.instances.map(
        (row: { instanceId: string }) => row.instanceId,
      );
    expect(await ids('')).toEqual(['l-5', 'l-4', 'l-3', 'l-2', 'l-1']);
    expect(await ids('type=waiter')).toEqual(['l-4', 'l-2']);
    expect(await ids('status=COMPLETED')).toEqual(['l-5', 'l-3', 'l-1']);
    expect(await ids('status=running,failed')).toEqual(['l-4', 'l-2']);
    expect(await ids('tag=n:3')).toEqual(['l-3']);
    expect(await ids('idPrefix=l-2')).toEqual(['l-2']);
    expect(await ids('createdAfter=2999-01-01T00:00:00Z')).toEqual([]);
    expect(await ids('createdBefore=2999-01-01T00:00:00%2B02:00')).toHaveLength(5);
    const first = await client.get(`${W}?tag=list:yes&limit=2`);
    expect(first.json.counts).toEqual({ COMPLETED: 3, RUNNING: 2 });
    const [, next] = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '') ?? [];
    const second = await client.get(next!);
    expect(second.json.instances.map((row: { instanceId: string }) => row.instanceId)).toEqual(['l-3', 'l-2']);
    const third = await client.get(`${W}?tag=list:yes&limit=2&cursor=${encodeURIComponent(second.json.cursor)}`);
    expect(third.json.instances).toHaveLength(1);
    expect([third.json.cursor, third.headers.get('link')]).toEqual([undefined, null]);
    expect((await client.get(`${W}?counts=false`)).json).not.toHaveProperty('counts');
  });

  test.each([
    'limit=0',
    'limit=1001',
    'limit=x',
    'status=dead',
    'createdAfter=today',
    'tag=none',
    'cursor=zzz',
    'cursor=[1,2,3]',
    'counts=maybe',
  ])('%s is 400', async (query) => {
    expect((await client.get(`${W}?${query}`)).status).toBe(400);
  });
});

test('GET …/history pages through the events, payloads on request', async () => {
  await client.started('echo', 'h1', 'COMPLETED', { secret: 1 });
  const bare = await client.get(`${W}/echo/h1/history`);
  expect(bare.text).not.toContain('secret');
  const full = await client.get(`${W}/echo/h1/history?payloads=true`);
  expect(full.json.events[0]).toMatchObject({ number: 1, type: 'WorkflowStarted', details: { input: { secret: 1 } } });
  const page = await client.get(`${W}/echo/h1/history?limit=1`);
  expect(page.json).toMatchObject({ events: [{ number: 1 }], next: 2 });
  expect(page.headers.get('link')).toBe(`<${W}/echo/h1/history?limit=1&from=2>; rel="next"`);
  expect((await client.get(`${W}/echo/h1/history?from=0`)).status).toBe(400);
  expect((await client.get(`${W}/echo/nobody/history`)).status).toBe(404);
});

test('GET /v1.0/metadata tells what the host is and runs', async () => {
  const { json } = await new Caller(host, { appId: 'shop' }).get('/v1.0/metadata');
  expect(json).toMatchObject({ id: 'shop', workflows: { connectedWorkers: 1 } });
  expect(json.cluster).toEqual({ hostId: host.actors.hostId, members: [host.actors.hostId] });
  expect(json.runtimeVersion).toMatch(/^\d+\.\d+\.\d+/);
  expect(json.actorRuntime.activeActors[0]).toMatchObject({ type: expect.any(String), count: expect.any(Number) });
});

test('metadata and metrics count the workers of other languages that are connected', async () => {
  const counted = async (): Promise<readonly number[]> => {
    const client = new Caller(host);
    const { connectedWorkers } = (await client.get('/v1.0/metadata')).json.workflows;
    const metric = /^troupe_workers_connected (\d+)$/m.exec((await client.get('/metrics')).text);
    return [connectedWorkers, Number(metric?.[1])];
  };
  const filters = { workflows: [], activities: [], entities: [] };
  const room = { workflowsMax: 1, activitiesMax: 1, entitiesMax: 1, itemsMax: 1 };
  const worker = host.workers.connect({ filters, ...room, keepsHistory: false, send: () => {} });
  // The host has code itself, and is a worker too.
  expect(await counted()).toEqual([2, 1]);
  worker.close();
  expect(await counted()).toEqual([1, 0]);
});

test('GET /healthz, /readyz, /metrics, /openapi.json', async () => {
  expect((await client.get('/healthz')).status).toBe(200);
  expect((await client.get('/readyz')).json).toEqual({ status: 'ready' });
  for (const path of ['/v1.0/healthz', '/v1.0/healthz/outbound']) expect((await client.get(path)).status).toBe(204);
  const metrics = await client.get('/metrics');
  expect(metrics.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  expect(metrics.text).toMatch(/^troupe_workflows_started_total [1-9]\d*$/m);
  // Every line is a comment or a sample.
  for (const line of metrics.text.trimEnd().split('\n'))
    expect(line).toMatch(/^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{[^}]*(?:\{\w+\}[^}]*)*\})? [\d.e+-]+)$/);
  const { json } = await client.get('/openapi.json');
  expect(json.openapi).toBe('3.1.0');
  expect(json.paths['/v1.0/workflows/{workflowType}/{instanceId}'].get.responses['202']).toBeDefined();
  const ids = Object.values(json.paths).flatMap((path) =>
    Object.values(path as Record<string, { operationId: string }>).map((operation) => operation.operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test('a host that is stopping is not ready and executes nothing', async () => {
  const stopping = await startTestHost();
  const caller = new Caller(stopping);
  await stopping.stop();
  expect((await caller.get('/healthz')).status).toBe(200);
  expect(await caller.get('/readyz')).toMatchObject({
    status: 503,
    json: { errorCode: 'NOT_READY', message: 'the host is stopping' },
  });
  const refused = await caller.post(`${W}/echo/x/start`);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(refused.json.errorCode).toBe('NOT_EXECUTED');
});

test('unknown paths are 404, wrong methods 405 with Allow, all as problem+json', async () => {
  for (const path of [
    '/',
    '/v1.0',
    '/v2.0/workflows',
    `${W}/`,
    `${W}/echo`,
    `${W}/echo//start`,
    `${W}/echo/x/start/`,
    `${W}/echo/x/y/z`,
    `${W}/dapr`,
    `${W}/dapr/x/y/z`,
  ]) {
    const answer = await client.post(path);
    expect([path, answer.status, answer.headers.get('content-type')]).toEqual([path, 404, 'application/problem+json']);
    expect(answer.json).toMatchObject({
      errorCode: 'ROUTE_NOT_FOUND',
      status: 404,
      message: expect.any(String),
      hint: expect.any(String),
    });
  }
  const wrong: [string, string, string][] = [
    ['PUT', `${W}/echo/x`, 'GET, HEAD, DELETE'],
    ['GET', `${W}/echo/x/terminate`, 'POST'],
    ['PATCH', W, 'GET, HEAD'],
    ['PUT', `${W}/echo/start`, 'POST, GET, HEAD, DELETE'],
    ['GET', `${W}/dapr/x/start`, 'POST'],
    ['DELETE', `${W}/dapr/x`, 'GET, HEAD'],
    ['POST', `${W}/dapr/start`, 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['OPTIONS', W, 'GET, HEAD'],
  ];
  for (const [method, path, allow] of wrong) {
    const answer = await client.call(method, path);
    expect([method, path, answer.status, answer.headers.get('allow')]).toEqual([method, path, 405, allow]);
  }
});
