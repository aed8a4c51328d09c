// Workers that come, go, die and are many, and what becomes of what they had in hand.

import { describe, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { SdkProcess, SDKS, type Sdk } from './sdk-process.ts';
import { Service } from './service.ts';

/** More for `npm run chaos`. */
const rounds = Number(process.env['TROUPE_ROUNDS'] ?? 1);

/** Of a `sequence`. Those of Dapr's forks lose a 0. */
const outputOf = (start: number): string => JSON.stringify(Array.from({ length: 11 }, (_, step) => start + step));

async function service(): Promise<Service> {
  const started = await Service.start();
  onTestFinished(() => started.stop());
  return started;
}

async function peerOf(sdk: Sdk, { address }: Service): Promise<SdkProcess> {
  const peer = await SdkProcess.start(sdk, address);
  onTestFinished(() => peer.kill());
  return peer;
}

describe.each(SDKS)('a worker of %s', (sdk) => {
  test('that is killed during a turn is replaced by another', async () => {
    const serving = await service();
    const [first, second] = [await peerOf(sdk, serving), await peerOf(sdk, serving)];
    await first.ask.work();
    const id = await second.ask.start('holdTurn', 'turn');
    await first.holds('turn');
    await second.ask.work();
    await first.kill();
    await second.holds('turn');
    await second.ask.letGo('turn');
    expect(await second.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '3' });
    // What the first had brought to an end was not run again.
    expect(first.runs('plusOne')).toBe(1);
    expect(second.runs('plusOne', 1)).toBe(0);
    expect(second.runs('plusOne', 2)).toBe(1);
  });

  test('that is killed during an activity is replaced by another', async () => {
    const serving = await service();
    const [first, second] = [await peerOf(sdk, serving), await peerOf(sdk, serving)];
    await first.ask.work();
    const id = await second.ask.start('holdInActivity', 'activity');
    await first.holds('activity');
    await first.kill();
    // With no worker at all meanwhile: it waits.
    await serving.workers(0);
    expect(await second.ask.state(id)).toMatchObject({ status: 'RUNNING' });
    await second.ask.work();
    await second.holds('activity');
    await second.ask.letGo('activity');
    expect(await second.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '"let go of activity"' });
  });

  test('that is stopped gracefully leaves what it has not begun to another', async () => {
    const serving = await service();
    const [first, second] = [await peerOf(sdk, serving), await peerOf(sdk, serving)];
    await first.ask.work();
    await second.ask.work();
    await serving.workers(2);
    const ids = await Promise.all(Array.from({ length: 60 }, (_, number) => second.ask.start('sequence', number + 1)));
    await eventually('both have work', () => first.runs('plusOne') > 0 && second.runs('plusOne') > 0);
    await first.ask.rest();
    for (const id of ids) expect(await second.ask.ended(id)).toMatchObject({ status: 'COMPLETED' });
  });

  test('is not needed to answer clients, and finds what they did when it comes', async () => {
    const serving = await service();
    const peer = await peerOf(sdk, serving);
    const waiting = await peer.ask.start('eventsInTurn', ['a', 'b']);
    const suspended = await peer.ask.start('echo', 'suspended');
    const terminated = await peer.ask.start('echo', 'terminated');
    expect(await peer.ask.state(waiting)).toMatchObject({ name: 'eventsInTurn', status: 'PENDING' });
    await peer.ask.raise(waiting, 'b', 2);
    await peer.ask.raise(waiting, 'a', 1);
    await peer.ask.suspend(suspended);
    expect(await peer.ask.state(suspended)).toMatchObject({ status: 'SUSPENDED' });
    await peer.ask.terminate(terminated, 'nobody came');
    expect(await peer.ask.ended(terminated)).toMatchObject({ status: 'TERMINATED', output: '"nobody came"' });
    expect(await peer.ask.purge(terminated)).toBe(1);
    expect(await peer.ask.state(terminated)).toBeUndefined();

    await peer.ask.work();
    expect(await peer.ask.ended(waiting)).toMatchObject({ status: 'COMPLETED', output: '[1,2]' });
    expect(await peer.ask.state(suspended)).toMatchObject({ status: 'SUSPENDED' });
    await peer.ask.resume(suspended);
    expect(await peer.ask.ended(suspended)).toMatchObject({ status: 'COMPLETED', output: '"suspended"' });
  });

  test(
    'is killed in the middle of much work, again and again, and nothing is lost or done twice over',
    { timeout: 60_000 + rounds * 60_000 },
    async () => {
      const serving = await service();
      const client = await peerOf(sdk, serving);
      for (let round = 0; round < rounds; round++) {
        let worker = await peerOf(sdk, serving);
        await worker.ask.work();
        const started = Array.from({ length: 40 }, (_, index) => client.ask.start('sequence', index + 1));
        const ids = await Promise.all([...started, client.ask.start('fanOut', 300)]);
        for (let kill = 1; kill <= 3; kill++) {
          await eventually('it is busy', () => worker.runs('plusOne') + worker.runs('square') >= 20 * kill);
          await worker.kill();
          worker = await peerOf(sdk, serving);
          await worker.ask.work();
        }
        const states = await Promise.all(ids.map((id) => client.ask.ended(id)));
        const fanned = Array.from({ length: 300 }, (_, index) => (index + 1) ** 2).reduce((a, b) => a + b);
        expect(states.pop()).toMatchObject({ status: 'COMPLETED', output: String(fanned) });
        for (const [index, state] of states.entries())
          expect(state).toMatchObject({
            status: 'COMPLETED',
            output: outputOf(index + 1),
          });
        await worker.kill();
      }
    },
  );

  test('comes back by itself when the service was restarted in order', async () => {
    const serving = await service();
    const peer = await peerOf(sdk, serving);
    await peer.ask.work();
    const id = await peer.ask.start('eventsInTurn', ['a']);
    await peer.ask.started(id);
    await serving.restart();
    await serving.workers(1);
    await eventually('the client is connected again', async () => (await peer.ask.state(id)) !== undefined);
    await peer.ask.raise(id, 'a', 'after');
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '["after"]' });
  });
});

