import { MemoryStore, type Logger } from '@troupe/actors';
import { activity, event, startHost, workflow, type Schema, type WorkflowHost } from '@troupe/workflow';
import { httpGateway, type HttpGateway, type HttpGatewayOptions } from '../src/http.ts';

/** Ends at once with what it was given; the input's absence shows as `none`. */
export const echo = workflow('echo', async (_ctx, input: unknown) =>
  input === undefined ? { none: true } : { got: input },
);
/** Ends with the payload of the event `go`. */
export const waiter = workflow('waiter', { events: { go: event<unknown>() } }, async (ctx, _input: unknown) => {
  ctx.setCustomStatus({ waiting: 'go' });
  return ctx.waitForExternalEvent('go');
});
/** Fails. */
export const failing = workflow('failing', async (_ctx, message: unknown) => {
  throw new RangeError(typeof message === 'string' ? message : 'no');
});
/** Ends with what JSON cannot hold. */
export const exotic = workflow('exotic', async () => ({
  big: 12345678901234567890n % 2n ** 62n,
  bytes: new Uint8Array([1, 2, 250]),
  nan: Number.NaN,
  endless: Number.POSITIVE_INFINITY,
  date: new Date(0),
  nested: [{ list: [-0, undefined, null] }],
}));
/** Ends with the traceparent that its activity saw. */
const seesTrace = activity('seesTrace', async (ctx) => ctx.traceparent ?? 'none');
export const traced = workflow('traced', async (ctx) => ctx.callActivity(seesTrace));
/** Starts a `waiter` and waits for it. */
export const parent = workflow('parent', async (ctx) =>
  ctx.callChildWorkflow('waiter', undefined, { instanceId: `${ctx.instanceId}:child` }),
);

const orderSchema: Schema<unknown, { amount: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const amount = (value as { amount?: unknown } | null | undefined)?.amount;
      if (typeof amount === 'number') return { value: { amount } };
      return {
        issues: [
          { path: ['amount'], message: 'is a number' },
          { path: ['a/b~c'], message: 'is missing' },
        ],
      };
    },
  },
};
/** Its input has a schema. */
export const order = workflow('order', { input: orderSchema }, async (_ctx, input) => input.amount);

/** What a test logs; errors are for the test to expect. */
export class TestLogger implements Logger {
  readonly errors: { readonly details: object; readonly message: string }[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(details: object, message: string): void {
    this.errors.push({ details, message });
  }
}

export const workflowsOfTests = [echo, waiter, failing, exotic, traced, parent, order];
export const activitiesOfTests = [seesTrace];

/** A real host on a store in memory. */
export async function startTestHost(store = new MemoryStore()): Promise<WorkflowHost> {
  return startHost({
    store,
    workflows: workflowsOfTests,
    activities: activitiesOfTests,
    logger: new TestLogger(),
  });
}

/** A gateway that is called without a server. */
export class Caller {
  readonly logger = new TestLogger();
  readonly gateway: HttpGateway;
  readonly headers: Record<string, string> = {};

  constructor(host: WorkflowHost, options: HttpGatewayOptions = {}) {
    this.gateway = httpGateway(host, { logger: this.logger, ...options });
  }

  async call(
    method: string,
    path: string,
    body?: string | Uint8Array | ReadableStream,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const init = {
      method,
      headers: { ...this.headers, ...headers },
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    };
    return answerOf(await this.gateway.fetch(new Request(`http://localhost:3500${path}`, init as RequestInit)));
  }

  get = (path: string, headers?: Record<string, string>): Promise<Answer> => this.call('GET', path, undefined, headers);
  post = (path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> =>
    this.call('POST', path, body === undefined ? undefined : JSON.stringify(body), headers);

  /** Starts an instance and waits until it stands as wanted. */
  async started(workflowName: string, instanceId: string, status: string, input?: unknown): Promise<void> {
    const path = `/v1.0/workflows/${workflowName}/${encodeURIComponent(instanceId)}`;
    const { status: code, text } = await this.post(`${path}/start`, input);
    if (code !== 202) throw new Error(`start answered ${code}: ${text}`);
    for (let round = 0; round < 200; round++) {
      const { json } = await this.get(`${path}?wait=${status === 'RUNNING' ? '1ms' : '5s'}`);
      if (json.runtimeStatus === status) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`${workflowName}/${instanceId} did not become ${status}`);
  }
}

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into it freely
  readonly json: any;
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== '';
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}
