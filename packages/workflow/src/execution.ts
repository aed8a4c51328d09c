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
// W6  The event of a turn that is out is the first of the inbox until the answer is taken in: whoever loads the instance
//     meanwhile has the code meet it again. An answer that comes while the instance is suspended waits for the resume.
//     Code that takes many events at once has several of them out: they are the first of the inbox, in their order.
// W7  A session that is lost is nobody's fault: another is opened, and what was under way is looked for before it is begun
//     again.
// W8  What workers began waits for workers, however long there are none: it neither stalls nor fails for that.
// W9  An execution that is rewound is one that failed until a worker has rewritten its history: its turn is alone, nothing of
//     it runs, and its results are dropped. Then it is another execution, which begins again whatever is open in that history.

import type { CancelTimeout } from '@troupe/actors';
import type { ActivityResult } from './activity-runner.ts';
import { CodeTurn, type CodeTurnOwner } from './code-turn.ts';
import type { WorkflowCode } from './code-directory.ts';
import { isRecorded, type Command, type EndOutcome, type Outcome } from './command.ts';
import { EndWaiters, type EndWait } from './end-waiters.ts';
import { tellEnding } from './ending.ts';
import { isFault, NondeterminismError, WorkflowTerminatedError } from './errors.ts';
import type { ExecutorSession, LateAnswer, OpenWork, StartedChild, TurnAnswer } from './executor.ts';
import { failureOf } from './failure.ts';
import type { HistoryEvent, InputEvent } from './history.ts';
import { owned, resultEvent } from './input-event.ts';
import { InstanceActivities } from './instance-activities.ts';
import { childIdsIn, InstanceChildren, tellParent } from './instance-children.ts';
import { freeEntities, sendMessage } from './instance-entities.ts';
import type { InstanceHistory } from './instance-history.ts';
import { originOf, summaryOf } from './instance-metadata.ts';
import { CODE_REMINDER, RETENTION_REMINDER, START_REMINDER, TIMER_REMINDER } from './instance-reminder.ts';
import type { ChildLink } from './instance-request.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import type { InboxItem, InstanceState, ParentLink } from './instance-state.ts';
import { HISTORY_LENGTH_MAX, NOT_REGISTERED_WAIT_MS, TURN_EVENTS_BYTES_MAX, TURN_EVENTS_MAX } from './limits.ts';
import { openWorkIn } from './open-work.ts';
import { openCommandsIn, RERUN, REWOUND, rewoundEvents, startOf, type RerunRequest } from './repeat.ts';
import { payloadBytes } from './payload.ts';
import { reopenDelayMs } from './retry.ts';
import { compareVersions } from './registry.ts';
import { validated } from './schema.ts';
import type { Failure } from './status.ts';
import type { AnyWorkflow } from './workflow.ts';

/** An instance's durable state, its code if that has been resumed, and who waits for the end. */
export class Execution implements CodeTurnOwner {
  readonly #id: string;
  readonly #services: InstanceServices;
  readonly #history: InstanceHistory;
  readonly #activities: InstanceActivities;
  readonly #children: InstanceChildren;
  state: InstanceState;
  /** Undefined: nobody has it, as far as this host knows. */
  code: WorkflowCode | undefined;
  #session: ExecutorSession | undefined;
  /** What the session runs: it may have answered before the last one went who has that. */
  #sessionCode: WorkflowCode | undefined;
  /** The session has caught up with the history. */
  #live = false;
  /** The code was asked something, and answers later. */
  #turnOut = false;
  /** So many events of the inbox it was given. */
  #eventsOut = 0;
  /** Sessions in a row that were lost before they answered. */
  #losses = 0;
  /** The session of code that has ended: closures that it left behind are run by it. */
  #leftSession: ExecutorSession | undefined;
  #cancelLook: CancelTimeout | undefined;
  /** Failed attempts that came while the code was being brought to where it can say what they mean. */
  #early: { sequence: number; attempt: number; result: ActivityResult }[] | undefined;
  #bufferedEvents = 0;
  /** What was done before the code was let go is not durable yet: a replay would not see it. */
  #settling = false;
  #waiters: EndWaiters | undefined;
  #startWaiters: EndWaiters | undefined;

