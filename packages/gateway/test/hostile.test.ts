// Whatever comes, the answer is never a 500, never names another instance, and says what is wrong.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryStore } from '@troupe/actors';
import type { WorkflowHost } from '@troupe/workflow';
import { Caller, startTestHost } from './harness.ts';

let host: WorkflowHost;
let client: Caller;
const W = '/v1.0/workflows';

beforeAll(async () => {
  host = await startTestHost();
  client = new Caller(host);
});
afterAll(() => host.stop());

describe('ids in paths', () => {
  const ids = [
    'a/b',
    '../up',
    '..\\up',
    '/',
    '//',
    '...',
    '😀',
    'ü',
    'é\u0301',
    ' ',
    'a b',
    '%',
    '%2F',
    '%00',
    '%25',
    'a?b',
    'a#b',
    'a&b=c',
    ';',
    ':',
    '@',
    '|',
    '"',
    "'",
    '<script>',
    '__proto__',
    'constructor',
    'toString',
    'start',
    'history',
    'raiseEvent',
    'dapr',
    'workflows',
    '-',
    '*',
    '{id}',
    'null',
    '0',
    '1e9',
    'C:\\x',
    '\u202e',
    '\ufeff',
    '\u00a0',
    'x'.repeat(256),
    'ü'.repeat(128),
  ];
  test.each(ids)('%j is started, found, steered, listed and purged by its own name', async (id) => {
    const path = `${W}/waiter/${encodeURIComponent(id)}`;
    const started = await client.post(`${path}/start`, { id });
    expect(started.status).toBe(202);
    expect(started.json.instanceId).toBe(id);
    expect(started.headers.get('location')).toBe(path);
    const found = await client.get(started.headers.get('location')!);
    expect(found.json).toMatchObject({ instanceId: id, input: { id } });
    expect((await client.get(`${W}/dapr/${encodeURIComponent(id)}`)).json.instanceID).toBe(id);
    expect((await client.get(`${W}?idPrefix=${encodeURIComponent(id)}`)).json.instances).toMatchObject([
      { instanceId: id },
    ]);
    expect((await client.get(`${path}/history`)).json.events[0].type).toBe('WorkflowStarted');
    expect((await client.post(`${path}/raiseEvent/${encodeURIComponent('näme/1')}`, 1)).status).toBe(202);
    expect((await client.post(`${path}/suspend`)).status).toBe(202);
    expect((await client.post(`${path}/terminate`)).status).toBe(202);
    expect((await client.call('DELETE', path)).status).toBe(204);
  });

  test.each(['%', '%2', '%zz', '%ff', '%c0%af', '%ed%a0%80', 'a%'])('the encoding %j is 400', async (segment) => {
    for (const path of [`${W}/waiter/${segment}`, `${W}/${segment}/x`, `${W}/dapr/${segment}`]) {
      expect((await client.get(path)).json).toMatchObject({ status: 400, errorCode: 'PATH_INVALID' });
    }
    expect((await client.post(`${W}/waiter/x/raiseEvent/${segment}`)).status).toBe(400);
    expect((await client.get(`${W}?idPrefix=${segment}`)).status).toBe(400);
  });

  test.each(['%00', 'a%0Ab', '%1f', '%7f', 'a%0d%0aSet-Cookie:x'])(
    'the control character in %j is 400',
    async (segment) => {
      expect((await client.get(`${W}/waiter/${segment}`)).status).toBe(400);
      expect((await client.post(`${W}/waiter/${segment}/start`)).status).toBe(400);
      expect((await client.post(`${W}/waiter/x/raiseEvent/${segment}`)).status).toBe(400);
      expect(
        (
          await client.post(`${W}/waiter/start`, 1, {
            'idempotency-key': decodeURIComponent(segment).replace(/[\r\n\0]/g, '\u0001'),
          })
        ).status,
      ).toBe(400);
    },
  );

  test('ids that are too long are 400', async () => {
    for (const id of ['x'.repeat(257), 'ü'.repeat(129), '😀'.repeat(65)]) {
      expect((await client.post(`${W}/waiter/${encodeURIComponent(id)}/start`)).json).toMatchObject({
        status: 400,
        errorCode: 'INSTANCE_ID_INVALID',
      });
      expect((await client.get(`${W}/waiter/${encodeURIComponent(id)}`)).status).toBe(400);
    }
    expect((await client.post(`${W}/${'x'.repeat(257)}/start`)).json).toMatchObject({
      status: 400,
      errorCode: 'NAME_INVALID',
    });
    expect((await client.post(`${W}/waiter/x/raiseEvent/${'x'.repeat(257)}`)).json).toMatchObject({
      status: 400,
      errorCode: 'NAME_INVALID',
    });
  });
});

