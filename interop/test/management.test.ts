// What the clients of each SDK do to instances: suspend, resume, terminate, purge, start at a time, use an id again.

import { describe, expect, test } from 'vitest';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { sharedPeer, type Peer } from './service.ts';
import { SDKS } from './sdk-process.ts';

/** Of gRPC. */
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;

async function waiting(peer: Peer, ...names: string[]): Promise<string> {
  const id = await peer.ask.start('eventsInTurn', names);
  expect(await peer.ask.started(id)).toMatchObject({ status: 'RUNNING' });
  return id;
}

/** Starts a chain of three instances; resolves when the last one waits. */
async function family(peer: Peer, instanceId: string): Promise<readonly string[]> {
  const ids = [instanceId, `${instanceId}.child`, `${instanceId}.child.child`];
  await peer.ask.start('family', 3, { instanceId });
  await eventually('the last child waits', async () => (await peer.ask.state(ids[2]!))?.status === 'RUNNING');
  return ids;
}

describe.each(SDKS)('a client of %s', (sdk) => {
  const peer = sharedPeer(sdk);

  test('sees what does not exist as nothing', async () => {
    expect(await peer.ask.state(`${sdk}-nobody`)).toBeUndefined();
    expect(await peer.ask.purge(`${sdk}-nobody`)).toBe(0);
    for (const verb of ['suspend', 'resume', 'terminate'] as const)
      await expect(peer.ask[verb](`${sdk}-nobody`), verb).rejects.toMatchObject({ code: NOT_FOUND });
  });

  test('does not wait for what does not exist', async () => {
    // Either of two answers is right: nothing, or an error.
    await expect(peer.ask.ended(`${sdk}-nobody`).catch(() => undefined)).resolves.toBeUndefined();
  });

  test('suspends and resumes, and both have taken effect when it is answered', async () => {
    const id = await waiting(peer, 'go');
    await peer.ask.suspend(id);
    expect(await peer.ask.state(id)).toMatchObject({ status: 'SUSPENDED' });
    await peer.ask.suspend(id);
    await peer.ask.raise(id, 'go', 'kept');
    expect(await peer.ask.state(id)).toMatchObject({ status: 'SUSPENDED' });
    await peer.ask.resume(id);
    expect((await peer.ask.state(id))!.status).not.toBe('SUSPENDED');
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '["kept"]' });
  });

  test('suspends while an activity runs, and its result is kept', async () => {
    const id = await peer.ask.start('holdInActivity', `${sdk}-suspended`);
    await peer.process.holds(`${sdk}-suspended`);
    await peer.ask.suspend(id);
    await peer.ask.letGo(`${sdk}-suspended`);
    expect(await peer.ask.state(id)).toMatchObject({ status: 'SUSPENDED' });
    await peer.ask.resume(id);
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED' });
    expect(peer.process.runs('held', `${sdk}-suspended`)).toBe(1);
  });

  test('terminates', async () => {
    const id = await waiting(peer, 'go');
    await peer.ask.terminate(id, { reason: 'enough' });
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'TERMINATED', output: '{"reason":"enough"}' });
    // Again, and whatever else is too late, changes nothing.
    await peer.ask.terminate(id, 'more');
    await peer.ask.suspend(id);
    await peer.ask.raise(id, 'go');
    expect(await peer.ask.state(id)).toMatchObject({ status: 'TERMINATED', output: '{"reason":"enough"}' });
  });

  test('terminates what is suspended', async () => {
    const id = await waiting(peer, 'go');
    await peer.ask.suspend(id);
    await peer.ask.terminate(id);
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'TERMINATED' });
  });

  test('terminates during a turn, whatever that turn comes to', async () => {
    const key = `${sdk}-terminated`;
    const id = await peer.ask.start('holdTurn', key);
    await peer.process.holds(key);
    await peer.ask.terminate(id, 'at once');
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'TERMINATED', output: '"at once"' });
    await peer.ask.letGo(key);
    // Another turn of the same worker comes through: it has not been left with the old one.
    expect(await peer.ask.ended(await peer.ask.start('echo', 1))).toMatchObject({ status: 'COMPLETED' });
    expect(await peer.ask.state(id)).toMatchObject({ status: 'TERMINATED', output: '"at once"' });
  });

  test('terminates an instance without its children, unless it asks for them', async () => {
    const ids = await family(peer, `${sdk}-alone`);
    await peer.ask.terminate(ids[0]!);
    expect(await peer.ask.ended(ids[0]!)).toMatchObject({ status: 'TERMINATED' });
    expect(await peer.ask.state(ids[2]!)).toMatchObject({ status: 'RUNNING' });
    await peer.ask.raise(ids[2]!, 'go', 1);
    expect(await peer.ask.ended(ids[1]!)).toMatchObject({ status: 'COMPLETED', output: '1' });
  });

  test('purges what has ended, and nothing else', async () => {
    const running = await waiting(peer, 'go');
    expect(await peer.ask.purge(running)).toBe(0);
    expect(await peer.ask.state(running)).toMatchObject({ status: 'RUNNING' });
    await peer.ask.raise(running, 'go');
    await peer.ask.ended(running);
    expect(await peer.ask.purge(running)).toBe(1);
    expect(await peer.ask.state(running)).toBeUndefined();
    expect(await peer.ask.purge(running)).toBe(0);
  });

  test.skipIf(sdk === 'dapr')('purges by when instances were created and how they ended', async () => {
    const failed = await peer.ask.start('fail', 'on purpose');
    const completed = await peer.ask.start('echo', 1);
    const running = await waiting(peer, 'go');
    const { createdAtMs } = (await peer.ask.ended(failed))!;
    await peer.ask.ended(completed);
    const all = { createdFromMs: createdAtMs - 60_000, createdToMs: Date.now() + 60_000 };
    expect(await peer.ask.purgeWhere({ createdFromMs: Date.now() + 60_000 })).toBe(0);
    expect(await peer.ask.purgeWhere({ ...all, statuses: ['FAILED'] })).toBeGreaterThanOrEqual(1);
    expect(await peer.ask.state(failed)).toBeUndefined();
    expect(await peer.ask.state(completed)).toMatchObject({ status: 'COMPLETED' });
    expect(await peer.ask.purgeWhere(all)).toBeGreaterThanOrEqual(1);
    expect(await peer.ask.state(completed)).toBeUndefined();
    expect(await peer.ask.state(running)).toMatchObject({ status: 'RUNNING' });
  });

  test('starts at a time, and not before', async () => {
    const startAtMs = Date.now() + 1_500;
    const id = await peer.ask.start('nap', 0, { startAtMs });
    expect(await peer.ask.state(id)).toMatchObject({ status: 'PENDING' });
    const state = await peer.ask.ended(id);
    expect(state!.status).toBe('COMPLETED');
    expect((JSON.parse(state!.output!) as number[])[0]).toBeGreaterThanOrEqual(startAtMs);
  });

  test('terminates what has not started', async () => {
    const id = await peer.ask.start('echo', 1, { startAtMs: Date.now() + 3_600_000 });
    await peer.ask.terminate(id, 'never mind');
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'TERMINATED', output: '"never mind"' });
  });

  test('cannot start an id that is in use', async () => {
    const id = await waiting(peer, 'go');
    await expect(peer.ask.start('echo', 1, { instanceId: id })).rejects.toMatchObject({ code: ALREADY_EXISTS });
    expect(await peer.ask.state(id)).toMatchObject({ name: 'eventsInTurn', status: 'RUNNING' });
  });
});

describe('an id whose instance has ended', () => {
  const dapr = sharedPeer('dapr');
  const microsoft = sharedPeer('microsoft');

  test('is free again to a client of dapr', async () => {
    const instanceId = await dapr.ask.start('echo', 'first');
    expect(await dapr.ask.ended(instanceId)).toMatchObject({ output: '"first"' });
    await dapr.ask.start('sequence', 1, { instanceId });
    expect(await dapr.ask.ended(instanceId)).toMatchObject({ name: 'sequence', status: 'COMPLETED' });
  });

  test('is not to a client of microsoft, until it is purged', async () => {
    const instanceId = await microsoft.ask.start('echo', 'first');
    await microsoft.ask.ended(instanceId);
    const again = microsoft.ask.start('echo', 'second', { instanceId });
    await expect(again).rejects.toMatchObject({ code: ALREADY_EXISTS });
    expect(await microsoft.ask.state(instanceId)).toMatchObject({ output: '"first"' });
    await microsoft.ask.purge(instanceId);
    await microsoft.ask.start('echo', 'second', { instanceId });
    expect(await microsoft.ask.ended(instanceId)).toMatchObject({ output: '"second"' });
  });
});
