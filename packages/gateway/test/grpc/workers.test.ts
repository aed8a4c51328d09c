import { status } from '@grpc/grpc-js';
import { systemClock, type Clock } from '@troupe/actors';
import { MemoryStore } from '@troupe/actors';
import { startHost } from '@troupe/workflow';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serveGrpc } from '../../src/grpc.ts';
import { PING_INTERVAL_MS } from '../../src/limits.ts';
import type { Dialect } from '../../src/grpc/schema.ts';
import { failing, GrpcBench, Peer, type Loose, type PeerStream } from './harness.ts';

let bench: GrpcBench;
let client: Peer;
beforeEach(async () => {
  bench = await GrpcBench.start();
  client = bench.peer();
});
afterEach(() => bench[Symbol.asyncDispose]());

const start = (fields: object): Promise<Loose> =>
  client.call('StartInstance', 'CreateInstanceRequest', { name: 'remote', ...fields }, 'CreateInstanceResponse');
const ended = async (instanceId: string): Promise<Loose> => {
  const asked = { instanceId, getInputsAndOutputs: true };
  const found = await client.call('WaitForInstanceCompletion', 'GetInstanceRequest', asked, 'GetInstanceResponse');
  return found.orchestrationState;
};

/** A worker that does what it is told. */
class Worker {
  readonly peer: Peer;
  readonly stream: PeerStream;
  readonly #dialect: Dialect;

  constructor(dialect: Dialect, request: object = {}, options = SIGNS[dialect]) {
    this.peer = bench.peer(dialect, options);
    this.#dialect = dialect;
    this.stream = this.peer.stream('GetWorkItems', 'GetWorkItemsRequest', request, 'WorkItem');
  }

  async turn(): Promise<Loose> {
    const { orchestratorRequest, completionToken } = await this.stream.next();
    expect(orchestratorRequest).toBeDefined();
    return { ...orchestratorRequest, completionToken };
  }

  async activity(): Promise<Loose> {
    const { activityRequest, completionToken } = await this.stream.next();
    expect(activityRequest).toBeDefined();
    return { ...activityRequest, completionToken };
  }

  answer(turn: Loose, ...actions: object[]): Promise<Loose> {
    const rpc = this.#dialect === 'dapr' ? 'CompleteWorkflowTask' : 'CompleteOrchestratorTask';
    const { instanceId, completionToken } = turn;
    return this.peer.call(
      rpc,
      'OrchestratorResponse',
      { instanceId, completionToken, actions },
      'CompleteTaskResponse',
    );
  }

  done(activity: Loose, answer: object): Promise<Loose> {
    const { orchestrationInstance, taskId, completionToken } = activity;
    const fields = { instanceId: orchestrationInstance.instanceId, taskId, completionToken, ...answer };
    return this.peer.call('CompleteActivityTask', 'ActivityResponse', fields, 'CompleteTaskResponse');
  }
}

const SIGNS: Readonly<Record<Dialect, { userAgent?: string }>> = {
  dapr: { userAgent: 'dapr-sdk-go/1' },
  microsoft: { userAgent: 'durabletask-js' },
  base: {},
};
const complete = (value: string, id = 9): object => ({
  id,
  completeOrchestration: { orchestrationStatus: 1, result: { value } },
});
const kinds = (events: readonly Loose[] = []): string[] => events.map(({ eventType }) => eventType);

