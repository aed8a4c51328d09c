import { expect, test } from 'vitest';
import { actor, type ActorDefinition } from '../src/index.ts';
import { ActorRecord } from '../src/record.ts';
import type { Router } from '../src/router.ts';
import { failNext, Pause, restart, settled, startRig, type Rig } from './harness.ts';

let failTimes = 0;
let hang: Promise<void> | undefined;

const receiver = actor('receiver', {
  state: () => ({ taken: [] as number[], attempts: 0 }),
  methods: {
    async take(ctx, n: number) {
      await hang;
      if (failTimes > 0) {
        failTimes--;
        throw new RangeError('an application error');
      }
      ctx.state.taken.push(n);
    },
    purge: (ctx) => ctx.purge(),
  },
  readOnly: { taken: (ctx) => ctx.state.taken },
});

const sender = actor('sender', {
  state: () => ({ sent: 0 }),
  methods: {
    send(ctx, to: string, count: number) {
      for (let index = 0; index < count; index++) ctx.send(receiver, to).take(++ctx.state.sent);
    },
    sendAndPurge(ctx, to: string) {
      ctx.send(receiver, to).take(100);
      ctx.purge();
    },
    badMethod(ctx, to: string) {
      const lying = { ...receiver, methods: { ...receiver.methods, extra: () => 1 } } as unknown as ActorDefinition<
        { extra(ctx: unknown): void },
        unknown
      >;
      ctx.send(lying, to).extra();
    },
    badArguments: (ctx, to: string) => ctx.send(receiver, to).take(new Map() as unknown as number),
  },
  readOnly: { sent: (ctx) => ctx.state.sent },
});
const actors = [receiver, sender];

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

async function outboxOf(rig: Rig, id = 'a'): Promise<number | null | undefined> {
  return (await rig.store.load({ type: 'sender', id })).record?.dueAtMs;
}

test('sends are applied once and in order, and the outbox empties', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(sender, 'a').send('r', 100);
  await rig.host.actor(sender, 'a').send('r', 100);
  await rig.clock.advance(100);
  await settled(300);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual(upTo(200));
  expect(await outboxOf(rig)).toBe(null);
});

test('an actor that has sent much does not count through it when it is activated', async () => {
  const rig = await startRig(actors);
  for (let round = 0; round < 3; round++) {
    await rig.host.actor(sender, 'a').send('r', 20);
    await settled(100);
  }
  rig.kill();
  const next = await restart(rig, actors);
  await next.host.actor(sender, 'a').send('r', 1);
  await settled(20);
  expect(await next.host.actor(receiver, 'r').taken()).toEqual(upTo(61));
});

test('a sender that is killed after its commit and before delivery delivers after the restart', async () => {
  for (let crashAt = 1; crashAt <= 6; crashAt++) {
    const rig = await startRig(actors);
    let commits = 0;
    rig.store.faults = (operation) => {
      if (operation !== 'commit' || ++commits !== crashAt) return undefined;
      setImmediate(() => rig.kill());
      return undefined;
    };
    void rig.host
      .actor(sender, 'a')
      .send('r', 3)
      .catch(() => {});
    await settled(30);
    rig.kill();
    const next = await restart(rig, actors);
    await next.clock.advance(5_000);
    expect(await next.host.actor(receiver, 'r').taken()).toEqual(upTo(3));
    expect(await outboxOf(next)).toBe(null);
  }
});

test('a receiver whose commit fails is sent to again, and takes each once', async () => {
  const rig = await startRig(actors);
  let commits = 0;
  rig.store.faults = (operation, address) =>
    operation === 'commit' && address?.type === 'receiver' && ++commits <= 20
      ? { fail: commits % 2 === 0 ? 'before-write' : 'after-write' }
      : undefined;
  await rig.host.actor(sender, 'a').send('r', 5);
  await rig.clock.advance(300_000);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual(upTo(5));
});

test('a receiver that cannot be loaded gets them when it can', async () => {
  const rig = await startRig(actors);
  rig.store.faults = (operation, address) =>
    operation === 'load' && address?.type === 'receiver' ? { fail: 'before-write' } : undefined;
  await rig.host.actor(sender, 'a').send('r', 3);
  await rig.clock.advance(100_000);
  expect(rig.logger.lines).toContain('a durable send is not taken');
  rig.store.faults = undefined;
  await rig.clock.advance(30_000);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual(upTo(3));
});

test('a receiver that takes longer than a call may is not applied to twice', async () => {
  const rig = await startRig(actors);
  let release!: () => void;
  hang = new Promise((resolve) => (release = resolve));
  await rig.host.actor(sender, 'a').send('r', 2);
  await rig.clock.advance(120_000);
  release();
  hang = undefined;
  await rig.clock.advance(30_000);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual(upTo(2));
});

test('an application error is consumed once, and the next ones follow', async () => {
  const rig = await startRig(actors);
  failTimes = 1;
  await rig.host.actor(sender, 'a').send('r', 3);
  await rig.clock.advance(60_000);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([2, 3]);
  expect(rig.logger.lines.filter((line) => line.startsWith('a durable send failed'))).toHaveLength(1);
  expect(await outboxOf(rig)).toBe(null);
});

test('one slow receiver does not keep the others waiting', async () => {
  const rig = await startRig(actors);
  rig.store.faults = (operation, address) =>
    operation === 'load' && address?.id === 'dead' ? { fail: 'before-write' } : undefined;
  await rig.host.actor(sender, 'a').send('dead', 1);
  await rig.host.actor(sender, 'a').send('r', 1);
  await settled();
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([2]);
  await rig.host.stop();
});

