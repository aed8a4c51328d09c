import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failing, GrpcBench, type Loose, type Peer } from './harness.ts';

let bench: GrpcBench;
let base: Peer;
let dapr: Peer;
let microsoft: Peer;
beforeAll(async () => {
  bench = await GrpcBench.start();
  base = bench.peer();
  dapr = bench.peer('dapr', { userAgent: 'dapr-sdk-python/1.2' });
  microsoft = bench.peer('microsoft', { userAgent: 'durabletask-js' });
});
afterAll(() => bench[Symbol.asyncDispose]());

const start = (peer: Peer, fields: object): Promise<Loose> =>
  peer.call('StartInstance', 'CreateInstanceRequest', fields, 'CreateInstanceResponse');
const get = async (peer: Peer, instanceId: string, payloads = true): Promise<Loose> =>
  peer.call('GetInstance', 'GetInstanceRequest', { instanceId, getInputsAndOutputs: payloads }, 'GetInstanceResponse');
const wait = (peer: Peer, rpc: 'Start' | 'Completion', instanceId: string, deadlineMs?: number): Promise<Loose> =>
  peer.call(
    `WaitForInstance${rpc}`,
    'GetInstanceRequest',
    { instanceId, getInputsAndOutputs: true },
    'GetInstanceResponse',
    deadlineMs,
  );
const steer = (peer: Peer, rpc: string, fields: object): Promise<Loose> => {
  const message = rpc === 'RaiseEvent' ? 'RaiseEvent' : rpc.replace('Instance', '');
  return peer.call(rpc, `${message}Request`, fields, `${message}Response`);
};

describe('a start', () => {
  test('keeps name, payload, version, tags and times as they were given', async () => {
    const at = Date.now() + 3_600_000;
    await start(base, {
      instanceId: 'later',
      name: 'nobody-runs-this',
      version: { value: '1.2' },
      input: { value: '{"b": 1,  "a": 2}' },
      tags: { team: 'blue' },
      scheduledStartTimestamp: { seconds: Math.floor(at / 1000), nanos: 5 },
    });
    const { exists, orchestrationState: state } = await get(base, 'later');
    expect(exists).toBe(true);
    expect(state).toMatchObject({
      instanceId: 'later',
      name: 'nobody-runs-this',
      version: { value: '1.2' },
      orchestrationStatus: 6,
      input: { value: '{"b": 1,  "a": 2}' },
      tags: { team: 'blue' },
      scheduledStartTimestamp: { seconds: Math.floor(at / 1000) },
    });
    expect(state.executionId.value).toMatch(/\.1$/);
    expect((await get(base, 'later', false)).orchestrationState.input).toBeUndefined();
  });

  test('without an id makes one, and with the epoch as its time begins at once', async () => {
    const { instanceId } = await start(base, {
      name: 'echo',
      input: { value: '"hi"' },
      scheduledStartTimestamp: { seconds: 0, nanos: 0 },
    });
    const { orchestrationState: state } = await wait(base, 'Completion', instanceId);
    expect(state).toMatchObject({ orchestrationStatus: 1, output: { value: '{"got":"hi"}' } });
    expect(state.completedTimestamp).toBeDefined();
  });

  test.each([
    ['a name that none can have', { name: '' }],
    ['an id that is too long', { name: 'echo', instanceId: 'x'.repeat(300) }],
    ['an id with control characters', { name: 'echo', instanceId: 'a\nb' }],
    ['a tag without a name', { name: 'echo', tags: { '': 'x' } }],
    ['too many tags', { name: 'echo', tags: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`t${i}`, 'x'])) }],
  ])('with %s is refused', async (_what, fields) => {
    expect((await failing(start(base, fields))).code).toBe(status.INVALID_ARGUMENT);
  });

  test('with bytes that are no message is refused, and logs nothing', async () => {
    const before = bench.logger.errors.length;
    expect((await failing(base.raw('StartInstance', Buffer.from([0xff, 0xff, 0xff])))).code).toBe(
      status.INVALID_ARGUMENT,
    );
    expect(bench.logger.errors).toHaveLength(before);
  });
});

