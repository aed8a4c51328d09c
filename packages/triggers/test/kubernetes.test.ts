import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { kubernetes, type KubernetesOptions } from '../src/kubernetes.ts';
import { LIST_PAGE_LENGTH } from '../src/limits.ts';
import type { SourceReader } from '../src/source.ts';
import { KubernetesApi } from './servers/kubernetes-api.ts';
import { TestContext, TestCursor } from './test-context.ts';

let api: KubernetesApi;
let cursor: TestCursor;
const opened: [TestContext, SourceReader][] = [];
const JOBS = { group: 'batch', version: 'v1', resource: 'jobs', namespace: 'shop' };

beforeEach(async () => {
  api = await KubernetesApi.start();
  cursor = new TestCursor();
});

afterEach(async () => {
  for (const [context] of opened) context.stop();
  for (const [, reader] of opened.splice(0)) await reader.close();
  await api.end();
});

type ContextOptions = ConstructorParameters<typeof TestContext>[0];

async function watch(options: Partial<KubernetesOptions> = {}, more: ContextOptions = {}): Promise<TestContext> {
  const context = new TestContext({ cursor: cursor.session(), ...more });
  const reader = await kubernetes({ ...JOBS, apiServer: api.url, ...options }).open(context);
  opened.push([context, reader]);
  return context;
}

async function stop(context: TestContext): Promise<void> {
  const index = opened.findIndex(([one]) => one === context);
  context.stop();
  await opened.splice(index, 1)[0]![1].close();
  await until(() => expect(api.watches).toBe(0));
}

const until = async (check: () => void): Promise<void> => await vi.waitFor(check, { timeout: 30_000, interval: 10 });
const seen = (context: TestContext): string[] =>
  context.events.map(({ type, subject }) => `${type.replace('kubernetes.', '')} ${subject?.replace('shop/', '')}`);
const saved = (): unknown => (cursor.value as { resourceVersion?: string } | undefined)?.resourceVersion;
const watched = async (): Promise<void> => await until(() => expect(api.watches).toBe(1));

describe('events', () => {
  test('objects that are there, and what becomes of them', async () => {
    const first = api.put('a', { text: 'größer 🎭' });
    const context = await watch();
    await watched();
    api.put('a', { n: 2 });
    api.put('b', {});
    api.delete('a');
    await until(() => expect(seen(context)).toEqual(['added a', 'modified a', 'added b', 'deleted a']));
    const { uid, resourceVersion } = first.metadata;
    expect(context.events[0]).toMatchObject({
      source: 'kubernetes:batch/v1/jobs/shop',
      id: `${uid}/${resourceVersion}`,
      type: 'kubernetes.added',
      subject: 'shop/a',
      // A list does not say of its objects what they are.
      data: { apiVersion: 'batch/v1', kind: 'Job', ...first },
    });
    expect(context.events[3]!.id).toMatch(/\/deleted$/);
    await until(() => expect(saved()).toBe(api.version));
  });

  test('lines are put together from pieces, whatever they are cut through', async () => {
    const context = await watch();
    await watched();
    const texts = Array.from({ length: 50 }, (_, n) => `${'🎭ß'.repeat(n * 7)}\\n\n`);
    for (const [n, text] of texts.entries()) api.put(`o${n}`, { text });
    await until(() => expect(context.events).toHaveLength(50));
    expect(context.events.map(({ data }) => (data as { spec: { text: string } }).spec.text)).toEqual(texts);
  });

  test('selectors go to the server; an object that does not match any more is deleted', async () => {
    api.put('a', {}, { app: 'x' });
    api.put('b', {}, { app: 'y' });
    const context = await watch({ labelSelector: 'app=x' });
    await watched();
    api.put('b', {}, { app: 'x' });
    api.put('a', {}, { app: 'y' });
    await until(() => expect(seen(context)).toEqual(['added a', 'added b', 'deleted a']));
  });

  test('what is there can be skipped', async () => {
    api.put('old', {});
    const context = await watch({ existing: 'skip' });
    await watched();
    api.put('new', {});
    await until(() => expect(seen(context)).toEqual(['added new']));
  });
});

