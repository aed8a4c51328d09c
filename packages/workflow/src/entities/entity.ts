// An entity: a small state that one operation after the other reads and writes. Its code is run by workers, a batch of
// operations at a time. How a batch gets to a worker is `entity-batches.ts`.
//
// N1  What was acknowledged is done, in the order in which it came; but what a lock keeps back waits for the lock.
// N2  One batch is out at a time. What it did (the state, the results, what it asked for) and that its operations are done
//     is one commit: their code may run twice, their effect is there once.
// N3  Only the answer to the batch that is out counts.
// N4  An entity whose code no worker has waits, however long.
// N5  A lock goes from one entity to the next in an order that all requests have in common. The owner's calls are taken
//     while it holds it, and nobody else's.

import type { RecordContext, RecordOpening } from '@troupe/actors';
import { newBirth } from '../birth.ts';
import { carryOutActions } from './entity-actions.ts';
import type { BatchAnswer, EntityBatch } from './entity-batches.ts';
import { entityNameIn } from './entity-id.ts';
import type { EntityCaller, EntityLockRequest, EntityMessageReceived, EntityOperation } from './entity-message.ts';
import { acceptableBatch } from './entity-result.ts';
import type { EntityServices } from './entity-services.ts';
import {
  decodeMessage,
  encodeMessage,
  EntityState,
  type WaitingMessage,
  type WaitingOperation,
} from './entity-state.ts';
import { ENTITY_BACKLOG_MAX, ENTITY_BATCH_LENGTH, HISTORY_PAGE_LENGTH } from '../limits.ts';
import { pagesOf } from '../payload.ts';
import { reopenDelayMs } from '../retry.ts';
import type { EntityBatchResult } from '../workers/worker-port.ts';

type Context = RecordContext<Entity>;

/** Stands for the first of the signals that wait for their time. */
export const SCHEDULED_REMINDER = 'scheduled';

/** What is shown of an entity. */
export interface EntityDescription {
  readonly entityId: string;
  readonly state: string | undefined;
  readonly createdAtMs: number;
  readonly lastModifiedMs: number;
  /** Operations that wait, for their turn or for their time. */
  readonly backlog: number;
  readonly lockedBy: EntityCaller | undefined;
}

interface Out {
  readonly batchId: string;
  readonly items: readonly WaitingOperation[];
  given: { withdraw(): void } | undefined;
  answer: BatchAnswer | undefined;
}

/** One entity in memory. */
export class Entity {
  readonly id: string;
  readonly #services: EntityServices;
  /** Undefined: nothing was ever said to it. */
  #state: EntityState | undefined;
  #waiting: WaitingMessage[] = [];
  #out: Out | undefined;
  /** Batches in a row that came to nothing. */
  #failures = 0;
  #resting = false;
  #closed = false;

  private constructor(id: string, services: EntityServices, state: EntityState | undefined) {
    this.id = id;
    this.#services = services;
    this.#state = state;
  }

  static async open(opening: RecordOpening, services: EntityServices): Promise<Entity> {
    const state = opening.snapshot === undefined ? undefined : EntityState.of(opening.snapshot);
    const entity = new Entity(opening.address.id, services, state);
    if (state === undefined) return entity;
    const done = new Set(state.done);
    for (let from = state.firstEntry; from < opening.nextEntry; from += HISTORY_PAGE_LENGTH) {
      const limit = Math.min(HISTORY_PAGE_LENGTH, opening.nextEntry - from);
      const messages = (await opening.read(from, limit)).map(decodeMessage);
      entity.#waiting.push(...messages.filter(({ number }) => number >= from && !done.has(number)));
    }
    return entity;
  }

  snapshot(): unknown {
    return this.#state?.snapshot();
  }

  // ── What is said to it ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A signal from outside. False: too much waits. */
  signal(ctx: Context, operation: EntityOperation, scheduledAtMs: number | undefined): boolean {
    if (this.#backlog >= ENTITY_BACKLOG_MAX) {
      ctx.dropReply();
      return false;
    }
    this.operate(ctx, operation, scheduledAtMs);
    return true;
  }

  operate(ctx: Context, operation: EntityOperation, scheduledAtMs: number | undefined): void {
    if (scheduledAtMs === undefined || scheduledAtMs <= ctx.nowMs()) {
      this.#wait(ctx, { number: ctx.nextEntry, operation });
      this.#goOn(ctx);
      return;
    }
    this.#begun(ctx).scheduled.push({ dueAtMs: scheduledAtMs, operation });
    this.#remind(ctx);
  }

