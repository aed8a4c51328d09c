import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { failing, GrpcBench, type Loose, type Peer, type PeerStream } from './harness.ts';

const text = (value: string): object => ({ value });

const signal = (peer: Peer, instanceId: string, name: string, fields: object = {}): Promise<Loose> =>
  peer.call('SignalEntity', 'SignalEntityRequest', { instanceId, name, ...fields }, 'SignalEntityResponse');
const get = (peer: Peer, instanceId: string): Promise<Loose> =>
  peer.call('GetEntity', 'GetEntityRequest', { instanceId, includeState: true }, 'GetEntityResponse');
const query = (peer: Peer, fields: object = {}): Promise<Loose> =>
  peer.call('QueryEntities', 'QueryEntitiesRequest', { query: fields }, 'QueryEntitiesResponse');
const completeBatch = (peer: Peer, fields: object): Promise<Loose> =>
  peer.call('CompleteEntityTask', 'EntityBatchResult', fields, 'CompleteTaskResponse');
const work = (peer: Peer, fields: object = { maxConcurrentEntityWorkItems: 10 }): PeerStream =>
  peer.stream('GetWorkItems', 'GetWorkItemsRequest', fields, 'WorkItem');

/** The next item that is no ping. */
async function next(stream: PeerStream): Promise<Loose> {
  for (;;) {
    const item = await stream.next();
    if (item.request !== 'healthPing') return item;
  }
}

/** Asks until it is so: nothing says when an operation has been run. */
async function until(ask: () => Promise<Loose>, isSo: (answer: Loose) => boolean): Promise<Loose> {
  for (let tries = 0; tries < 600; tries++) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it did not become so');
}

test('a signal is run by a worker; its state, and what it asked for, are there afterwards', async () => {
  await using t = await GrpcBench.start();
  const peer = t.peer('microsoft');
  expect(await get(peer, '@counter@a')).toEqual({});
  const stream = work(peer);
  const traceParent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await signal(peer, '@Counter@a', 'add', { input: text('1'), requestId: 'r', parentTraceContext: { traceParent } });
  await signal(peer, '@Counter@a', 'add', { input: text('1'), requestId: 'r' });
  const item = await next(stream);
  expect(item).toMatchObject({
    entityRequest: {
      instanceId: '@counter@a',
      operations: [{ operation: 'add', requestId: 'r', input: text('1'), traceContext: { traceParent } }],
    },
  });
  expect(item.entityRequest.entityState).toBeUndefined();
  const done = {
    completionToken: item.completionToken,
    entityState: text('{"n":1}'),
    results: [{ success: { result: text('1') } }],
    actions: [
      { id: 1, sendSignal: { instanceId: '@counter@b', name: 'set', input: text('2') } },
      {
        id: 2,
        startNewOrchestration: {
          instanceId: 'begun',
          name: 'unknown',
          input: text('3'),
          scheduledTime: { seconds: 7_000_000_000 },
        },
      },
    ],
  };
  await completeBatch(peer, done);
  await completeBatch(peer, done);
  const other = await next(stream);
  expect(other.entityRequest).toMatchObject({ instanceId: '@counter@b', operations: [{ operation: 'set' }] });
  await completeBatch(peer, { completionToken: other.completionToken, results: [{ success: {} }] });
  expect(
    await until(
      () => get(peer, '@COUNTER@a'),
      ({ exists }) => exists,
    ),
  ).toMatchObject({
    entity: { instanceId: '@counter@a', serializedState: text('{"n":1}') },
  });
  const begun = await until(
    () => peer.call('GetInstance', 'GetInstanceRequest', { instanceId: 'begun' }, 'GetInstanceResponse'),
    ({ exists }) => exists,
  );
  expect(begun).toMatchObject({
    orchestrationState: { name: 'unknown', scheduledStartTimestamp: { seconds: 7_000_000_000 } },
  });

  // The other has no state, and so it is not there but for those who ask for such.
  expect((await query(peer)).entities).toMatchObject([{ instanceId: '@counter@a' }]);
  const ids = async (fields: object): Promise<string[]> =>
    ((await query(peer, fields)).entities ?? []).map(({ instanceId }: Loose) => instanceId);
  await until(
    () => ids({ includeTransient: true }),
    (found) => found.length === 2,
  );
  expect(await ids({ instanceIdStartsWith: text('@Counter@a') })).toEqual(['@counter@a']);
  expect(await ids({ lastModifiedTo: { seconds: 1 } })).toEqual([]);
  const page = await query(peer, { includeTransient: true, includeState: true, pageSize: { value: 1 } });
  expect(page.entities).toHaveLength(1);
  const rest = { includeTransient: true, pageSize: { value: 1 }, continuationToken: page.continuationToken };
  expect((await query(peer, rest)).entities).toHaveLength(1);
  const cleaned = await peer.call(
    'CleanEntityStorage',
    'CleanEntityStorageRequest',
    { removeEmptyEntities: true, releaseOrphanedLocks: true },
    'CleanEntityStorageResponse',
  );
  expect(cleaned).toEqual({ emptyEntitiesRemoved: 1 });
  expect((await failing(signal(peer, 'counter', 'add'))).code).toBe(status.INVALID_ARGUMENT);
  expect((await failing(signal(peer, '@counter@a', ''))).code).toBe(status.INVALID_ARGUMENT);
  const requestId = 'r'.repeat(1_000);
  expect((await failing(signal(peer, '@counter@a', 'add', { requestId }))).code).toBe(status.INVALID_ARGUMENT);
});

