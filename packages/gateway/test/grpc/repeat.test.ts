import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Dialect } from '../../src/grpc/schema.ts';
import { failing, GrpcBench, type Loose, type Peer, type PeerStream } from './harness.ts';

let bench: GrpcBench;
let peer: Peer;
let stream: PeerStream;
beforeEach(async () => {
  bench = await GrpcBench.start();
});
afterEach(() => bench[Symbol.asyncDispose]());

function connect(dialect: Dialect): void {
  peer = bench.peer(dialect, { userAgent: dialect === 'dapr' ? 'dapr-sdk-go/1' : 'durabletask-js' });
  stream = peer.stream('GetWorkItems', 'GetWorkItemsRequest', {}, 'WorkItem');
}

const text = (value: string): object => ({ value });
const start = (fields: object): Promise<Loose> =>
  peer.call('StartInstance', 'CreateInstanceRequest', { name: 'remote', ...fields }, 'CreateInstanceResponse');
async function ended(instanceId: string): Promise<Loose> {
  const asked = { instanceId, getInputsAndOutputs: true };
  const found = await peer.call('WaitForInstanceCompletion', 'GetInstanceRequest', asked, 'GetInstanceResponse');
  return found.orchestrationState;
}
async function turn(): Promise<Loose> {
  const { orchestratorRequest, completionToken } = await stream.next();
  expect(orchestratorRequest).toBeDefined();
  return { ...orchestratorRequest, completionToken };
}
async function activity(): Promise<Loose> {
  const { activityRequest, completionToken } = await stream.next();
  expect(activityRequest).toBeDefined();
  return { ...activityRequest, completionToken };
}
const answer = ({ instanceId, completionToken }: Loose, ...actions: object[]): Promise<Loose> =>
  peer.call(
    'CompleteOrchestratorTask',
    'OrchestratorResponse',
    { instanceId, completionToken, actions },
    'CompleteTaskResponse',
  );
function done({ orchestrationInstance, taskId, completionToken }: Loose, result: object): Promise<Loose> {
  const fields = { instanceId: orchestrationInstance.instanceId, taskId, completionToken, ...result };
  return peer.call('CompleteActivityTask', 'ActivityResponse', fields, 'CompleteTaskResponse');
}
const task = (id: number, name: string, input: string): object => ({ id, scheduleTask: { name, input: text(input) } });
const complete = (value: string): object => ({
  id: 99,
  completeOrchestration: { orchestrationStatus: 1, result: text(value) },
});
const fail = (errorMessage: string): object => ({
  id: 99,
  completeOrchestration: { orchestrationStatus: 3, failureDetails: { errorType: 'E', errorMessage } },
});
const kinds = (events: readonly Loose[] = []): string[] => events.map(({ eventType }) => eventType);

