// The client over HTTP against a real server; the first part runs against the client in the process too: they are alike.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  AlreadyExistsError,
  connect,
  GatewayError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  LimitError,
  NotExecutedError,
  NotRegisteredError,
  OutcomeUnknownError,
  PayloadError,
  ResultTimeoutError,
  ValidationError,
  WorkflowFailedError,
  WorkflowTerminatedError,
  type WorkflowClient,
} from '@troupe/workflow/client';
import type { WorkflowHost } from '@troupe/workflow';
import { serveHttp, type HttpServer } from '../../src/http.ts';
import { echo, failing, order, startTestHost, waiter } from '../harness.ts';

let host: WorkflowHost;
let server: HttpServer;
beforeAll(async () => {
  host = await startTestHost();
  server = await serveHttp(host, { port: 0, token: 'sesame', failedStatusCode: 500 });
});
afterAll(async () => {
  await server.stop();
  await host.stop();
});

describe.each(['in the process', 'over HTTP'])('%s', (where) => {
  let client: WorkflowClient;
  const at = (name: string): string => `${where.replaceAll(' ', '-')}/${name}`;
  const until = (id: string, status: string) =>
    expect.poll(async () => (await client.get(id))?.runtimeStatus).toBe(status);
  beforeAll(() => {
    client = where === 'in the process' ? host.workflows : connect({ url: `${server.url}/`, token: 'sesame' });
  });

  test('starts, waits, reads and purges', async () => {
    const instance = await client.start(echo, {
      instanceId: at('a'),
      input: { n: [1, null, 'ü'] },
      tags: { team: 'red', url: 'http://x' },
    });
    expect([instance.instanceId, instance.outcome]).toEqual([at('a'), 'started']);
    expect(await instance.result()).toEqual({ got: { n: [1, null, 'ü'] } });
    const found = await instance.get();
    expect(found).toMatchObject({
      instanceId: at('a'),
      workflowName: 'echo',
      version: '1',
      runtimeStatus: 'completed',
      input: { n: [1, null, 'ü'] },
      tags: { team: 'red', url: 'http://x' },
    });
    for (const name of ['createdAt', 'startedAt', 'lastUpdatedAt', 'completedAt'] as const)
      expect(found![name]).toBeInstanceOf(Date);
    expect(found).not.toHaveProperty('failure');
    await instance.purge();
    expect(await instance.get()).toBeUndefined();
    expect(await client.wait(at('a'), { timeoutMs: 5_000 })).toBeUndefined();
  });

  test('no input is no input, null is null', async () => {
    expect(await (await client.start(echo)).result()).toEqual({ none: true });
    expect(await (await client.start(echo, { input: null })).result()).toEqual({ got: null });
  });

  test('raises events, suspends, resumes, terminates', async () => {
    const instance = await client.start(waiter, { instanceId: at('b') });
    await until(at('b'), 'running');
    expect((await instance.get())!.customStatus).toEqual({ waiting: 'go' });
    await instance.suspend();
    expect((await instance.get())!.runtimeStatus).toBe('suspended');
    await instance.resume();
    for (const name of ['..', 'a/b', 'näme', 'other']) await client.raiseEvent(at('b'), name, 1);
    const waiting = instance.result({ timeoutMs: 10_000 });
    await instance.raiseEvent('go', { by: 'ada' });
    expect(await waiting).toEqual({ by: 'ada' });
    const raised = (await instance.history()).events.filter((entry) => entry.type === 'EventRaised');
    expect(raised.map((entry) => entry.details['name'])).toEqual(['..', 'a/b', 'näme', 'other', 'go']);
    const other = await client.start('waiter', { instanceId: at('c') });
    await other.terminate({ output: 'over' });
    await expect(other.result()).rejects.toMatchObject({ name: 'WorkflowTerminatedError', output: 'over' });
    expect((await other.get())!.output).toBe('over');
  });

  test('errors are of the same classes with the same fields', async () => {
    await client.start(waiter, { instanceId: at('d') });
    await until(at('d'), 'running');
    const thrown = async (call: Promise<unknown>): Promise<Error> =>
      call.then(
        () => new Error('nothing was thrown'),
        (error: unknown) => error as Error,
      );
    const exists = await thrown(client.start(echo, { instanceId: at('d') }));
    expect(exists).toBeInstanceOf(AlreadyExistsError);
    expect(exists).toMatchObject({
      code: 'already_exists',
      instanceId: at('d'),
      workflowName: 'waiter',
      status: 'running',
    });
    const missing = await thrown(client.suspend(at('nobody')));
    expect(missing).toBeInstanceOf(InstanceNotFoundError);
    expect(missing).toMatchObject({ instanceId: at('nobody') });
    expect(await thrown(client.purge(at('d')))).toBeInstanceOf(InstanceNotEndedError);
    expect(await thrown(client.suspend(at('d'), { workflowName: 'echo' }))).toBeInstanceOf(InstanceNotFoundError);
    expect(await client.get(at('d'), { workflowName: 'echo' })).toBeUndefined();
    expect(await client.get(at('d'), { workflowName: '-' })).toBeUndefined();
    expect(await client.get(at('d'), { workflowName: 'dapr' })).toBeUndefined();
    await client.terminate(at('d'));
    const ended = await thrown(client.raiseEvent(at('d'), 'go'));
    expect(ended).toBeInstanceOf(InstanceEndedError);
    expect(ended).toMatchObject({ status: 'terminated' });
    const unknown = await thrown(client.start('Echoo'));
    expect(unknown).toBeInstanceOf(NotRegisteredError);
    expect((unknown as NotRegisteredError).nearest[0]).toBe('echo');
    expect(unknown.message).toContain('"Echoo"');
    const invalid = await thrown(client.start(order, { input: {} as never }));
    expect(invalid).toBeInstanceOf(ValidationError);
    expect((invalid as ValidationError).issues).toEqual([
      { pointer: '/amount', message: 'is a number' },
      { pointer: '/a~1b~0c', message: 'is missing' },
    ]);
    expect(await thrown(client.start(echo, { instanceId: 'a\u0000b' }))).toBeInstanceOf(InstanceIdError);
    expect(await thrown(client.start(echo, { input: new Map() }))).toBeInstanceOf(PayloadError);
    expect(await thrown(client.result(at('nobody')))).toBeInstanceOf(InstanceNotFoundError);
    expect(await thrown(client.history(at('nobody')))).toBeInstanceOf(InstanceNotFoundError);
    const failed = await client.start(failing, { instanceId: at('e'), input: 'broken' });
    const failure = await thrown(failed.result());
    expect(failure).toBeInstanceOf(WorkflowFailedError);
    expect((failure as WorkflowFailedError).failure).toMatchObject({ type: 'RangeError', message: 'broken' });
    const endless = await client.start(waiter, { instanceId: at('f') });
    expect(await thrown(endless.result({ timeoutMs: 100 }))).toBeInstanceOf(ResultTimeoutError);
    expect(await thrown(client.result(at('d')))).toBeInstanceOf(WorkflowTerminatedError);
    const aborted = new AbortController();
    setTimeout(() => aborted.abort(), 50);
    expect(await endless.wait({ signal: aborted.signal })).toMatchObject({ runtimeStatus: 'running' });
  });

  test('ifExists, startAt, versions and keys', async () => {
    await client.start(waiter, { instanceId: at('g'), input: 1 });
    expect((await client.start(waiter, { instanceId: at('g'), ifExists: 'attach' })).outcome).toBe('attached');
    expect(
      (await client.start(waiter, { instanceId: at('g'), ifExists: 'terminate-and-restart', input: 2 })).outcome,
    ).toBe('started');
    expect((await client.get(at('g')))!.input).toBe(2);
    const startAt = new Date(Date.now() + 3_600_000);
    await client.start(echo, { instanceId: at('h'), startAt });
    expect((await client.get(at('h')))!.startAt).toEqual(startAt);
    await expect(client.start(echo, { version: '7' })).rejects.toBeInstanceOf(NotRegisteredError);
    await client.start('nobody-has-it', { instanceId: at('i'), allowUnregistered: true });
    expect((await client.get(at('i')))!.runtimeStatus).toBe('pending');
    const keyed = (input: unknown) =>
      client.start(echo, { instanceId: at('j'), idempotencyKey: 'k', payloadHash: JSON.stringify(input), input });
    expect((await keyed(1)).outcome).toBe('started');
    expect((await keyed(1)).outcome).toBe('duplicate');
    await expect(keyed(2)).rejects.toBeInstanceOf(IdempotencyMismatchError);
  });

  test('lists, counts and pages through histories', async () => {
    for (let n = 1; n <= 3; n++) {
      await client.start(n === 2 ? waiter : echo, { instanceId: at(`list-${n}`), tags: { group: where } });
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    for (const n of [1, 3]) await client.result(at(`list-${n}`));
    await until(at('list-2'), 'running');
    const tags = { group: where };
    expect(await client.count({ tags })).toEqual({ completed: 2, running: 1 });
    const first = await client.list({ tags, limit: 2 });
    expect(first.instances.map((row) => row.instanceId)).toEqual([at('list-3'), at('list-2')]);
    expect(first.instances[0]).toMatchObject({
      workflowName: 'echo',
      runtimeStatus: 'completed',
      completedAt: expect.any(Date),
      tags,
    });
    const second = await client.list({ tags, limit: 2, cursor: first.cursor });
    expect([second.instances.map((row) => row.instanceId), second.cursor]).toEqual([[at('list-1')], undefined]);
    expect(
      (
        await client.list({
          tags,
          status: ['running', 'failed'],
          workflowName: 'waiter',
          idPrefix: at('list'),
          createdBefore: new Date(Date.now() + 1000),
        })
      ).instances,
    ).toHaveLength(1);
    const page = await client.history(at('list-1'), { limit: 1 });
    expect(page).toMatchObject({ events: [{ number: 1, type: 'WorkflowStarted', at: expect.any(Date) }], next: 2 });
    expect((await client.history(at('list-1'), { from: page.next })).events[0]!.number).toBe(2);
  });
});

describe('only over HTTP', () => {
  const client = (): WorkflowClient => connect({ url: server.url, token: 'sesame' });

  test('what JSON cannot hold is refused where it is given', async () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    for (const input of [
      1n,
      Number.NaN,
      new Date(),
      new Uint8Array(1),
      [undefined],
      { a: { b: () => 1 } },
      Symbol('x'),
      '\ud800',
      cyclic,
      new URL('http://x'),
    ]) {
      await expect(client().start(echo, { input })).rejects.toBeInstanceOf(PayloadError);
    }
    await expect(client().start(echo, { input: { a: [1, { when: new Date() }] } })).rejects.toThrow(/\.a\[1\]\.when/);
    await expect(client().start(echo, { input: 'x'.repeat(2 ** 20) })).rejects.toBeInstanceOf(LimitError);
  });

  test('ids and names of dots, and tags with colons, cannot be sent', async () => {
    for (const id of ['.', '..'])
      await expect(client().start(echo, { instanceId: id })).rejects.toBeInstanceOf(InstanceIdError);
    for (const name of ['.', '..', 'dapr'])
      await expect(client().start(name)).rejects.toBeInstanceOf(NotRegisteredError);
    await expect(client().start(echo, { tags: { 'a:b': 'c' } })).rejects.toThrow(TypeError);
    await expect(client().start(echo, { idempotencyKey: 'k', keyKeptMs: 5 })).rejects.toThrow(TypeError);
    for (const url of ['localhost:3500', 'ftp://x', '']) expect(() => connect({ url })).toThrow(TypeError);
  });

  test('a wrong token is a GatewayError', async () => {
    const refused = connect({ url: server.url, token: 'wrong' }).list();
    await expect(refused).rejects.toBeInstanceOf(GatewayError);
    await expect(refused).rejects.toMatchObject({
      status: 401,
      errorCode: 'UNAUTHENTICATED',
      hint: expect.stringContaining('Bearer'),
    });
  });

  test('a result is awaited over a restart of the server', async () => {
    const first = await serveHttp(host, { port: 0 });
    const { port } = first;
    const remote = connect({ url: first.url });
    const instance = await remote.start(waiter);
    const result = instance.result();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await first.stop();
    await new Promise((resolve) => setTimeout(resolve, 200));
    await using _second = await serveHttp(host, { port });
    await host.workflows.raiseEvent(instance.instanceId, 'go', 'at last');
    expect(await result).toBe('at last');
  });
});