describe('a workflow on a worker', () => {
  test.each(['microsoft', 'dapr', 'base'] as const)('of dialect %s runs to its end', async (dialect) => {
    const worker = new Worker(dialect);
    const traceParent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await start({
      instanceId: 'i',
      input: { value: '{"n":  1}' },
      tags: { t: 'u' },
      parentTraceContext: { traceParent },
    });
    const first = await worker.turn();
    expect(first).toMatchObject({ instanceId: 'i', executionId: { value: expect.stringMatching(/\.1$/) } });
    expect(first.pastEvents).toBeUndefined();
    expect(kinds(first.newEvents)).toEqual(['orchestratorStarted', 'executionStarted']);
    const [began, started] = first.newEvents;
    expect([began.eventId, started.eventId]).toEqual([-1, -1]);
    expect(started.executionStarted).toMatchObject({
      name: 'remote',
      input: { value: '{"n":  1}' },
      orchestrationInstance: { instanceId: 'i', executionId: first.executionId },
      tags: { t: 'u' },
      parentTraceContext: { traceParent, spanID: 'b'.repeat(16) },
    });

    await worker.answer(
      first,
      {
        id: 0,
        scheduleTask: {
          name: 'act',
          input: { value: 'raw' },
          version: { value: '1' },
          tags: { a: 'b' },
          taskExecutionId: 'te',
        },
      },
      { id: 1, createTimer: { fireAt: { seconds: 1, nanos: 5 }, name: 'soon' } },
    );
    const activity = await worker.activity().catch(() => undefined);
    expect(activity).toMatchObject({ name: 'act', version: { value: '1' }, input: { value: 'raw' } });
    expect(activity.taskId ?? 0).toBe(0);
    expect(activity.tags).toEqual(dialect === 'microsoft' ? { a: 'b' } : undefined);
    expect(activity.taskExecutionId).toBe(dialect === 'dapr' ? 'te' : undefined);

    const second = await worker.turn();
    expect(kinds(second.pastEvents)).toEqual([
      'orchestratorStarted',
      'executionStarted',
      'taskScheduled',
      'timerCreated',
    ]);
    expect(second.pastEvents.map(({ eventId = 0 }: Loose) => eventId)).toEqual([-1, -1, 0, 1]);
    expect(second.pastEvents[0].timestamp).toEqual(began.timestamp);
    expect(kinds(second.newEvents)).toEqual(['orchestratorStarted', 'timerFired']);
    expect(second.newEvents[1].timerFired).toEqual({ timerId: 1, fireAt: { seconds: 1, nanos: 5 } });
    const timerName = dialect === 'microsoft' ? second.pastEvents[3].timerCreated.name : 'soon';
    expect(second.pastEvents[3].timerCreated.name).toBe(timerName);
    await worker.answer(second);

    const failure = { errorType: 'E', errorMessage: 'm', stackTrace: { value: 's' }, isNonRetriable: true };
    await worker.done(activity, { failureDetails: failure });
    const third = await worker.turn();
    const { taskFailed } = third.newEvents[1];
    expect(taskFailed.failureDetails).toEqual(failure);
    expect(taskFailed.taskExecutionId).toBe(dialect === 'dapr' ? 'te' : undefined);
    await worker.answer(third, complete('"out"'));
    expect(await ended('i')).toMatchObject({ orchestrationStatus: 1, output: { value: '"out"' } });

    const history = await bench
      .peer('dapr')
      .call('GetInstanceHistory', 'GetInstanceHistoryRequest', { instanceId: 'i' }, 'GetInstanceHistoryResponse');
    expect(kinds(history.events)).toEqual([
      'orchestratorStarted',
      'executionStarted',
      'taskScheduled',
      'timerCreated',
      'orchestratorStarted',
      'timerFired',
      'orchestratorStarted',
      'taskFailed',
      'executionCompleted',
    ]);
    const risen = history.events.map(({ eventId = 0 }: Loose) => eventId).filter((id: number) => id >= 0);
    expect(risen).toEqual([0, 1, 2]);
    const streamed = bench
      .peer('microsoft')
      .stream('StreamInstanceHistory', 'StreamInstanceHistoryRequest', { instanceId: 'i' }, 'HistoryChunk');
    const chunk = await streamed.next();
    expect(await streamed.ended).toBe(status.OK);
    expect(kinds(chunk.events)).toEqual(kinds(history.events));
  });

  test('with a child that is terminated hears of it as a failure that says why', async () => {
    const worker = new Worker('dapr');
    await start({ instanceId: 'mother' });
    await worker.answer(await worker.turn(), { id: 0, createSubOrchestration: { name: 'remote' } });
    const child = await worker.turn();
    expect(child.instanceId).toBe('mother:0000');
    expect(child.newEvents[1].executionStarted.parentInstance.orchestrationInstance.instanceId).toBe('mother');
    const terminate = { instanceId: child.instanceId, output: { value: 'x' } };
    await client.call('TerminateInstance', 'TerminateRequest', terminate, 'TerminateResponse');
    const turn = await worker.turn();
    const { subOrchestrationInstanceFailed: failed } = turn.newEvents.at(-1);
    expect(failed.failureDetails.errorMessage).not.toBe('');
    expect(failed.failureDetails.errorType).not.toBe('');
    await worker.answer(turn, complete('1'));
    await ended('mother');
  });

  test('that answers nonsense fails', async () => {
    const worker = new Worker('base');
    await start({ instanceId: 'i' });
    await worker.answer(await worker.turn(), { id: -5, scheduleTask: { name: 'x' } });
    expect(await ended('i')).toMatchObject({
      orchestrationStatus: 3,
      failureDetails: { errorType: 'WorkerAnswerError', errorMessage: expect.stringContaining('-5') },
    });
  });

  test.each([
    ['an activity without a name', { scheduleTask: {} }],
    ['an activity of an endless name', { scheduleTask: { name: 'x'.repeat(5000) } }],
    ['a child without a name', { createSubOrchestration: {} }],
    ['a child of an id that none can have', { createSubOrchestration: { name: 'c', instanceId: 'x'.repeat(300) } }],
    [
      'a child with an endless version',
      { createSubOrchestration: { name: 'c', version: { value: 'v'.repeat(5000) } } },
    ],
    ['an event to nobody', { sendEvent: { name: 'go' } }],
    ['an event without a name', { sendEvent: { name: '', instance: { instanceId: 'other' } } }],
    ['the end of nobody', { terminateOrchestration: {} }],
    ['a timer in the far past', { createTimer: { fireAt: { seconds: -62135596800 } } }],
    ['a timer beyond all time', { createTimer: { fireAt: { seconds: 2 ** 62 } } }],
    ['a detached one without a name', { createDetachedWorkflow: {} }],
  ])('that asks for %s goes on, or fails and says why', async (_what, action) => {
    const worker = new Worker('dapr');
    await start({ instanceId: 'i' });
    await worker.answer(await worker.turn(), { id: 1, ...action });
    await client.call('RaiseEvent', 'RaiseEventRequest', { instanceId: 'i', name: 'x' }, 'RaiseEventResponse');
    const goesOn = async (): Promise<void> => {
      for (;;) {
        const { orchestratorRequest: turn, completionToken } = await worker.stream.next();
        if (turn?.instanceId !== 'i') continue;
        if (kinds(turn.newEvents).includes('eventRaised')) return;
        await worker.answer({ ...turn, completionToken });
      }
    };
    const fails = async (): Promise<void> => {
      const { orchestrationStatus, failureDetails } = await ended('i');
      expect(orchestrationStatus).toBe(3);
      expect(failureDetails.errorMessage).not.toBe('');
    };
    await Promise.race([goesOn(), fails()]);
    expect(bench.logger.errors).toEqual([]);
  });

  test('may answer in parts', async () => {
    const worker = new Worker('microsoft');
    await start({ instanceId: 'i' });
    const { completionToken } = await worker.turn();
    const part = (index: number, isPartial: boolean, ...actions: object[]): Promise<Loose> =>
      worker.peer.call(
        'CompleteOrchestratorTask',
        'OrchestratorResponse',
        { instanceId: 'i', completionToken, isPartial, chunkIndex: { value: index }, actions },
        'CompleteTaskResponse',
      );
    await part(0, true, { id: 1, scheduleTask: { name: 'a' } });
    await part(1, false, { id: 2, scheduleTask: { name: 'b' } });
    expect(new Set([(await worker.activity()).name, (await worker.activity()).name])).toEqual(new Set(['a', 'b']));
  });

  test('whose parts do not fit together is given out again', async () => {
    const worker = new Worker('microsoft');
    await start({ instanceId: 'i' });
    const turn = await worker.turn();
    const fields = {
      instanceId: 'i',
      completionToken: turn.completionToken,
      chunkIndex: { value: 3 },
      isPartial: true,
    };
    const torn = worker.peer.call('CompleteOrchestratorTask', 'OrchestratorResponse', fields, 'CompleteTaskResponse');
    expect((await failing(torn)).code).toBe(status.INVALID_ARGUMENT);
    const again = await worker.turn();
    expect(again.completionToken).not.toBe(turn.completionToken);
    await worker.answer(again, complete('1'));
    await ended('i');
  });
});

