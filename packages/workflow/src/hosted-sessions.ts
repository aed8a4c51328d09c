// Code that this host runs for instances that other hosts own: sessions, each of one activation of an instance. It is asked
// through a host actor, and knows nothing of what is durable: whatever it answers counts only when the instance takes it.
//
// S1  A session that is gone loses nothing: its instance opens another one by replay.
// S2  A question that comes twice is answered twice, and met by the code once.
// S3  Sessions go when they are closed, when their instance's host is no member any more, or after a long rest.

import { actor, type Clock, type HostId } from '@troupe/actors';
import type { CodeDirectory } from './code-directory.ts';
import type { StepBody } from './command.ts';
import { isFault, ValidationError } from './errors.ts';
import type { ExecutorAnswer, TurnAnswer } from './executor.ts';
import { failureOf } from './failure.ts';
import { decodeEvent, type HistoryEvent, type InputEvent } from './history.ts';
import { inTime } from './workers/in-time.ts';
import { HOSTED_SESSION_REST_MS } from './limits.ts';
import type { LocalExecutor, LocalSession } from './local-executor.ts';
import { askedOf } from './retry.ts';
import { eventSchema, validated } from './schema.ts';
import {
  wireFault,
  wireOpenWork,
  wireTurn,
  type RetryQuestion,
  type SessionOpening,
  type WireAnswer,
  type WireCheck,
} from './session-wire.ts';
import type { ActivityOptions } from './activity.ts';
import { WorkerSession } from './workers/worker-session.ts';
import type { WorkerPool } from './workers/worker-pool.ts';
import type { AnyWorkflow } from './workflow.ts';

const LOST: WireAnswer = { kind: 'lost' };
/** Workers answer late. */
const NOBODY: ExecutorAnswer = { answer() {} };

/** What the session keeps of an activity: all that cannot travel. */
interface Kept {
  readonly body: StepBody | undefined;
  readonly options: ActivityOptions;
}

class HostedSession {
  readonly ownerId: HostId;
  /** Undefined: workers run it. */
  readonly definition: AnyWorkflow | undefined;
  readonly code: LocalSession | WorkerSession;
  readonly kept = new Map<number, Kept>();
  usedAtMs: number;
  /** Pages of the history that have come. */
  past: HistoryEvent[] | undefined = [];
  pages = 0;
  /** The last question and its answer. */
  asked: string | undefined;
  answer: Promise<WireAnswer> | undefined;
  /** Who waits for what a worker makes of a turn. */
  onLate: (() => void) | undefined;

  constructor(
    ownerId: HostId,
    definition: AnyWorkflow | undefined,
    open: (session: HostedSession) => LocalSession | WorkerSession,
    nowMs: number,
  ) {
    this.ownerId = ownerId;
    this.definition = definition;
    this.code = open(this);
    this.usedAtMs = nowMs;
  }

  keep(sequence: number, body: unknown, options: ActivityOptions): void {
    this.kept.set(sequence, { body: typeof body === 'function' ? (body as StepBody) : undefined, options });
  }
}

export class HostedSessions {
  readonly #directory: CodeDirectory;
  readonly #executor: LocalExecutor;
  readonly #clock: Clock;
  readonly #pool: WorkerPool;
  readonly #definitionOf: (name: string, version: string) => AnyWorkflow | undefined;
  readonly #sessions = new Map<string, HostedSession>();