describe('bodies', () => {
  test.each([
    ['{"a":}', 5, 1, 6],
    ['{\n  "a": 1,\n  b: 2\n}', 14, 3, 3],
    ['[1, 2', 5, 1, 6],
    ['{"a" 1}', 5, 1, 6],
    ['tru', 3, 1, 4],
    ['nul!', 3, 1, 4],
    ['01', 1, 1, 2],
    ['-', 1, 1, 2],
    ['1.', 2, 1, 3],
    ['1e+', 3, 1, 4],
    ['"a\nb"', 2, 1, 3],
    ['"\\x"', 2, 1, 3],
    ['"\\u12G4"', 5, 1, 6],
    ['"open', 5, 1, 6],
    ['[1,]', 3, 1, 4],
    ['{"a":1,}', 7, 1, 8],
    ['{} {}', 3, 1, 4],
    [']', 0, 1, 1],
    ["{'a':1}", 1, 1, 2],
    ['name=value', 1, 1, 2],
    ['NaN', 0, 1, 1],
    ['//x', 0, 1, 1],
  ])('%j is 400 with its position', async (body, offset, line, column) => {
    const answer = await client.call('POST', `${W}/echo/start`, body);
    expect(answer.json).toMatchObject({ status: 400, errorCode: 'JSON_INVALID', position: { offset, line, column } });
  });

  test('a megabyte of brackets is 400, quickly', async () => {
    for (const body of [
      '['.repeat(1_000_000),
      '['.repeat(400_000) + ']'.repeat(400_000),
      '{"a":'.repeat(150_000) + '1' + '}'.repeat(150_000),
    ]) {
      const before = process.cpuUsage();
      for (const path of [`${W}/order/start`, `${W}/dapr/echo/start`]) {
        const answer = await client.call('POST', path, body);
        expect([202, 400]).toContain(answer.status);
      }
      // Of a processor: some 300 ms. What grows with the square of the depth would take minutes.
      expect(process.cpuUsage(before).user).toBeLessThan(5_000_000);
    }
  });

  test.each([
    '{"__proto__":{"x":1}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '"\\ud800"',
    '{"\\udc00":1}',
    '1e999',
    '"\\u0000"',
    '[null,[null]]',
    '\ufeff1',
  ])('%s is taken or refused, but no bug', async (body) => {
    for (const path of [`${W}/echo/start`, `${W}/dapr/echo/start`, `${W}/order/start`]) {
      const answer = await client.call('POST', path, body);
      expect([202, 400]).toContain(answer.status);
    }
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test('bytes that are no UTF-8 are 400, compressed bodies 415', async () => {
    expect((await client.call('POST', `${W}/echo/start`, new Uint8Array([0x22, 0xff, 0x22]))).json).toMatchObject({
      status: 400,
      errorCode: 'BODY_INVALID',
    });
    expect((await client.call('POST', `${W}/dapr/echo/start`, new Uint8Array([0xc3]))).status).toBe(400);
    expect((await client.call('POST', `${W}/echo/start`, '1', { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  test('more than the limit is 413, and an endless body is not read on', async () => {
    const small = new Caller(host, { bodyBytesMax: 1_000 });
    expect((await small.call('POST', `${W}/echo/start`, JSON.stringify('x'.repeat(998)))).status).toBe(202);
    expect((await small.call('POST', `${W}/echo/start`, JSON.stringify('x'.repeat(999)))).json).toMatchObject({
      status: 413,
      errorCode: 'BODY_TOO_LARGE',
    });
    let pulled = 0;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(100).fill(0x20 + (pulled++ % 2))),
    });
    expect((await small.call('POST', `${W}/echo/start`, endless)).status).toBe(413);
    expect(pulled).toBeLessThan(20);
    for (const path of [
      'waiter/x/suspend',
      'waiter/x/terminate',
      'waiter/x/raiseEvent',
      'dapr/x/pause',
      'dapr/x/raiseEvent/e',
    ]) {
      expect((await small.call('POST', `${W}/${path}`, ' '.repeat(1_001))).status).toBe(413);
    }
    expect((await client.call('POST', `${W}/echo/start`, JSON.stringify('x'.repeat(1024 * 1024)))).status).toBe(413);
  });

  test('a body that never ends in time is 408', async () => {
    const hasty = new Caller(host, { bodyTimeoutMs: 50 });
    expect(
      (await hasty.call('POST', `${W}/echo/start`, new ReadableStream({ pull: () => new Promise(() => {}) }))).json,
    ).toMatchObject({ status: 408 });
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) });
    expect((await hasty.call('POST', `${W}/echo/start`, broken)).json).toMatchObject({
      status: 400,
      errorCode: 'BODY_INCOMPLETE',
    });
  });
});

test('every route takes every hostile value without a 500', async () => {
  const { paths } = (await client.get('/openapi.json')).json as {
    paths: Record<string, Record<string, { parameters: { name: string; in: string }[]; requestBody?: unknown }>>;
  };
  const texts = [
    '',
    '%',
    '%00',
    '%ff',
    '..',
    '%2e%2e',
    '.',
    '../..',
    '%2F..%2F',
    'a%2Fb',
    '\\',
    '%5c',
    'null',
    '-1',
    '1e308',
    '99999999999999999999',
    'NaN',
    'true',
    '[]',
    '{}',
    '[object Object]',
    '__proto__',
    '__proto__:x',
    'constructor',
    '%F0%9F%98%80',
    "';--",
    '${x}',
    '{{x}}',
    'a:b',
    ':',
    '::',
    'x'.repeat(300),
    'always200',
    '2030-13-45T99:99:99Z',
    '+275760-09-13T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:60Z',
    '0',
    '1ms',
    '[1,"x"]',
    '["a",{}]',
    '%5B1%2C%22x%22%5D',
    'running,,',
    '-',
    'dapr',
  ];
  const bodies = [
    undefined,
    '',
    ' ',
    'null',
    '0',
    '"x"',
    '[]',
    '{}',
    '{',
    '{"eventName":1}',
    '{"eventName":""}',
    '{"eventName":"\\u0000"}',
    '{"eventName":"\\ud800"}',
    '{"eventName":"e","data":{"__proto__":1}}',
    '\u0000',
    '1'.repeat(400),
  ];
  const seen = new Map<number, number>();
  const fire = async (
    method: string,
    path: string,
    body: string | undefined,
    headers: Record<string, string>,
  ): Promise<void> => {
    const answer = await client.call(method, path, method === 'GET' || body === undefined ? undefined : body, headers);
    seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
    expect([method, path, body, answer.status, answer.text]).not.toEqual([method, path, body, 500, answer.text]);
    if (answer.status >= 400)
      expect(answer.json).toMatchObject({
        status: answer.status,
        errorCode: expect.stringMatching(/^[A-Z_]+$/),
        message: expect.any(String),
      });
  };
  for (const [pattern, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const at = (value: string, wanted?: string): string =>
        pattern.replace(/\{(\w+)\}/g, (_match, name: string) =>
          wanted === undefined || wanted === name
            ? value
            : name === 'workflowType' || name === 'workflowName'
              ? 'echo'
              : 'x',
        );
      const queries = operation.parameters.filter((parameter) => parameter.in === 'query');
      for (const text of texts) {
        await fire(method.toUpperCase(), at(text), undefined, {});
        for (const { name } of queries)
          await fire(method.toUpperCase(), `${at('none', '')}?${name}=${text}&${name}=${text}`, undefined, {});
        await fire(method.toUpperCase(), at('none', ''), undefined, {
          'idempotency-key': text,
          traceparent: text,
          'dapr-api-token': text,
          accept: text,
        });
      }
      for (const body of bodies) await fire(method.toUpperCase(), at('none', ''), body, { 'idempotency-key': 'k' });
    }
  }
  expect(client.logger.errors).toEqual([]);
  expect([...seen.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(3_000);
}, 60_000);

test('random requests are never a 500', async () => {
  let state = 20_261_123;
  const random = (below: number): number => {
    // Mulberry32: the run is the same each time.
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  const pick = <T>(items: readonly T[]): T => items[random(items.length)]!;
  const text = (): string =>
    Array.from({ length: random(6) }, () =>
      pick([
        'a',
        '%',
        '%2F',
        '%00',
        '/',
        '..',
        '?',
        '&',
        '=',
        '#',
        '%F0%9F%98%80',
        'ü',
        '{',
        '"',
        ':',
        ',',
        '0',
        '\\',
        '%25',
        '+',
        ' ',
      ]),
    ).join('');
  const json = (): string =>
    Array.from({ length: random(10) }, () =>
      pick(['{', '}', '[', ']', ',', ':', '"', '"a"', '1', 'null', '\\u', '-', '.', 'e', ' ', '\n', 'ü']),
    ).join('');
  for (let round = 0; round < 1_500; round++) {
    const tail = Array.from({ length: random(6) }, () =>
      random(2) === 0
        ? text()
        : pick(['echo', 'waiter', 'dapr', 'x', 'start', 'terminate', 'raiseEvent', 'history', 'suspend', 'e']),
    ).join('/');
    const path = `${pick([W, W, '/v1.0-beta1/workflows', '/v1.0', ''])}/${tail}${random(2) === 0 ? '' : `?${pick(['tag', 'wait', 'limit', 'cursor', 'status', 'startAt', 'ifExists', 'failedStatus'])}=${text()}`}`;
    const method = pick(['GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'OPTIONS', 'PATCH', 'FROBNICATE']);
    const body = method === 'GET' || method === 'HEAD' || random(2) === 0 ? undefined : json();
    const answer = await client.call(method, path, body, random(4) === 0 ? { 'idempotency-key': `k${random(5)}` } : {});
    expect([method, path, body, answer.status < 500]).toEqual([method, path, body, true]);
  }
  expect(client.logger.errors).toEqual([]);
}, 60_000);

test('a store that cannot be read answers 503 and tells nothing of itself', async () => {
  const store = new MemoryStore();
  await using failing = await startTestHost(store);
  const caller = new Caller(failing);
  store.faults = (operation) => (operation === 'list' || operation === 'count' ? { fail: 'before-write' } : undefined);
  const list = await caller.get(W);
  expect([list.status, list.headers.get('retry-after'), list.json.errorCode]).toEqual([503, '1', 'NOT_EXECUTED']);
  expect(list.text).not.toContain('memory');
  expect(caller.logger.errors).toEqual([]);
});