describe('an answer', () => {
  test('counts with the token of the dispatch or with none, and with no other', async () => {
    const worker = new Worker('dapr');
    await start({ instanceId: 'i' });
    const turn = await worker.turn();
    await worker.answer({ ...turn, completionToken: 'other' }, complete('wrong'));
    await worker.answer({ ...turn, instanceId: 'nobody' }, complete('wrong'));
    await worker.answer({ ...turn, completionToken: '' }, { id: 4, scheduleTask: { name: 'a' } });
    const activity = await worker.activity();
    const stale = { ...activity, completionToken: 'other' };
    await worker.done(stale, { result: { value: 'wrong' } });
    await worker.done({ ...activity, taskId: 5 }, { result: { value: 'wrong' } });
    await worker.done({ ...activity, completionToken: '' }, { result: { value: '1' } });
    await worker.done(activity, { result: { value: '2' } });
    const next = await worker.turn();
    expect(next.newEvents[1].taskCompleted.result).toEqual({ value: '1' });
    await worker.answer(next, complete('1'));
    await worker.answer(next, complete('2'));
    expect((await ended('i')).output).toEqual({ value: '1' });
  });

  test('that is no message is refused, and the turn is still out', async () => {
    const worker = new Worker('microsoft');
    await start({ instanceId: 'i' });
    const turn = await worker.turn();
    const torn = worker.peer.raw('CompleteOrchestratorTask', Buffer.from([0x0a, 1, 0x69, 0x12, 5]));
    expect((await failing(torn)).code).toBe(status.INVALID_ARGUMENT);
    await worker.answer(turn, complete('1'));
    await ended('i');
  });

  test('is read as the stream of its worker speaks, whoever brings it', async () => {
    const worker = new Worker('dapr', { statefulCapabilities: [2] }, {});
    await start({ instanceId: 'i' });
    const { instanceId, completionToken } = await worker.turn();
    const action = { id: 1, scheduleTask: { name: 'a', taskExecutionId: 'te' } };
    const other = bench.peer('dapr', { userAgent: 'durabletask-js' });
    const fields = { instanceId, completionToken, actions: [action] };
    await other.call('CompleteOrchestratorTask', 'OrchestratorResponse', fields, 'CompleteTaskResponse');
    expect((await worker.activity()).taskExecutionId).toBe('te');
  });
});

