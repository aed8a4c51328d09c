import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { httpGateway } from '../src/http.ts';
import { isLoopbackAddress, isLoopbackHost } from '../src/access.ts';
import { Caller, startTestHost } from './harness.ts';

let host: WorkflowHost;
beforeAll(async () => {
  host = await startTestHost();
});
afterAll(() => host.stop());
const W = '/v1.0/workflows';

describe('without auth', () => {
  test.each([
    'evil.example',
    'evil.example:3500',
    '10.0.0.7:3500',
    '0.0.0.0:3500',
    '192.168.1.1',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'x@127.0.0.1',
    '127.0.0.1/',
    '[::2]',
    '',
  ])('the Host %j is refused', async (value) => {
    const client = new Caller(host);
    for (const path of [W, '/healthz', '/openapi.json', '/nothing']) {
      expect((await client.get(path, { host: value })).json).toMatchObject({ status: 403, errorCode: 'HOST_REFUSED' });
    }
    expect((await client.post(`${W}/echo/start`, 1, { host: value })).status).toBe(403);
  });

  test.each([
    'localhost',
    'localhost:3500',
    'LOCALHOST:1',
    '127.0.0.1',
    '127.8.9.10:80',
    '[::1]:3500',
    'app.localhost:3500',
    '[::ffff:127.0.0.1]',
  ])('the Host %j is answered', async (value) => {
    expect((await new Caller(host).get(W, { host: value })).status).toBe(200);
  });

  test('a URL that names another host is refused whatever the Host header says', async () => {
    const { fetch } = httpGateway(host);
    expect((await fetch(new Request('http://evil.example/healthz', { headers: { host: 'localhost' } }))).status).toBe(
      403,
    );
  });

  test.each([
    'http://evil.example',
    'null',
    'http://localhost:5173',
    'http://127.0.0.1:3500',
    'https://localhost:3500.evil.example',
    'garbage',
  ])('the Origin %j is refused', async (origin) => {
    const client = new Caller(host);
    expect((await client.post(`${W}/echo/start`, 1, { origin })).json).toMatchObject({
      status: 403,
      errorCode: 'ORIGIN_REFUSED',
    });
    expect(
      (await client.call('OPTIONS', W, undefined, { origin, 'access-control-request-method': 'POST' })).status,
    ).toBe(403);
  });

  test('the own Origin is answered', async () => {
    expect((await new Caller(host).get(W, { origin: 'http://localhost:3500', host: 'localhost:3500' })).status).toBe(
      200,
    );
  });

  test('trustHost takes any Host, but no foreign Origin', async () => {
    const client = new Caller(host, { trustHost: true });
    expect((await client.get(W, { host: 'app.example' })).status).toBe(200);
    expect((await client.get(W, { host: 'app.example', origin: 'https://app.example' })).status).toBe(200);
    expect((await client.get(W, { host: 'app.example', origin: 'https://evil.example' })).status).toBe(403);
  });
});

describe('with a token', () => {
  test('Bearer and dapr-api-token open, everything else is 401; probes are open', async () => {
    const client = new Caller(host, { token: 'sesame' });
    for (const headers of [
      { authorization: 'Bearer sesame' },
      { authorization: 'bearer  sesame' },
      { 'dapr-api-token': 'sesame' },
    ] as Record<string, string>[]) {
      expect((await client.get(W, { ...headers, host: 'any.example', origin: 'https://any.example' })).status).toBe(
        200,
      );
    }
    const refused: Record<string, string>[] = [
      {},
      { authorization: 'Bearer' },
      { authorization: 'Bearer sesam' },
      { authorization: 'Bearer sesame2' },
      { authorization: 'Basic sesame' },
      { authorization: 'sesame' },
      { 'dapr-api-token': '' },
    ];
    for (const headers of refused) {
      for (const path of [W, '/metrics', '/openapi.json', '/v1.0/metadata', `${W}/dapr/x`]) {
        const answer = await client.get(path, headers);
        expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      }
    }
    for (const path of ['/healthz', '/readyz', '/v1.0/healthz'])
      expect((await client.get(path)).status).toBeLessThan(300);
  });

  test('scopes open only their routes', async () => {
    const client = new Caller(host, {
      token: [
        { token: 'r', scopes: ['read'] },
        { token: 'o', scopes: ['operate'] },
        { token: 's', scopes: ['start', 'read'] },
      ],
    });
    const as = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
    expect((await client.post(`${W}/waiter/scoped/start`, 1, as('r'))).json).toMatchObject({
      status: 403,
      errorCode: 'SCOPE_MISSING',
      scope: 'start',
    });
    expect((await client.post(`${W}/dapr/waiter/start`, 1, as('o'))).status).toBe(403);
    expect((await client.post(`${W}/waiter/scoped/start`, 1, as('s'))).status).toBe(202);
    expect((await client.get(`${W}/waiter/scoped`, as('o'))).status).toBe(403);
    expect((await client.get(`${W}/waiter/scoped`, as('s'))).status).toBe(202);
    for (const action of ['suspend', 'resume', 'raiseEvent/x', 'terminate']) {
      expect((await client.post(`${W}/waiter/scoped/${action}`, undefined, as('s'))).status).toBe(403);
      expect((await client.post(`${W}/waiter/scoped/${action}`, undefined, as('o'))).status).toBe(202);
    }
    expect((await client.call('DELETE', `${W}/waiter/scoped`, undefined, as('r'))).status).toBe(403);
    expect((await client.call('DELETE', `${W}/waiter/scoped`, undefined, as('o'))).status).toBe(204);
  });

  test('authenticate is asked when no token fits', async () => {
    const client = new Caller(host, {
      token: 'sesame',
      authenticate: async (request) => {
        const user = request.headers.get('x-user');
        if (user === 'broken') throw new Error('secret directory is down');
        return user === null ? undefined : { scopes: user === 'ada' ? ['read'] : [] };
      },
    });
    expect((await client.get(W, { 'dapr-api-token': 'sesame' })).status).toBe(200);
    expect((await client.get(W, { 'x-user': 'ada' })).status).toBe(200);
    expect((await client.get(W, { 'x-user': 'bob' })).status).toBe(403);
    expect((await client.get(W)).status).toBe(401);
    const failed = await client.get(W, { 'x-user': 'broken' });
    expect(failed.status).toBe(500);
    expect(failed.text).not.toContain('secret');
    expect(client.logger.errors[0]!.details).toMatchObject({ errorId: failed.json.errorId });
  });

  test('the body is not read before the caller is known', async () => {
    let pulled = 0;
    const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 });
    expect((await new Caller(host, { token: 'sesame' }).call('POST', `${W}/echo/start`, body)).status).toBe(401);
    expect(pulled).toBe(0);
  });

  test.each([{ token: '' }, { token: ' ' }, { token: [] }, { token: [{ token: '', scopes: [] }] }] as const)(
    '%j is refused',
    (options) => {
      expect(() => httpGateway(host, options)).toThrow(TypeError);
    },
  );
});