test('an activation beside which another owner wrote learns from the due index that there is work', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(sender, 'a').send('r', 1);
  await rig.clock.advance(1_000);
  // A rival that believes the same sends, too, and dies before the receiver has it.
  const rival = await restart(rig, actors);
  rival.store.faults = (_operation, address) =>
    address?.type === 'receiver' ? { silent: true, fail: 'before-write' } : undefined;
  await rival.host.actor(sender, 'a').send('r', 1);
  rival.kill();
  // Reads alone keep the activation here, and tell it nothing.
  for (let count = 0; count < 10; count++) {
    await rig.clock.advance(30_000);
    await rig.host.actor(sender, 'a').sent();
  }
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([1, 2]);
});

test('marks are forgotten some time after the outbox is empty, with whatever commit comes then', async () => {
  const rig = await startRig(actors);
  const size = async (): Promise<number> => (await rig.store.load({ type: 'receiver', id: 'r' })).record!.state.length;
  await rig.host.actor(sender, 'a').send('r', 1);
  await settled(50);
  const withOne = await size();
  for (let index = 0; index < 50; index++) {
    await rig.host.actor(sender, `sender-${index}`).send('r', 1);
    await settled(20);
  }
  await rig.clock.advance(91_000);
  await rig.host.actor(sender, 'a').send('r', 1);
  await settled(20);
  // Fifty small numbers more, and not fifty names of senders.
  expect((await size()) - withOne).toBeLessThan(150);
});

test('a sender that purges itself is gone when its sends are delivered, and its next life begins anew', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(sender, 'a').send('r', 2);
  await rig.host.actor(sender, 'a').sendAndPurge('r');
  expect((await rig.store.load({ type: 'sender', id: 'a' })).record).toBe(undefined);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([1, 2, 100]);
  expect(await rig.host.actor(sender, 'a').sent()).toBe(0);
  await rig.host.actor(sender, 'a').send('r', 2);
  await settled(30);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([1, 2, 100, 1, 2]);
});

test('a receiver that was purged takes what is sent to its next life', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(sender, 'a').send('r', 2);
  await settled(30);
  await rig.host.actor(receiver, 'r').purge();
  await rig.host.actor(sender, 'a').send('r', 1);
  await settled(30);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([3]);
});

test('a send that cannot be taken or stored fails the turn', async () => {
  const { host } = await startRig(actors);
  await expect(host.actor(sender, 'a').badMethod('r')).rejects.toMatchObject({ code: 'not_defined' });
  await expect(host.actor(sender, 'a').badArguments('r')).rejects.toMatchObject({
    code: 'payload_invalid',
    path: '[0]',
  });
  await expect(host.actor(sender, 'a').send('', 1)).rejects.toMatchObject({ code: 'actor_address_invalid' });
});

test('a send whose sender lost its commit is not delivered', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(sender, 'a').sent();
  const pause = new Pause(rig.store);
  pause.close();
  void rig.host
    .actor(sender, 'a')
    .send('r', 1)
    .catch(() => {});
  await settled();
  rig.kill();
  const next = await restart(rig, actors);
  await next.clock.advance(10_000);
  expect(await next.host.actor(receiver, 'r').taken()).toEqual([]);
});

test('a removal from the outbox that is lost only means a duplicate that is dropped', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(sender, 'a').sent();
  await rig.host.actor(receiver, 'r').taken();
  failNext(rig.store, 'commit', {}, {}, { silent: true, fail: 'before-write' });
  await rig.host.actor(sender, 'a').send('r', 1);
  await settled(30);
  rig.kill();
  const next = await restart(rig, actors);
  await next.clock.advance(10_000);
  expect(await next.host.actor(receiver, 'r').taken()).toEqual([1]);
  expect(await outboxOf(next)).toBe(null);
});

test('a former owner of the sender, that comes back late, cannot make a receiver take a send twice', async () => {
  const rig = await startRig(actors);
  // The receiver can be reached by the new owner only.
  rig.store.faults = (operation, address) =>
    operation === 'load' && address?.type === 'receiver' ? { fail: 'before-write' } : undefined;
  await rig.host.actor(sender, 'a').send('r', 1);
  await rig.clock.advance(200);
  const next = await restart(rig, actors);
  await next.clock.advance(1_000);
  expect(await next.host.actor(receiver, 'r').taken()).toEqual([1]);
  // Long after the new owner has finished with it, and the receiver has forgotten.
  await next.clock.advance(70_000);
  await next.host.actor(sender, 'b').send('r', 1);
  await settled(50);
  await next.host.stop();
  rig.store.faults = undefined;
  await rig.clock.advance(60_000);
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([1, 1]);
  expect(rig.logger.lines).toContain('another owner wrote; the activation is dropped');
});

test('a send that was under way when its sender changed hosts meets the mark of its receiver', async () => {
  const rig = await startRig(actors);
  await rig.host.actor(receiver, 'r').taken();
  let release!: () => void;
  hang = new Promise((resolve) => (release = resolve));
  await rig.host.actor(sender, 'a').send('r', 1);
  await settled();
  // The same send comes twice, the second time when the sender has finished with it.
  const { router } = rig.host as unknown as { router: Router };
  const birth = (await rig.store.load({ type: 'sender', id: 'a' })).record!;
  const stamp = { sender: `sender/a#${ActorRecord.decode(birth.state).birth}`, sequence: 1 };
  const late = router.call({ type: 'receiver', id: 'r' }, 'take', [1], { chain: [], stamp, timeoutMs: 30_000 });
  release();
  hang = undefined;
  await settled(50);
  await late;
  expect(await outboxOf(rig)).toBe(null);
  await router.call({ type: 'receiver', id: 'r' }, 'take', [1], { chain: [], stamp });
  expect(await rig.host.actor(receiver, 'r').taken()).toEqual([1]);
});
