// A listening server: what the wire can do to it.

import { Agent, request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { serveHttp, type HttpServer } from '../../src/http.ts';
import { answerOf, startTestHost, TestLogger, type Answer } from '../harness.ts';
import { RawSocket, statusesOf } from './raw-socket.ts';

let host: WorkflowHost;
let server: HttpServer;
const logger = new TestLogger();
const W = '/v1.0/workflows';
const call = async (path: string, init?: RequestInit): Promise<Answer> =>
  answerOf(await fetch(`${server.url}${path}`, init));
const post = (path: string, body?: unknown): Promise<Answer> =>
  call(path, { method: 'POST', ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
const raw = (text: string): Promise<string> => RawSocket.exchange(server.port, text);
const get = (target: string, headers = 'Host: localhost\r\n'): string =>
  `GET ${target} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`;

beforeAll(async () => {
  host = await startTestHost();
  server = await serveHttp(host, { port: 0, logger, headersTimeoutMs: 600, bodyTimeoutMs: 400, bodyBytesMax: 50_000 });
});
afterAll(async () => {
  await server.stop();
  await host.stop();
  expect(logger.errors).toEqual([]);
});

test('50 concurrent starts of one id are one 202 and 49 times 409', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => post(`${W}/waiter/race/start`, n)));
  const statuses = answers.map(({ status }) => status).sort((a, b) => a - b);
  expect(statuses).toEqual([202, ...Array.from({ length: 49 }, () => 409)]);
  const winner = answers.findIndex(({ status }) => status === 202);
  expect((await call(`${W}/waiter/race`)).json.input).toBe(winner);
});

test('connections are kept alive and answer one request after another, also after errors and unread bodies', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  const ask = (method: string, path: string, body: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(`${server.url}${path}`, { agent, method }, (response) => {
        ports.add(response.socket.localPort);
        response.resume().on('end', () => resolve(response.statusCode!));
      });
      request.on('error', reject).end(body);
    });
  const statuses: number[] = [];
  for (const [method, path, body] of [
    ['POST', `${W}/echo/ka1/start`, '1'],
    ['GET', `${W}/echo/ka1?wait=5s`, ''],
    ['POST', `${W}/echo/ka1/start`, '{'],
    ['DELETE', `${W}/echo/ka1`, ''],
    ['GET', `${W}/echo/ka1`, ''],
  ] as const)
    statuses.push(await ask(method, path, body));
  expect(statuses).toEqual([202, 200, 400, 204, 404]);
  expect(ports.size).toBe(1);
  agent.destroy();
});

