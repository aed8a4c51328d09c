import { expect, test } from 'vitest';
import { DurablePromise, EventPromise } from '../src/durable-promise.ts';
import { settled } from '@troupe/actors/testing';

function made<P extends DurablePromise>(kind: new (executor: ConstructorParameters<typeof Promise>[0]) => P) {
  let resolve!: (value: unknown) => void;
  let reject!: (error: Error) => void;
  const promise = new kind((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

type Combine = (promises: readonly Promise<unknown>[]) => Promise<unknown>;
const combinators: [name: string, combine: Combine, afterSuccess: boolean, afterFailure: boolean][] = [
  ['race', (promises) => Promise.race(promises), false, false],
  ['any', (promises) => Promise.any(promises), false, true],
  ['all', (promises) => Promise.all(promises), true, false],
  ['allSettled', (promises) => Promise.allSettled(promises), true, true],
  [
    'a race of chains',
    (promises) => Promise.race(promises.map((promise) => promise.then((value) => [value]))),
    false,
    false,
  ],
  [
    'a race of catches',
    (promises) => Promise.race(promises.map((promise) => promise.catch((error: Error) => error))),
    false,
    false,
  ],
];

test.each(combinators)(
  '%s: whether a wait matters once another promise of it has settled',
  async (_, combine, success, failure) => {
    for (const [settle, matters] of [
      ['resolve', success],
      ['reject', failure],
    ] as const) {
      const wait = made(EventPromise);
      const other = made(DurablePromise);
      combine([wait.promise, other.promise]).catch(() => {});
      await settled(1);
      expect(wait.promise.matters).toBe(true);
      other[settle](new Error('other'));
      await settled(1);
      expect(wait.promise.matters).toBe(matters);
      void (async () => await wait.promise)();
      expect(wait.promise.matters).toBe(true);
    }
  },
);

test('a wait that is hoisted, awaited, or has a callback of its own matters', async () => {
  const hoisted = made(EventPromise);
  const awaited = made(EventPromise);
  const heard = made(EventPromise);
  void (async () => await awaited.promise)();
  void heard.promise.then(() => {});
  const timer = made(DurablePromise);
  void Promise.race([awaited.promise, heard.promise, timer.promise]);
  timer.resolve(1);
  await settled(1);
  expect([hoisted, awaited, heard].map(({ promise }) => promise.matters)).toEqual([true, true, true]);
});

test('what hangs on it goes on as soon as with a native promise', async () => {
  const logs: string[][] = [];
  for (const kind of [Promise as never as typeof DurablePromise, DurablePromise, EventPromise]) {
    const log: string[] = [];
    logs.push(log);
    const { promise, resolve } = made(kind);
    void (async () => log.push(`awaited ${String(await promise)}`))();
    void promise.then((value) => value).finally(() => log.push('chained'));
    void Promise.all([promise, Promise.resolve(1)]).then(() => log.push('all'));
    resolve('x');
    for (let tick = 1; tick <= 6; tick++) log.push(`tick ${await Promise.resolve(tick)}`);
    expect(promise).toBeInstanceOf(Promise);
  }
  expect(logs[1]).toEqual(logs[0]);
  expect(logs[2]).toEqual(logs[0]);
});
