// A worker of W13 in a process of its own: the published SDK as its users run it, or as little of the protocol as will do, which
// tells what of the time is the SDK's.

import { Client, type ClientReadableStream } from '@grpc/grpc-js';
import { TaskHubGrpcWorker, type ActivityContext, type OrchestrationContext } from '@dapr/durabletask-js';
import { codecOf } from '../packages/gateway/src/grpc/schema.ts';

export type WorkerKind = 'sdk' | 'bare';

/** CPU time since the last question. */
export interface WorkerFigures {
  readonly cpuMs: number;
}

const SEQUENCE = 'remoteSequence';
const NOTHING = 'remoteNothing';
const codec = codecOf('base');

async function sdkWorker(address: string): Promise<void> {
  const worker = new TaskHubGrpcWorker(address);
  worker.addNamedOrchestrator(
    SEQUENCE,
    // oxlint-disable-next-line typescript/no-explicit-any -- as the SDK types its generators
    async function* (ctx: OrchestrationContext, steps: number): any {
      for (let step = 0; step < steps; step++) yield ctx.callActivity(NOTHING);
      return steps;
    },
  );
  worker.addNamedActivity(NOTHING, (_ctx: ActivityContext) => undefined);
  await worker.start();
}

interface Turn {
  readonly instanceId: string;
  readonly pastEvents: readonly Event[];
  readonly newEvents: readonly Event[];
}
interface Event {
  readonly executionStarted: { readonly input: { readonly value: string } | null } | null;
  readonly taskCompleted: object | null;
}
interface Item {
  readonly orchestratorRequest: Turn | null;
  readonly activityRequest: {
    readonly taskId: number;
    readonly orchestrationInstance: { readonly instanceId: string };
  } | null;
  readonly completionToken: string;
}

function bareWorker(address: string, client: Client): ClientReadableStream<Item> {
  const path = (rpc: string): string => `/TaskHubSidecarService/${rpc}`;
  const same = (bytes: Buffer): Buffer => bytes;
  const items = client.makeServerStreamRequest(
    path('GetWorkItems'),
    same,
    (bytes) => codec.decode<Item>('WorkItem', bytes),
    codec.encode('GetWorkItemsRequest', {
      maxConcurrentOrchestrationWorkItems: 1_000,
      maxConcurrentActivityWorkItems: 1_000,
      maxConcurrentEntityWorkItems: 1,
    }),
  );
  const complete = (rpc: string, message: string, fields: object): void => {
    client.makeUnaryRequest(path(rpc), same, same, codec.encode(message, fields), (error) => {
      if (error !== null) throw error;
    });
  };
  items.on('data', ({ orchestratorRequest: turn, activityRequest: attempt, completionToken }: Item) => {
    if (turn !== null) {
      const { instanceId } = turn;
      complete('CompleteOrchestratorTask', 'OrchestratorResponse', {
        instanceId,
        completionToken,
        actions: [nextAction([...turn.pastEvents, ...turn.newEvents])],
      });
    } else if (attempt !== null) {
      const { taskId, orchestrationInstance } = attempt;
      const { instanceId } = orchestrationInstance;
      complete('CompleteActivityTask', 'ActivityResponse', { instanceId, taskId, completionToken });
    }
  });
  items.on('error', (error) => {
    if (!process.connected) return;
    throw new Error(`${address}: ${error.message}`);
  });
  return items;
}

/** One activity after another, then the end. */
function nextAction(events: readonly Event[]): object {
  const started = events.find(({ executionStarted }) => executionStarted !== null)!.executionStarted!;
  const done = events.filter(({ taskCompleted }) => taskCompleted !== null).length;
  const steps = Number(started.input!.value);
  if (done < steps) return { id: done + 1, scheduleTask: { name: NOTHING } };
  return { id: done + 1, completeOrchestration: { orchestrationStatus: 1, result: { value: String(steps) } } };
}

const [address, kind] = process.argv.slice(2) as [string, WorkerKind];
if (kind === 'sdk') await sdkWorker(address);
else {
  const { credentials } = await import('@grpc/grpc-js');
  bareWorker(address, new Client(address, credentials.createInsecure()));
}
let used = process.cpuUsage();
process.on('message', () => {
  const { user, system } = process.cpuUsage(used);
  used = process.cpuUsage();
  process.send!({ cpuMs: (user + system) / 1_000 } satisfies WorkerFigures);
});
process.on('disconnect', () => process.exit());
