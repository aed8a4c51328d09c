// External events from the clients of each SDK to workflows that its workers run.

import { describe, expect, test } from 'vitest';
import { sharedPeer } from './service.ts';
import { SDKS } from './sdk-process.ts';

/** Of gRPC. */
const NOT_FOUND = 5;

describe.each(SDKS)('an event from %s', (sdk) => {
  const peer = sharedPeer(sdk);

  test('is kept when it comes before anybody waits for it', async () => {
    const id = await peer.ask.start('eventsInTurn', ['a', 'b', 'c']);
    await peer.ask.raise(id, 'c', 'third');
    await peer.ask.raise(id, 'b', { second: true });
    await peer.ask.raise(id, 'a', 1);
    expect(await peer.ask.ended(id)).toMatchObject({
      status: 'COMPLETED',
      output: JSON.stringify([1, { second: true }, 'third']),
    });
  });

  test('is delivered to a workflow that waits', async () => {
    const id = await peer.ask.start('eventsInTurn', ['a']);
    expect(await peer.ask.started(id)).toMatchObject({ status: 'RUNNING' });
    await peer.ask.raise(id, 'a', 'here');
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '["here"]' });
  });

  test('comes in the order in which it was raised among those of its name', async () => {
    const id = await peer.ask.start('eventsInTurn', ['a', 'a', 'a', 'a', 'a']);
    for (let number = 1; number <= 5; number++) await peer.ask.raise(id, 'a', number);
    expect(await peer.ask.ended(id)).toMatchObject({ output: '[1,2,3,4,5]' });
  });

  test('is known by its name in any case', async () => {
    const id = await peer.ask.start('eventsInTurn', ['Approved']);
    await peer.ask.raise(id, 'APPROVED', 'yes');
    expect(await peer.ask.ended(id)).toMatchObject({ output: '["yes"]' });
  });

  test('comes in time', async () => {
    const id = await peer.ask.start('approval', 600);
    await peer.ask.started(id);
    await peer.ask.raise(id, 'approved', 'Ada');
    expect(await peer.ask.ended(id)).toMatchObject({ output: '{"by":"Ada"}' });
  });

  test('comes too late', async () => {
    const id = await peer.ask.start('approval', 1);
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '"timed out"' });
    await peer.ask.raise(id, 'approved', 'Ada');
    expect(await peer.ask.state(id)).toMatchObject({ status: 'COMPLETED', output: '"timed out"' });
  });

  // The older client loses what comes in one turn under one name when nobody waits for it.
  test.skipIf(sdk === 'durabletask')('is carried into the next execution when nobody has waited for it', async () => {
    const id = await peer.ask.start('collect', { count: 10, collected: [] });
    const numbers = Array.from({ length: 10 }, (_, index) => index + 1);
    await Promise.all(numbers.map((number) => peer.ask.raise(id, 'item', number)));
    const state = await peer.ask.ended(id);
    expect(state!.status).toBe('COMPLETED');
    expect((JSON.parse(state!.output!) as number[]).sort((a, b) => a - b)).toEqual(numbers);
  });

  test('reaches no instance that does not exist', async () => {
    await expect(peer.ask.raise(`${sdk}-nobody`, 'a')).rejects.toMatchObject({
      code: NOT_FOUND,
      message: expect.stringContaining('no such instance exists') as unknown,
    });
  });
});

describe('a workflow of microsoft', () => {
  const peer = sharedPeer('microsoft');

  test('sends an event to another instance', async () => {
    const waiting = await peer.ask.start('eventsInTurn', ['note']);
    const sender = await peer.ask.start('sendTo', { instanceId: waiting, name: 'note', payload: { from: 'a friend' } });
    expect(await peer.ask.ended(waiting)).toMatchObject({ output: '[{"from":"a friend"}]' });
    expect(await peer.ask.ended(sender)).toMatchObject({ status: 'COMPLETED' });
  });

  test('sends an event into the void when nobody has the id', async () => {
    const sender = await peer.ask.start('sendTo', { instanceId: 'nobody', name: 'note', payload: 1 });
    expect(await peer.ask.ended(sender)).toMatchObject({ status: 'COMPLETED' });
    expect(await peer.ask.state('nobody')).toBeUndefined();
  });
});