describe('CORS', () => {
  test('is off unless allowed', async () => {
    const client = new Caller(host, { token: 'sesame' });
    const answer = await client.call('OPTIONS', W, undefined, {
      origin: 'https://app.example',
      'access-control-request-method': 'GET',
    });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('answers preflights of allowed origins and marks answers', async () => {
    const client = new Caller(host, { cors: { origins: ['https://app.example'] } });
    const origin = { origin: 'https://app.example' };
    const preflight = await client.call('OPTIONS', `${W}/echo/x/start`, undefined, {
      ...origin,
      'access-control-request-method': 'POST',
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toBe('POST');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('idempotency-key');
    const answer = await client.get(`${W}/echo/nobody`, origin);
    expect([answer.status, answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')]).toEqual([
      404,
      'https://app.example',
      'Origin',
    ]);
    expect((await client.get(W, { origin: 'https://evil.example' })).status).toBe(403);
  });

  test("origins '*' needs auth", () => {
    expect(() => httpGateway(host, { cors: { origins: '*' } })).toThrow(/every web page/);
    expect(() => httpGateway(host, { cors: { origins: '*' }, token: 'sesame' })).not.toThrow();
  });
});

test('addresses and hosts of loopback', () => {
  for (const yes of ['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', 'localhost'])
    expect([yes, isLoopbackAddress(yes)]).toEqual([yes, true]);
  for (const no of ['0.0.0.0', '::', '10.0.0.1', 'example.com', '', '128.0.0.1', '127.1'])
    expect([no, isLoopbackAddress(no)]).toEqual([no, false]);
  for (const no of ['localhost:99999', '127.0.0.1#', 'a b', '[::1', 'localhost\u0000'])
    expect([no, isLoopbackHost(no)]).toEqual([no, false]);
});

test('traceparent goes into the workflow, on to its activities, and out again; what is none is ignored', async () => {
  const client = new Caller(host);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const started = await client.post(`${W}/traced/tr/start`, undefined, { traceparent });
  expect(started.headers.get('traceparent')).toBe(traceparent);
  expect((await client.get(`${W}/traced/tr?wait=5s`)).json.output).toContain('0af7651916cd43dd8448eb211c80319c');
  for (const wrong of [
    'x',
    traceparent.toUpperCase(),
    `ff${traceparent.slice(2)}`,
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
  ]) {
    const answer = await client.get(W, { traceparent: wrong });
    expect([answer.status, answer.headers.get('traceparent')]).toEqual([200, null]);
  }
});

test('a bug answers 500 with an id that is in the log, and nothing else', async () => {
  const broken = {
    ...host,
    workflows: { list: () => Promise.reject(new Error('password=hunter2')), count: async () => ({}) },
  } as unknown as WorkflowHost;
  const client = new Caller(broken);
  const answer = await client.get(W);
  expect(answer.status).toBe(500);
  expect(answer.text).not.toContain('hunter2');
  expect(client.logger.errors).toHaveLength(1);
  expect(client.logger.errors[0]!.details).toMatchObject({
    errorId: answer.json.errorId,
    error: { message: 'password=hunter2' },
  });
});