describe('an id that is taken', () => {
  const done = async (peer: Peer, instanceId: string): Promise<void> => {
    await start(peer, { instanceId, name: 'echo' });
    await wait(peer, 'Completion', instanceId);
  };
  const active = (instanceId: string): Promise<Loose> => start(base, { instanceId, name: 'waiter' });

  test('by an instance that goes on is refused to everybody', async () => {
    await active('taken');
    for (const peer of [base, dapr, microsoft])
      expect((await failing(start(peer, { instanceId: 'taken', name: 'echo' }))).code).toBe(status.ALREADY_EXISTS);
  });

  test('by one that has ended is free to Dapr, unless it must be unique', async () => {
    await done(dapr, 'ended-d');
    await start(dapr, { instanceId: 'ended-d', name: 'echo', input: { value: '2' } });
    expect((await wait(dapr, 'Completion', 'ended-d')).orchestrationState.output.value).toBe('{"got":2}');
    const again = { instanceId: 'ended-d', name: 'echo', enforceUniqueInstanceId: true };
    expect((await failing(start(dapr, again))).code).toBe(status.ALREADY_EXISTS);
  });

  test('by one that has ended is refused to Microsoft without a policy', async () => {
    await done(microsoft, 'ended-m');
    expect((await failing(start(microsoft, { instanceId: 'ended-m', name: 'echo' }))).code).toBe(status.ALREADY_EXISTS);
    // A client that does not say its name says when it asked.
    const bare = bench.peer('microsoft');
    const asked = { instanceId: 'ended-m', name: 'echo', requestTime: { seconds: 1_700_000_000 } };
    expect((await failing(start(bare, asked))).code).toBe(status.ALREADY_EXISTS);
  });

  test('is replaced in the statuses that a policy names', async () => {
    await done(microsoft, 'policy');
    const policy = (...replaceableStatus: number[]) => ({
      instanceId: 'policy',
      name: 'waiter',
      orchestrationIdReusePolicy: { replaceableStatus },
    });
    expect((await failing(start(microsoft, policy(3, 5)))).code).toBe(status.ALREADY_EXISTS);
    await start(microsoft, policy(1));
    await wait(microsoft, 'Start', 'policy');
    expect((await failing(start(microsoft, policy(1)))).code).toBe(status.ALREADY_EXISTS);
    const first = (await get(microsoft, 'policy')).orchestrationState;
    await start(microsoft, policy(0, 5, 6));
    const second = (await get(microsoft, 'policy')).orchestrationState;
    expect(second.executionId).not.toEqual(first.executionId);
    // Replacing what goes on means to terminate it.
    expect((await failing(start(microsoft, policy(0)))).code).toBe(status.INVALID_ARGUMENT);
  });
});

describe('an instance that is not there', () => {
  test('is no error of those who look for it', async () => {
    expect(await get(base, 'nobody')).toEqual({});
    expect(await wait(microsoft, 'Start', 'nobody')).toEqual({});
    expect(await wait(base, 'Completion', 'nobody')).toEqual({});
  });

  test("is an error of Dapr's waits", async () => {
    expect(await failing(wait(dapr, 'Completion', 'nobody'))).toMatchObject({
      code: status.UNKNOWN,
      details: expect.stringContaining('no such instance exists'),
    });
  });

  test.each(['RaiseEvent', 'TerminateInstance', 'SuspendInstance', 'ResumeInstance'])(
    'is NOT_FOUND to %s',
    async (rpc) => {
      expect(await failing(steer(base, rpc, { instanceId: 'nobody', name: 'x' }))).toMatchObject({
        code: status.NOT_FOUND,
        details: expect.stringContaining('no such instance exists'),
      });
    },
  );

  test('has no history', async () => {
    const asked = dapr.call(
      'GetInstanceHistory',
      'GetInstanceHistoryRequest',
      { instanceId: 'nobody' },
      'HistoryChunk',
    );
    expect((await failing(asked)).code).toBe(status.NOT_FOUND);
    const stream = microsoft.stream(
      'StreamInstanceHistory',
      'StreamInstanceHistoryRequest',
      { instanceId: 'nobody' },
      'HistoryChunk',
    );
    expect(await stream.ended).toBe(status.NOT_FOUND);
  });
});

describe('steering', () => {
  test('takes effect before it is answered', async () => {
    await start(base, { instanceId: 'steered', name: 'waiter' });
    await wait(base, 'Start', 'steered');
    const statusNow = async (): Promise<number> =>
      (await get(base, 'steered')).orchestrationState.orchestrationStatus ?? 0;
    await steer(base, 'SuspendInstance', { instanceId: 'steered' });
    expect(await statusNow()).toBe(7);
    await steer(base, 'SuspendInstance', { instanceId: 'steered' });
    await steer(base, 'RaiseEvent', { instanceId: 'steered', name: 'GO', input: { value: '{"x":  1}' } });
    expect(await statusNow()).toBe(7);
    await steer(base, 'ResumeInstance', { instanceId: 'steered' });
    const { orchestrationState: state } = await wait(base, 'Completion', 'steered');
    expect(state.orchestrationStatus).toBe(1);
    expect(JSON.parse(state.output.value)).toEqual({ x: 1 });
  });

  test('of what has ended is taken and has no effect', async () => {
    await start(base, { instanceId: 'over', name: 'echo' });
    await wait(base, 'Completion', 'over');
    for (const rpc of ['RaiseEvent', 'TerminateInstance', 'SuspendInstance', 'ResumeInstance'])
      await steer(base, rpc, { instanceId: 'over', name: 'x' });
    expect((await get(base, 'over')).orchestrationState.orchestrationStatus).toBe(1);
  });

  test('terminates what nobody runs, with an output as it was given', async () => {
    await start(base, { instanceId: 'never-run', name: 'nobody-runs-this' });
    await steer(base, 'TerminateInstance', { instanceId: 'never-run', output: { value: 'not json' } });
    expect((await get(base, 'never-run')).orchestrationState).toMatchObject({
      orchestrationStatus: 5,
      output: { value: 'not json' },
    });
  });

  test('shows why an instance failed', async () => {
    await start(base, { instanceId: 'failed', name: 'failing', input: { value: '"why"' } });
    expect((await wait(base, 'Completion', 'failed')).orchestrationState).toMatchObject({
      orchestrationStatus: 3,
      failureDetails: { errorType: 'RangeError', errorMessage: 'why' },
    });
  });
});