describe('paths as they stand in the request line', () => {
  test.each(['..', '.', '%2e%2e', '.%2E', '%2e'])('the segment %j is refused wherever it stands', async (dots) => {
    await post(`${W}/waiter/victim/start`);
    for (const target of [
      `${W}/waiter/victim/${dots}`,
      `${W}/waiter/${dots}/victim`,
      `${W}/${dots}/workflows/waiter/victim`,
      `/${dots}/healthz`,
    ]) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const answer = await raw(
          `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
        );
        expect([method, target, ...statusesOf(answer)]).toEqual([method, target, 400]);
        expect(answer).toContain('PATH_INVALID');
      }
    }
    expect((await call(`${W}/waiter/victim`)).status).toBe(202);
  });

  test('an id of dots and a slash, encoded, is an id', async () => {
    const answer = await raw(
      `POST ${W}/waiter/..%2Fvictim2/start HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(statusesOf(answer)).toEqual([202]);
    expect(answer).toContain('"instanceId":"../victim2"');
  });

  test.each([`${W}/waiter/a\\b`, `${W}/waiter/a#b`, `${W}/waiter/\xe9`, `${W}/waiter/%`, `${W}/waiter/%00`, `*`, `x`])(
    '%j is 400',
    async (target) => {
      expect(statusesOf(await raw(get(target)))).toEqual([400]);
    },
  );

  test('a query of dots is no path', async () => {
    expect(statusesOf(await raw(get(`${W}?idPrefix=/../..`)))).toEqual([200]);
  });
});

describe('Host and Origin', () => {
  test.each([
    ['a rebound name', get(W, 'Host: evil.example\r\n'), 403],
    ['a foreign page', get(W, 'Host: localhost\r\nOrigin: https://evil.example\r\n'), 403],
    ['a sandboxed page', get(W, 'Host: localhost\r\nOrigin: null\r\n'), 403],
    ['an absolute target of another host', get(`http://evil.example${W}`), 403],
    ['an absolute target of this host, with another Host', get(`http://localhost${W}`, 'Host: evil.example\r\n'), 403],
    ['an absolute target of this host', get(`http://localhost${W}`), 200],
    ['no Host', get(W, ''), 400],
    ['an empty Host', get(W, 'Host:\r\n'), 403],
    ['two Hosts', get(W, 'Host: evil.example\r\nHost: localhost\r\n'), 403],
    ['HTTP/1.0 without Host', `GET ${W} HTTP/1.0\r\n\r\n`, 403],
  ])('%s', async (_name, text, status) => {
    expect(statusesOf(await raw(text))).toEqual([status]);
  });
});

describe('framing', () => {
  const start = (id: string, headers: string, body: string): string =>
    `POST ${W}/echo/${id}/start HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n${body}`;
  test.each([
    [
      'chunked bodies are read',
      start('fr1', 'Transfer-Encoding: chunked\r\n', '1\r\n[\r\n2\r\n1]\r\n0\r\n\r\n'),
      [202],
    ],
    ['a chunked body that is none is refused', start('fr2', 'Transfer-Encoding: chunked\r\n', 'zz\r\n[\r\n'), [400]],
    ['two lengths are refused', start('fr3', 'Content-Length: 1\r\nContent-Length: 2\r\n', '11'), [400]],
    [
      'a length and chunks are refused',
      start('fr4', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '1\r\n1\r\n0\r\n\r\n'),
      [400],
    ],
    ['a length that is no number is refused', start('fr5', 'Content-Length: -1\r\n', '1'), [400]],
    ['an unknown transfer coding is refused', start('fr6', 'Transfer-Encoding: chunked, rot13\r\n', '1'), [400]],
    ['a header with a line feed in its name is refused', start('fr7', 'X\nY: 1\r\n', ''), [400]],
    ['a header without a colon is refused', start('fr8', 'garbage\r\n', ''), [400]],
    ['headers that are too large are refused', start('fr9', `X: ${'y'.repeat(20_000)}\r\n`, ''), [431]],
    ['a body that is announced too large is refused unread', start('fr10', 'Content-Length: 50001\r\n', ''), [413]],
    ['what is not HTTP is refused', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
    ['an unknown method is refused', `BREW ${W} HTTP/1.1\r\nHost: localhost\r\n\r\n`, [400]],
    ['TRACE is refused', `TRACE ${W} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, [405]],
    [
      'an upgrade is ignored',
      `GET ${W} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      [200],
    ],
  ])('%s', async (_name, text, statuses) => {
    const answer = await raw(text);
    expect(statusesOf(answer)).toEqual(statuses);
    if (statuses[0]! >= 400) expect(answer).toContain('application/problem+json');
  });

  test('what was smuggled behind a refused body is not answered', async () => {
    const answer = await raw(
      start('fr11', 'Content-Length: 50001\r\n', `GET ${W} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    );
    expect(statusesOf(answer)).toEqual([413]);
  });

  test('pipelined requests are answered in order', async () => {
    const answer = await raw(
      `GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET ${W}/echo/none HTTP/1.1\r\nHost: localhost\r\n\r\n${get('/readyz')}`,
    );
    expect(statusesOf(answer)).toEqual([200, 404, 200]);
  });

  test('an endless body is cut off', async () => {
    await using socket = await RawSocket.open(server.port);
    socket.send(`POST ${W}/echo/endless/start HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
    let sent = 0;
    const flood = setInterval(() => {
      if (!socket.closed) sent++;
      socket.send(chunk);
    }, 5);
    expect(await socket.until(() => socket.closed, 4_000)).toBe(true);
    clearInterval(flood);
    expect(statusesOf(socket.received)).toEqual([413]);
    expect(sent).toBeGreaterThan(3);
  });
});

describe('slow clients', () => {
  test('headers that do not end are cut off', async () => {
    await using socket = await RawSocket.open(server.port);
    socket.send(`GET ${W} HTTP/1.1\r\nHost: localhost\r\n`);
    const drip = setInterval(() => socket.send('X-A: b\r\n'), 100);
    expect(await socket.until(() => socket.closed, 5_000)).toBe(true);
    clearInterval(drip);
    expect(statusesOf(socket.received)).toEqual([408]);
  });

  test('bodies that do not end are cut off, and nothing was started', async () => {
    await using socket = await RawSocket.open(server.port);
    socket.send(`POST ${W}/echo/slow/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n`);
    const drip = setInterval(() => socket.send(' '), 50);
    expect(await socket.until(() => socket.closed, 5_000)).toBe(true);
    clearInterval(drip);
    expect(statusesOf(socket.received)).toEqual([408]);
    expect((await call(`${W}/echo/slow`)).status).toBe(404);
  });

  test('a client that hangs up in the middle of its body starts nothing', async () => {
    {
      await using socket = await RawSocket.open(server.port);
      socket.send(`POST ${W}/echo/gone/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n123`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await call(`${W}/echo/gone`)).status).toBe(404);
  });

  test('200 silent connections do not keep others out', async () => {
    const silent = await Promise.all(Array.from({ length: 200 }, () => RawSocket.open(server.port)));
    expect((await call('/healthz')).status).toBe(200);
    for (const socket of silent) await socket[Symbol.asyncDispose]();
  });

  test('a long poll ends when its client goes away', async () => {
    await post(`${W}/waiter/abandoned/start`);
    {
      await using socket = await RawSocket.open(server.port);
      socket.send(get(`${W}/waiter/abandoned?wait=60s`));
      await expect.poll(async () => inFlight()).toBe(2);
    }
    await expect.poll(async () => inFlight()).toBe(1);
  });

  async function inFlight(): Promise<number> {
    return Number(/^troupe_http_requests_in_flight (\d+)$/m.exec((await call('/metrics')).text)![1]);
  }
});

describe('where it may listen', () => {
  test.each(['0.0.0.0', '::', '10.1.2.3', 'example.com'])('%s without auth is refused at start', async (hostname) => {
    await expect(serveHttp(host, { port: 0, hostname })).rejects.toThrow(/without auth/);
    await expect(serveHttp(host, { port: 0, hostname, trustHost: true })).rejects.toThrow(TypeError);
  });

  test('with a token any address may be bound, and the token is asked for', async () => {
    await using guarded = await serveHttp(host, { port: 0, hostname: '0.0.0.0', token: 'sesame' });
    const url = `http://127.0.0.1:${guarded.port}${W}`;
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: { authorization: 'Bearer sesame' } })).status).toBe(200);
  });

  test('a port that is taken is an error', async () => {
    await expect(serveHttp(host, { port: server.port })).rejects.toThrow(/EADDRINUSE/);
  });
});
