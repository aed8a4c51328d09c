// A workflow application that is written with Dapr's SDK for JavaScript and knows nothing of Troupe: only, the service at its
// gRPC port is `npm start -- --no-examples --grpc-port …`, and no sidecar.
//
// One is started for it; with DAPR_GRPC_PORT it takes the service that listens there.

import { DaprWorkflowClient, WorkflowRuntime, type WorkflowActivityContext, type WorkflowContext } from '@dapr/dapr';
import { troupeService } from '../scripts/troupe-service.mjs';

type Workflow = AsyncGenerator<unknown, string, unknown>;

interface Order {
  readonly item: string;
  readonly amount: number;
  /** How long somebody may take to approve it. */
  readonly approvalSeconds: number;
}

async function reserve(_ctx: WorkflowActivityContext, item: string) {
  console.log(`reserving a ${item}`);
  return `${item}, reserved`;
}

async function release(_ctx: WorkflowActivityContext, item: string) {
  console.log(`releasing the ${item}`);
}

async function charge(_ctx: WorkflowActivityContext, amount: number) {
  console.log(`charging ${amount}`);
  return amount;
}

async function pack(_ctx: WorkflowActivityContext, part: string) {
  return `${part} packed`;
}

async function* shipping(ctx: WorkflowContext, item: string): Workflow {
  const parts = [`the ${item}`, 'the invoice', 'a card'];
  const packed = (yield ctx.whenAll(parts.map((part) => ctx.callActivity(pack, part)))) as string[];
  return `shipped: ${packed.join(', ')}`;
}

async function* order(ctx: WorkflowContext, { item, amount, approvalSeconds }: Order): Workflow {
  yield ctx.callActivity(reserve, item);
  ctx.setCustomStatus('waiting for approval');
  const approved = ctx.waitForExternalEvent('approved');
  const tooLate = ctx.createTimer(approvalSeconds);
  const first = yield ctx.whenAny([approved, tooLate]);
  if (first === tooLate) {
    yield ctx.callActivity(release, item);
    return 'nobody approved it in time';
  }
  yield ctx.callActivity(charge, amount);
  const shipped = (yield ctx.callChildWorkflow(shipping, item)) as string;
  return `${shipped}; approved by ${approved.getResult().by}`;
}

const service = await troupeService();
const address = { daprHost: '127.0.0.1', daprPort: service.grpcPort };

/** A process of its own in a real application, of which there may be many. */
async function startWorker(): Promise<WorkflowRuntime> {
  const worker = new WorkflowRuntime(address)
    .registerWorkflow(order)
    .registerWorkflow(shipping)
    .registerActivity(reserve)
    .registerActivity(release)
    .registerActivity(charge)
    .registerActivity(pack);
  await worker.start();
  return worker;
}

let worker = await startWorker();
const client = new DaprWorkflowClient(address);

const book = await client.scheduleNewWorkflow(order, { item: 'book', amount: 12, approvalSeconds: 3600 });
const lamp = await client.scheduleNewWorkflow(order, { item: 'lamp', amount: 40, approvalSeconds: 1 });

const late = await client.waitForWorkflowCompletion(lamp, true, 30);
console.log(`lamp: ${late?.serializedOutput}`);

// Its state is with the service: another worker goes on where the first one was.
await worker.stop();
console.log('the worker is replaced');
await client.raiseEvent(book, 'approved', { by: 'Ada' });
worker = await startWorker();

const done = await client.waitForWorkflowCompletion(book, true, 30);
console.log(`book: ${done?.serializedOutput}`);

await client.stop();
await worker.stop();
await service.stop();