describe('a wait', () => {
  test('ends with the deadline of its caller', async () => {
    await start(base, { instanceId: 'long', name: 'waiter' });
    expect((await failing(wait(base, 'Completion', 'long', 300))).code).toBe(status.DEADLINE_EXCEEDED);
  });

  test('for the start ends when the code runs', async () => {
    await start(base, { instanceId: 'unstarted', name: 'nobody-runs-this' });
    expect((await failing(wait(base, 'Start', 'unstarted', 300))).code).toBe(status.DEADLINE_EXCEEDED);
    const waiting = wait(base, 'Start', 'unstarted');
    await steer(base, 'TerminateInstance', { instanceId: 'unstarted' });
    expect((await waiting).orchestrationState.orchestrationStatus).toBe(5);
  });
});

describe('purges', () => {
  const purge = (peer: Peer, fields: object): Promise<Loose> =>
    peer.call('PurgeInstances', 'PurgeInstancesRequest', fields, 'PurgeInstancesResponse');
  const gone = { deletedInstanceCount: 1, isComplete: { value: true } };
  const none = { isComplete: { value: true } };

  test('count what has ended, and nothing else', async () => {
    await start(base, { instanceId: 'purged', name: 'echo' });
    await wait(base, 'Completion', 'purged');
    await start(base, { instanceId: 'going', name: 'waiter' });
    expect(await purge(base, { instanceId: 'purged' })).toEqual(gone);
    expect(await purge(base, { instanceId: 'purged' })).toEqual(none);
    expect(await purge(base, { instanceId: 'going' })).toEqual(none);
    expect(await get(base, 'purged')).toEqual({});
  });

  test("take what goes on with Dapr's force, and Microsoft's lists, by the same field", async () => {
    await start(base, { instanceId: 'forced', name: 'waiter' });
    expect(await purge(dapr, { instanceId: 'forced', force: true })).toEqual(gone);
    for (const instanceId of ['batch-1', 'batch-2']) {
      await start(base, { instanceId, name: 'echo' });
      await wait(base, 'Completion', instanceId);
    }
    const batch = { instanceBatch: { instanceIds: ['batch-1', 'batch-2', 'batch-3'] } };
    expect(await purge(microsoft, batch)).toEqual({ ...gone, deletedInstanceCount: 2 });
  });

  test('count children when they take them along', async () => {
    await start(base, { instanceId: 'family', name: 'parent' });
    await expect.poll(async () => (await get(base, 'family:child')).exists).toBe(true);
    await steer(base, 'TerminateInstance', { instanceId: 'family', recursive: true });
    await wait(base, 'Completion', 'family:child');
    expect(await purge(base, { instanceId: 'family', recursive: true })).toEqual({ ...gone, deletedInstanceCount: 2 });
    expect(await get(base, 'family:child')).toEqual({});
  });

  test('by a filter take what has ended in a time and a status', async () => {
    await start(base, { instanceId: 'filtered', name: 'failing' });
    const { createdTimestamp } = (await wait(base, 'Completion', 'filtered')).orchestrationState;
    const before = { purgeInstanceFilter: { createdTimeTo: createdTimestamp, runtimeStatus: [3] } };
    const after = { purgeInstanceFilter: { createdTimeFrom: createdTimestamp, runtimeStatus: [3] } };
    await purge(base, before);
    expect((await get(base, 'filtered')).exists).toBe(true);
    expect(
      (await purge(base, { purgeInstanceFilter: { ...after.purgeInstanceFilter, runtimeStatus: [0, 6] } }))
        .deletedInstanceCount,
    ).toBeUndefined();
    expect((await purge(base, after)).deletedInstanceCount).toBeGreaterThan(0);
    expect(await get(base, 'filtered')).toEqual({});
  });
});

