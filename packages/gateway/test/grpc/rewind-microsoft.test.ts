// Rewinds as the client and the worker that Microsoft publishes know them.

import { NoOpLogger, TaskHubGrpcClient, TaskHubGrpcWorker, type OrchestrationContext } from '@microsoft/durabletask-js';
import { expect, test } from 'vitest';
import { GrpcBench } from './harness.ts';

test('a parent whose child failed is rewound, with its child', { timeout: 60_000 }, async () => {
  await using bench = await GrpcBench.start();
  const peer = { hostAddress: `127.0.0.1:${bench.server.port}`, logger: new NoOpLogger() };
  const client = new TaskHubGrpcClient(peer);
  const worker = new TaskHubGrpcWorker(peer);
  const ran: string[] = [];
  let broken = true;
  const remoteStep = (_ctx: unknown, input: string): string => {
    ran.push(input);
    if (broken && input === 'ship') throw new Error('no carrier');
    return `${input}+`;
  };
  async function* delivery(ctx: OrchestrationContext): AsyncGenerator<unknown, unknown, string> {
    const paid = yield ctx.callActivity(remoteStep, 'pay');
    const shipped = yield ctx.callActivity(remoteStep, 'ship');
    return [paid, shipped];
  }
  async function* purchase(ctx: OrchestrationContext): AsyncGenerator<unknown, unknown, unknown> {
    const first = yield ctx.callActivity(remoteStep, 'first');
    const ordered = yield ctx.callSubOrchestrator(delivery, undefined, { instanceId: 'child' });
    const said = yield ctx.waitForExternalEvent('go');
    return [first, ordered, said];
  }
  worker.addActivity(remoteStep);
  worker.addOrchestrator(delivery as never);
  worker.addOrchestrator(purchase as never);
  await worker.start();
  try {
    await client.scheduleNewOrchestration(purchase as never, undefined, 'i');
    const failed = await client.waitForOrchestrationCompletion('i', true, 30);
    expect(failed?.failureDetails?.message).toMatch(/no carrier/);
    await expect(client.rewindInstance('nobody', 'why')).rejects.toThrow(/not found/);
    broken = false;
    await client.rewindInstance('i', 'repaired');
    await client.raiseOrchestrationEvent('i', 'go', 'thanks');
    const state = await client.waitForOrchestrationCompletion('i', true, 30);
    expect(state?.serializedOutput).toBe('["first+",["pay+","ship+"],"thanks"]');
    expect(ran).toEqual(['first', 'pay', 'ship', 'ship']);
    await expect(client.rewindInstance('i', 'again')).rejects.toThrow(/not in a failed state/);
    const history = await client.getOrchestrationHistory('i');
    expect(history.map(({ type }) => type).filter((type) => /Rewound|Failed|ExecutionCompleted/.test(type))).toEqual([
      'ExecutionRewound',
      'ExecutionCompleted',
    ]);
  } finally {
    await worker.stop();
    await client.stop();
  }
});