  constructor(parts: {
    directory: CodeDirectory;
    executor: LocalExecutor;
    clock: Clock;
    pool: WorkerPool;
    definitionOf: (name: string, version: string) => AnyWorkflow | undefined;
  }) {
    this.#directory = parts.directory;
    this.#executor = parts.executor;
    this.#clock = parts.clock;
    this.#pool = parts.pool;
    this.#definitionOf = parts.definitionOf;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The closure of a step, if the session is there. */
  body(sessionId: string, sequence: number): StepBody | undefined {
    return this.#sessions.get(sessionId)?.kept.get(sequence)?.body;
  }

  /** Takes a page of the history; answers the last one with what is open where the history ends. */
  replay(
    ownerId: HostId,
    sessionId: string,
    opening: SessionOpening,
    page: number,
    entries: readonly unknown[],
    isLast: boolean,
  ): Promise<WireAnswer> | WireAnswer {
    const session = page === 0 ? this.#open(ownerId, sessionId, opening) : this.#used(sessionId);
    if (session === undefined) return LOST;
    if (page < session.pages) return session.answer ?? { kind: 'read' };
    if (page > session.pages || session.past === undefined) return LOST;
    session.pages += 1;
    for (const entry of entries) session.past.push(decodeEvent(entry).event);
    if (!isLast) return { kind: 'read' };
    const { past } = session;
    session.past = undefined;
    session.answer = this.#replayed(session, past);
    return session.answer;
  }

  async #replayed(session: HostedSession, past: readonly HistoryEvent[]): Promise<WireAnswer> {
    try {
      const open = await session.code.replay(async () => past);
      for (const { sequence, body, options } of open.activities.values()) session.keep(sequence, body, options);
      return wireOpenWork(open);
    } catch (error) {
      if (!isFault(error)) throw error;
      return { kind: 'fault', fault: wireFault(error) };
    }
  }

  /** `opening`: the event is the first of its execution, so that there is nothing to replay. */
  turn(
    ownerId: HostId,
    sessionId: string,
    opening: SessionOpening | undefined,
    turnId: number,
    event: InputEvent,
    more: readonly InputEvent[],
  ): Promise<WireAnswer> | WireAnswer {
    const session = opening === undefined ? this.#used(sessionId) : this.#open(ownerId, sessionId, opening);
    if (session === undefined) return LOST;
    const question = `turn ${turnId}`;
    const { code } = session;
    if (session.asked !== question) {
      session.asked = question;
      session.answer =
        code instanceof WorkerSession
          ? this.#worked(session, code, turnId, event, more)
          : this.#run(session, code, turnId, event);
    }
    return code instanceof WorkerSession ? inTime(this.#clock, session.answer!) : session.answer!;
  }

  #run(session: HostedSession, code: LocalSession, turnId: number, event: InputEvent): Promise<WireAnswer> {
    if ('sequence' in event) session.kept.delete(event.sequence);
    return new Promise<TurnAnswer>((resolve) => {
      const receiver: ExecutorAnswer = { answer: resolve };
      code.dispatch(turnId, event, receiver);
    }).then((answer) => this.#answered(session, answer));
  }

  async #worked(
    session: HostedSession,
    code: WorkerSession,
    turnId: number,
    event: InputEvent,
    more: readonly InputEvent[],
  ): Promise<WireAnswer> {
    const answered = new Promise<void>((resolve) => (session.onLate = resolve));
    code.dispatch(turnId, event, NOBODY, more);
    await answered;
    const late = code.takeLate();
    return late?.kind === 'turn' ? wireTurn(late.answer) : LOST;
  }

