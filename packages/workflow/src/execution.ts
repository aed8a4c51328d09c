// One execution of an instance after the other: the actor around the code. It decides what the code sees and when, records
// what it asked for, and has it done once that is durable. What it may be asked from outside is the instance's; attempts of
// activities, children and reading the record have files of their own; running the code is the executor's.
//
// W1  What a turn learned and what the code then asked for go into one commit.
// W2  While the code cannot run (not begun, suspended, stalled, a turn out, no code here) what is acknowledged waits in the
//     inbox; management is always answered at once.
// W3  Nothing of one execution is taken for another: results carry the execution that they belong to.
// W4  A result is recorded once: later ones find nothing pending.
// W5  What the code scheduled and did not wait for runs all the same: the end waits for no activity, and drops none whose
//     first attempt has not ended. Only terminate and continue-as-new do.

import type { ActivityResult } from './activity-runner.ts';
import { CodeTurn, type CodeTurnOwner } from './code-turn.ts';
import { isRecorded, type Command, type Outcome } from './command.ts';
import { EndWaiters, type EndWait } from './end-waiters.ts';
import { NondeterminismError, NonDurableWaitError, OutsideTurnError, WorkflowTerminatedError } from './errors.ts';
import type { ExecutorSession, TurnAnswer } from './executor.ts';
import { failureOf } from './failure.ts';
import type { HistoryEvent, InputEvent } from './history.ts';
import { owned, resultEvent } from './input-event.ts';
import { InstanceActivities } from './instance-activities.ts';
import { childIdsIn, InstanceChildren, tellParent } from './instance-children.ts';
import type { InstanceHistory } from './instance-history.ts';
import { summaryOf } from './instance-metadata.ts';
import { CODE_REMINDER, RETENTION_REMINDER, START_REMINDER, TIMER_REMINDER } from './instance-reminder.ts';
import type { ChildLink } from './instance-request.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import type { InboxItem, InstanceState, ParentLink } from './instance-state.ts';
import { HISTORY_LENGTH_MAX, NOT_REGISTERED_WAIT_MS } from './limits.ts';
import { compareVersions } from './registry.ts';
import { validated } from './schema.ts';
import type { Failure } from './status.ts';
import type { AnyWorkflow } from './workflow.ts';

type EndOutcome = Exclude<Outcome, { type: 'continued' }>;

/** An instance's durable state, its code if that has been resumed, and who waits for the end. */
export class Execution implements CodeTurnOwner {
  readonly #id: string;
  readonly #services: InstanceServices;
  readonly #history: InstanceHistory;
  readonly #activities: InstanceActivities;
  readonly #children: InstanceChildren;
  state: InstanceState;
  definition: AnyWorkflow | undefined;
  #session: ExecutorSession | undefined;
  /** The session has caught up with the history. */
  #live = false;
  #turnOut = false;
  #bufferedEvents = 0;
  /** What was done before the code was let go is not durable yet: a replay would not see it. */
  #settling = false;
  #waiters: EndWaiters | undefined;

  constructor(id: string, services: InstanceServices, history: InstanceHistory, state: InstanceState) {
    this.#id = id;
    this.#services = services;
    this.#history = history;
    this.#activities = new InstanceActivities(id, services, history);
    this.#children = new InstanceChildren(id, services);
    this.state = state;
  }

  findDefinition(): void {
    const { workflowName, version } = this.state;
    // No version: it was started when nobody had the code, and takes the newest there is when somebody has.
    this.definition = this.#services.registry.workflow(workflowName, version === '' ? undefined : version);
  }

  /** Events that wait to be taken, by the execution or by its code. */
  get eventsWaiting(): number {
    return this.#bufferedEvents + this.state.inbox.length;
  }

  // ── Beginning ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Begins the first execution of a life of the instance. Whatever was before has ended. */
  begin(
    ctx: Context,
    state: InstanceState,
    definition: AnyWorkflow | undefined,
    input: unknown,
  ): CodeTurn | Promise<void> | undefined {
    this.#reset(ctx, state);
    this.definition = definition;
    this.#services.meter.started += 1;
    const started: InputEvent = { type: 'WorkflowStarted', at: state.createdAtMs, name: state.workflowName, input };
    if (state.startAtMs !== undefined && state.startAtMs > state.createdAtMs) {
      state.inbox.push({ event: started, traceparent: ctx.traceparent });
      ctx.setReminder(START_REMINDER, { dueAtMs: state.startAtMs });
    } else if (definition === undefined) {
      this.#wait(ctx, { event: started, traceparent: ctx.traceparent });
      if (state.parent !== undefined) ctx.setReminder(CODE_REMINDER, { delayMs: NOT_REGISTERED_WAIT_MS });
    } else {
      // The code meets the start and then it is summarized.
      return this.receive(ctx, started);
    }
    this.#summarize(ctx);
    return undefined;
  }

