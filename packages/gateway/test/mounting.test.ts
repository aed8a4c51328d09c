// The recipes of docs/http.md, each with a workflow started, found through its Location, and steered.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { serve } from '@hono/node-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { httpGateway, toNodeHandler } from '../src/http.ts';
import { answerOf, startTestHost, type Answer } from './harness.ts';

let host: WorkflowHost;
beforeAll(async () => {
  host = await startTestHost();
});
afterAll(() => host.stop());

type Fetch = (path: string, init?: RequestInit) => Promise<Answer>;

/** Starts, follows links, steers, hits errors: through whatever is mounted, under `prefix`. */
async function provesItself(fetchPath: Fetch, prefix: string, id: string): Promise<void> {
  const started = await fetchPath(`${prefix}/v1.0/workflows/waiter/${encodeURIComponent(id)}/start?tag=a:b`, {
    method: 'POST',
    body: '{"n":1}',
    headers: { 'content-type': 'application/json' },
  });
  expect([started.status, started.json.instanceId]).toEqual([202, id]);
  const location = started.headers.get('location')!;
  expect(location).toBe(`${prefix}/v1.0/workflows/waiter/${encodeURIComponent(id)}`);
  const found = await fetchPath(location);
  expect(found.json).toMatchObject({ instanceId: id, input: { n: 1 }, tags: { a: 'b' } });
  expect(found.headers.get('location')).toBe(location);
  const page = await fetchPath(`${prefix}/v1.0/workflows?limit=1&tag=a:b`);
  const link = page.headers.get('link');
  if (link !== null) expect(link).toContain(`<${prefix}/v1.0/workflows?`);
  const raised = await fetchPath(started.json.links.raiseEvent, {
    method: 'POST',
    body: '{"eventName":"go","data":"done"}',
    headers: { 'content-type': 'application/json' },
  });
  expect(raised.status).toBe(202);
  expect(await fetchPath(`${location}?wait=5s`)).toMatchObject({ status: 200, json: { output: 'done' } });
  const missing = await fetchPath(`${prefix}/v1.0/workflows/waiter/nobody`);
  expect([missing.status, missing.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
  expect((await fetchPath(`${prefix}/v1.0/workflows/waiter/%zz`)).status).toBe(400);
  expect((await fetchPath(`${prefix}/v1.0/workflows/waiter/x/terminate`)).status).toBe(405);
  expect((await fetchPath(`${prefix}/healthz`)).status).toBe(200);
  expect((await fetchPath(`${prefix}/openapi.json`)).json.servers).toEqual([{ url: prefix === '' ? '/' : prefix }]);
  expect((await fetchPath(location, { method: 'DELETE' })).status).toBe(204);
}

const overHttp =
  (port: number): Fetch =>
  async (path, init) =>
    answerOf(await fetch(`http://127.0.0.1:${port}${path}`, init));

async function listening(server: Server): Promise<{ port: number } & AsyncDisposable> {
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}

test('in a Hono application, under a prefix, deeper, and at the root', async () => {
  for (const [index, prefix] of ['/api', '/api/flows', ''].entries()) {
    const app = new Hono();
    app.get('/mine', (c) => c.text('mine'));
    if (prefix === '/api/flows') app.route('/api', new Hono().route('/flows', httpGateway(host).app));
    else app.route(prefix === '' ? '/' : prefix, httpGateway(host).app);
    app.get('/later', (c) => c.text('later'));
    const request: Fetch = async (path, init) =>
      answerOf(await app.fetch(new Request(`http://localhost${path}`, init)));
    await provesItself(request, prefix, `hono/${index} ü`);
    for (const own of ['/mine', '/later']) expect((await request(own)).text).toBe(own.slice(1));
    expect((await request('/other')).text).toBe('404 Not Found');
    await using server = await listening(
      serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects: false }) as Server,
    );
    await provesItself(overHttp(server.port), prefix, `hono-node/${index} ü`);
  }
});

test('in Express, under a prefix and at the root, before body parsers and behind them', async () => {
  const app = express();
  app.use('/api', toNodeHandler(httpGateway(host)));
  app.use('/nested', express.Router().use('/deep', toNodeHandler(httpGateway(host))));
  app.use(express.json());
  app.get('/mine', (_request, response) => void response.send('mine'));
  app.use('/parsed', toNodeHandler(httpGateway(host)));
  app.use(toNodeHandler(httpGateway(host)));
  await using server = await listening(createServer(app));
  const request = overHttp(server.port);
  await provesItself(request, '/api', 'express/1 ü');
  await provesItself(request, '/nested/deep', 'express/2 ü');
  await provesItself(request, '/parsed', 'express/3 ü');
  await provesItself(request, '', 'express/4 ü');
  expect((await request('/mine')).text).toBe('mine');
  const bare = await request('/parsed/v1.0/workflows/echo/bare/start', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  expect(bare.status).toBe(202);
  expect((await request('/parsed/v1.0/workflows/echo/bare?wait=5s')).json.output).toEqual({ none: true });
});

test('in Fastify, under a prefix', async () => {
  const app = fastify();
  const handler = toNodeHandler(httpGateway(host, { basePath: '/api' }));
  app.register(async (scope) => {
    // The gateway reads bodies itself.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.all('/api/*', (request, reply) => {
      reply.hijack();
      handler(request.raw, reply.raw);
    });
  });
  app.get('/mine', () => 'mine');
  await app.listen({ port: 0, host: '127.0.0.1' });
  const request = overHttp((app.server.address() as AddressInfo).port);
  await provesItself(request, '/api', 'fastify/1 ü');
  expect((await request('/mine')).text).toBe('mine');
  await app.close();
});

test('as a handler of node:http, with and without a prefix', async () => {
  for (const prefix of ['', '/flows/v2']) {
    await using server = await listening(createServer(toNodeHandler(httpGateway(host, { basePath: prefix }))));
    await provesItself(overHttp(server.port), prefix, `node${prefix} ü`);
    expect((await overHttp(server.port)('/nothing')).status).toBe(404);
    if (prefix !== '') expect((await overHttp(server.port)('/v1.0/workflows')).status).toBe(404);
  }
});

test('as a catch-all route of Next: functions named by methods', async () => {
  const gateway = httpGateway(host, { basePath: '/api' });
  const route = (request: Request): Promise<Response> => gateway.fetch(request);
  // In app/api/[...path]/route.ts these are exports.
  const handlers: Record<string, (request: Request) => Promise<Response>> = { GET: route, POST: route, DELETE: route };
  await provesItself(
    async (path, init) =>
      answerOf(await handlers[init?.method ?? 'GET']!(new Request(`http://localhost:3000${path}`, init))),
    '/api',
    'next/1 ü',
  );
});

test('a basePath that is none is refused', () => {
  for (const wrong of ['api', '/api/', '/', '/a//b', '/a?b', '/:id', '/*'])
    expect(() => httpGateway(host, { basePath: wrong })).toThrow(TypeError);
});