describe('lists', () => {
  test('go from page to page without missing or repeating one', async () => {
    const ids = Array.from({ length: 7 }, (_, index) => `listed-${index}`);
    for (const instanceId of ids) {
      await start(base, { instanceId, name: 'echo', tags: { n: instanceId } });
      await wait(base, 'Completion', instanceId);
    }
    const seen: string[] = [];
    let continuationToken: Loose;
    do {
      const query = {
        instanceIdPrefix: { value: 'listed-' },
        maxInstanceCount: 3,
        continuationToken,
        fetchInputsAndOutputs: true,
        runtimeStatus: [1],
      };
      const page = await microsoft.call('QueryInstances', 'QueryInstancesRequest', { query }, 'QueryInstancesResponse');
      for (const state of page.orchestrationState ?? []) {
        seen.push(state.instanceId);
        expect(state.tags).toEqual({ n: state.instanceId });
        expect(state.output.value).toBe('{"none":true}');
      }
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    expect(seen.toSorted()).toEqual(ids);
    const none = { query: { instanceIdPrefix: { value: 'listed-' }, runtimeStatus: [4] } };
    expect(await microsoft.call('QueryInstances', 'QueryInstancesRequest', none, 'QueryInstancesResponse')).toEqual({});
  });

  test("of ids are two rpcs, Microsoft's of those that have ended", async () => {
    await start(base, { instanceId: 'goes-on', name: 'waiter' });
    await start(base, { instanceId: 'has-ended', name: 'echo' });
    const { completedTimestamp } = (await wait(base, 'Completion', 'has-ended')).orchestrationState;
    const ids = async (fields: object): Promise<string[]> => {
      const found: string[] = [];
      let lastInstanceKey: Loose;
      do {
        const asked = { ...fields, pageSize: 2, lastInstanceKey };
        const page = await microsoft.call(
          'ListInstanceIds',
          'ListInstanceIdsRequest',
          asked,
          'ListInstanceIdsResponse',
        );
        found.push(...(page.instanceIds ?? []));
        lastInstanceKey = page.lastInstanceKey;
      } while (lastInstanceKey !== undefined);
      return found;
    };
    expect(await ids({})).toContain('has-ended');
    expect(await ids({})).not.toContain('goes-on');
    expect(await ids({ completedTimeFrom: completedTimestamp })).toContain('has-ended');
    const later = { seconds: completedTimestamp.seconds + 1 };
    expect(await ids({ completedTimeFrom: later })).not.toContain('has-ended');
    const all = new Set<string>();
    let continuationToken: string | undefined;
    do {
      const asked = { pageSize: 4, continuationToken };
      const page = await dapr.call('ListInstanceIDs', 'ListInstanceIDsRequest', asked, 'ListInstanceIDsResponse');
      for (const id of page.instanceIds) all.add(id);
      continuationToken = page.continuationToken;
    } while (continuationToken !== undefined);
    expect(all).toContain('goes-on');
    expect(all).toContain('has-ended');
  });
});

describe('a restart', () => {
  const restart = (instanceId: string, restartWithNewInstanceId: boolean): Promise<Loose> =>
    microsoft.call(
      'RestartInstance',
      'RestartInstanceRequest',
      { instanceId, restartWithNewInstanceId },
      'RestartInstanceResponse',
    );

  test('has the input, version and tags of before', async () => {
    const of = { name: 'echo', input: { value: '[1,  2]' }, tags: { a: 'b' } };
    await start(base, { instanceId: 'first', ...of });
    const before = (await wait(base, 'Completion', 'first')).orchestrationState;
    const { instanceId } = await restart('first', true);
    expect(instanceId).not.toBe('first');
    const { orchestrationState: other } = await wait(base, 'Completion', instanceId);
    expect(other).toMatchObject({ name: 'echo', input: of.input, tags: of.tags, output: before.output });
    expect(await restart('first', false)).toEqual({ instanceId: 'first' });
    const { orchestrationState: same } = await wait(base, 'Completion', 'first');
    expect(same).toMatchObject({ input: of.input, tags: of.tags });
    expect(same.executionId).not.toEqual(before.executionId);
  });

  test('needs an instance, and under its own id one that has ended', async () => {
    await start(base, { instanceId: 'busy', name: 'waiter' });
    expect((await failing(restart('busy', false))).code).toBe(status.FAILED_PRECONDITION);
    expect((await failing(restart('nobody', true))).code).toBe(status.NOT_FOUND);
  });
});

test('rpcs that are not served are UNIMPLEMENTED', async () => {
  for (const rpc of ['CreateTaskHub', 'NoSuchRpc', '/dapr.proto.runtime.v1.Dapr/InvokeService'])
    expect((await failing(base.raw(rpc, Buffer.alloc(0)))).code).toBe(status.UNIMPLEMENTED);
});
