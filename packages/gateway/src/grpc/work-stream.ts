// A worker's stream of work items.
//
// W1 A worker holds no more items than its connection says. What it is sent while it reads slowly waits here, so what waits is
//    bounded too.
// W2 An item that cannot be sent is answered for the worker, with a failure: sent again it would fail again.
// W3 A stream that ends hands what it had to others. That is the hub's: here it is only closed, once.

import type { WorkerConnection, WorkerFilters, WorkItem } from '@troupe/workflow/worker';
import { PING_INTERVAL_MS } from '../limits.ts';
import { dialectOfStream, type DecodedGetWorkItems } from './dialect.ts';
import { failureOf } from './grpc-failure.ts';
import { PartialTurns } from './partial-turns.ts';
import type { Answers, GrpcCall } from './rpc.ts';
import { codecOf, type Dialect } from './schema.ts';
import { WorkItemEncoder } from './work-item.ts';
import { failedTurn } from './worker-turn.ts';

/** WorkerCapability 2 of field 4. */
const STATEFUL_HISTORY = 2;

export class WorkStream implements WorkerConnection {
  readonly filters: WorkerFilters | undefined;
  readonly workflowsMax: number;
  readonly activitiesMax: number;
  readonly entitiesMax: number;
  readonly itemsMax: number;
  readonly keepsHistory: boolean;
  readonly dialect: Dialect;
  /** What has come of answers in several parts. */
  readonly partialTurns: PartialTurns;
  readonly #call: GrpcCall;
  readonly #answers: Answers;
  readonly #encoder: WorkItemEncoder;
  readonly #waiting: WorkItem[] = [];
  #behind = false;

  constructor(request: DecodedGetWorkItems, call: GrpcCall, answers: Answers) {
    this.#call = call;
    this.#answers = answers;
    this.dialect = dialectOfStream(request, call.signs);
    this.#encoder = new WorkItemEncoder(codecOf(this.dialect));
    const { streamItemsMax, messageBytesMax } = call.parts;
    this.partialTurns = new PartialTurns(messageBytesMax);
    this.filters = filtersOf(request);
    this.workflowsMax = positive(request.maxConcurrentOrchestrationWorkItems, streamItemsMax);
    this.activitiesMax = positive(request.maxConcurrentActivityWorkItems, streamItemsMax);
    const isMicrosoft = this.dialect === 'microsoft';
    // Nobody else knows of entities.
    this.entitiesMax = isMicrosoft ? positive(request.maxConcurrentEntityWorkItems, streamItemsMax) : 0;
    // Microsoft's workers say what they take of each kind; the others take so many of any.
    this.itemsMax = isMicrosoft ? this.workflowsMax + this.activitiesMax + this.entitiesMax : streamItemsMax;
    this.keepsHistory = request.statefulCapabilities.includes(STATEFUL_HISTORY);
  }

  /** Serves the worker until it is gone, or the server stops. */
  async run(): Promise<void> {
    const { signal, parts } = this.#call;
    const cancelPing = this.dialect === 'microsoft' ? this.#ping() : () => {};
    const connected = parts.host.workers.connect(this);
    try {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve());
        if (signal.aborted) resolve();
      });
    } finally {
      cancelPing();
      this.#waiting.length = 0;
      connected.close();
    }
  }

  send(item: WorkItem): void {
    if (this.#behind) this.#waiting.push(item);
    else this.#write(item);
  }

  #write(item: WorkItem): void {
    const message = this.#encode(item);
    if (message === undefined || this.#answers.write(message)) return;
    this.#behind = true;
    void this.#answers.drained().then(() => {
      this.#behind = false;
      while (!this.#behind && this.#waiting.length > 0) this.#write(this.#waiting.shift()!);
    });
  }

  /** Undefined: it was answered instead (W2). */
  #encode(item: WorkItem): Buffer | undefined {
    const { messageBytesMax, logger } = this.#call.parts;
    try {
      const message = this.#encoder.encode(item);
      if (message.byteLength <= messageBytesMax) return message;
      this.#refuse(
        item,
        'MessageTooLargeError',
        `it takes ${message.byteLength} bytes to send, of at most ${messageBytesMax}`,
      );
    } catch (error) {
      const { message } = failureOf(error, { logger, rpc: this.#call.rpc });
      this.#refuse(item, 'WorkItemError', message);
    }
    return undefined;
  }

  #refuse(item: WorkItem, type: string, message: string): void {
    const { workers, clock } = { workers: this.#call.workers, clock: this.#call.parts.host.actors.clock };
    const failure = { type, message, nonRetryable: true };
    // Not from within send: whoever gives items out is not ready for an answer then.
    clock.setTimeout(() => {
      switch (item.kind) {
        case 'workflow':
          workers.completeTurn(item.instanceId, item.token, failedTurn(failure));
          return;
        case 'activity': {
          const result = { ok: false, failure, retryable: false, heartbeat: undefined } as const;
          workers.completeActivity(item.instanceId, item.sequence, item.token, result);
          return;
        }
        case 'entity': {
          const results = item.operations.map(() => ({ ok: false, failure }) as const);
          workers.completeEntity(item.token, { results, state: item.state, actions: [] });
        }
      }
    }, 0);
  }

  #ping(): () => void {
    const { clock } = this.#call.parts.host.actors;
    const again = (): (() => void) =>
      clock.setTimeout(() => {
        // One that is behind gets messages.
        if (!this.#behind) this.#answers.write(this.#encoder.ping());
        cancel = again();
      }, PING_INTERVAL_MS);
    let cancel = again();
    return () => cancel();
  }
}

function filtersOf({ workItemFilters: filters }: DecodedGetWorkItems): WorkerFilters | undefined {
  if (filters === null) return undefined;
  const plain = ({ name, versions }: { readonly name: string; readonly versions: readonly string[] }) => ({
    name,
    versions: [...versions],
  });
  return {
    workflows: filters.orchestrations.map(plain),
    activities: filters.activities.map(plain),
    entities: filters.entities.map(({ name }) => name.toLowerCase()),
  };
}

function positive(wanted: number, byDefault: number): number {
  return wanted > 0 ? wanted : byDefault;
}