describe('retries', () => {
  /** A server that follows a script: `hangup` after the request came, or a status with a body. */
  async function scripted(
    script: (number | string)[],
  ): Promise<{ client: WorkflowClient; asked: string[]; bodies: string[] } & AsyncDisposable> {
    const asked: string[] = [];
    const bodies: string[] = [];
    const listener = createServer((request: IncomingMessage, response: ServerResponse) => {
      asked.push(`${request.method} ${request.url}`);
      let body = '';
      request
        .on('data', (chunk) => (body += chunk))
        .on('end', () => {
          bodies.push(body);
          const step = script.shift() ?? 500;
          if (step === 'hangup') request.socket.destroy();
          else if (typeof step === 'string') {
            response
              .writeHead(step === '{}' ? 202 : JSON.parse(step).status, { 'content-type': 'application/json' })
              .end(step);
          } else response.writeHead(step).end('<html>');
        });
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const dispose = async (): Promise<void> => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    };
    return {
      client: connect({ url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}` }),
      asked,
      bodies,
      [Symbol.asyncDispose]: dispose,
    };
  }
  const notExecuted = JSON.stringify({ status: 503, errorCode: 'NOT_EXECUTED', message: 'm' });
  const unknown = JSON.stringify({ status: 504, errorCode: 'OUTCOME_UNKNOWN', message: 'm' });
  const exists = JSON.stringify({ status: 409, errorCode: 'ALREADY_EXISTS', message: 'm', runtimeStatus: 'RUNNING' });

  test('what was not executed is tried again, whatever it is', async () => {
    await using peer = await scripted([notExecuted, notExecuted, '{}']);
    await peer.client.raiseEvent('a', 'go', { n: 1 });
    expect(peer.asked).toHaveLength(3);
    expect(new Set(peer.bodies)).toEqual(new Set(['{"n":1}']));
  });

  test.each([
    ['hangup', 'hangup'],
    ['504', unknown],
    ['a proxy', 502],
  ] as const)('what may have been executed is not tried again: %s', async (_name, step) => {
    await using peer = await scripted([step, '{}']);
    await expect(peer.client.raiseEvent('a', 'go')).rejects.toBeInstanceOf(OutcomeUnknownError);
    await expect(Promise.resolve(peer.asked)).resolves.toHaveLength(1);
    await using purging = await scripted([step, '{}']);
    await expect(purging.client.purge('a')).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(purging.asked).toHaveLength(1);
  });

  test('with an idempotency key it is', async () => {
    await using peer = await scripted(['hangup', unknown, 502, '{}']);
    await peer.client.raiseEvent('a', 'go', 1, { idempotencyKey: 'k' });
    expect(peer.asked).toHaveLength(4);
  });

  test('a start without an id is: the id is made up once, and finding it taken is success', async () => {
    await using peer = await scripted(['hangup', exists]);
    const instance = await peer.client.start('echo');
    expect(new Set(peer.asked).size).toBe(1);
    expect([peer.asked[0], instance.outcome]).toEqual([
      `POST /v1.0/workflows/echo/${instance.instanceId}/start`,
      'started',
    ]);
    await using named = await scripted([exists]);
    await expect(named.client.start('echo', { instanceId: 'mine' })).rejects.toBeInstanceOf(AlreadyExistsError);
  });

  test('an attempt that may have been executed is not forgotten', async () => {
    await using peer = await scripted(['hangup', notExecuted, notExecuted, notExecuted, notExecuted]);
    await expect(peer.client.terminate('a', { idempotencyKey: 'k' })).rejects.toBeInstanceOf(OutcomeUnknownError);
  });

  test('nobody listening is not executed', async () => {
    const peer = await scripted([]);
    await peer[Symbol.asyncDispose]();
    await expect(peer.client.terminate('a')).rejects.toBeInstanceOf(NotExecutedError);
  });

  test('a server that is no gateway is a GatewayError', async () => {
    for (const status of [200, 404, 302]) {
      await using peer = await scripted([status]);
      await expect(peer.client.list()).rejects.toBeInstanceOf(GatewayError);
    }
  });
});