  /** Signals whose time has come. */
  scheduledDue(ctx: Context): void {
    const state = this.#state;
    if (state === undefined) return;
    const nowMs = ctx.nowMs();
    const due = state.scheduled.filter(({ dueAtMs }) => dueAtMs <= nowMs).sort((a, b) => a.dueAtMs - b.dueAtMs);
    state.scheduled = state.scheduled.filter(({ dueAtMs }) => dueAtMs > nowMs);
    for (const { operation } of due) this.#wait(ctx, { number: ctx.nextEntry, operation });
    this.#remind(ctx);
    this.#goOn(ctx);
  }

  #remind(ctx: Context): void {
    const { scheduled } = this.#state!;
    ctx.changed();
    if (scheduled.length === 0) ctx.cancelReminder(SCHEDULED_REMINDER);
    else ctx.setReminder(SCHEDULED_REMINDER, { dueAtMs: Math.min(...scheduled.map(({ dueAtMs }) => dueAtMs)) });
  }

  lock(ctx: Context, lock: EntityLockRequest): void {
    this.#wait(ctx, { number: ctx.nextEntry, lock });
    this.#goOn(ctx);
  }

  /** Frees what an execution holds of it or waits for: one section, or all of them. True: it held it. */
  unlock(ctx: Context, owner: EntityCaller, sectionId: string | undefined): boolean {
    const state = this.#state;
    if (state === undefined) return false;
    const isMeant = (lock: EntityLockRequest): boolean =>
      isSame(lock.owner, owner) && (sectionId === undefined || lock.sectionId === sectionId);
    this.#done(
      ctx,
      this.#waiting.filter(({ lock }) => lock !== undefined && isMeant(lock)),
    );
    const held = state.lock !== undefined && isMeant(state.lock);
    if (held) {
      state.lock = undefined;
      ctx.changed();
    }
    this.#goOn(ctx);
    return held;
  }

  /** Removes it if there is nothing to it. */
  removeIfEmpty(ctx: Context): boolean {
    const state = this.#state;
    if (state === undefined || state.text !== undefined || state.lock !== undefined || this.#backlog > 0) return false;
    ctx.purge();
    return true;
  }

  describe(): EntityDescription | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    const { text, createdAtMs, lastModifiedMs, lock } = state;
    const backlog = this.#backlog;
    return { entityId: this.id, state: text, createdAtMs, lastModifiedMs, backlog, lockedBy: lock?.owner };
  }

  get #backlog(): number {
    return this.#waiting.length + (this.#state?.scheduled.length ?? 0);
  }

  #begun(ctx: Context): EntityState {
    if (this.#state !== undefined) return this.#state;
    const state = (this.#state = new EntityState());
    state.createdAtMs = ctx.nowMs();
    state.lastModifiedMs = state.createdAtMs;
    state.firstEntry = ctx.nextEntry;
    ctx.changed();
    ctx.summarize(this.#summary(state));
    return state;
  }

  #summary(state: EntityState) {
    const { text, createdAtMs } = state;
    return { name: entityNameIn(this.id), status: text === undefined ? 'transient' : 'present', createdAtMs, tags: {} };
  }

  #wait(ctx: Context, message: WaitingMessage): void {
    this.#begun(ctx);
    this.#waiting.push(message);
    ctx.append(encodeMessage(message));
  }

  /** These messages are done. */
  #done(ctx: Context, messages: readonly WaitingMessage[]): void {
    if (messages.length === 0) return;
    const state = this.#state!;
    const gone = new Set(messages);
    this.#waiting = this.#waiting.filter((message) => !gone.has(message));
    const first = this.#waiting[0]?.number ?? ctx.nextEntry;
    state.done = [...state.done, ...messages.map(({ number }) => number)].filter((number) => number > first);
    if (first > state.firstEntry) {
      state.firstEntry = first;
      ctx.trim(first);
    }
    ctx.changed();
  }

  // ── Going on ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** After a crash, or when there may be workers. */
  proceed(ctx: Context): void {
    if (this.#state !== undefined) this.#goOn(ctx);
  }

  #goOn(ctx: Context): void {
    if (this.#out !== undefined) {
      ctx.setWork(true);
      return;
    }
    this.#takeLocks(ctx);
    const next = this.#next();
    ctx.setWork(next.length > 0);
    if (next.length > 0 && !this.#resting) this.#begin(ctx, next);
  }

  /** Locks that nothing keeps back any more. */
  #takeLocks(ctx: Context): void {
    const state = this.#state!;
    const first = this.#waiting[0];
    if (state.lock !== undefined || first?.lock === undefined) return;
    const { lock } = first;
    state.lock = lock;
    this.#done(ctx, [first]);
    const { entityIds, owner, sectionId } = lock;
    const position = lock.position + 1;
    if (position < entityIds.length)
      ctx.send(this.#services.entity(), entityIds[position]!).lock({ ...lock, position });
    else ctx.send(this.#services.workflow(), owner.instanceId).lockGranted(owner.executionId, sectionId, entityIds);
  }

  /** The operations that may run now. */
  #next(): WaitingOperation[] {
    const { lock } = this.#state!;
    const next: WaitingOperation[] = [];
    for (const message of this.#waiting) {
      if (message.operation === undefined) {
        if (lock === undefined) break;
      } else if (lock === undefined || isOf(message.operation, lock.owner)) next.push(message);
      if (next.length === ENTITY_BATCH_LENGTH) break;
    }
    return next;
  }

  #begin(ctx: Context, next: readonly WaitingOperation[]): void {
    const name = entityNameIn(this.id);
    const { batches } = this.#services;
    if (!batches.mayRun(name)) {
      this.#services.awaitWorkers(this.id);
      return;
    }
    const [items] = pagesOf(next, ({ operation }) => operation.input, ENTITY_BATCH_LENGTH);
    const batch: EntityBatch = {
      batchId: newBirth(ctx),
      entityId: this.id,
      name,
      state: this.#state!.text,
      operations: items!.map(({ operation }) => operation),
    };
    const out: Out = { batchId: batch.batchId, items: items!, given: undefined, answer: undefined };
    this.#out = out;
    // The code sees nothing that could still be lost.
    ctx.afterCommit(() => {
      if (this.#out !== out || this.#closed) return;
      out.given = batches.give(batch, (answer) => {
        out.answer = answer;
        this.#services.goOn(this.id, (entity) => entity.batchEnded());
      });
    });
  }

  /** A batch of this activation has ended. */
  batchEnded(ctx: Context): void {
    const out = this.#out;
    if (out?.answer === undefined) return;
    this.#out = undefined;
    const { answer } = out;
    if (answer.kind === 'done' && answer.result.failed === undefined && answer.result.results.length > 0) {
      this.#failures = 0;
      this.#take(ctx, out, acceptableBatch(answer.result, this.#state!.text));
    } else {
      if (answer.kind === 'done') {
        const err = answer.result.failed ?? 'it answered without a result';
        this.#services.logger.warn({ entityId: this.id, err }, 'a worker could not run a batch of an entity');
      }
      this.#rest();
    }
    this.#goOn(ctx);
  }

  #rest(): void {
    this.#resting = true;
    this.#services.clock.setTimeout(() => {
      this.#resting = false;
      if (!this.#closed) this.#services.goOn(this.id, (entity) => entity.proceed());
    }, reopenDelayMs(this.#failures));
    this.#failures += 1;
  }

  /** N2 */
  #take(ctx: Context, { items, batchId }: Out, { results, state: text, actions }: EntityBatchResult): void {
    const state = this.#state!;
    const wasThere = state.text !== undefined;
    state.text = text;
    state.lastModifiedMs = ctx.nowMs();
    const done = items.slice(0, results.length);
    for (const [index, { operation }] of done.entries()) {
      const { caller, requestId } = operation;
      if (caller === undefined) continue;
      const result = results[index]!;
      const message: EntityMessageReceived = result.ok
        ? { kind: 'entityOperationCompleted', body: { requestId, output: result.output } }
        : { kind: 'entityOperationFailed', body: { requestId, failure: result.failure } };
      ctx.send(this.#services.workflow(), caller.instanceId).message(caller.executionId, message.kind, message.body);
    }
    this.#done(ctx, done);
    carryOutActions(ctx, this.#services, actions, batchId);
    if (wasThere !== (text !== undefined)) ctx.summarize(this.#summary(state));
  }

  close(): void {
    this.#closed = true;
    this.#out?.given?.withdraw();
  }
}

function isOf({ caller }: EntityOperation, owner: EntityCaller): boolean {
  return caller !== undefined && isSame(caller, owner);
}

function isSame(a: EntityCaller, b: EntityCaller): boolean {
  return a.instanceId === b.instanceId && a.executionId === b.executionId;
}