  /** Forgets the execution before and makes room for the next. */
  #reset(ctx: Context, state: InstanceState): void {
    for (const reminder of ctx.reminders()) ctx.cancelReminder(reminder.name);
    this.#closeSession();
    this.state = state;
    this.#history.forget();
    this.#activities.clear();
    this.#children.clear();
    state.firstEntry = ctx.nextEntry;
    ctx.trim(ctx.nextEntry);
    ctx.changed();
  }

  // ── Steering ───────────────────────────────────────────────────────────────────────────────────────────────────────

  suspend(ctx: Context, suspended: boolean): void {
    const { state } = this;
    if (state.suspended === suspended) return;
    state.suspended = suspended;
    if (!state.startWaits) {
      this.#history.append(ctx, state, { type: suspended ? 'WorkflowSuspended' : 'WorkflowResumed', at: ctx.nowMs() });
    }
    ctx.changed();
    this.#summarize(ctx);
  }

  /** Has the code undo what it did, and end as terminated with this output. */
  async undo(ctx: Context, output: unknown): Promise<void> {
    const { state } = this;
    if (state.undoing || state.inbox.some(({ event }) => event.type === 'UndoRequested')) return;
    const event = { type: 'UndoRequested', at: ctx.nowMs(), output } as const;
    // Before what waits: from now on the code asks for nothing new. Only a start goes first.
    state.inbox.splice(state.startWaits ? 1 : 0, 0, { event, traceparent: ctx.traceparent });
    state.suspended = false;
    ctx.changed();
    this.#summarize(ctx);
    await this.proceed(ctx);
  }

  async terminate(ctx: Context, output: unknown, recursive: boolean): Promise<void> {
    const children = recursive ? await this.childIds(true) : [];
    this.end(ctx, { type: 'terminated', output });
    for (const child of children) this.#children.terminate(ctx, child);
  }

  /** Children of this execution that were not detached, from memory or from the history. */
  async childIds(onlyOpen: boolean): Promise<string[]> {
    return this.#live || this.#children.anyStarted
      ? this.#children.ids(onlyOpen)
      : childIdsIn(this.#history, this.state, onlyOpen);
  }

  // ── Messages of the runtime ────────────────────────────────────────────────────────────────────────────────────────

  activityEnded(
    ctx: Context,
    sequence: number,
    attempt: number,
    result: ActivityResult,
  ): CodeTurn | Promise<void> | undefined {
    return this.#live
      ? this.#activityEndedLive(ctx, sequence, attempt, result)
      : this.#activityEndedCold(ctx, sequence, attempt, result);
  }

  async #activityEndedCold(ctx: Context, sequence: number, attempt: number, result: ActivityResult): Promise<void> {
    if (await this.#resumeCode(ctx)) {
      await this.#activityEndedLive(ctx, sequence, attempt, result);
      return;
    }
    // The code cannot be resumed here. Whether a failed attempt is the last only the code's options tell: it is begun again
    // with the code. A result waits, and the one that is sent again after that is dropped.
    if (!result.ok) return;
    if (this.state.inbox.some(({ event }) => 'sequence' in event && event.sequence === sequence)) return;
    this.#wait(ctx, { event: resultEvent(ctx.nowMs(), sequence, attempt, result), traceparent: ctx.traceparent });
  }

  #activityEndedLive(
    ctx: Context,
    sequence: number,
    attempt: number,
    result: ActivityResult,
  ): CodeTurn | Promise<void> | undefined {
    const taken = this.#activities.take(ctx, this.state, sequence, attempt, result);
    if (taken === 'settled') return this.receive(ctx, resultEvent(ctx.nowMs(), sequence, attempt, result));
    if (taken === 'retried') this.#noteWork(ctx);
    return undefined;
  }

  /** An activity that the code did not wait for has had its attempt. */
  leftBehindEnded(ctx: Context, sequence: number): void {
    const { state } = this;
    state.leftBehind = state.leftBehind.filter((other) => other !== sequence);
    ctx.changed();
    this.#noteWork(ctx);
    if (state.leftBehind.length === 0) ctx.deactivate();
  }

  /** After a crash: begins again what the code did not wait for. */
  async #beginLeftBehind(ctx: Context): Promise<void> {
    const { state } = this;
    if (state.leftBehind.length === 0 || this.definition === undefined) return;
    try {
      const { activities } = await this.#openSession().replay(await this.#history.past(state, ctx.nextEntry));
      this.#activities.restore(activities);
      this.#activities.beginLeftBehind(ctx, state);
    } catch (error) {
      if (!isFault(error)) throw error;
      const of = { instanceId: this.#id, workflow: state.workflowName, err: error };
      this.#services.logger.error(of, 'activities that an ended workflow had not waited for cannot be begun again');
    } finally {
      this.#closeSession();
      this.#activities.clear();
    }
  }

  async childEnded(
    ctx: Context,
    link: ChildLink,
    childId: string,
    output: unknown,
    failure: Failure | undefined,
  ): Promise<void> {
    const at = ctx.nowMs();
    const { sequence } = link;
    const event: InputEvent =
      failure === undefined
        ? { type: 'ChildCompleted', at, sequence, output }
        : { type: 'ChildFailed', at, sequence, failure };
    if (!this.#live && !(await this.#resumeCode(ctx))) {
      this.#wait(ctx, { event, traceparent: ctx.traceparent });
      return;
    }
    if (this.#children.take(sequence, childId)) await this.receive(ctx, event);
  }

  /** A child that nobody here can run has waited long enough for its code. */
  codeDue(ctx: Context): void {
    const { state } = this;
    if (!state.startWaits || this.definition !== undefined) return;
    const missing = this.#services.registry.workflowMissing(state.workflowName, state.version);
    this.end(ctx, { type: 'failed', failure: failureOf(missing) });
  }

  /** The time to start has come: without the reminder nothing waits for it, whatever the clock says later. */
  async startDue(ctx: Context): Promise<void> {
    ctx.cancelReminder(START_REMINDER);
    await this.proceed(ctx);
  }

  async retryDue(ctx: Context, sequence: number): Promise<void> {
    // While suspended or stalled nothing new begins: what is due then begins when the code goes on.
    if (!(await this.#resumeCode(ctx))) this.#stallWithoutCode(ctx);
    else if (this.#activities.retry(ctx, this.state, sequence)) this.#noteWork(ctx);
  }

  /** After a crash: resumes the code, begins what has no result again, and goes on with the inbox. */
  async proceed(ctx: Context): Promise<void> {
    const { state } = this;
    if (state.ended !== undefined) {
      await this.#beginLeftBehind(ctx);
      return;
    }
    if (state.stalled !== undefined && !state.suspended) {
      this.findDefinition();
      if (this.definition === undefined) return;
      state.stalled = undefined;
      ctx.changed();
      this.#summarize(ctx);
    }
    const { status } = state;
    if (!(await this.#resumeCode(ctx))) {
      this.#stallWithoutCode(ctx);
      return;
    }
    this.#activities.beginDue(ctx, state);
    // No longer live: it ended, stalled, or continued as new, which goes on in a turn of its own.
    while (this.#live && this.#canRun(ctx)) {
      const item = state.inbox.shift();
      if (item === undefined) break;
      ctx.changed();
      await this.#meet(ctx, item.event, item.traceparent);
    }
    if (state.status !== status && state.ended === undefined) this.#summarize(ctx);
    this.#noteWork(ctx);
  }

  // ── Running the code ───────────────────────────────────────────────────────────────────────────────────────────────

  #canRun(ctx: Context): boolean {
    const { state } = this;
    return (
      this.definition !== undefined &&
      state.ended === undefined &&
      !state.suspended &&
      state.stalled === undefined &&
      !this.#turnOut &&
      !this.#settling &&
      (state.startAtMs === undefined ||
        state.startedAtMs !== undefined ||
        !ctx.reminders().some((reminder) => reminder.name === START_REMINDER))
    );
  }

  /** Takes an event in: the code meets it now, or it waits in the inbox. */
  receive(ctx: Context, event: InputEvent): CodeTurn | Promise<void> | undefined {
    if (this.state.inbox.length > 0 || !this.#canRun(ctx)) {
      this.#wait(ctx, { event, traceparent: ctx.traceparent });
      return undefined;
    }
    const resumed = this.#live || this.#resumeCode(ctx);
    return resumed === true ? this.#meet(ctx, event, ctx.traceparent) : this.#receiveResumed(ctx, event, resumed);
  }

  async #receiveResumed(ctx: Context, event: InputEvent, resumed: boolean | Promise<boolean>): Promise<void> {
    if (await resumed) await this.#meet(ctx, event, ctx.traceparent);
    else this.#wait(ctx, { event, traceparent: ctx.traceparent });
  }

  #wait(ctx: Context, item: InboxItem): void {
    const { state } = this;
    state.inbox.push(item);
    ctx.changed();
    this.#stallWithoutCode(ctx);
  }

  /** An execution that has begun has something to do and nobody here can run it: that is to be seen, and tried again. */
  #stallWithoutCode(ctx: Context): void {
    const { state } = this;
    if (this.definition !== undefined || state.startWaits || state.stalled !== undefined) return;
    this.#stall(ctx, this.#services.registry.workflowMissing(state.workflowName, state.version));
  }

  /** Has the code where the history ends. False when it cannot be run now. */
  #resumeCode(ctx: Context): boolean | Promise<boolean> {
    if (!this.#canRun(ctx)) return false;
    if (this.#live) return true;
    const session = this.#openSession();
    // The first event of an execution is the one that is about to be handled.
    if (ctx.nextEntry > this.state.firstEntry) return this.#replay(ctx, session);
    this.#live = true;
    return true;
  }

  async #replay(ctx: Context, session: ExecutorSession): Promise<boolean> {
    const { state } = this;
    try {
      const past = await this.#history.past(state, ctx.nextEntry);
      const { activities, children } = await session.replay(past);
      this.#activities.restore(activities);
      this.#children.restore(children);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#stall(ctx, error);
      return false;
    }
    for (const { event } of state.inbox) {
      if (event.type === 'ActivityCompleted' || event.type === 'ActivityFailed') {
        this.#activities.drop(event.sequence);
      } else if (event.type === 'ChildCompleted' || event.type === 'ChildFailed') {
        this.#children.noteEnded(event.sequence);
      }
    }
    this.#activities.beginAgain(ctx, state);
    this.#live = true;
    this.#noteWork(ctx);
    return true;
  }

  #openSession(): ExecutorSession {
    const { parent } = this.state;
    this.#session ??= this.#services.executor.open(this.definition!, {
      instanceId: this.#id,
      executionId: this.state.executionId,
      parent: parent === undefined || parent.instanceId === '' ? undefined : { instanceId: parent.instanceId },
    });
    return this.#session;
  }

  #closeSession(): void {
    this.#session?.close();
    this.#session = undefined;
    this.#services.activities.leave(this.state.executionId);
    this.#live = false;
    this.#turnOut = false;
    this.#bufferedEvents = 0;
  }

  /** Has the code meet an event. */
  #meet(ctx: Context, event: InputEvent, traceparent: string | undefined): CodeTurn | undefined {
    const turn = new CodeTurn(this, ctx, event, traceparent);
    // What the code is given is its own: it may change it before the event is packed.
    if (this.#session!.dispatch(++this.state.turnId, owned(event), turn)) return turn;
    this.#turnOut = true;
    this.state.inbox.unshift({ event, traceparent });
    ctx.changed();
    return undefined;
  }

  /** Takes in what the code did with an event. */
  answered(
    ctx: Context,
    event: InputEvent,
    traceparent: string | undefined,
    answer: TurnAnswer,
  ): Promise<void> | undefined {
    if (answer.fault !== undefined) {
      this.state.inbox.unshift({ event, traceparent });
      return this.#faulted(ctx, answer.fault, event);
    }
    const ending = this.#takeIn(ctx, event, traceparent, answer);
    if (ending !== undefined) return ending;
    if (this.state.ended === undefined) this.#noteWork(ctx);
    return undefined;
  }

  async #faulted(ctx: Context, fault: Error, event: InputEvent): Promise<void> {
    let explained = fault;
    try {
      explained = await this.#session!.explain(fault, await this.#history.past(this.state, ctx.nextEntry), event);
    } catch (error) {
      this.#services.logger.debug({ instanceId: this.#id, err: error }, 'a fault could not be explained further');
    }
    this.#stall(ctx, explained);
  }

  #stall(ctx: Context, fault: Error): void {
    this.#services.logger.error(
      { instanceId: this.#id, workflow: this.state.workflowName, err: fault },
      'a workflow is stalled',
    );
    this.state.stalled = failureOf(fault);
    this.#closeSession();
    this.#activities.clear();
    this.#settling = true;
    ctx.afterCommit(() => {
      this.#settling = false;
      // A resume may have come before.
      if (this.state.stalled === undefined) this.#services.proceed(this.#id);
    });
    ctx.changed();
    this.#summarize(ctx);
    this.#noteWork(ctx);
  }

  #takeIn(
    ctx: Context,
    event: InputEvent,
    traceparent: string | undefined,
    answer: TurnAnswer,
  ): Promise<void> | undefined {
    const { state } = this;
    if (event.type === 'WorkflowStarted') {
      state.version = this.definition!.version;
      state.startedAtMs ??= ctx.nowMs();
      this.#history.noteInput(event.input);
      ctx.changed();
      this.#summarize(ctx);
    }
    this.#history.append(ctx, state, event, traceparent);
    const { commands } = answer;
    for (let index = 0; index < commands.length; index++) this.#carryOut(ctx, commands[index]!);
    this.#bufferedEvents = answer.bufferedEvents;
    if (answer.outcome !== undefined) return this.#outcome(ctx, answer.outcome);
    if (ctx.nextEntry - state.firstEntry > HISTORY_LENGTH_MAX) {
      const failure = failureOf(
        new RangeError(`the history has more than ${HISTORY_LENGTH_MAX} events; use continueAsNew`),
      );
      this.end(ctx, { type: 'failed', failure });
    }
    return undefined;
  }

  #carryOut(ctx: Context, command: Command): void {
    if (isRecorded(command)) this.#history.append(ctx, this.state, command.event);
    switch (command.type) {
      case 'ScheduleActivity':
        this.#activities.schedule(ctx, this.state, command);
        return;
      case 'CreateTimer':
        ctx.setReminder(`${TIMER_REMINDER}${command.event.sequence}`, { dueAtMs: command.event.dueAtMs });
        return;
      case 'CancelTimer':
        ctx.cancelReminder(`${TIMER_REMINDER}${command.sequence}`);
        return;
      case 'StartChild':
        this.#children.start(ctx, this.state, command);
        return;
      case 'SendEvent': {
        const { instanceId, name, payload } = command.event;
        ctx.send(this.#services.actor(), instanceId).raiseEvent(name, payload, undefined, undefined);
        return;
      }
      case 'SetCustomStatus':
        this.state.customStatus = command.value;
        ctx.changed();
        return;
      case 'Undoing':
        this.state.undoing = true;
        ctx.changed();
    }
  }

  /** Whether a crash now would leave something that only this activation knows to do. */
  #noteWork(ctx: Context): void {
    const { state } = this;
    let hasWork = state.leftBehind.length > 0;
    if (state.ended === undefined) {
      hasWork = (state.inbox.length > 0 && this.#canRun(ctx)) || this.#activities.anyUnderWay;
    }
    ctx.setWork(hasWork);
  }

  // ── Ending ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #outcome(ctx: Context, outcome: Outcome): Promise<void> | undefined {
    if (outcome.type === 'continued') this.#continue(ctx, outcome);
    else if (outcome.type === 'completed' && this.definition!.options.output !== undefined) {
      return this.#complete(ctx, outcome.output);
    } else this.end(ctx, outcome);
    return undefined;
  }

  async #complete(ctx: Context, output: unknown): Promise<void> {
    const { workflowName } = this.state;
    try {
      const what = `the output of workflow ${workflowName}`;
      this.end(ctx, { type: 'completed', output: await validated(this.definition!.options.output, output, what) });
    } catch (error) {
      this.end(ctx, { type: 'failed', failure: failureOf(error) });
    }
  }

  #continue(ctx: Context, outcome: Outcome & { type: 'continued' }): void {
    const { state } = this;
    const { inbox } = state;
    const nowMs = ctx.nowMs();
    this.#services.activities.abort(state.executionId, new Error('the workflow continued as new'));
    state.generation += 1;
    state.undoing = false;
    state.customStatus = undefined;
    this.#reset(ctx, state);
    const traceparent = ctx.traceparent;
    state.inbox = [
      { event: { type: 'WorkflowStarted', at: nowMs, name: state.workflowName, input: outcome.input }, traceparent },
      ...outcome.kept.map(({ name, payload }) => ({
        event: { type: 'EventRaised', at: nowMs, name, payload } as const,
        traceparent,
      })),
      ...inbox.filter(({ event }) => event.type === 'EventRaised' || event.type === 'UndoRequested'),
    ];
    this.#history.noteInput(outcome.input);
    // An execution keeps its version; the next one has no history to agree with and takes the newest.
    const newest = this.#services.registry.workflow(state.workflowName);
    if (!state.pinned && newest !== undefined && compareVersions(newest.version, state.version) > 0) {
      state.version = newest.version;
    }
    this.findDefinition();
    ctx.afterCommit(() => this.#services.proceed(this.#id));
  }

  end(ctx: Context, outcome: EndOutcome): void {
    const { state } = this;
    const nowMs = ctx.nowMs();
    if (outcome.type === 'terminated') {
      this.#services.activities.abort(state.executionId, new WorkflowTerminatedError(this.#id, undefined));
    }
    if (state.inbox[0]?.event.type === 'WorkflowStarted') {
      // It ends before its code ran: the history still begins with the start.
      this.#history.noteInput(state.inbox[0].event.input);
      this.#history.append(ctx, state, state.inbox[0].event);
    }
    for (const reminder of ctx.reminders()) ctx.cancelReminder(reminder.name);
    state.ended = outcome.type;
    state.completedAtMs = nowMs;
    state.suspended = false;
    state.stalled = undefined;
    state.undoing = false;
    state.inbox = [];
    state.turnId += 1;
    this.#history.append(ctx, state, endEvent(nowMs, outcome));
    this.#services.meter[outcome.type] += 1;
    this.#closeSession();
    state.leftBehind = outcome.type === 'terminated' ? [] : this.#activities.underWay();
    this.#activities.clear();
    if (state.parent !== undefined) this.#tellParent(ctx, state.parent, outcome);
    const keptMs = this.definition?.options.retention?.[outcome.type];
    if (keptMs !== undefined && keptMs !== Infinity && (state.parent === undefined || state.parent.instanceId === '')) {
      ctx.setReminder(RETENTION_REMINDER, { delayMs: keptMs });
    }
    ctx.changed();
    this.#noteWork(ctx);
    // Nothing more will happen to it: whoever asks later has it loaded again.
    if (state.leftBehind.length === 0) ctx.deactivate();
    this.#summarize(ctx);
    // Not in this turn, which may start the instance anew.
    if (this.#waiters !== undefined) ctx.afterCommit(() => this.#waiters?.release());
  }

  #tellParent(ctx: Context, parent: ParentLink, outcome: EndOutcome): void {
    if (outcome.type === 'completed') {
      tellParent(ctx, this.#services, this.#id, parent, outcome.output, undefined);
      return;
    }
    const failure =
      outcome.type === 'failed' ? outcome.failure : failureOf(new WorkflowTerminatedError(this.#id, outcome.output));
    tellParent(ctx, this.#services, this.#id, parent, undefined, failure);
  }

  #summarize(ctx: Context): void {
    ctx.summarize(summaryOf(this.state));
  }

  /** Released when the instance has ended, or is let go. */
  addWait<T>(wait: EndWait<T>): void {
    this.#waiters ??= new EndWaiters();
    this.#waiters.add(wait as EndWait<unknown>);
  }

  close(): void {
    this.#closeSession();
    this.#waiters?.release();
  }
}

function endEvent(at: number, outcome: EndOutcome): HistoryEvent {
  if (outcome.type === 'completed') return { type: 'WorkflowCompleted', at, output: outcome.output };
  if (outcome.type === 'failed') return { type: 'WorkflowFailed', at, failure: outcome.failure };
  return { type: 'WorkflowTerminated', at, output: outcome.output };
}

function isFault(error: unknown): error is Error {
  return (
    error instanceof NondeterminismError || error instanceof NonDurableWaitError || error instanceof OutsideTurnError
  );
}
