// A workflow instance as others know it: the actor that answers what is asked of it. It decides whether a request is
// carried out, and tells one life of the instance id from the next; what then happens is the execution's.
//
// L1  A request is refused before it changes anything.
// L2  A start or a child's start that is repeated begins nothing twice.
// L3  What belongs to another execution, or comes after the end, is dropped.

import type { RecordOpening, Reminder, Tombstone } from '@troupe/actors';
import type { ActivityResult } from './activity-runner.ts';
import { AlreadyExistsError } from './errors.ts';
import { Execution } from './execution.ts';
import { failureOf } from './failure.ts';
import type { EventRaised } from './history.ts';
import { tellParent } from './instance-children.ts';
import { EntriesGone, InstanceHistory } from './instance-history.ts';
import { metadataOf, outcomeOf } from './instance-metadata.ts';
import {
  CODE_REMINDER,
  RETENTION_REMINDER,
  RETRY_REMINDER,
  START_REMINDER,
  TIMER_REMINDER,
} from './instance-reminder.ts';
import type {
  ChildLink,
  InstanceOutcome,
  PurgeRequest,
  Refusal,
  Reply,
  StartReply,
  StartRequest,
  TerminateRequest,
} from './instance-request.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import { InstanceState } from './instance-state.ts';
import { BUFFERED_EVENTS_MAX, RETENTION_RETRY_MS } from './limits.ts';
import { validated } from './schema.ts';
import type { Failure, InstanceMetadata } from './status.ts';

/** One instance in memory. */
export class Instance {
  readonly id: string;
  readonly #services: InstanceServices;
  readonly #opening: RecordOpening;
  readonly #history: InstanceHistory;
  /** Undefined until it is started. */
  #execution: Execution | undefined;

  constructor(opening: RecordOpening, services: InstanceServices) {
    this.id = opening.address.id;
    this.#services = services;
    this.#opening = opening;
    this.#history = new InstanceHistory(opening);
    if (opening.snapshot !== undefined) {
      this.#execution = new Execution(this.id, services, this.#history, InstanceState.of(opening.snapshot));
      this.#execution.findDefinition();
    }
  }

  get state(): InstanceState | undefined {
    return this.#execution?.state;
  }

  get tombstone(): Tombstone | undefined {
    return this.#opening.tombstone;
  }

  // ── Requests from outside ──────────────────────────────────────────────────────────────────────────────────────────

  async start(ctx: Context, request: StartRequest): Promise<StartReply> {
    const { state } = this;
    const { startKey } = request;
    if (startKey !== undefined) {
      const known = state === undefined ? this.tombstone : state.startKey;
      if (known?.key === startKey.key)
        return known.hash === startKey.hash ? { outcome: 'duplicate' } : { refused: 'mismatch' };
    }
    if (state !== undefined) {
      const exists: Refusal = { refused: 'exists', workflowName: state.workflowName, status: state.status };
      switch (request.ifExists) {
        case 'fail':
          return exists;
        case 'attach':
          return state.workflowName === request.workflowName ? { outcome: 'attached' } : exists;
        case 'restart-if-terminal':
          if (state.ended === undefined) return exists;
          break;
        case 'terminate-and-restart':
          if (state.ended === undefined) this.#execution!.end(ctx, { type: 'terminated', output: undefined });
          break;
      }
    }
    await this.#begin(ctx, request);
    return { outcome: 'started' };
  }