  constructor(id: string, services: InstanceServices, history: InstanceHistory, state: InstanceState) {
    this.#id = id;
    this.#services = services;
    this.#history = history;
    this.#activities = new InstanceActivities(id, services, history);
    this.#children = new InstanceChildren(id, services);
    this.state = state;
  }

  findCode(): void {
    const { workflowName, version, onWorkers } = this.state;
    if (onWorkers) {
      this.code = this.#services.directory.onWorkers(workflowName, version);
      return;
    }
    // No version: it was started when nobody had the code, and takes the newest there is when somebody has.
    this.code = this.#services.directory.workflow(workflowName, version === '' ? undefined : version);
  }

  /** What other hosts have may have changed; what this one has does not. */
  #hasCode(): boolean {
    if (this.code?.definition === undefined) this.findCode();
    return this.code !== undefined;
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
    code: WorkflowCode | undefined,
    input: unknown,
    patient: boolean,
  ): CodeTurn | Promise<void> | undefined {
    this.#reset(ctx, state);
    this.code = code;
    this.#services.meter.started += 1;
    const started: InputEvent = { type: 'WorkflowStarted', at: state.createdAtMs, name: state.workflowName, input };
    if (state.startAtMs !== undefined && state.startAtMs > state.createdAtMs) {
      state.inbox.push({ event: started, traceparent: ctx.traceparent });
      ctx.setReminder(START_REMINDER, { dueAtMs: state.startAtMs });
    } else if (code === undefined) {
      this.#wait(ctx, { event: started, traceparent: ctx.traceparent });
      if (state.parent !== undefined && !patient) ctx.setReminder(CODE_REMINDER, { delayMs: NOT_REGISTERED_WAIT_MS });
    } else {
      // The code meets the start and then it is summarized, unless it cannot run just now.
      const ending = this.receive(ctx, started);
      if (ending !== undefined) return ending;
    }
    this.#summarize(ctx);
    return undefined;
  }

  /** Begins where the code of another instance had asked for something: that is carried out, and the code goes on. */
  rerun(ctx: Context, state: InstanceState, { events, body }: RerunRequest): void {
    this.#reset(ctx, state);
    this.#services.meter.started += 1;
    state.inbox = [
      { event: { type: 'MessageReceived', at: ctx.nowMs(), kind: RERUN, body }, traceparent: ctx.traceparent },
    ];
    const [first, ...rest] = events;
    this.#adopt(ctx, [{ ...first!, at: state.createdAtMs }, ...rest], (child, started) =>
      this.#children.startAdopted(ctx, state, child, started),
    );
    this.findCode();
    this.#goOnLater(ctx);
    this.#summarize(ctx);
  }

  /** Has a worker take what failed out of the history, and the code go on from there. */
  rewind(ctx: Context, body: unknown): void {
    const { state } = this;
    for (const reminder of ctx.reminders()) ctx.cancelReminder(reminder.name);
    this.#activities.abort(ctx, state.executionId, new Error('the workflow was rewound'), false);
    this.#leftSession?.close();
    this.#leftSession = undefined;
    state.leftBehind = [];
    state.ended = undefined;
    state.completedAtMs = undefined;
    state.rewinding = true;
    state.turnId += 1;
    state.inbox = [
      { event: { type: 'MessageReceived', at: ctx.nowMs(), kind: REWOUND, body }, traceparent: ctx.traceparent },
    ];
    ctx.changed();
    this.findCode();
    this.#goOnLater(ctx);
    this.#summarize(ctx);
  }

  /** Takes a history over, and has done what is open where it ends. Activities are begun when the code has caught up. */
  #adopt(
    ctx: Context,
    events: readonly HistoryEvent[],
    startChild: (command: Command & { type: 'StartChild' }, started: StartedChild) => void,
  ): void {
    const { state } = this;
    const { children } = openWorkIn(events);
    for (const event of events) this.#history.append(ctx, state, event);
    for (const command of openCommandsIn(events)) {
      if (command.type === 'TimerCreated')
        ctx.setReminder(`${TIMER_REMINDER}${command.sequence}`, { dueAtMs: command.dueAtMs });
      else if (command.type === 'ChildScheduled') startChild(startOf(command), children.get(command.sequence)!);
    }
  }

  /** Goes on in a turn of its own, which sees what was appended in this one. */
  #goOnLater(ctx: Context): void {
    this.#settling = true;
    ctx.afterCommit(() => {
      this.#settling = false;
      this.#services.proceed(this.#id);
    });
    ctx.setWork(true);
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
    // Before what waits: from now on the code asks for nothing new. Only a start goes first, and what is out.
    state.inbox.splice(state.startWaits || this.#turnOut ? 1 : 0, 0, { event, traceparent: ctx.traceparent });
    // What is out is met before it, and so must not be met by a workflow that is suspended.
    if (this.#turnOut) this.suspend(ctx, false);
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
    return (this.#live && !this.state.rewinding) || this.#children.anyStarted
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
    // The code cannot be resumed now. Whether a failed attempt is the last only the code's options tell: unless the code is
    // on its way it is begun again with the code. A result waits, and the one that is sent again after that is dropped.
    if (!result.ok && !this.state.onWorkers) {
      if (this.#turnOut) (this.#early ??= []).push({ sequence, attempt, result });
      return;
    }
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
    if (taken === 'undecided' && !result.ok) this.#askRetry(sequence, attempt, result);
    return undefined;
  }

  /** Only a function of the code can tell: the result comes once more with what it says. */
  #askRetry(sequence: number, attempt: number, result: ActivityResult & { ok: false }): void {
    const { executionId } = this.state;
    this.#session!.askRetry(sequence, attempt, result.failure, (retryable) =>
      this.#services.deliver(this.#id, executionId, sequence, attempt, { ...result, retryable, decided: true }),
    );
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
    if (state.leftBehind.length === 0) return;
    if (!this.#hasCode()) {
      if (this.#services.shared) this.#lookForCodeAgain();
      return;
    }
    try {
      if (this.#leftSession === undefined) {
        const session = this.#openSession();
        this.#session = undefined;
        const replayed = this.#replayIn(ctx, session);
        if (replayed === undefined) this.#leftSession = session;
        else this.#begunAgain(ctx, await replayed);
        return;
      }
      const late = this.#leftSession.takeLate();
      if (late?.kind === 'replayed') this.#begunAgain(ctx, late.open);
      else if (late?.kind === 'fault') throw late.fault;
      else if (late !== undefined) this.#lost(ctx);
    } catch (error) {
      if (!isFault(error)) throw error;
      const of = { instanceId: this.#id, workflow: state.workflowName, err: error };
      this.#services.logger.error(of, 'activities that an ended workflow had not waited for cannot be begun again');
    }
  }

  /** It has ended: no list of those that wait for code has it. */
  #lookForCodeAgain(): void {
    this.#cancelLook ??= this.#services.clock.setTimeout(() => {
      this.#cancelLook = undefined;
      this.#services.proceed(this.#id);
    }, NOT_REGISTERED_WAIT_MS);
  }

  #begunAgain(ctx: Context, { activities, failed }: OpenWork): void {
    this.#activities.restore(activities, failed);
    this.#activities.beginLeftBehind(ctx, this.state);
    this.#activities.clear();
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
    if (this.#children.take(link, childId)) await this.receive(ctx, event);
  }

  /** A child that nobody here can run has waited long enough for its code. */
  codeDue(ctx: Context): void {
    const { state } = this;
    if (!state.startWaits || this.#hasCode()) return;
    const missing = this.#services.directory.workflowMissing(state.workflowName, state.version);
    this.end(ctx, { type: 'failed', failure: failureOf(missing) });
  }

  /** The time to start has come: without the reminder nothing waits for it, whatever the clock says later. */
  async startDue(ctx: Context): Promise<void> {
    ctx.cancelReminder(START_REMINDER);
    await this.proceed(ctx);
  }

  async retryDue(ctx: Context, sequence: number): Promise<void> {
    // While suspended or stalled nothing new begins: what is due then begins when the code goes on.
    if (!(this.#live ? this.#goesOn(ctx) : await this.#resumeCode(ctx))) this.#stallWithoutCode(ctx);
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
      this.findCode();
      if (this.code === undefined) return;
      state.stalled = undefined;
      ctx.changed();
      this.#summarize(ctx);
    }
    const { status } = state;
    if (this.#session?.sessionId !== undefined && !state.suspended && (await this.#takeLate(ctx)) && !this.#live)
      return;
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

  /** A session has answered what it was asked in an earlier turn. */
  async codeAnswered(ctx: Context, sessionId: string): Promise<void> {
    const session = this.#session ?? this.#leftSession;
    if (session?.sessionId === sessionId) await this.proceed(ctx);
  }

  /** A host was lost on which a closure of this session ran. */
  closureLost(ctx: Context, sessionId: string): void {
    const session = this.#session ?? this.#leftSession;
    if (session?.sessionId === sessionId) this.#lost(ctx);
  }

  /** Takes in the answer of a turn that is out. False: it has not come. */
  async #takeLate(ctx: Context): Promise<boolean> {
    const late = this.#session!.takeLate();
    if (late === undefined) return false;
    this.#turnOut = false;
    if (late.kind === 'lost') {
      this.#lost(ctx);
    } else {
      this.#losses = 0;
      await this.#takeAnswer(ctx, late);
    }
    return true;
  }

  async #takeAnswer(ctx: Context, late: Exclude<LateAnswer, { kind: 'lost' }>): Promise<void> {
    const { state } = this;
    if (late.kind === 'fault') this.#stall(ctx, late.fault);
    else if (late.kind === 'replayed') {
      this.#caughtUp(ctx, late.open);
      const early = this.#early;
      this.#early = undefined;
      for (const { sequence, attempt, result } of early ?? [])
        await this.#activityEndedLive(ctx, sequence, attempt, result);
    } else {
      const { answer } = late;
      const [first, ...more] = state.inbox.splice(0, this.#eventsOut);
      this.#eventsOut = 0;
      ctx.changed();
      if (answer.fault !== undefined || answer.history !== undefined) state.inbox.unshift(...more);
      await this.answered(ctx, first!.event, first!.traceparent, answer, more);
    }
  }

  /** W7 */
  #lost(ctx: Context): void {
    this.#closeSession();
    this.#leftSession?.close();
    this.#leftSession = undefined;
    this.#activities.clear();
    this.#settling = true;
    const delayMs = this.#losses === 0 ? 0 : reopenDelayMs(this.#losses);
    this.#losses += 1;
    const reopen = (): void => {
      this.#settling = false;
      this.#services.proceed(this.#id);
    };
    // What was appended last is durable then, and a replay sees it.
    ctx.afterCommit(() => {
      if (delayMs === 0) reopen();
      else this.#services.clock.setTimeout(reopen, delayMs);
    });
    if (this.state.ended === undefined) ctx.setWork(true);
  }

  // ── Running the code ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the code could be told something now, if nothing were out. */
  #goesOn(ctx: Context): boolean {
    return !this.#settling && this.#wouldGoOn(ctx);
  }

  /** … or as soon as what was done before is durable. */
  #wouldGoOn(ctx: Context): boolean {
    const { state } = this;
    return (
      state.ended === undefined &&
      !state.suspended &&
      state.stalled === undefined &&
      (state.startAtMs === undefined ||
        state.startedAtMs !== undefined ||
        !ctx.reminders().some((reminder) => reminder.name === START_REMINDER)) &&
      this.#hasCode()
    );
  }

  #canRun(ctx: Context): boolean {
    return !this.#turnOut && this.#goesOn(ctx);
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
    this.#noteWork(ctx);
  }

  /** An instance that has begun has something to do and nobody here can run it: that is to be seen, and tried again. */
  #stallWithoutCode(ctx: Context): void {
    const { state } = this;
    if (state.startedAtMs === undefined || state.stalled !== undefined || this.#hasCode()) return;
    if (state.onWorkers) this.#services.awaitWorkers(this.#id);
    else this.#stall(ctx, this.#services.directory.workflowMissing(state.workflowName, state.version));
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

  #replay(ctx: Context, session: ExecutorSession): Promise<boolean> | false {
    const replayed = this.#replayIn(ctx, session);
    if (replayed !== undefined) return this.#replayed(ctx, replayed);
    this.#turnOut = true;
    this.#noteWork(ctx);
    return false;
  }

  #replayIn(ctx: Context, session: ExecutorSession): Promise<OpenWork> | undefined {
    const { state } = this;
    const { nextEntry } = ctx;
    if (!session.replaysLate) return session.replay(() => this.#history.past(state, nextEntry));
    // Read beside this turn: by then what earlier ones appended is durable.
    const durable = new Promise<void>((resolve) => ctx.afterCommit(resolve));
    return session.replay(() => durable.then(() => this.#history.past(state, nextEntry)));
  }

  async #replayed(ctx: Context, replayed: Promise<OpenWork>): Promise<boolean> {
    try {
      this.#caughtUp(ctx, await replayed);
      return true;
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#stall(ctx, error);
      return false;
    }
  }

  /** The code is where the history ends. */
  #caughtUp(ctx: Context, { activities, children, failed }: OpenWork): void {
    const { state } = this;
    this.#live = true;
    if (state.rewinding) return;
    this.#activities.restore(activities, failed);
    this.#children.restore(children);
    for (const item of [...state.inbox]) {
      const { event } = item;
      if (event.type === 'ActivityCompleted' || event.type === 'ActivityFailed') {
        if (!this.#activities.noteEnded(state, event)) this.#dropWaiting(ctx, item);
      } else if (event.type === 'ChildCompleted' || event.type === 'ChildFailed') {
        // A child that failed and was rewound ends twice.
        if (!this.#children.isOpen(event.sequence)) this.#dropWaiting(ctx, item);
        else this.#children.noteEnded(event.sequence);
      }
    }
    this.#activities.beginAgain(ctx, state);
    this.#noteWork(ctx);
  }

  /** W4: it came once more while nobody could tell that its result is in the history. */
  #dropWaiting(ctx: Context, item: InboxItem): void {
    const { inbox } = this.state;
    inbox.splice(inbox.indexOf(item), 1);
    ctx.changed();
  }

  #openSession(): ExecutorSession {
    if (this.#session !== undefined) return this.#session;
    const { parent, executionId } = this.state;
    this.#sessionCode = this.code!;
    this.#session = this.#services.executor.open(
      this.#sessionCode,
      {
        instanceId: this.#id,
        executionId,
        parent: parent === undefined || parent.instanceId === '' ? undefined : { instanceId: parent.instanceId },
      },
      () => originOf(this.state),
    );
    return this.#session;
  }

  #closeSession(): void {
    this.#session?.close();
    this.#session = undefined;
    this.#services.activities.leave(this.state.executionId);
    this.#live = false;
    this.#turnOut = false;
    this.#eventsOut = 0;
    this.#early = undefined;
    this.#bufferedEvents = 0;
  }

  /** Has the code meet an event. */
  #meet(ctx: Context, event: InputEvent, traceparent: string | undefined): CodeTurn | undefined {
    const { state } = this;
    const session = this.#session!;
    const turn = new CodeTurn(this, ctx, event, traceparent);
    const more = session.takesMany && !state.rewinding ? eventsOfTurn(event, state.inbox) : NO_EVENTS;
    // What the code is given is its own: it may change it before the event is packed.
    if (session.dispatch(++state.turnId, session.takesMany ? event : owned(event), turn, more)) return turn;
    this.#turnOut = true;
    this.#eventsOut = 1 + more.length;
    state.inbox.unshift({ event, traceparent });
    ctx.changed();
    this.#noteWork(ctx);
    return undefined;
  }

  /** Takes in what the code did with an event, and with `more` that it was given with it. */
  answered(
    ctx: Context,
    event: InputEvent,
    traceparent: string | undefined,
    answer: TurnAnswer,
    more: readonly InboxItem[] = NO_ITEMS,
  ): Promise<void> | undefined {
    const fault = answer.fault ?? this.#rewindFault(answer);
    if (fault !== undefined) {
      this.state.inbox.unshift({ event, traceparent });
      return this.#faulted(ctx, fault, event);
    }
    if (answer.history !== undefined) return this.#rewrite(ctx, { event, traceparent }, answer.history);
    // It could not be rewound: it has failed once more.
    this.state.rewinding = false;
    const ending = this.#takeIn(ctx, event, traceparent, answer, more);
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
    more: readonly InboxItem[],
  ): Promise<void> | undefined {
    const { state } = this;
    const { began } = answer;
    if (event.type === 'WorkflowStarted') {
      state.version = this.#sessionCode!.version;
      state.onWorkers = this.#sessionCode!.onWorkers;
      state.startedAtMs ??= ctx.nowMs();
      this.#history.noteInput(event.input);
      ctx.changed();
      this.#summarize(ctx);
    }
    // A history begins with the start.
    if (began !== undefined && event.type !== 'WorkflowStarted') this.#history.append(ctx, state, began);
    this.#history.append(ctx, state, event, traceparent);
    if (began !== undefined && event.type === 'WorkflowStarted') this.#history.append(ctx, state, began);
    for (const item of more) this.#history.append(ctx, state, item.event, item.traceparent);
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

  /** Why what a worker answered is no answer to whether it was to rewind the code. */
  #rewindFault({ history, outcome }: TurnAnswer): Error | undefined {
    const { rewinding } = this.state;
    if (history === undefined) {
      if (!rewinding || outcome?.type === 'failed') return undefined;
      return new NondeterminismError('a worker was to rewind the workflow, and went on with it');
    }
    if (!rewinding) return new NondeterminismError('a worker rewound the workflow, and was not to');
    if (rewoundEvents(history) !== undefined) return undefined;
    return new NondeterminismError('a worker rewound the workflow to a history that its code cannot go on from');
  }

  /** The code was rewound: another execution goes on from the rewritten history. */
  #rewrite(ctx: Context, rewound: InboxItem, history: readonly HistoryEvent[]): undefined {
    const { state } = this;
    const { event, traceparent } = rewound;
    const body = event.type === 'MessageReceived' ? event.body : undefined;
    const { inbox } = state;
    this.#reset(ctx, state);
    state.rewinding = false;
    state.generation += 1;
    // Events from outside that came meanwhile.
    state.inbox = [{ event, traceparent }, ...inbox];
    this.#adopt(ctx, rewoundEvents(history)!, (child, started) =>
      this.#children.rewind(ctx, state, child, started, body),
    );
    this.#goOnLater(ctx);
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
      case 'SendMessage':
        sendMessage(ctx, this.#services, this.state, this.#id, command.event);
        return;
      case 'TerminateOther':
        ctx.send(this.#services.actor(), command.instanceId).terminate({
          output: command.output,
          recursive: command.recursive,
          undo: false,
          parentId: undefined,
          workflowName: undefined,
          hash: undefined,
        });
        return;
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
      const waits = state.inbox.length > 0 && (this.#wouldGoOn(ctx) || (state.onWorkers && !state.suspended));
      hasWork = this.#turnOut || waits || this.#activities.anyUnderWay;
    }
    ctx.setWork(hasWork);
  }

  // ── Ending ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #outcome(ctx: Context, outcome: Outcome): Promise<void> | undefined {
    const { definition } = this.#sessionCode!;
    if (outcome.type === 'continued') this.#continue(ctx, outcome);
    else if (outcome.type === 'completed' && definition?.options.output !== undefined) {
      return this.#complete(ctx, definition, outcome.output);
    } else this.end(ctx, outcome);
    return undefined;
  }

  /** On another host the output has been checked there. */
  async #complete(ctx: Context, definition: AnyWorkflow, output: unknown): Promise<void> {
    const { workflowName } = this.state;
    try {
      const what = `the output of workflow ${workflowName}`;
      this.end(ctx, { type: 'completed', output: await validated(definition.options.output, output, what) });
    } catch (error) {
      this.end(ctx, { type: 'failed', failure: failureOf(error) });
    }
  }

  #continue(ctx: Context, outcome: Outcome & { type: 'continued' }): void {
    const { state } = this;
    const { inbox } = state;
    const nowMs = ctx.nowMs();
    this.#activities.abort(ctx, state.executionId, new Error('the workflow continued as new'), true);
    freeEntities(ctx, this.#services, state, this.#id);
    state.generation += 1;
    state.undoing = false;
    if (!state.onWorkers) state.customStatus = undefined;
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
    const newest = state.onWorkers ? undefined : this.#services.directory.workflow(state.workflowName);
    if (outcome.version !== undefined) state.version = outcome.version;
    else if (!state.pinned && newest !== undefined && compareVersions(newest.version, state.version) > 0) {
      state.version = newest.version;
    }
    this.findCode();
    ctx.afterCommit(() => this.#services.proceed(this.#id));
  }

  end(ctx: Context, outcome: EndOutcome): void {
    const { state } = this;
    const nowMs = ctx.nowMs();
    if (outcome.type === 'terminated') {
      this.#activities.abort(ctx, state.executionId, new WorkflowTerminatedError(this.#id, undefined), this.#live);
    }
    if (state.inbox[0]?.event.type === 'WorkflowStarted') {
      // It ends before its code ran: the history still begins with the start.
      this.#history.noteInput(state.inbox[0].event.input);
      this.#history.append(ctx, state, state.inbox[0].event);
    }
    for (const reminder of ctx.reminders()) ctx.cancelReminder(reminder.name);
    freeEntities(ctx, this.#services, state, this.#id);
    state.ended = outcome.type;
    state.completedAtMs = nowMs;
    state.suspended = false;
    state.stalled = undefined;
    state.undoing = false;
    state.rewinding = false;
    state.inbox = [];
    state.turnId += 1;
    this.#history.append(ctx, state, endEvent(nowMs, outcome));
    this.#services.meter[outcome.type] += 1;
    state.leftBehind = outcome.type === 'terminated' ? [] : this.#activities.underWay();
    if (state.leftBehind.length > 0 && this.#session?.sessionId !== undefined) {
      this.#leftSession = this.#session;
      this.#session = undefined;
    }
    this.#closeSession();
    this.#activities.clear();
    if (state.parent !== undefined) this.#tellParent(ctx, state.parent, outcome);
    tellEnding(ctx, this.#services, this.#id, state, outcome);
    const keptMs = this.code?.retention?.[outcome.type];
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
    // Whatever begins or ends is summarized.
    if (this.#startWaiters !== undefined && !this.state.isPending) ctx.afterCommit(() => this.#startWaiters?.release());
  }

  /** Released when the instance has ended, or is let go. */
  addWait<T>(wait: EndWait<T>): void {
    this.#waiters ??= new EndWaiters();
    this.#waiters.add(wait as EndWait<unknown>);
  }

  /** Released when the code has run or will not, or the instance is let go. */
  addStartWait<T>(wait: EndWait<T>): void {
    this.#startWaiters ??= new EndWaiters();
    this.#startWaiters.add(wait as EndWait<unknown>);
  }

  close(): void {
    this.#cancelLook?.();
    this.#closeSession();
    this.#leftSession?.close();
    this.#waiters?.release();
    this.#startWaiters?.release();
  }
}

/** What goes out with an event: what waits behind it, as far as one turn takes it. */
function eventsOfTurn(first: InputEvent, inbox: readonly InboxItem[]): readonly InputEvent[] {
  const events: InputEvent[] = [];
  let bytes = payloadBytes(first);
  for (const { event } of inbox) {
    bytes += payloadBytes(event);
    if (bytes > TURN_EVENTS_BYTES_MAX || events.length + 1 >= TURN_EVENTS_MAX) break;
    events.push(event);
  }
  return events;
}

const NO_EVENTS: readonly InputEvent[] = [];
const NO_ITEMS: readonly InboxItem[] = [];

function endEvent(at: number, outcome: EndOutcome): HistoryEvent {
  if (outcome.type === 'completed') return { type: 'WorkflowCompleted', at, output: outcome.output };
  if (outcome.type === 'failed') return { type: 'WorkflowFailed', at, failure: outcome.failure };
  return { type: 'WorkflowTerminated', at, output: outcome.output };
}
