// How batches of operations get to workers: to one of this host, or through another host to one of its workers. Nothing
// here is durable: an entity whose batch is lost gives it again.
//
// B1  A batch ends once: done or lost. One that was withdrawn ends no more.
// B2  A host that has taken a batch for another keeps what came of it for a while: the answer may have got lost on its way.
//     It is asked again and again, and says in time that it is still at it.
// B3  What was taken for a host that is no member any more is withdrawn.

import { actor, OutcomeUnknownError, type ActorHost, type ActorRef, type Clock, type HostId } from '@troupe/actors';
import type { CodeDirectory } from '../code-directory.ts';
import type { EntityOperation } from './entity-message.ts';
import { isOutOfReach } from '../errors.ts';
import { inTime, type Waiting } from '../workers/in-time.ts';
import { ENTITY_BATCH_KEPT_MS, SESSION_CALL_TIMEOUT_MS, SESSION_TRIES_MAX } from '../limits.ts';
import type { WorkerDirectory } from '../workers/worker-directory.ts';
import type { WorkerPool } from '../workers/worker-pool.ts';
import type { EntityBatchResult } from '../workers/worker-port.ts';

/** Operations that an entity wants run, and the state on which. Plain data. */
export interface EntityBatch {
  readonly batchId: string;
  readonly entityId: string;
  readonly name: string;
  readonly state: string | undefined;
  readonly operations: readonly EntityOperation[];
}

/** What came of a batch. */
export type BatchAnswer = { readonly kind: 'done'; readonly result: EntityBatchResult } | { readonly kind: 'lost' };

/** … as another host tells it. */
type WireAnswer = BatchAnswer | Waiting;

const LOST: BatchAnswer = { kind: 'lost' };

/** What this needs of its host. */
export interface EntityBatchesServices {
  readonly host: ActorHost;
  readonly batches: EntityBatchesActor;
  readonly directory: Pick<CodeDirectory, 'isPeer'>;
}

interface Taken {
  readonly ownerId: HostId;
  readonly answer: Promise<BatchAnswer>;
  readonly offered: { withdraw(): void };
}

export class EntityBatches {
  readonly #pool: WorkerPool;
  readonly #workers: WorkerDirectory;
  readonly #clock: Clock;
  readonly #services: () => EntityBatchesServices;
  /** For other hosts, by batch. */
  readonly #taken = new Map<string, Taken>();

  constructor(parts: {
    readonly pool: WorkerPool;
    readonly workers: WorkerDirectory;
    readonly clock: Clock;
    readonly services: () => EntityBatchesServices;
  }) {
    this.#pool = parts.pool;
    this.#workers = parts.workers;
    this.#clock = parts.clock;
    this.#services = parts.services;
  }

  /** Whether anybody's workers may run entities of this name. */
  mayRun(name: string): boolean {
    return this.#workers.mayRun('entity', name, '');
  }

  give(batch: EntityBatch, ended: (answer: BatchAnswer) => void): { withdraw(): void } {
    const { name, entityId } = batch;
    if (this.#pool.mayRun('entity', name, '')) return this.#offer(batch, ended);
    const hostId = this.#workers.peerFor('entity', name, '', entityId);
    let isOver = false;
    const end = (answer: BatchAnswer): void => {
      if (!isOver) ended(answer);
      isOver = true;
    };
    if (hostId === undefined) queueMicrotask(() => end(LOST));
    else void this.#askPeer(hostId, batch, () => isOver).then(end);
    return {
      withdraw: () => {
        if (isOver) return;
        isOver = true;
        // If it gets lost the batch is answered, and its answer forgotten.
        if (hostId !== undefined)
          this.#ref(hostId)
            .withdraw(batch.batchId)
            .catch(() => {});
      },
    };
  }

  #offer(batch: EntityBatch, ended: (answer: BatchAnswer) => void): { withdraw(): void } {
    const { batchId, entityId, name, state, operations } = batch;
    return this.#pool.offer({
      kind: 'entity',
      instanceId: entityId,
      sequence: undefined,
      executionId: batchId,
      name,
      version: '',
      length: undefined,
      item: (token) => ({ kind: 'entity', token, entityId, state, operations }),
      answered: (result) => ended({ kind: 'done', result }),
      lost: () => ended(LOST),
    });
  }

  /** B2 */
  async #askPeer(hostId: HostId, batch: EntityBatch, isOver: () => boolean): Promise<BatchAnswer> {
    const { host, directory } = this.#services();
    let isGiven = false;
    let failures = 0;
    while (!isOver()) {
      try {
        const ref = this.#ref(hostId);
        const answer: WireAnswer = isGiven ? await ref.wait(batch.batchId) : await ref.run(host.hostId, batch);
        if (answer.kind !== 'waiting') return answer;
        isGiven = true;
        failures = 0;
      } catch (error) {
        failures += 1;
        const mayAsk = error instanceof OutcomeUnknownError && directory.isPeer(hostId) && failures < SESSION_TRIES_MAX;
        if (mayAsk) continue;
        if (!isOutOfReach(error) && !host.status().stopping)
          host.logger.warn(
            { entityId: batch.entityId, err: error },
            'a batch of an entity could not go to another host',
          );
        break;
      }
    }
    return LOST;
  }

  #ref(hostId: HostId): ActorRef<EntityBatchesActor> {
    const { host, batches } = this.#services();
    return host.actor(batches, hostId, { timeoutMs: SESSION_CALL_TIMEOUT_MS });
  }

  // ── For others ─────────────────────────────────────────────────────────────────────────────────────────────────────

  run(ownerId: HostId, batch: EntityBatch): Promise<WireAnswer> | WireAnswer {
    const { batchId, name } = batch;
    let taken = this.#taken.get(batchId);
    if (taken === undefined) {
      if (!this.#pool.mayRun('entity', name, '')) return LOST;
      let end: (answer: BatchAnswer) => void;
      const answer = new Promise<BatchAnswer>((resolve) => (end = resolve));
      const offered = this.#offer(batch, (ended) => {
        end(ended);
        this.#clock.setTimeout(() => this.#taken.delete(batchId), ENTITY_BATCH_KEPT_MS);
      });
      taken = { ownerId, answer, offered };
      this.#taken.set(batchId, taken);
    }
    return inTime(this.#clock, taken.answer);
  }

  wait(batchId: string): Promise<WireAnswer> | WireAnswer {
    const taken = this.#taken.get(batchId);
    return taken === undefined ? LOST : inTime(this.#clock, taken.answer);
  }

  withdraw(batchId: string): void {
    this.#taken.get(batchId)?.offered.withdraw();
    this.#taken.delete(batchId);
  }

  /** B3 */
  membersChanged(): void {
    const { directory } = this.#services();
    for (const [batchId, { ownerId }] of this.#taken) if (!directory.isPeer(ownerId)) this.withdraw(batchId);
  }
}

/** The host actor by which other hosts have their entities' batches run. */
export function entityBatchesActor(batches: () => EntityBatches) {
  return actor('troupe.entities', {
    hostBound: true,
    methods: {
      withdraw: (_ctx, batchId: string) => batches().withdraw(batchId),
    },
    // Those of one entity need not wait for those of another.
    readOnly: {
      run: (_ctx, ownerId: HostId, batch: EntityBatch) => batches().run(ownerId, batch),
      wait: (_ctx, batchId: string) => batches().wait(batchId),
    },
  });
}

export type EntityBatchesActor = ReturnType<typeof entityBatchesActor>;