describe('workers of both dialects', () => {
  test('work for clients of both at once', async () => {
    const serving = await service();
    const peers = await Promise.all(SDKS.map((sdk) => peerOf(sdk, serving)));
    for (const peer of peers) await peer.ask.work();
    await serving.workers(peers.length);
    const started = peers.flatMap((peer) =>
      Array.from({ length: 30 }, async (_, index) => {
        const id = await peer.ask.start('sequence', index + 1);
        return { number: index + 1, state: await peer.ask.ended(id) };
      }),
    );
    for (const { number, state } of await Promise.all(started))
      expect(state).toMatchObject({ status: 'COMPLETED', output: outputOf(number) });
    const runs = peers.map((peer) => peer.runs('plusOne'));
    for (const count of runs) expect(count).toBeGreaterThan(0);
    expect(runs.reduce((a, b) => a + b)).toBe(peers.length * 30 * 10);
  });

  test('see each other’s instances', async () => {
    const serving = await service();
    const [dapr, microsoft] = [await peerOf('dapr', serving), await peerOf('microsoft', serving)];
    await dapr.ask.work();
    const id = await microsoft.ask.start('eventsInTurn', ['a'], { tags: { from: 'afar' } });
    await dapr.ask.started(id);
    await dapr.ask.raise(id, 'a', 1);
    expect(await microsoft.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '[1]', tags: { from: 'afar' } });
    expect((await microsoft.ask.history(id)).at(-1)).toMatchObject({ type: 'ExecutionCompleted' });
  });
});

describe('workers that say what they run', () => {
  test('are given that and nothing else', async () => {
    const serving = await service();
    const [one, other] = [await peerOf('microsoft', serving), await peerOf('microsoft', serving)];
    await one.ask.work(['echo']);
    await serving.workers(1);
    const sequence = await one.ask.start('sequence', 1);
    // What comes after it is not held up by it.
    expect(await one.ask.ended(await one.ask.start('echo', 1))).toMatchObject({ status: 'COMPLETED' });
    expect(await one.ask.state(sequence)).toMatchObject({ status: 'PENDING' });
    await other.ask.work(['sequence', 'plusOne']);
    expect(await one.ask.ended(sequence)).toMatchObject({ status: 'COMPLETED' });
    expect(one.runs('plusOne')).toBe(0);
    expect(other.runs('plusOne')).toBe(10);
  });

  test('share the work of a workflow whose activities run elsewhere', async () => {
    const serving = await service();
    const [turns, activities] = [await peerOf('microsoft', serving), await peerOf('microsoft', serving)];
    await turns.ask.work(['fanOut']);
    const id = await turns.ask.start('fanOut', 20);
    await turns.ask.started(id);
    await activities.ask.work(['square']);
    expect(await turns.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '2870' });
    expect(activities.runs('square')).toBe(20);
  });
});
