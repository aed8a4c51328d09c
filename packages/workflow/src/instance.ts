// A workflow instance as others know it: the actor that answers what is asked of it. It decides whether a request is
// carried out, and tells one life of the instance id from the next; what then happens is the execution's.
//
// L1  A request is refused before it changes anything.
// L2  A start or a child's start that is repeated begins nothing twice.
// L3  What belongs to another execution, or comes after the end, is dropped.

import type { RecordOpening, Reminder, Tombstone } from '@troupe/actors';
import type { ActivityResult } from './activity-runner.ts';
import { newBirth } from './birth.ts';
import { CodeTurn } from './code-turn.ts';
import { EndWait } from './end-waiters.ts';
import { AlreadyExistsError, ValidationError, WorkflowTerminatedError } from './errors.ts';
import { Execution } from './execution.ts';
import { failureOf } from './failure.ts';
import { tellParent } from './instance-children.ts';
import { wantsLock } from './instance-entities.ts';
import { EntriesGone, InstanceHistory } from './instance-history.ts';
import { metadataOf, originOf, outcomeOf } from './instance-metadata.ts';
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
  RerunRefusal,
  StartReply,
  StartRequest,
  TerminateRequest,
} from './instance-request.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import { InstanceState, NO_TAGS } from './instance-state.ts';
import { BUFFERED_EVENTS_MAX, RETENTION_RETRY_MS } from './limits.ts';
import { eventsUpTo, type RerunRequest, type RerunSource } from './repeat.ts';
import { eventSchema } from './schema.ts';
import { standing, tombstoneOf } from './start-key.ts';
import type { Failure, InstanceMetadata } from './status.ts';
import type { StoredInstance } from './workers/worker-port.ts';

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
      this.#execution.findCode();
    }
  }

  get state(): InstanceState | undefined {
    return this.#execution?.state;
  }

  get tombstone(): Tombstone | undefined {
    return this.#opening.tombstone;
  }

  // ── Requests from outside ──────────────────────────────────────────────────────────────────────────────────────────

  start(ctx: Context, request: StartRequest): StartReply | CodeTurn<StartReply> | Promise<StartReply> {
    const { state } = this;
    const { startKey } = request;
    if (startKey !== undefined) {
      const known = state === undefined ? standing(this.tombstone, ctx.nowMs()) : state.startKey;
      if (known?.key === startKey.key) return known.hash === startKey.hash ? 'duplicate' : { refused: 'mismatch' };
    }
    if (state !== undefined) {
      const exists: Refusal = { refused: 'exists', workflowName: state.workflowName, status: state.status };
      const { ifExists } = request;
      switch (ifExists) {
        case 'fail':
          return exists;
        case 'attach':
          return state.workflowName === request.workflowName ? 'attached' : exists;
        case 'restart-if-terminal':
          if (state.ended === undefined) return exists;
          break;
        default:
          if (ifExists !== 'terminate-and-restart' && !ifExists.replace.includes(state.status)) return exists;
          if (state.ended === undefined) this.#execution!.end(ctx, { type: 'terminated', output: undefined });
      }
    }
    return giving<StartReply>(this.#begin(ctx, request), 'started');
  }

  /** An instance that begins with a part of the history of another. */
  rerun(ctx: Context, request: RerunRequest): Reply {
    const { state } = this;
    if (state !== undefined)
      return refused(ctx, { refused: 'exists', workflowName: state.workflowName, status: state.status });
    const begun = new InstanceState();
    begun.workflowName = request.workflowName;
    begun.version = request.version;
    begun.pinned = request.pinned;
    begun.birth = newBirth(ctx);
    begun.createdAtMs = ctx.nowMs();
    begun.startedAtMs = begun.createdAtMs;
    begun.tags = request.tags;
    begun.traceparent = ctx.traceparent;
    begun.turnId = 1;
    begun.onWorkers = true;
    this.#execution = new Execution(this.id, this.#services, this.#history, begun);
    this.#execution.rerun(ctx, begun, request);
    return undefined;
  }

  rewind(ctx: Context, body: unknown): Reply {
    const execution = this.#execution;
    if (execution === undefined) return refused(ctx, { refused: 'not-found' });
    const { state } = execution;
    if (state.ended !== 'failed')
      return refused(ctx, { refused: 'not-rewindable', why: `it is not in a failed state, but ${state.status}` });
    if (!state.onWorkers) return refused(ctx, { refused: 'not-rewindable', why: NOT_ON_WORKERS });
    execution.rewind(ctx, body);
    return undefined;
  }

  /** A child whose parent was rewound: what it comes to is told to the execution of the parent that there is now. */
  async rewindChild(ctx: Context, request: StartRequest, body: unknown): Promise<void> {
    const parent = request.parent!;
    const { state } = this;
    const mine = state?.parent;
    // It was purged, or the id is somebody else's: that is as with any start of a child.
    if (state === undefined || mine?.instanceId !== parent.instanceId || mine.sequence !== parent.sequence)
      return this.startChild(ctx, request);
    if (mine.executionId === parent.executionId) return;
    state.parent = parent;
    ctx.changed();
    if (state.ended === 'failed' && state.onWorkers) this.#execution!.rewind(ctx, body);
    else if (state.ended !== undefined) {
      const { output, failure } = (await this.outcome(ctx.nextEntry))!;
      tellParent(
        ctx,
        this.#services,
        this.id,
        parent,
        output,
        state.ended === 'terminated' ? failureOf(new WorkflowTerminatedError(this.id, output)) : failure,
      );
    }
  }

  #begin(ctx: Context, request: StartRequest): CodeTurn | Promise<void> | undefined {
    const code = this.#services.directory.workflow(request.workflowName, request.version);
    const state = new InstanceState();
    state.workflowName = request.workflowName;
    state.version = code?.version ?? request.version ?? '';
    state.pinned = request.version !== undefined;
    state.birth = newBirth(ctx);
    state.createdAtMs = ctx.nowMs();
    state.startAtMs = request.startAtMs;
    state.tags = request.tags ?? NO_TAGS;
    state.parent = request.parent;
    state.startKey = request.startKey;
    state.traceparent = ctx.traceparent;
    state.turnId = (this.state?.turnId ?? 0) + 1;
    this.#execution ??= new Execution(this.id, this.#services, this.#history, state);
    return this.#execution.begin(ctx, state, code, request.input, request.patient);
  }

  raiseEvent(
    ctx: Context,
    name: string,
    payload: unknown,
    workflowName: string | undefined,
    hash: string | undefined,
  ): Reply | CodeTurn<Reply> | Promise<Reply> {
    const execution = this.#execution;
    if (execution === undefined || !execution.state.isOf(workflowName)) return refused(ctx, { refused: 'not-found' });
    const { state } = execution;
    if (state.ended !== undefined) return refused(ctx, { refused: 'ended', status: state.status });
    if (execution.eventsWaiting >= BUFFERED_EVENTS_MAX) {
      const message = `${BUFFERED_EVENTS_MAX} events of instance ${this.id} wait to be taken`;
      return refused(ctx, { refused: 'limit', message });
    }
    const { code } = execution;
    if (code?.definition === undefined ? code?.checked === true : eventSchema(code.definition, name) !== undefined)
      return this.#raiseChecked(ctx, execution, name, payload, hash);
    return giving(execution.receive(ctx, { type: 'EventRaised', at: ctx.nowMs(), name, payload }), done(hash));
  }

  async #raiseChecked(
    ctx: Context,
    execution: Execution,
    name: string,
    payload: unknown,
    hash: string | undefined,
  ): Promise<Reply> {
    const what = `the payload of event ${name}`;
    let value: unknown;
    try {
      value = await this.#services.check(execution.code!, name, payload, what);
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      return refused(ctx, { refused: 'invalid', what, issues: error.issues });
    }
    await execution.receive(ctx, { type: 'EventRaised', at: ctx.nowMs(), name, payload: value });
    return done(hash);
  }

  suspend(ctx: Context, workflowName: string | undefined, hash: string | undefined): Reply {
    const execution = this.#execution;
    if (execution === undefined || !execution.state.isOf(workflowName)) return refused(ctx, { refused: 'not-found' });
    if (execution.state.ended !== undefined) return refused(ctx, { refused: 'ended', status: execution.state.status });
    execution.suspend(ctx, true);
    return done(hash);
  }

  async resume(ctx: Context, workflowName: string | undefined, hash: string | undefined): Promise<Reply> {
    const execution = this.#execution;
    if (execution === undefined || !execution.state.isOf(workflowName)) return refused(ctx, { refused: 'not-found' });
    if (execution.state.ended !== undefined) return refused(ctx, { refused: 'ended', status: execution.state.status });
    execution.suspend(ctx, false);
    await execution.proceed(ctx);
    return done(hash);
  }

  async terminate(ctx: Context, request: TerminateRequest): Promise<Reply> {
    const execution = this.#execution;
    if (execution === undefined) return refused(ctx, { refused: 'not-found' });
    const { state } = execution;
    if (!state.isOf(request.workflowName) || !state.isChildOf(request.parentId))
      return refused(ctx, { refused: 'not-found' });
    if (state.ended !== undefined) return refused(ctx, { refused: 'ended', status: state.status });
    // Workers know of no undos.
    if (request.undo && state.startedAtMs !== undefined && !state.onWorkers) await execution.undo(ctx, request.output);
    else await execution.terminate(ctx, request.output, request.recursive);
    return done(request.hash);
  }

  purge(ctx: Context, request: PurgeRequest): Reply {
    const execution = this.#execution;
    if (execution === undefined) return refused(ctx, { refused: 'not-found' });
    const { state } = execution;
    if (!state.isOf(request.workflowName) || !state.isChildOf(request.parentId))
      return refused(ctx, { refused: 'not-found' });
    if (state.ended === undefined) {
      if (!request.force) return refused(ctx, { refused: 'not-ended', instanceId: this.id, status: state.status });
      execution.end(ctx, { type: 'terminated', output: undefined });
    }
    ctx.purge(state.startKey === undefined ? undefined : tombstoneOf(state.startKey, ctx.nowMs()));
    return done(request.hash);
  }

  // ── Messages of the runtime ────────────────────────────────────────────────────────────────────────────────────────

  activityEnded(
    ctx: Context,
    executionId: string,
    sequence: number,
    attempt: number,
    result: ActivityResult,
  ): CodeTurn | Promise<void> | undefined {
    const execution = this.#execution;
    if (this.#services.activities.anyAway) this.#services.activities.arrived(executionId, sequence, attempt);
    if (execution === undefined) return undefined;
    if (!isUnderWay(execution.state, executionId)) {
      const { state } = execution;
      if (state.executionId === executionId && state.leftBehind.includes(sequence))
        execution.leftBehindEnded(ctx, sequence);
      return undefined;
    }
    return execution.activityEnded(ctx, sequence, attempt, result);
  }

  /** A session of this activation has an answer. */
  codeAnswered(ctx: Context, sessionId: string): Promise<void> | undefined {
    return this.#execution?.codeAnswered(ctx, sessionId);
  }

  closureLost(ctx: Context, sessionId: string): void {
    this.#execution?.closureLost(ctx, sessionId);
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
      mine.sequence === parent.sequence &&
      mine.attempt >= parent.attempt
    )
      return;
    // Workers give the id of a child that has ended again: to the next try, and after continue-as-new.
    const isNext = request.patient && mine?.instanceId === parent.instanceId && this.state?.ended !== undefined;
    if (this.state !== undefined && !isNext) {
      const taken = new AlreadyExistsError(this.id, this.state.workflowName, this.state.status);
      tellParent(ctx, this.#services, this.id, parent, undefined, failureOf(taken));
      return;
    }
    const code = this.#services.directory.workflow(request.workflowName, request.version);
    try {
      const what = `the input of workflow ${request.workflowName}`;
      const input =
        code === undefined ? request.input : await this.#services.check(code, undefined, request.input, what);
      await this.start(ctx, { ...request, input, ifExists: isNext ? 'restart-if-terminal' : 'fail' });
    } catch (error) {
      tellParent(ctx, this.#services, this.id, parent, undefined, failureOf(error));
    }
  }

  /** A message that only code on workers understands. */
  message(ctx: Context, executionId: string, kind: string, body: unknown): CodeTurn | Promise<void> | undefined {
    const execution = this.#execution;
    if (execution === undefined || !isUnderWay(execution.state, executionId)) return undefined;
    return execution.receive(ctx, { type: 'MessageReceived', at: ctx.nowMs(), kind, body });
  }

  /** Entities are locked for an execution. If it is over, or wants them no more, it gives them back. */
  lockGranted(
    ctx: Context,
    executionId: string,
    sectionId: string,
    entityIds: readonly string[],
  ): CodeTurn | Promise<void> | undefined {
    const { state } = this;
    if (state !== undefined && isUnderWay(state, executionId) && wantsLock(state, sectionId))
      return this.message(ctx, executionId, 'entityLockGranted', { sectionId });
    const owner = { instanceId: this.id, executionId };
    for (const entityId of entityIds) ctx.send(this.#services.entity(), entityId).unlock(owner, sectionId);
    // There is nobody: what is sent is all that is left to do.
    if (state === undefined) ctx.purge(this.tombstone);
    return undefined;
  }

  reminder(ctx: Context, { name }: Reminder): CodeTurn | Promise<void> | undefined {
    const execution = this.#execution;
    if (execution === undefined) return undefined;
    if (name === RETENTION_REMINDER) {
      // Not in this turn: the children's purges may need one of ours. Should it fail (a child still runs), it is tried again.
      ctx.setReminder(RETENTION_REMINDER, { delayMs: RETENTION_RETRY_MS });
      ctx.afterCommit(() => this.#services.purgeTree(this.id));
    } else if (execution.state.ended !== undefined) {
      return undefined;
    } else if (name === START_REMINDER) {
      return execution.startDue(ctx);
    } else if (name === CODE_REMINDER) {
      execution.codeDue(ctx);
    } else if (name.startsWith(RETRY_REMINDER)) {
      return execution.retryDue(ctx, Number(name.slice(RETRY_REMINDER.length)));
    } else if (name.startsWith(TIMER_REMINDER)) {
      const sequence = Number(name.slice(TIMER_REMINDER.length));
      return execution.receive(ctx, { type: 'TimerFired', at: ctx.nowMs(), sequence });
    }
    return undefined;
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

  /** What there is to read when the instance has ended, or is let go; undefined if it is not there. */
  untilEnded<T>(
    ctx: { readonly abandoned: boolean },
    workflowName: string | undefined,
    read: () => T | Promise<T>,
  ): T | Promise<T> | EndWait<T> | undefined {
    const execution = this.#execution;
    if (execution === undefined || !execution.state.isOf(workflowName)) return undefined;
    if (execution.state.ended !== undefined) return read();
    const wait = new EndWait(ctx, read);
    execution.addWait(wait);
    return wait;
  }

  /** … when it is no longer pending. */
  untilStarted<T>(
    ctx: { readonly abandoned: boolean },
    read: () => T | Promise<T>,
  ): T | Promise<T> | EndWait<T> | undefined {
    const execution = this.#execution;
    if (execution === undefined) return undefined;
    if (!execution.state.isPending) return read();
    const wait = new EndWait(ctx, read);
    execution.addStartWait(wait);
    return wait;
  }

  /** How it ended, without what else `describe` tells. */
  outcome(nextEntry: number): InstanceOutcome | undefined | Promise<InstanceOutcome | undefined> {
    const { state } = this;
    const last = this.#history.lastAppended;
    if (state !== undefined && last !== undefined) return outcomeOf(state, last);
    return this.#read(async (read) => outcomeOf(read, await this.#history.last(read, nextEntry)));
  }

  /** What `get` shows, as it is stored. */
  describe(nextEntry: number): Promise<InstanceMetadata | undefined> {
    return this.#read((state) => this.#metadata(state, nextEntry));
  }

  describeStored(nextEntry: number): Promise<StoredInstance | undefined> {
    return this.#read(async (state) => ({
      metadata: await this.#metadata(state, nextEntry),
      origin: originOf(state),
    }));
  }

  async #metadata(state: InstanceState, nextEntry: number): Promise<InstanceMetadata> {
    const input = await this.#history.input(state);
    const last = await this.#history.last(state, nextEntry);
    return metadataOf(this.id, state, input, last);
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

  /** What a rerun from this command on begins with; undefined when the instance is not there. */
  rerunSource(sequence: number, nextEntry: number): Promise<RerunSource | RerunRefusal | undefined> {
    return this.#read(async (state) => {
      const { workflowName, version, pinned, tags, parent, status } = state;
      if (state.ended === undefined) return { refused: 'not-rerunnable', why: `it has not ended, but is ${status}` };
      if (parent !== undefined && parent.instanceId !== '')
        return { refused: 'not-rerunnable', why: `it is a child of ${JSON.stringify(parent.instanceId)}` };
      if (!state.onWorkers) return { refused: 'not-rerunnable', why: NOT_ON_WORKERS };
      const events = eventsUpTo(await this.#history.past(state, nextEntry), sequence);
      return events === undefined
        ? { refused: 'no-command', sequence }
        : { workflowName, version, pinned, tags: { ...tags }, events };
    });
  }

  /** The same, counted from 1 on the first of this execution. */
  async events(from: number, limit: number): Promise<readonly unknown[]> {
    const page = await this.#read((state) => this.#history.page(state, state.firstEntry + from - 1, limit));
    return page?.entries ?? [];
  }
}

/** Only what was done is answered again to the same idempotency key; a refusal may be another one next time. */
function refused(ctx: Context, refusal: Refusal): Refusal {
  ctx.dropReply();
  return refusal;
}

/** Most have no hash: then the answer is nothing, which is not copied on its way. */
function done(hash: string | undefined): Reply {
  return hash === undefined ? undefined : { hash };
}

/** The reply, when what goes on has ended. */
function giving<V>(ending: CodeTurn | Promise<void> | undefined, reply: V): V | CodeTurn<V> | Promise<V> {
  if (ending === undefined) return reply;
  return ending instanceof CodeTurn ? ending.giving(reply) : ending.then(() => reply);
}

/** Results of an execution that is being rewound are no longer waited for: it has failed. */
function isUnderWay(state: InstanceState, executionId: string): boolean {
  return state.ended === undefined && !state.rewinding && state.executionId === executionId;
}

const NOT_ON_WORKERS =
  'its code did not run on a worker, and only the protocol of workers can leave out or repeat a part of a history; start it anew';