describe('a stream', () => {
  test('that ends gives what it had to another, in full', async () => {
    const first = new Worker('dapr');
    await start({ instanceId: 'i', input: { value: '7' } });
    const turn = await first.turn();
    const second = new Worker('microsoft');
    first.stream.cancel();
    const again = await second.turn();
    expect(again.completionToken).not.toBe(turn.completionToken);
    expect(again.newEvents.map(({ eventType }: Loose) => eventType)).toEqual(kinds(turn.newEvents));
    await second.answer(again, complete('1'));
    await ended('i');
  });

  test('of a Dapr worker has at most 50 items that are not answered', async () => {
    const worker = new Worker('dapr');
    const ids = Array.from({ length: 60 }, (_, index) => `i${index}`);
    for (const instanceId of ids) await start({ instanceId });
    // Nobody answers: what would come has come before the answer to a call that is made now. Some places stay free for
    // activities.
    await client.raw('Hello', Buffer.alloc(0));
    const inHand = worker.stream.count;
    expect(inHand).toBeGreaterThan(25);
    expect(inHand).toBeLessThanOrEqual(50);
    for (const _ of ids) {
      await worker.answer(await worker.turn(), complete('1'));
      expect(worker.stream.count).toBeLessThanOrEqual(50);
    }
    for (const id of ids) expect((await ended(id)).orchestrationStatus).toBe(1);
  });

  test('has as many as a Microsoft worker says that it takes, and what its filters name', async () => {
    const limits = {
      maxConcurrentOrchestrationWorkItems: 1,
      maxConcurrentActivityWorkItems: 2,
      workItemFilters: { orchestrations: [{ name: 'remote' }], activities: [{ name: 'a', versions: ['1'] }] },
    };
    const worker = new Worker('microsoft', limits, {});
    await start({ instanceId: 'other', name: 'not-mine' });
    await start({ instanceId: 'i' });
    await start({ instanceId: 'j' });
    const turn = await worker.turn();
    await client.raw('Hello', Buffer.alloc(0));
    expect(worker.stream.count).toBe(0);
    const schedule = (id: number, version?: string): object => ({
      id,
      scheduleTask: { name: 'a', version: version === undefined ? undefined : { value: version } },
    });
    await worker.answer(turn, schedule(1, '1'), schedule(2, '1'), schedule(3, '1'), schedule(4, '2'));
    const came = [await worker.stream.next(), await worker.stream.next(), await worker.stream.next()];
    expect(came.filter(({ activityRequest }) => activityRequest !== undefined)).toHaveLength(2);
    await client.raw('Hello', Buffer.alloc(0));
    expect(worker.stream.count).toBe(0);
  });

  test('takes back what is abandoned', async () => {
    const worker = new Worker('microsoft');
    await start({ instanceId: 'i' });
    const abandon = (rpc: string, message: string, completionToken: string): Promise<Loose> =>
      worker.peer.call(rpc, `${message}Request`, { completionToken }, `${message}Response`);
    const turn = await worker.turn();
    await abandon('AbandonTaskOrchestratorWorkItem', 'AbandonOrchestrationTask', turn.completionToken);
    const again = await worker.turn();
    expect(again.completionToken).not.toBe(turn.completionToken);
    await worker.answer(again, { id: 1, scheduleTask: { name: 'a' } });
    const activity = await worker.activity();
    await abandon('AbandonTaskActivityWorkItem', 'AbandonActivityTask', activity.completionToken);
    expect((await worker.activity()).taskId).toBe(1);
    const stale = abandon('AbandonTaskActivityWorkItem', 'AbandonActivityTask', activity.completionToken);
    expect((await failing(stale)).code).toBe(status.NOT_FOUND);
  });

  test('that is read slowly loses and repeats nothing', async () => {
    await bench[Symbol.asyncDispose]();
    bench = await GrpcBench.start({ streamItemsMax: 400 });
    client = bench.peer();
    const warnings: Error[] = [];
    const warned = (warning: Error): number => warnings.push(warning);
    process.on('warning', warned);
    const worker = new Worker('dapr');
    worker.stream.pause();
    const input = { value: 'x'.repeat(100 * 1024) };
    const ids = Array.from({ length: 300 }, (_, index) => `i${index}`);
    for (const instanceId of ids) await start({ instanceId, input });
    worker.stream.resume();
    const seen: string[] = [];
    while (seen.length < ids.length) {
      const turn = await worker.turn();
      expect(turn.newEvents[1].executionStarted.input.value).toHaveLength(input.value.length);
      seen.push(turn.instanceId);
    }
    expect(new Set(seen)).toEqual(new Set(ids));
    process.off('warning', warned);
    // Each time that it was behind somebody listened, and not for ever.
    expect(warnings).toEqual([]);
  });

  test('gives a worker that remembers only what is new', async () => {
    const worker = new Worker('dapr', { statefulCapabilities: [2] });
    await start({ instanceId: 'i' });
    await worker.answer(await worker.turn(), { id: 1, createTimer: {} });
    const second = await worker.turn();
    expect(second.cachedHistory).toEqual({ eventCount: 2 });
    expect(kinds(second.pastEvents)).toEqual(['timerCreated']);
    await worker.answer(second, complete('1'));
    await ended('i');
  });
});

test('only Microsoft workers are pinged', async () => {
  const hurried: Clock = {
    nowMs: () => systemClock.nowMs(),
    setTimeout: (callback, delayMs) => systemClock.setTimeout(callback, delayMs === PING_INTERVAL_MS ? 10 : delayMs),
  };
  await using host = await startHost({ store: new MemoryStore(), workflows: [], activities: [], clock: hurried });
  await using server = await serveGrpc(host, { port: 0 });
  const streams = (['microsoft', 'dapr'] as const).map((dialect) => {
    const peer = new Peer(server.port, dialect, SIGNS[dialect]);
    return peer.stream('GetWorkItems', 'GetWorkItemsRequest', {}, 'WorkItem');
  });
  const [microsoft, dapr] = streams as [PeerStream, PeerStream];
  for (let count = 0; count < 3; count++) expect(await microsoft.next()).toMatchObject({ request: 'healthPing' });
  expect(dapr.count).toBe(0);
  for (const stream of streams) stream.cancel();
});
