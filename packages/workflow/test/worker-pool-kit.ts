// A pool on a clock that stands still, and workers and requests for it that tell what has become of them.

import { ManualClock, SeededRandom } from '@troupe/actors/testing';
import { expect, onTestFinished } from 'vitest';
import type { ActivityResult } from '../src/activity-runner.ts';
import type { PoolRequest } from '../src/workers/pool-request.ts';
import type {
  ActivityItem,
  EntityBatchResult,
  EntityItem,
  WorkerConnection,
  WorkerFilters,
  WorkerTurn,
  WorkflowItem,
  WorkItem,
} from '../src/workers/worker-port.ts';
import { WorkerPool } from '../src/workers/worker-pool.ts';

export const TURN: WorkerTurn = { commands: [], outcome: undefined };
export const DONE: ActivityResult = { ok: true, result: undefined };
export const BATCH_DONE: EntityBatchResult = { results: [], state: undefined, actions: [] };

export interface PoolFixture {
  readonly pool: WorkerPool;
  readonly clock: ManualClock;
  readonly changes: { count: number };
  readonly warnings: string[];
  /** What was reported as an error; an expectation of a worker that was not met is among them, and fails the test. */
  readonly errors: unknown[];
}

export function poolFixture(leases: { turnLeaseMs?: number; activityLeaseMs?: number } = {}): PoolFixture {
  const clock = new ManualClock();
  const changes = { count: 0 };
  const warnings: string[] = [];
  const errors: unknown[] = [];
  onTestFinished(() => {
    for (const error of errors) if ((error as Error).name === 'AssertionError') throw error;
  });
  const pool = new WorkerPool({
    clock,
    logger: {
      debug: () => {},
      info: () => {},
      warn: (_, message) => warnings.push(message),
      error: (details) => errors.push((details as { err: unknown }).err),
    },
    random: new SeededRandom(1).next,
    onChanged: () => (changes.count += 1),
    ...leases,
  });
  return { pool, clock, changes, warnings, errors };
}

/** Lets the pool give out what it has. */
export async function given(): Promise<void> {
  for (let round = 0; round < 5; round++) await Promise.resolve();
}

export interface WorkerOptions {
  readonly workflows?: WorkerFilters['workflows'];
  readonly activities?: WorkerFilters['activities'];
  readonly entities?: WorkerFilters['entities'];
  readonly workflowsMax?: number;
  readonly activitiesMax?: number;
  readonly entitiesMax?: number;
  readonly itemsMax?: number;
  readonly keepsHistory?: boolean;
  readonly onItem?: (item: WorkItem, worker: TestWorker) => void;
}

/** It notes what it is sent, and answers when it is told to. */
export class TestWorker implements WorkerConnection {
  readonly filters: WorkerFilters | undefined;
  readonly workflowsMax: number;
  readonly activitiesMax: number;
  readonly entitiesMax: number;
  readonly itemsMax: number;
  readonly keepsHistory: boolean;
  readonly items: WorkItem[] = [];
  readonly #pool: WorkerPool;
  readonly #onItem: WorkerOptions['onItem'];
  readonly #close: () => void;
  closed = false;

  constructor({ pool }: Pick<PoolFixture, 'pool'>, options: WorkerOptions = {}) {
    const { workflows, activities, entities } = options;
    this.filters =
      workflows === undefined && activities === undefined && entities === undefined
        ? undefined
        : { workflows: workflows ?? [], activities: activities ?? [], entities: entities ?? [] };
    this.workflowsMax = options.workflowsMax ?? 100;
    this.activitiesMax = options.activitiesMax ?? 100;
    this.entitiesMax = options.entitiesMax ?? 0;
    this.itemsMax = options.itemsMax ?? 200;
    this.keepsHistory = options.keepsHistory ?? false;
    this.#onItem = options.onItem;
    this.#pool = pool;
    this.#close = pool.connect(this).close;
  }

  send(item: WorkItem): void {
    expect(this.closed, 'sent to a worker that is closed').toBe(false);
    this.items.push(item);
    this.#onItem?.(item, this);
  }

