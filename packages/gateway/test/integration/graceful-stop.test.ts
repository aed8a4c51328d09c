import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { WorkflowHost } from '@troupe/workflow';
import { serveHttp } from '../../src/http.ts';
import { answerOf, startTestHost } from '../harness.ts';
import { RawSocket, statusesOf } from './raw-socket.ts';

let host: WorkflowHost;
const W = '/v1.0/workflows';
beforeAll(async () => {
  host = await startTestHost();
});
afterAll(() => host.stop());

test('long polls are answered with what is known, answers in flight are sent, then the port is closed', async () => {
  const server = await serveHttp(host, { port: 0 });
  await fetch(`${server.url}${W}/waiter/stop1/start`, { method: 'POST' });
  using waits = vi.spyOn(host.workflows, 'wait');
  const polls = Array.from({ length: 20 }, async () =>
    answerOf(await fetch(`${server.url}${W}/waiter/stop1?wait=60s`)),
  );
  await using slow = await RawSocket.open(server.port);
  slow.send(`POST ${W}/echo/stop2/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n1`);
  await expect.poll(() => waits.mock.calls.length).toBe(20);
  // What was sent before this has come.
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  const startedAt = performance.now();
  const stopped = server.stop({ graceMs: 60_000 });
  for (const { status, json, headers } of await Promise.all(polls)) {
    expect([status, json.runtimeStatus, headers.get('connection')]).toEqual([202, 'RUNNING', 'close']);
  }
  // It came before the stop: it is answered, with the truth.
  slow.send('23');
  expect(await slow.until(() => slow.closed, 3_000)).toBe(true);
  expect(statusesOf(slow.received)[0]).toBe(202);
  await stopped;
  // Long before the grace and the waits are over.
  expect(performance.now() - startedAt).toBeLessThan(30_000);
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  await server.stop();
});

test('new work on an open connection is refused with 503 while others finish', async () => {
  const server = await serveHttp(host, { port: 0 });
  await using busy = await RawSocket.open(server.port);
  busy.send(`POST ${W}/echo/stop3/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n`);
  await using open = await RawSocket.open(server.port);
  open.send('POST /v1.0/work');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const stopped = server.stop({ graceMs: 5_000 });
  open.send(`flows/echo/stop4/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`);
  expect(await open.until(() => open.closed, 3_000)).toBe(true);
  expect(statusesOf(open.received)).toEqual([503]);
  expect(open.received).toMatch(/retry-after: 1/i);
  expect(open.received).toContain('NOT_EXECUTED');
  busy.send('1');
  expect(await busy.until(() => busy.closed, 3_000)).toBe(true);
  expect(statusesOf(busy.received)).toEqual([202]);
  await stopped;
  expect(await host.workflows.get('stop4')).toBeUndefined();
});

test('what takes longer than the grace is cut, and a second stop forces', async () => {
  for (const force of [false, true]) {
    const server = await serveHttp(host, { port: 0 });
    await using stuck = await RawSocket.open(server.port);
    stuck.send(`POST ${W}/echo/stuck/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n`);
    await using idle = await RawSocket.open(server.port);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const startedAt = performance.now();
    const stopped = server.stop({ graceMs: force ? 60_000 : 300 });
    if (force) await server.stop({ graceMs: 0 });
    await stopped;
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(await stuck.until(() => stuck.closed, 1_000)).toBe(true);
    expect(await idle.until(() => idle.closed, 1_000)).toBe(true);
  }
});

test('an idle keep-alive connection does not hold the stop up', async () => {
  const server = await serveHttp(host, { port: 0, keepAliveTimeoutMs: 60_000 });
  for (let round = 0; round < 5; round++) await (await fetch(`${server.url}/healthz`)).text();
  const startedAt = performance.now();
  await server.stop({ graceMs: 60_000 });
  expect(performance.now() - startedAt).toBeLessThan(30_000);
});