describe('a rerun from an event', () => {
  beforeEach(async () => {
    connect('dapr');
    await start({ instanceId: 'source', input: text('1') });
    await answer(await turn(), task(0, 'a', '"first"'), task(1, 'b', '"second"'), {
      id: 2,
      createTimer: { fireAt: { seconds: 1, nanos: 0 } },
    });
    const events: string[] = [];
    // The timer is over at once, activities and turns come in any order.
    for (let isOver = false; !isOver;) {
      const { orchestratorRequest, activityRequest, completionToken } = await stream.next();
      if (activityRequest !== undefined) {
        await done({ ...activityRequest, completionToken }, { result: text(`"${activityRequest.name} done"`) });
      } else {
        events.push(...kinds(orchestratorRequest.newEvents).filter((kind) => /^t.*(Completed|Fired)$/.test(kind)));
        isOver = events.length === 3;
        await answer({ ...orchestratorRequest, completionToken }, ...(isOver ? [complete('"end"')] : []));
      }
    }
    expect(await ended('source')).toMatchObject({ orchestrationStatus: 1 });
  });

  const rerun = (fields: object): Promise<Loose> =>
    peer.call(
      'RerunWorkflowFromEvent',
      'RerunWorkflowFromEventRequest',
      { sourceInstanceID: 'source', ...fields },
      'RerunWorkflowFromEventResponse',
    );

  test('gives the event another input, and the code its turn', async () => {
    const other = { eventID: 1, newInstanceID: 'other', overwriteInput: true, input: text(' "new"') };
    expect(await rerun(other)).toEqual({ newInstanceID: 'other' });
    const items = [await stream.next(), await stream.next(), await stream.next()];
    const attempts = items.filter((one) => one.activityRequest !== undefined);
    expect(
      attempts
        .map(({ activityRequest: { name, taskId = 0, input } }: Loose) => [name, taskId, input.value])
        .toSorted(([, a]: Loose, [, b]: Loose) => a - b),
    ).toEqual([
      ['a', 0, '"first"'],
      ['b', 1, ' "new"'],
    ]);
    const { orchestratorRequest, completionToken } = items.find((one) => one.orchestratorRequest !== undefined);
    expect(kinds(orchestratorRequest.pastEvents)).toEqual([
      'orchestratorStarted',
      'executionStarted',
      'taskScheduled',
      'taskScheduled',
    ]);
    expect(kinds(orchestratorRequest.newEvents)).toEqual(['orchestratorStarted']);
    const [, started, a, b] = orchestratorRequest.pastEvents;
    expect(started.executionStarted).toMatchObject({
      input: text('1'),
      orchestrationInstance: { instanceId: 'other', executionId: orchestratorRequest.executionId },
    });
    expect(a.taskScheduled.rerunParentInstanceInfo).toBeUndefined();
    expect(b.taskScheduled.rerunParentInstanceInfo).toEqual({ instanceID: 'source' });
    await answer({ ...orchestratorRequest, completionToken }, complete('"again"'));
    expect(await ended('other')).toMatchObject({ output: text('"again"') });
    const history = await peer.call(
      'GetInstanceHistory',
      'GetInstanceHistoryRequest',
      { instanceId: 'other' },
      'GetInstanceHistoryResponse',
    );
    expect(kinds(history.events)).toEqual([
      'orchestratorStarted',
      'executionStarted',
      'taskScheduled',
      'taskScheduled',
      'orchestratorStarted',
      'executionCompleted',
    ]);
  });

  test('makes an id if there is none, and refuses what cannot be run again', async () => {
    const { newInstanceID } = await rerun({ eventID: 2 });
    expect(newInstanceID).toMatch(/^[0-9a-f-]{36}$/);
    const code = async (fields: object): Promise<status> => (await failing(rerun(fields))).code;
    expect(await code({ eventID: 2, newInstanceID })).toBe(status.ALREADY_EXISTS);
    expect(await code({ eventID: 1, newInstanceID: 'source' })).toBe(status.INVALID_ARGUMENT);
    expect(await code({ eventID: 7, newInstanceID: 'new' })).toBe(status.NOT_FOUND);
    expect(await code({ eventID: 1, sourceInstanceID: 'nobody' })).toBe(status.NOT_FOUND);
    expect(await code({ eventID: 2, overwriteInput: true, input: text('1') })).toBe(status.INVALID_ARGUMENT);
    expect(await code({ eventID: 1, newChildWorkflowInstanceID: 'c' })).toBe(status.INVALID_ARGUMENT);
    expect(await code({ eventID: 1, sourceInstanceID: newInstanceID })).toBe(status.INVALID_ARGUMENT);
    await bench.host.workflows.terminate(newInstanceID);
  });
});