  #begin(ctx: Context, request: StartRequest): Promise<void> {
    const definition = this.#services.registry.workflow(request.workflowName, request.version);
    const state = new InstanceState();
    state.workflowName = request.workflowName;
    state.version = definition?.version ?? request.version ?? '';
    state.pinned = request.version !== undefined;
    state.birth = newBirth(ctx);
    state.createdAtMs = ctx.nowMs();
    state.startAtMs = request.startAtMs;
    state.tags = request.tags ?? {};
    state.parent = request.parent;
    state.startKey = request.startKey;
    state.traceparent = ctx.traceparent;
    state.turnId = (this.state?.turnId ?? 0) + 1;
    this.#execution ??= new Execution(this.id, this.#services, this.#history, state);
    return this.#execution.begin(ctx, state, definition, request.input);
  }

  async raiseEvent(
    ctx: Context,
    name: string,
    payload: unknown,
    workflowName: string | undefined,
    hash: string | undefined,
  ): Promise<Reply> {
    const execution = this.#execution;
    if (execution === undefined || !execution.state.isOf(workflowName)) return { refused: 'not-found' };
    const { state } = execution;
    if (state.ended !== undefined) return { refused: 'ended', status: state.status };
    if (execution.eventsWaiting >= BUFFERED_EVENTS_MAX) {
      return { refused: 'limit', message: `${BUFFERED_EVENTS_MAX} events of instance ${this.id} wait to be taken` };
    }
    const schema = eventSchema(execution, name);
    let value = payload;
    if (schema !== undefined) {
      try {
        value = await validated(schema, payload, `the payload of event ${name}`);
      } catch (error) {
        return {
          refused: 'invalid',
          what: `the payload of event ${name}`,
          issues: (error as { issues?: [] }).issues ?? [],
        };
      }
    }
    const event: EventRaised = { type: 'EventRaised', at: ctx.nowMs(), name, payload: value };
    await execution.receive(ctx, event);
    return { done: true, hash };
  }

  suspend(ctx: Context, workflowName: string | undefined, hash: string | undefined): Reply {
    const execution = this.#execution;
    if (execution === undefined || !execution.state.isOf(workflowName)) return { refused: 'not-found' };
    if (execution.state.ended !== undefined) return { refused: 'ended', status: execution.state.status };
    execution.suspend(ctx, true);
    return { done: true, hash };
  }

  async resume(ctx: Context, workflowName: string | undefined, hash: string | undefined): Promise<Reply> {
    const execution = this.#execution;
    if (execution === undefined || !execution.state.isOf(workflowName)) return { refused: 'not-found' };
    if (execution.state.ended !== undefined) return { refused: 'ended', status: execution.state.status };
    execution.suspend(ctx, false);
    await execution.proceed(ctx);
    return { done: true, hash };
  }

  async terminate(ctx: Context, request: TerminateRequest): Promise<Reply> {
    const execution = this.#execution;
    if (execution === undefined) return { refused: 'not-found' };
    const { state } = execution;
    if (!state.isOf(request.workflowName) || !state.isChildOf(request.parentId)) return { refused: 'not-found' };
    if (state.ended !== undefined) return { refused: 'ended', status: state.status };
    if (request.undo && state.startedAtMs !== undefined) await execution.undo(ctx, request.output);
    else await execution.terminate(ctx, request.output, request.recursive);
    return { done: true, hash: request.hash };
  }

  purge(ctx: Context, request: PurgeRequest): Reply {
    const execution = this.#execution;
    if (execution === undefined) return { refused: 'not-found' };
    const { state } = execution;
    if (!state.isOf(request.workflowName) || !state.isChildOf(request.parentId)) return { refused: 'not-found' };
    if (state.ended === undefined) {
      if (!request.force) return { refused: 'not-ended', instanceId: this.id, status: state.status };
      execution.end(ctx, { type: 'terminated', output: undefined });
    }
    ctx.purge(state.startKey === undefined ? undefined : { ...state.startKey, atMs: ctx.nowMs() });
    return { done: true, hash: request.hash };
  }

  // ── Messages of the runtime ────────────────────────────────────────────────────────────────────────────────────────

  activityEnded(
    ctx: Context,
    executionId: string,
    sequence: number,
    attempt: number,
    result: ActivityResult,
  ): Promise<void> | undefined {
    const execution = this.#execution;
    if (execution === undefined) return undefined;
    if (!isUnderWay(execution.state, executionId)) {
      const { state } = execution;
      if (state.executionId === executionId && state.leftBehind.includes(sequence))
        execution.leftBehindEnded(ctx, sequence);
      return undefined;
    }
    return execution.activityEnded(ctx, sequence, attempt, result);
  }

  childEnded(
    ctx: Context,
    link: ChildLink,
    childId: string,
    output: unknown,
    failure: Failure | undefined,
  ): Promise<void> | undefined {
    const execution = this.#execution;
    if (execution === undefined || !isUnderWay(execution.state, link.executionId)) return undefined;
    return execution.childEnded(ctx, link, childId, output, failure);
  }

  /** A child as its parent asked for it. Repeated after a crash it is the same child. */
  async startChild(ctx: Context, request: StartRequest): Promise<void> {
    const parent = request.parent!;
    const mine = this.state?.parent;
    if (
      mine?.instanceId === parent.instanceId &&
      mine.executionId === parent.executionId &&
      mine.sequence === parent.sequence
    )
      return;
    if (this.state !== undefined) {
      const taken = new AlreadyExistsError(this.id, this.state.workflowName, this.state.status);
      tellParent(ctx, this.#services, this.id, parent, undefined, failureOf(taken));
      return;
    }
    const schema = this.#services.registry.workflow(request.workflowName, request.version)?.options.input;
    try {
      const input = await validated(schema, request.input, `the input of workflow ${request.workflowName}`);
      await this.start(ctx, { ...request, input });
    } catch (error) {
      tellParent(ctx, this.#services, this.id, parent, undefined, failureOf(error));
    }
  }

  async reminder(ctx: Context, reminder: Reminder): Promise<void> {
    const execution = this.#execution;
    if (execution === undefined) return;
    const { name } = reminder;
    if (name === RETENTION_REMINDER) {
      // Not in this turn: the children's purges may need one of ours. Should it fail (a child still runs), it is tried again.
      ctx.setReminder(RETENTION_REMINDER, { delayMs: RETENTION_RETRY_MS });
      ctx.afterCommit(() => this.#services.purgeTree(this.id));
    } else if (execution.state.ended !== undefined) {
      return;
    } else if (name === START_REMINDER) {
      await execution.startDue(ctx);
    } else if (name === CODE_REMINDER) {
      execution.codeDue(ctx);
    } else if (name.startsWith(RETRY_REMINDER)) {
      await execution.retryDue(ctx, Number(name.slice(RETRY_REMINDER.length)));
    } else if (name.startsWith(TIMER_REMINDER)) {
      await execution.receive(ctx, {
        type: 'TimerFired',
        at: ctx.nowMs(),
        sequence: Number(name.slice(TIMER_REMINDER.length)),
      });
    }
  }

  /** After a crash, or when more can be done than before: goes on with what waits. */
  proceed(ctx: Context): Promise<void> | undefined {
    return this.#execution?.proceed(ctx);
  }

  close(): void {
    this.#execution?.close();
  }

  // ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For a purge of the whole tree. */
  async childIds(): Promise<string[]> {
    return (await this.#execution?.childIds(false)) ?? [];
  }

  /** Resolves when the instance has ended, or is not there. */
  untilEnded(ctx: { readonly abandoned: boolean }): Promise<void> | undefined {
    return this.#execution?.untilEnded(ctx);
  }

  /** How it ended, without what else `describe` tells. */
  outcome(nextEntry: number): Promise<InstanceOutcome | undefined> {
    return this.#read(async (state) => outcomeOf(state, await this.#history.last(state, nextEntry)));
  }

  /** What `get` shows. */
  describe(nextEntry: number): Promise<InstanceMetadata | undefined> {
    return this.#read(async (state) => {
      const input = await this.#history.input(state);
      const last = await this.#history.last(state, nextEntry);
      return metadataOf(this.id, state, input, last);
    });
  }

  /** Reads once more when another execution has begun meanwhile. Undefined: it is not there, or was purged meanwhile. */
  async #read<T>(read: (state: InstanceState) => Promise<T>): Promise<T | undefined> {
    for (;;) {
      const { state } = this;
      if (state === undefined) return undefined;
      const { executionId } = state;
      let found: T | undefined;
      try {
        found = await read(state);
      } catch (error) {
        if (!(error instanceof EntriesGone)) throw error;
      }
      if (this.state === state && state.executionId === executionId) return found;
    }
  }

  /** Committed events of this execution from a number on. */
  async history(from: number, limit: number): Promise<{ entries: readonly unknown[]; from: number; birth: string }> {
    return (await this.#read((state) => this.#history.page(state, from, limit))) ?? { entries: [], from, birth: '' };
  }
}

type EventSchema = Parameters<typeof validated>[0];

function eventSchema({ definition }: Execution, name: string): EventSchema {
  const events = definition?.options.events as Record<string, { schema: EventSchema }> | undefined;
  if (events === undefined) return undefined;
  const wanted = name.toLowerCase();
  const key = Object.keys(events).find((candidate) => candidate.toLowerCase() === wanted);
  return key === undefined ? undefined : events[key]!.schema;
}

function isUnderWay(state: InstanceState, executionId: string): boolean {
  return state.ended === undefined && state.executionId === executionId;
}

/** Unique over all lives of all instances, and short: it is part of each task's id. */
function newBirth(ctx: Context): string {
  return Math.floor(ctx.random() * 2 ** 48).toString(36) + ctx.nowMs().toString(36);
}