test('workers are given what their filters name, and nothing that their fork does not know', async () => {
  await using t = await GrpcBench.start();
  const client = t.peer('microsoft');
  const dapr = work(t.peer('dapr', { userAgent: 'dapr-sdk-python/1' }), {});
  const other = work(client, { workItemFilters: { entities: [{ name: 'other' }] } });
  await signal(client, '@counter@a', 'add');
  await signal(client, '@other@a', 'add');
  const item = await next(other);
  expect(item.entityRequest.instanceId).toBe('@other@a');
  await client.call(
    'AbandonTaskEntityWorkItem',
    'AbandonEntityTaskRequest',
    { completionToken: item.completionToken },
    'AbandonEntityTaskResponse',
  );
  const again = await next(other);
  expect(again.entityRequest.instanceId).toBe('@other@a');
  expect(again.completionToken).not.toBe(item.completionToken);
  const counters = work(client, { workItemFilters: { entities: [{ name: 'Counter' }] } });
  expect((await next(counters)).entityRequest.instanceId).toBe('@counter@a');
  expect([dapr.count, other.count, counters.count]).toEqual([0, 0, 0]);
});

test('a workflow calls and locks entities over the wire', async () => {
  await using t = await GrpcBench.start();
  const peer = t.peer('microsoft');
  const stream = work(peer);
  await peer.call('StartInstance', 'CreateInstanceRequest', { instanceId: 'i', name: 'wf' }, 'CreateInstanceResponse');
  const turn = async (item: Loose, actions: object[]): Promise<void> => {
    const fields = { instanceId: 'i', completionToken: item.completionToken, actions };
    await peer.call('CompleteOrchestratorTask', 'OrchestratorResponse', fields, 'CompleteTaskResponse');
  };
  const first = await next(stream);
  expect(first.orchestratorRequest.entityParameters).toBeDefined();
  const { executionId } = first.orchestratorRequest;
  const lock = { criticalSectionId: 's', lockSet: ['@counter@b', '@counter@a'], parentInstanceId: text('i') };
  await turn(first, [{ id: 1, sendEntityMessage: { entityLockRequested: lock } }]);
  const second = await next(stream);
  expect(second.orchestratorRequest.pastEvents.at(-1)).toMatchObject({ eventId: 1, entityLockRequested: lock });
  expect(second.orchestratorRequest.newEvents).toMatchObject([
    { orchestratorStarted: {} },
    { eventId: -1, entityLockGranted: { criticalSectionId: 's' } },
  ]);
  expect((await query(peer, { includeTransient: true })).entities).toMatchObject([
    { lockedBy: text('i') },
    { lockedBy: text('i') },
  ]);
  const call = { requestId: 'c', operation: 'add', input: text('5'), targetInstanceId: text('@counter@a') };
  const failing = { requestId: 'f', operation: 'fail', targetInstanceId: text('@counter@b') };
  await turn(second, [
    { id: 2, sendEntityMessage: { entityOperationCalled: call } },
    { id: 3, sendEntityMessage: { entityOperationCalled: failing } },
  ]);
  const results: Record<string, object> = {
    '@counter@a': { success: { result: text('"five"') } },
    '@counter@b': { failure: { failureDetails: { errorType: 'Oops', errorMessage: 'no' } } },
  };
  let third = await next(stream);
  for (; third.request === 'entityRequest'; third = await next(stream)) {
    const { instanceId } = third.entityRequest;
    await completeBatch(peer, { completionToken: third.completionToken, results: [results[instanceId]] });
  }
  const known = third.orchestratorRequest.pastEvents.slice(-2);
  expect(known).toMatchObject([
    {
      eventId: 2,
      entityOperationCalled: { ...call, parentInstanceId: text('i'), parentExecutionId: executionId },
    },
    { eventId: 3, entityOperationCalled: failing },
  ]);
  const got: Loose[] = [...third.orchestratorRequest.newEvents];
  if (got.filter(({ eventType }) => eventType?.startsWith('entity')).length < 2) {
    await turn(third, []);
    third = await next(stream);
    got.push(...third.orchestratorRequest.newEvents);
  }
  expect(got.find(({ entityOperationCompleted: done }) => done !== undefined)).toMatchObject({
    entityOperationCompleted: { requestId: 'c', output: text('"five"') },
  });
  expect(got.find(({ entityOperationFailed: failed }) => failed !== undefined)).toMatchObject({
    entityOperationFailed: { requestId: 'f', failureDetails: { errorType: 'Oops', errorMessage: 'no' } },
  });
  const unlock = (id: number, entity: string): object => ({
    id,
    sendEntityMessage: { entityUnlockSent: { criticalSectionId: 's', targetInstanceId: text(entity) } },
  });
  await turn(third, [
    unlock(4, '@counter@a'),
    { id: 5, completeOrchestration: { orchestrationStatus: 1, result: text('1') } },
  ]);
  await until(
    () => query(peer, { includeTransient: true }),
    ({ entities }) => entities.every(({ lockedBy }: Loose) => lockedBy === undefined),
  );
});
