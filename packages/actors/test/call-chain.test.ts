import { expect, test } from 'vitest';
import { actor, DeadlockError, LimitError } from '../src/index.ts';
import { deferred, failure, restart, settled, startRig, watch } from './harness.ts';

type Steps = readonly string[];

const plain = actor('plain', {
  state: () => ({ visits: 0 }),
  methods: {
    async visit(ctx, path: Steps): Promise<number> {
      ctx.state.visits += 1;
      const [next, ...rest] = path;
      return next === undefined ? 0 : 1 + (await ctx.actor(plain, next, { timeoutMs: Infinity }).visit(rest));
    },
    async readOf(ctx, id: string): Promise<number> {
      ctx.state.visits += 10;
      return ctx.actor(plain, id).visits();
    },
  },
  readOnly: { visits: (ctx) => ctx.state.visits },
});

let hold: { promise: Promise<void>; resolve(): void } = deferred<void>();
const committed: string[] = [];

const tree = actor('tree', {
  state: () => ({ log: [] as string[] }),
  reentrant: true,
  methods: {
    async visit(ctx, path: Steps, name: string): Promise<string[]> {
      ctx.state.log.push(`+${name}`);
      ctx.afterCommit(() => committed.push(name));
      const [next, ...rest] = path;
      if (next !== undefined) await ctx.actor(tree, next).visit(rest, `${name}.${next}`);
      ctx.state.log.push(`-${name}`);
      return ctx.state.log;
    },
    async fork(ctx, over: Steps): Promise<void> {
      await Promise.all(over.map((id) => ctx.actor(tree, id).visit([ctx.actorId], id)));
      ctx.state.log.push('joined');
    },
    async failInside(ctx, how: 'sync' | 'async'): Promise<string> {
      ctx.state.log.push('before');
      ctx.setReminder('outer', { delayMs: 1_000 });
      const error = await failure(ctx.actor(tree, ctx.actorId).fail(how));
      ctx.state.log.push('after');
      return error.message;
    },
    async fail(ctx, how: 'sync' | 'async') {
      ctx.state.log.push('never');
      ctx.setReminder('inner', { delayMs: 1_000 });
      ctx.cancelReminder('outer');
      if (how === 'async') await Promise.resolve();
      throw new RangeError('inside');
    },
    async cancelInside(ctx): Promise<unknown> {
      ctx.setReminder('outer', { delayMs: 1_000 });
      await ctx.actor(tree, ctx.actorId).cancel();
      return ctx.reminders().map((reminder) => reminder.name);
    },
    cancel(ctx) {
      ctx.cancelReminder('outer');
      return ctx.reminders().length;
    },
    forget(ctx): void {
      // Calls when nobody waits for it any more.
      setImmediate(() => void ctx.actor(tree, ctx.actorId).slowly());
      ctx.state.log.push('forgot');
    },
    async slowly(ctx) {
      ctx.state.log.push('slow begins');
      await hold.promise;
      ctx.state.log.push('slow ends');
    },
    async forgetAfter(ctx): Promise<void> {
      void ctx
        .actor(tree, ctx.actorId)
        .slowly()
        .catch(() => {});
      await settled(1);
      ctx.state.log.push('outer ends');
    },
    note: (ctx, text: string) => void ctx.state.log.push(text),
  },
  onReminder: () => {},
  readOnly: { log: (ctx) => ctx.state.log },
});

test('a call that comes back to a waiting actor fails with the chain instead of waiting for itself', async () => {
  const { host } = await startRig([plain]);
  const error = (await failure(host.actor(plain, 'a').visit(['b', 'a']))) as DeadlockError;
  expect(error).toBeInstanceOf(DeadlockError);
  expect(error.chain).toEqual(['plain/a', 'plain/b', 'plain/a']);
  expect(await failure(host.actor(plain, 'a').visit(['a']))).toBeInstanceOf(DeadlockError);
  expect(await failure(host.actor(plain, 'a').visit(['b', 'c', 'b']))).toMatchObject({
    chain: ['plain/b', 'plain/c', 'plain/b'],
  });
  expect(await host.actor(plain, 'a').visit(['b', 'c'])).toBe(2);
});

test('an actor may read itself inside its turn, and sees what the last turn left', async () => {
  const { host } = await startRig([plain]);
  await host.actor(plain, 'a').visit([]);
  expect(await host.actor(plain, 'a').readOf('a')).toBe(1);
  expect(await host.actor(plain, 'a').visits()).toBe(11);
});

test('a chain of calls has a limit', async () => {
  const { host } = await startRig([plain]);
  const path = Array.from({ length: 100 }, (_, index) => `p${index}`);
  const error = await failure(host.actor(plain, 'a').visit(path));
  expect(error).toBeInstanceOf(LimitError);
  expect(await host.actor(plain, 'a').visit(path.slice(0, 60))).toBe(60);
});

test('a reentrant actor takes calls of its own chain, as part of the turn that waits', async () => {
  const { host } = await startRig([tree]);
  committed.length = 0;
  expect(await host.actor(tree, 'a').visit(['b', 'a'], 'x')).toEqual(['+x', '+x.b.a', '-x.b.a', '-x']);
  expect(committed).toEqual(['x.b', 'x', 'x.b.a']);
});

test('a call of another chain waits until the whole turn has ended', async () => {
  const { host } = await startRig([tree]);
  hold = deferred<void>();
  const a = host.actor(tree, 'a');
  const outer = watch(a.forgetAfter());
  const other = watch(a.note('other'));
  await settled();
  expect([outer.state, other.state]).toEqual(['waiting', 'waiting']);
  hold.resolve();
  await settled();
  expect([outer.state, other.state]).toEqual(['done', 'done']);
  expect(await a.log()).toEqual(['slow begins', 'outer ends', 'slow ends', 'other']);
});

test('a reentrant call that comes after the turn has ended is a turn of its own', async () => {
  const { host } = await startRig([tree]);
  hold = deferred<void>();
  hold.resolve();
  const a = host.actor(tree, 'a');
  await a.forget();
  await settled();
  expect(await a.log()).toEqual(['forgot', 'slow begins', 'slow ends']);
});

test('branches of one turn that come back do so one after the other', async () => {
  const { host } = await startRig([tree]);
  await host.actor(tree, 'a').fork(['b', 'c', 'd']);
  const log = await host.actor(tree, 'a').log();
  expect(log).toHaveLength(7);
  expect(log.at(-1)).toBe('joined');
  for (let index = 0; index < 6; index += 2) expect(log[index + 1]).toBe(log[index]!.replace('+', '-'));
});

test.each(['sync', 'async'] as const)(
  'a reentrant turn that throws (%s) is undone without the turn around it',
  async (how) => {
    const rig = await startRig([tree]);
    const a = rig.host.actor(tree, 'a');
    expect(await a.failInside(how)).toBe('inside');
    expect(await a.log()).toEqual(['before', 'after']);
    rig.kill();
    const next = await restart(rig, [tree]);
    expect(await next.host.actor(tree, 'a').log()).toEqual(['before', 'after']);
  },
);

test('a reentrant turn sees and cancels the reminders of the turn around it', async () => {
  const { host } = await startRig([tree]);
  expect(await host.actor(tree, 'a').cancelInside()).toEqual([]);
});
