// What workers of each SDK run, from its start to its result.

import { describe, expect, test } from 'vitest';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { sharedPeer } from './service.ts';
import { SDKS } from './sdk-process.ts';

describe.each(SDKS)('a workflow of %s', (sdk) => {
  const peer = sharedPeer(sdk);

  test('ends with what it returns', async () => {
    const id = await peer.ask.start('echo', { text: 'käse "🧀"\n', list: [1, null, true] });
    const state = await peer.ask.ended(id);
    const text = JSON.stringify({ text: 'käse "🧀"\n', list: [1, null, true] });
    expect(state).toMatchObject({ name: 'echo', instanceId: id, status: 'COMPLETED', input: text, output: text });
    expect(state!.failure).toBeUndefined();
    expect(state!.updatedAtMs).toBeGreaterThanOrEqual(state!.createdAtMs);
  });

  test('ends without a result when it returns none', async () => {
    const state = await peer.ask.ended(await peer.ask.start('echo'));
    expect(state).toMatchObject({ status: 'COMPLETED' });
    expect(state!.output ?? '').toBe('');
  });

  test('runs activities one after another', async () => {
    const state = await peer.ask.ended(await peer.ask.start('sequence', 1));
    expect(state).toMatchObject({ status: 'COMPLETED', output: JSON.stringify([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) });
    expect(JSON.parse(quoted(state!.customStatus!))).toBe('counted');
  });

  test.each([10, 1_000])('runs %i activities at once, each of them one time', async (width) => {
    const before = peer.process.runs('square');
    const state = await peer.ask.ended(await peer.ask.start('fanOut', width));
    const squares = Array.from({ length: width }, (_, index) => (index + 1) ** 2);
    expect(state).toMatchObject({ status: 'COMPLETED', output: String(squares.reduce((a, b) => a + b)) });
    expect(peer.process.runs('square') - before).toBe(width);
  });

  test('has children that run beside each other', async () => {
    const state = await peer.ask.ended(await peer.ask.start('withChildren', [1, 100, 1_000]));
    expect(state).toMatchObject({ status: 'COMPLETED', output: JSON.stringify([11, 110, 1_010]) });
  });

  test('sleeps, and its own time has passed then', async () => {
    const state = await peer.ask.ended(await peer.ask.start('nap', 1_100));
    const [before, after] = JSON.parse(state!.output!) as [number, number];
    expect(after - before).toBeGreaterThanOrEqual(1_100);
    expect(state!.updatedAtMs - state!.createdAtMs).toBeGreaterThanOrEqual(1_100);
  });

  test('does not sleep when the time of its timer has passed', async () => {
    expect(await peer.ask.ended(await peer.ask.start('nap', -60_000))).toMatchObject({ status: 'COMPLETED' });
  });

  test('continues as new', async () => {
    const id = await peer.ask.start('countToTen', 1);
    expect(await peer.ask.ended(id)).toMatchObject({ instanceId: id, status: 'COMPLETED', output: '10' });
  });

  test('announces one custom status after another', async () => {
    const id = await peer.ask.start('announce', ['first', 'second']);
    for (const status of ['first', 'second']) {
      await eventually(`the status is ${status}`, async () => {
        const { customStatus } = (await peer.ask.state(id))!;
        return customStatus !== undefined && customStatus !== '' && JSON.parse(quoted(customStatus)) === status;
      });
      await peer.ask.raise(id, 'next');
    }
    expect(JSON.parse(quoted((await peer.ask.ended(id))!.customStatus!))).toBe('second');
  });

  test('fails with what it throws', async () => {
    const state = await peer.ask.ended(await peer.ask.start('fail', 'out of range'));
    expect(state).toMatchObject({ status: 'FAILED', failure: { type: 'RangeError', message: 'out of range' } });
    expect(state!.failure!.stack).toContain('code.mjs');
  });

  test('fails with what its activity throws', async () => {
    const state = await peer.ask.ended(await peer.ask.start('failInActivity', 'no such thing'));
    expect(state!.status).toBe('FAILED');
    expect(state!.failure!.message).toContain('no such thing');
  });

  test('goes on when it catches the failure of an activity', async () => {
    const state = await peer.ask.ended(await peer.ask.start('catchActivity', 'no such thing'));
    expect(state!.status).toBe('COMPLETED');
    expect(state!.output).toContain('no such thing');
  });

  test('goes on when it catches the failure of a child', async () => {
    const state = await peer.ask.ended(await peer.ask.start('catchChild', { name: 'fail', input: 'the child broke' }));
    expect(state!.status).toBe('COMPLETED');
    expect(state!.output).toContain('the child broke');
  });

  test('hears of a child that is terminated', async () => {
    const input = { name: 'eventsInTurn', input: ['never'], childId: `${sdk}-to-be-terminated` };
    const id = await peer.ask.start('catchChild', input);
    await eventually('the child waits', async () => (await peer.ask.state(input.childId))?.status === 'RUNNING');
    await peer.ask.terminate(input.childId, 'enough');
    const state = await peer.ask.ended(id);
    expect(state!.status).toBe('COMPLETED');
    expect(JSON.parse(state!.output!)).toHaveProperty('caught');
    expect(state!.output).not.toContain('Cannot read properties');
  });

  test('hears that its child cannot have the id of another instance', async () => {
    const taken = await peer.ask.start('eventsInTurn', ['never']);
    await peer.ask.started(taken);
    const state = await peer.ask.ended(await peer.ask.start('catchChild', { name: 'echo', input: 1, childId: taken }));
    expect(state!.status).toBe('COMPLETED');
    expect(JSON.parse(state!.output!)).toHaveProperty('caught');
    expect(await peer.ask.state(taken)).toMatchObject({ name: 'eventsInTurn', status: 'RUNNING' });
  });

  test('fails when the worker that is given one of its activities does not have it', async () => {
    const state = await peer.ask.ended(await peer.ask.start('callNobody'));
    expect(state!.status).toBe('FAILED');
    expect(state!.failure!.message).toContain('nobodyHasThis');
  });

  test('fails when the worker that is given it does not have it', async () => {
    const state = await peer.ask.ended(await peer.ask.start('nobodyHasThisEither'));
    expect(state!.status).toBe('FAILED');
    expect(state!.failure!.message).toContain('nobodyHasThisEither');
  });

  test('passes on payloads of 6 MB', async () => {
    const bytes = 6 * 1024 * 1024;
    const state = await peer.ask.ended(await peer.ask.start('big', bytes));
    expect(state!.status).toBe('COMPLETED');
    expect(Buffer.byteLength(state!.output!)).toBe(bytes + 2);
    const input = 'x'.repeat(bytes);
    const echoed = await peer.ask.ended(await peer.ask.start('echo', input));
    expect(echoed!.output === JSON.stringify(input)).toBe(true);
  });

  test('is one of 500 that run at once', async () => {
    const ids = await Promise.all(Array.from({ length: 500 }, (_, number) => peer.ask.start('addTwo', number)));
    const states = await Promise.all(ids.map((id) => peer.ask.ended(id)));
    expect(states.map((state) => state!.output)).toEqual(ids.map((_, number) => String(number + 2)));
  });
});

/** Some SDKs send a custom status as it is given, some as JSON. */
function quoted(status: string): string {
  return status.startsWith('"') ? status : JSON.stringify(status);
}
