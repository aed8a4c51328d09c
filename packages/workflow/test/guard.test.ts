import { afterEach, beforeEach, expect, test } from 'vitest';
import { startHost, workflow } from '../src/index.ts';
import { MemoryStore } from '@troupe/actors';
import { testHost } from '../src/testing.ts';

const warnings: string[] = [];
const logger = { debug() {}, info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message) };
let listeners: NodeJS.UnhandledRejectionListener[] = [];
const stray: unknown[] = [];

beforeEach(() => {
  warnings.length = 0;
  stray.length = 0;
  // The test runner's listener would count what is meant to happen here.
  listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
});
afterEach(() => {
  process.removeAllListeners('unhandledRejection');
  for (const listener of listeners) process.on('unhandledRejection', listener);
});

test('the development guard warns once per line of workflow code, and of nobody else', async () => {
  const originals = [Date, Date.now, Math.random, setTimeout, fetch];
  const w = workflow('w', async (ctx) => {
    for (let n = 0; n < 2; n++) {
      Date.now();
      Math.random();
      void new Date();
      clearTimeout(setTimeout(() => {}, 1));
      await ctx.step('s', () => [Date.now(), Math.random()]);
      await ctx.callActivity('a');
    }
    return new Date(5) instanceof Date;
  });
  {
    await using t = await testHost({ workflows: [w], guard: true, logger, fakes: { a: () => Date.now() } });
    setTimeout(() => Date.now(), 0);
    const instance = await t.workflows.start(w);
    Math.random();
    expect(await instance.result()).toBe(true);
    const uses = warnings.map((warning) => /uses (.*) at .*guard\.test\.ts:\d+:\d+: /.exec(warning)?.[1]);
    expect(uses).toEqual(['Date.now()', 'Math.random()', 'new Date()', 'setTimeout']);
  }
  expect([Date, Date.now, Math.random, setTimeout, fetch]).toEqual(originals);
});

test('without the guard nothing is warned of', async () => {
  const w = workflow('w', async () => Date.now() > 0);
  await using t = await testHost({ workflows: [w], logger });
  await (await t.workflows.start(w)).result();
  expect(warnings).toEqual([]);
});

test('branches that fail while nobody awaits them do not end the process', async () => {
  const other = (reason: unknown): void => void stray.push(reason);
  const w = workflow('w', async (ctx) => {
    const late = (async () => ctx.callActivity('bad'))();
    const own = (async () => {
      await ctx.createTimer(0);
      throw new RangeError('made here');
    })();
    void (async () => ctx.callChildWorkflow('nobody', 1, { instanceId: 'taken' }))();
    await ctx.createTimer(1_000);
    return [await late.catch((error: Error) => error.message), await own.catch((error: Error) => error.message)];
  });
  const bad = (): never => {
    throw new Error('bad');
  };
  await using t = await testHost({ workflows: [w], logger, fakes: { bad } });
  expect(process.listenerCount('unhandledRejection')).toBe(1);
  await t.workflows.start(w, { instanceId: 'taken' });
  await t.advance('2s');
  expect(await t.workflows.result('taken')).toEqual(['bad', 'made here']);
  expect(warnings.filter((warning) => warning.includes('a branch of a workflow failed')).length).toBeGreaterThanOrEqual(
    3,
  );
  // What is nobody's workflow is left to the others.
  process.on('unhandledRejection', other);
  void Promise.reject(new Error('foreign'));
  await t.settle();
  expect(stray.map((error) => (error as Error).message)).toEqual(['foreign']);
});

test('a foreign rejection still ends the process when there is no other listener', async () => {
  const message = await new Promise<string>((resolve) => {
    const listenersOfUncaught = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => {
      process.removeAllListeners('uncaughtException');
      for (const listener of listenersOfUncaught) process.on('uncaughtException', listener);
      resolve(error.message);
    });
    void (async () => {
      await using _host = await startHost({ store: new MemoryStore(), logger });
      void Promise.reject(new Error('foreign'));
      await new Promise((again) => setImmediate(again));
    })();
  });
  expect(message).toBe('foreign');
});

test('whatever is thrown, the workflow fails with what can be told of it', async () => {
  const hostile = Object.create(Error.prototype, {
    message: {
      get() {
        throw new Error('from a getter');
      },
    },
  }) as Error;
  const thrown: unknown[] = [
    hostile,
    undefined,
    null,
    5n,
    Symbol('s'),
    { toJSON: () => hostile.message },
    'text',
    Object.create(null),
  ];
  const w = workflow('w', async (ctx, at: number) => {
    await ctx.callActivity('a', at).catch(() => {});
    throw thrown[at];
  });
  await using t = await testHost({
    workflows: [w],
    logger,
    fakes: {
      a: (at: number) => {
        throw thrown[at];
      },
    },
  });
  for (let at = 0; at < thrown.length; at++) {
    const instance = await t.workflows.start(w, { input: at });
    await expect(instance.result()).rejects.toMatchObject({
      name: 'WorkflowFailedError',
      failure: { message: expect.any(String) },
    });
  }
});