describe('a rewind', () => {
  const rewind = (instanceId: string, reason?: string): Promise<Loose> =>
    peer.call(
      'RewindInstance',
      'RewindInstanceRequest',
      { instanceId, ...(reason === undefined ? {} : { reason: text(reason) }) },
      'RewindInstanceResponse',
    );
  const failed = async (): Promise<void> => {
    await start({ instanceId: 'i' });
    await answer(await turn(), task(1, 'good', '1'));
    await done(await activity(), { result: text('1') });
    await answer(await turn(), task(2, 'bad', '2'));
    await done(await activity(), { failureDetails: { errorType: 'E', errorMessage: 'bad' } });
    await answer(await turn(), fail('bad'));
    expect(await ended('i')).toMatchObject({ orchestrationStatus: 3 });
  };
  const rewound = ({ pastEvents, newEvents }: Loose): Loose[] =>
    [...pastEvents, ...newEvents].filter(
      ({ eventType, eventId }: Loose) => !['taskFailed', 'executionCompleted'].includes(eventType) && eventId !== 2,
    );

  test('has a worker rewrite the history, and then go on', async () => {
    connect('microsoft');
    await failed();
    await rewind('i', 'repaired');
    const rewinds = await turn();
    expect(kinds(rewinds.pastEvents).at(-1)).toBe('executionCompleted');
    expect(rewinds.pastEvents.at(-1).executionCompleted).toMatchObject({
      orchestrationStatus: 3,
      failureDetails: { errorMessage: 'bad' },
    });
    expect(kinds(rewinds.newEvents)).toEqual(['orchestratorStarted', 'executionRewound']);
    expect(rewinds.newEvents[1].executionRewound).toMatchObject({ reason: text('repaired') });
    const newHistory = rewound(rewinds);
    await answer(rewinds, { id: -1, rewindOrchestration: { newHistory } });
    const next = await turn();
    expect(next.executionId).not.toEqual(rewinds.executionId);
    expect(kinds(next.pastEvents)).toEqual([
      'orchestratorStarted',
      'executionStarted',
      'taskScheduled',
      'orchestratorStarted',
      'taskCompleted',
      'orchestratorStarted',
    ]);
    expect(kinds(next.newEvents)).toEqual(['orchestratorStarted', 'executionRewound']);
    await answer(next, task(2, 'bad', '2'));
    await done(await activity(), { result: text('"well"') });
    await answer(await turn(), complete('"well"'));
    expect(await ended('i')).toMatchObject({ orchestrationStatus: 1, output: text('"well"') });
    const late = await failing(rewind('i'));
    expect(late).toMatchObject({ code: status.FAILED_PRECONDITION });
    expect(late.details).toMatch(/not in a failed state, but completed/);
    expect((await failing(rewind('nobody'))).code).toBe(status.NOT_FOUND);
  });

  test('to a history that was never sent, or with something else in the answer, fails once more', async () => {
    connect('microsoft');
    await failed();
    const put = (history: Loose[], event: object): Loose[] => [...history.slice(0, 3), event, ...history.slice(3)];
    const foreign = {
      eventId: 5,
      timestamp: { seconds: 1, nanos: 0 },
      taskScheduled: { name: 'made up' },
    };
    for (const [actionsOf, message] of [
      [(history: Loose[]) => [{ rewindOrchestration: { newHistory: put(history, foreign) } }], /taskScheduled 5/],
      [(history: Loose[]) => [{ rewindOrchestration: { newHistory: history.toReversed() } }], /was not sent/],
      [(newHistory: Loose[]) => [{ rewindOrchestration: { newHistory } }, task(2, 'bad', '2')], /something else/],
    ] as const) {
      await rewind('i');
      const rewinds = await turn();
      await answer(rewinds, ...actionsOf(rewound(rewinds)));
      const { orchestrationStatus, failureDetails } = await ended('i');
      expect(orchestrationStatus).toBe(3);
      expect(failureDetails.errorMessage).toMatch(message);
    }
    // And nothing of that is in the way of a right answer.
    await rewind('i');
    const rewinds = await turn();
    expect(kinds(rewinds.pastEvents).filter((kind) => kind === 'executionCompleted')).toHaveLength(4);
    await answer(rewinds, { id: -1, rewindOrchestration: { newHistory: rewound(rewinds) } });
    await answer(await turn(), complete('"well"'));
    expect(await ended('i')).toMatchObject({ orchestrationStatus: 1 });
  });

  test('that the fork of the worker does not know leaves the instance failed', async () => {
    connect('dapr');
    await failed();
    await bench.host.repeats.rewind('i', {});
    const rewinds = await turn();
    expect(kinds(rewinds.newEvents)).toEqual(['orchestratorStarted']);
    await answer(rewinds, fail('bad'));
    expect(await ended('i')).toMatchObject({ orchestrationStatus: 3, failureDetails: { errorMessage: 'bad' } });
  });
});

test('a restart of an instance of workers is a start with what it was started with', async () => {
  connect('microsoft');
  await start({ instanceId: 'i', input: text(' 1'), version: text('2'), tags: { a: 'b' } });
  const restart = (restartWithNewInstanceId: boolean): Promise<Loose> =>
    peer.call(
      'RestartInstance',
      'RestartInstanceRequest',
      { instanceId: 'i', restartWithNewInstanceId },
      'RestartInstanceResponse',
    );
  const first = await turn();
  expect((await failing(restart(false))).code).toBe(status.FAILED_PRECONDITION);
  const { instanceId } = await restart(true);
  const other = await turn();
  expect(other.instanceId).toBe(instanceId);
  for (const one of [first, other]) {
    expect(one.newEvents[1].executionStarted).toMatchObject({
      input: text(' 1'),
      version: text('2'),
      tags: { a: 'b' },
    });
    await answer(one, complete('1'));
    await ended(one.instanceId);
  }
  expect(await restart(false)).toEqual({ instanceId: 'i' });
  const again = await turn();
  expect(again.executionId).not.toEqual(first.executionId);
  await answer(again, complete('2'));
  expect(await ended('i')).toMatchObject({ output: text('2') });
});