describe('goes on', () => {
  test('long lists come in pages, also when their snapshot goes', async () => {
    const count = LIST_PAGE_LENGTH * 3 + 5;
    for (let n = 0; n < count; n++) api.put(`o${String(n).padStart(4, '0')}`, { n });
    let handled = 0;
    const context = await watch(
      {},
      {
        decide: () => {
          // After the first page: something changes that was listed, and the snapshot of the list goes.
          if (++handled === LIST_PAGE_LENGTH) {
            api.put('o0000', { changed: true });
            api.compact();
          }
          return { outcome: 'started' };
        },
      },
    );
    await until(() => expect(new Set(context.events.map(({ subject }) => subject)).size).toBe(count));
    await until(() =>
      expect(
        context.events.some(
          ({ data }) => (data as { spec: object }).spec && 'changed' in (data as { spec: object }).spec,
        ),
      ).toBe(true),
    );
    await until(() => expect(saved()).toBe(api.version));
  });

  test('a list that was broken off passes over what it had settled, but for what has changed', async () => {
    for (let n = 0; n < 30; n++) api.put(`o${String(n).padStart(2, '0')}`, {});
    const first = await watch(
      {},
      {
        concurrency: 2,
        decide: async ({ subject }) => await (subject! < 'shop/o20' ? { outcome: 'started' } : new Promise(() => {})),
      },
    );
    await until(() => expect(cursor.value).toMatchObject({ resourceVersion: '', listing: { upTo: 'shop/o19' } }));
    await stop(first);
    api.put('o07', { n: 2 });
    api.put('o05x', {});
    const second = await watch();
    await until(() => expect(second.events).toHaveLength(12));
    expect(second.events.map(({ subject }) => subject)).toEqual([
      'shop/o05x',
      'shop/o07',
      ...Array.from({ length: 10 }, (_, n) => `shop/o${20 + n}`),
    ]);
    await until(() => expect(cursor.value).toMatchObject({ resourceVersion: api.version }));
    expect(cursor.value).not.toHaveProperty('listing');
  });

  test('a new reader goes on from the cursor', async () => {
    api.put('a', {});
    const first = await watch();
    await until(() => expect(saved()).toBe(api.version));
    await stop(first);
    api.put('b', {});
    api.delete('a');
    const requestsBefore = api.requests.length;
    const second = await watch();
    await until(() => expect(seen(second)).toEqual(['added b', 'deleted a']));
    expect(api.requests.slice(requestsBefore).every((url) => url.searchParams.has('watch'))).toBe(true);
  });

  test('the cursor does not pass what is not settled', async () => {
    let settle = (): void => {};
    const held = new Promise<void>((resolve) => (settle = resolve));
    const context = await watch(
      {},
      {
        decide: async ({ subject }) => {
          if (subject === 'shop/b') await held;
          return { outcome: 'started' };
        },
      },
    );
    await watched();
    const before = api.put('a', {}).metadata.resourceVersion;
    api.put('b', {});
    api.put('c', {});
    api.bookmark();
    await until(() => expect(context.settlements).toHaveLength(2));
    await until(() => expect(saved()).toBe(before));
    settle();
    await until(() => expect(saved()).toBe(api.version));
  });

  test('after a gap it lists, and tells what is new and what was modified, each once', async () => {
    api.put('kept', {});
    api.put('changed', {});
    api.put('deleted', {});
    const context = await watch();
    await until(() => expect(saved()).toBe(api.version));
    await watched();
    await stop(context);
    api.put('new-b', {});
    api.put('new-a', {});
    api.put('changed', { n: 2 });
    api.delete('deleted');
    api.compact();
    const second = await watch();
    await watched();
    api.put('later', {});
    await until(() => expect(seen(second)).toContain('added later'));
    expect(seen(second)).toEqual(['modified changed', 'added new-a', 'added new-b', 'added later']);
    expect(second.failures).toBe(0);
  });

  test('the same version of an object is the same event by list and by watch', async () => {
    const context = await watch();
    await watched();
    api.put('a', {});
    api.put('a', { n: 2 });
    await until(() => expect(context.events).toHaveLength(2));
    cursor.value = undefined;
    const second = await watch();
    await until(() => expect(second.events).toHaveLength(1));
    expect(second.events[0]!.id).toBe(context.events[1]!.id);
  });

  test('bookmarks move the cursor of a quiet resource', async () => {
    await watch();
    await watched();
    api.bookmark();
    await until(() => expect(saved()).toBe(api.version));
  });

  test.each([undefined, 500, 410])('a watch that ends is begun again: %s', async (status) => {
    const context = await watch();
    for (let n = 0; n < 5; n++) {
      await watched();
      api.put(`o${n}`, {});
      await until(() => expect(context.events).toHaveLength(n + 1));
      if (status === undefined && n % 2 === 0) api.cut();
      else api.endWatches(status);
    }
    await watched();
    expect(new Set(context.events.map(({ id }) => id)).size).toBe(5);
    await until(() => expect(context.failure).toBeUndefined());
  });

  test('what is cut off in the middle of a line comes whole with the next watch', async () => {
    const context = await watch();
    await watched();
    api.endWatches();
    api.cutAfterBytes = 700;
    for (let n = 0; n < 12; n++) api.put(`o${n}`, { text: '🎭'.repeat(n) });
    await until(() => expect(new Set(seen(context)).size).toBe(12));
    expect(context.events).toHaveLength(12);
  });

  test('a cluster restored from a backup is listed anew', async () => {
    api.put('a', {});
    const first = await watch();
    await until(() => expect(saved()).toBe(api.version));
    await stop(first);
    api.restore(10);
    api.put('b', {});
    api.compact();
    // What the server says of a version that it has not reached yet.
    cursor.value = { ...(cursor.value as object), resourceVersion: '100' };
    const second = await watch();
    await watched();
    api.endWatches(410);
    await until(() => expect(seen(second)).toEqual(['added b']));
    api.put('c', {});
    await until(() => expect(seen(second)).toEqual(['added b', 'added c']));
  });

  test('a former reader stops', async () => {
    const context = await watch();
    await watched();
    cursor.session();
    api.put('a', {});
    await until(() => expect(api.watches).toBe(0));
    api.put('b', {});
    expect(seen(context)).toEqual(['added a']);
  });

  test('another resource begins anew', async () => {
    api.put('a', {});
    cursor.value = { of: 'kubernetes:v1/pods', resourceVersion: '100000', newest: '' };
    const context = await watch();
    await until(() => expect(seen(context)).toEqual(['added a']));
  });

  test('no more are out than there is room for', async () => {
    const context = await watch({}, { concurrency: 3, decide: async () => await later({ outcome: 'started' }) });
    await watched();
    for (let n = 0; n < 200; n++) api.put(`o${n}`, {});
    await until(() => expect(context.events).toHaveLength(200));
    expect(context.outMax).toBe(3);
  });
});