  async #answered(session: HostedSession, answer: TurnAnswer): Promise<WireAnswer> {
    for (const command of answer.commands) {
      if (command.type === 'ScheduleActivity') session.keep(command.event.sequence, command.body, command.options);
    }
    const { outcome } = answer;
    const { options, name } = session.definition!;
    if (outcome?.type !== 'completed' || options.output === undefined) return wireTurn(answer);
    try {
      const output = await validated(options.output, outcome.output, `the output of workflow ${name}`);
      return wireTurn({ ...answer, outcome: { type: 'completed', output } });
    } catch (error) {
      return wireTurn({ ...answer, outcome: { type: 'failed', failure: failureOf(error) } });
    }
  }

  /** Undefined: the session is gone. */
  retried(sessionId: string, { sequence, attempt, failure }: RetryQuestion): boolean | undefined {
    const policy = this.#used(sessionId)?.kept.get(sequence)?.options.retry;
    return policy === undefined ? undefined : askedOf(policy, failure, attempt);
  }

  /** Checks an input, or the payload of an event. */
  async check(name: string, version: string, eventName: string | undefined, value: unknown): Promise<WireCheck> {
    const definition = this.#definitionOf(name, version);
    if (definition === undefined) return { ok: undefined };
    const schema = eventName === undefined ? definition.options.input : eventSchema(definition, eventName);
    try {
      return { ok: true, value: await validated(schema, value, '') };
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      return { ok: false, issues: error.issues };
    }
  }

  close(sessionId: string): void {
    this.#sessions.get(sessionId)?.code.close();
    this.#sessions.delete(sessionId);
  }

  #open(ownerId: HostId, sessionId: string, opening: SessionOpening): HostedSession | undefined {
    const open = this.#used(sessionId);
    if (open !== undefined) return open;
    const { instanceId, executionId, parent, name, version, origin } = opening;
    const identity = { instanceId, executionId, parent };
    let session: HostedSession;
    if (origin === undefined) {
      const definition = this.#definitionOf(name, version);
      if (definition === undefined) return undefined;
      const openLocal = () => this.#executor.open(definition, identity);
      session = new HostedSession(ownerId, definition, openLocal, this.#clock.nowMs());
    } else {
      if (!this.#pool.mayRun('workflow', name, version)) return undefined;
      const openOnWorkers = (hosted: HostedSession) =>
        new WorkerSession(
          { pool: this.#pool, clock: this.#clock },
          { sessionId, code: { name, version }, identity, origin, answered: () => hosted.onLate?.() },
        );
      session = new HostedSession(ownerId, undefined, openOnWorkers, this.#clock.nowMs());
    }
    this.#forgetRested();
    this.#sessions.set(sessionId, session);
    return session;
  }

  /** The longest unused come first. */
  #used(sessionId: string): HostedSession | undefined {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return undefined;
    session.usedAtMs = this.#clock.nowMs();
    this.#sessions.delete(sessionId);
    this.#sessions.set(sessionId, session);
    return session;
  }

  #forgetRested(): void {
    const beforeMs = this.#clock.nowMs() - HOSTED_SESSION_REST_MS;
    for (const [sessionId, { usedAtMs }] of this.#sessions) {
      if (usedAtMs > beforeMs) return;
      this.close(sessionId);
    }
  }

  /** Hosts have come or gone. */
  membersChanged(): void {
    for (const [sessionId, { ownerId }] of this.#sessions) if (!this.#directory.isPeer(ownerId)) this.close(sessionId);
  }
}

/** The host actor by which other hosts reach the sessions of one. */
export function sessionsActor(sessions: HostedSessions) {
  return actor('troupe.sessions', {
    hostBound: true,
    methods: {
      close: (_ctx, sessionId: string) => sessions.close(sessionId),
    },
    // Sessions have turns of their own: those of one need not wait for those of another.
    readOnly: {
      replay: (
        _ctx,
        ownerId: HostId,
        sessionId: string,
        opening: SessionOpening,
        page: number,
        entries: readonly unknown[],
        isLast: boolean,
      ) => sessions.replay(ownerId, sessionId, opening, page, entries, isLast),
      turn: (
        _ctx,
        ownerId: HostId,
        sessionId: string,
        opening: SessionOpening | undefined,
        turnId: number,
        event: InputEvent,
        more: readonly InputEvent[],
      ) => sessions.turn(ownerId, sessionId, opening, turnId, event, more),
      retried: (_ctx, sessionId: string, question: RetryQuestion) => sessions.retried(sessionId, question),
      check: (_ctx, name: string, version: string, eventName: string | undefined, value: unknown) =>
        sessions.check(name, version, eventName, value),
    },
  });
}

export type SessionsActor = ReturnType<typeof sessionsActor>;