  close(): void {
    this.closed = true;
    this.#close();
  }

  /** The instances whose items it was sent, in order. */
  get ids(): string[] {
    return this.items.map(idOf);
  }

  get last(): WorkItem {
    return this.items.at(-1)!;
  }

  answer(item: WorkItem = this.last, turn: WorkerTurn = TURN): boolean {
    switch (item.kind) {
      case 'workflow':
        return this.#pool.completeTurn(item.instanceId, item.token, turn);
      case 'activity':
        return this.#pool.completeActivity(item.instanceId, item.sequence, item.token, DONE);
      case 'entity':
        return this.#pool.completeEntity(item.token, BATCH_DONE);
    }
  }
}

export function idOf(item: WorkItem): string {
  return item.kind === 'entity' ? item.entityId : item.instanceId;
}

export type End = 'answered' | 'lost' | 'replaced';

export interface Fate {
  /** In the order in which they came: never more than one. */
  readonly ends: End[];
  withdraw(): void;
}

export interface RequestOptions {
  readonly name?: string;
  readonly version?: string;
  readonly sequence?: number;
  readonly executionId?: string;
  readonly length?: number;
  readonly onEnd?: (end: End) => void;
}

export function offerTurn({ pool }: Pick<PoolFixture, 'pool'>, instanceId: string, options: RequestOptions = {}): Fate {
  const { name = 'flow', version = '', executionId = `${instanceId}.0`, length = 2 } = options;
  const ends: Fate['ends'] = [];
  const ended = (end: End): void => {
    ends.push(end);
    options.onEnd?.(end);
  };
  const origin: WorkflowItem['origin'] = {
    workflowName: name,
    version,
    createdAtMs: 0,
    startAtMs: undefined,
    tags: {},
    parent: undefined,
    traceparent: undefined,
  };
  const request: PoolRequest<WorkflowItem> = {
    kind: 'workflow',
    instanceId,
    sequence: undefined,
    executionId,
    name,
    version,
    length,
    item: (token, kept) => ({
      kind: 'workflow',
      token,
      instanceId,
      executionId,
      origin,
      past: [],
      kept,
      beganAtMs: 0,
      events: [],
    }),
    answered: () => ended('answered'),
    lost: (why) => ended(why === 'replaced' ? 'replaced' : 'lost'),
  };
  return { ends, ...pool.offer(request) };
}

export function offerActivity(
  { pool }: Pick<PoolFixture, 'pool'>,
  instanceId: string,
  options: RequestOptions = {},
): Fate {
  const { name = 'work', version = '', executionId = `${instanceId}.0`, sequence = 0 } = options;
  const ends: Fate['ends'] = [];
  const ended = (end: End): void => {
    ends.push(end);
    options.onEnd?.(end);
  };
  const request: PoolRequest<ActivityItem> = {
    kind: 'activity',
    instanceId,
    sequence,
    executionId,
    name,
    version,
    length: undefined,
    item: (token) => ({
      kind: 'activity',
      token,
      instanceId,
      executionId,
      sequence,
      name,
      input: undefined,
      details: undefined,
      traceparent: undefined,
    }),
    answered: () => ended('answered'),
    lost: (why) => ended(why === 'replaced' ? 'replaced' : 'lost'),
  };
  return { ends, ...pool.offer(request) };
}

export function offerBatch({ pool }: Pick<PoolFixture, 'pool'>, entityId: string, options: RequestOptions = {}): Fate {
  const { name = 'counter', executionId = `${entityId}.0` } = options;
  const ends: Fate['ends'] = [];
  const ended = (end: End): void => {
    ends.push(end);
    options.onEnd?.(end);
  };
  const request: PoolRequest<EntityItem> = {
    kind: 'entity',
    instanceId: entityId,
    sequence: undefined,
    executionId,
    name,
    version: '',
    length: undefined,
    item: (token) => ({ kind: 'entity', token, entityId, state: undefined, operations: [] }),
    answered: () => ended('answered'),
    lost: (why) => ended(why === 'replaced' ? 'replaced' : 'lost'),
  };
  return { ends, ...pool.offer(request) };
}