describe('access', () => {
  test('a token is read again for each request, and a refusal says what to do', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-token-'));
    try {
      const tokenFile = join(folder, 'token');
      api.token = 'second';
      await writeFile(tokenFile, 'first\n');
      const context = await watch({ tokenFile });
      await until(() => expect(String(context.failure)).toContain('does not accept the token'));
      expect(String(context.failure)).not.toContain('first');
      await writeFile(tokenFile, 'second\n');
      await watched();
      expect(context.failure).toBeUndefined();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([
    [403, '{"message":"jobs is forbidden"}', '403: jobs is forbidden (its role has to allow list and watch'],
    [404, 'no', '404 (the API server does not have this resource'],
    [503, '<html>', '503'],
    [200, '{"kind":"Table"}', 'no list that can be watched'],
    [200, '{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}}]}', 'no uid and version'],
    [200, '{', 'JSON'],
  ])('%i %s is failing, and passes', async (status, body, message) => {
    api.refusal = { status, body };
    const context = await watch();
    await until(() => expect(String(context.failure)).toContain(message));
    api.refusal = undefined;
    await watched();
    expect(context.failure).toBeUndefined();
  });

  test('the authority of a cluster of its own is accepted, and no other', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-ca-'));
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', join(folder, 'key'), '-out', join(folder, 'cert')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names, ...files], {
      stdio: 'ignore',
    });
    const [key, cert] = await Promise.all(['key', 'cert'].map((name) => readFile(join(folder, name), 'utf8')));
    await rm(folder, { recursive: true });
    const secure = await KubernetesApi.start({ key: key!, cert: cert! });
    try {
      secure.token = 't';
      secure.put('a', {});
      const trusting = await watch({ apiServer: secure.url, token: 't', ca: cert! });
      await until(() => expect(seen(trusting)).toEqual(['added a']));
      const distrusting = await watch({ apiServer: secure.url, token: 't' });
      await until(() => expect(String(distrusting.failure)).toContain('self-signed certificate'));
    } finally {
      for (const [context, reader] of opened.splice(0)) {
        context.stop();
        await reader.close();
      }
      await secure.end();
    }
  });

  test('outside of a cluster it says so', async () => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', undefined);
    await expect(kubernetes(JOBS).open(new TestContext({ cursor: cursor.session() }))).rejects.toThrow('in no cluster');
    vi.unstubAllEnvs();
  });
});

test.each([
  [{ version: 'v1' }, 'resource is a text'],
  [{ ...JOBS, resource: 'Jobs' }, 'resource cannot be "Jobs"'],
  [{ ...JOBS, namespace: '../../x' }, 'namespace cannot be'],
  [{ ...JOBS, group: 'a/b' }, 'group cannot be'],
  [{ ...JOBS, token: 't' }, 'token goes with apiServer'],
  [{ ...JOBS, apiServer: 'host:6443' }, 'as https://host:6443'],
  [{ ...JOBS, apiServer: 'http://example.org', token: 't' }, 'not sent over http'],
  [{ ...JOBS, existing: 'no' }, 'existing is one of'],
  [{ ...JOBS, labels: 'no' }, 'no option labels'],
])('options that cannot work are refused: %j', (options, message) => {
  expect(() => kubernetes(options as KubernetesOptions)).toThrow(message);
});

async function later<T>(value: T): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return value;
}
