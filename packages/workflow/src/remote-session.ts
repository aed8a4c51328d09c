// The code of an execution that another host runs, as its instance sees it. Split-phase: what the instance asks ends its turn,
// the answer is fetched here and the instance told that there is one.
//
// E1  What is asked is asked again, of the same host, until it answers or is gone; a host that has met the question answers
//     it again.
// E2  A session that is lost is lost for good: the instance opens another. A session that is closed tells nobody anything.

import { OutcomeUnknownError, type ActorHost, type ActorRef, type HostId } from '@troupe/actors';
import type { CodeDirectory, WorkflowCode } from './code-directory.ts';
import { SessionBody } from './command.ts';
import { isOutOfReach, ValidationError } from './errors.ts';
import type { ExecutorAnswer, ExecutorSession, LateAnswer } from './executor.ts';
import { encodeEvent, type HistoryEvent, type InputEvent } from './history.ts';
import type { SessionsActor } from './hosted-sessions.ts';
import { HISTORY_PAGE_LENGTH, SESSION_CALL_TIMEOUT_MS, SESSION_TRIES_MAX } from './limits.ts';
import { pagesOf } from './payload.ts';
import type { RunIdentity } from './run.ts';
import { faultOf, openWorkOf, turnOf, type SessionOpening, type WireAnswer } from './session-wire.ts';
import type { Failure } from './status.ts';
import type { WorkerDirectory } from './workers/worker-directory.ts';
import type { ExecutionOrigin } from './workers/worker-port.ts';

/** What sessions need of their host. */
export interface RemoteSessionServices {
  readonly host: ActorHost;
  readonly directory: CodeDirectory;
  readonly workers: WorkerDirectory;
  readonly sessions: SessionsActor;
  /** Tells an instance that a session of it has an answer. */
  answered(instanceId: string, session: ExecutorSession): void;
}

/** Opens sessions on other hosts, and has them check values by schemas that only they have. */
export class RemoteSessions {
  readonly #services: () => RemoteSessionServices;
  #opened = 0;

  /** @param services asked for when the first session is opened: the host has started by then */
  constructor(services: () => RemoteSessionServices) {
    this.#services = services;
  }

  open(code: WorkflowCode, identity: RunIdentity, origin: ExecutionOrigin): ExecutorSession {
    const services = this.#services();
    const { name, version, onWorkers } = code;
    const sessionId = `${services.host.hostId}/${++this.#opened}`;
    const hostId = onWorkers
      ? services.workers.peerFor('workflow', name, version, identity.instanceId)
      : services.directory.hostsOf(code, identity.instanceId)[0];
    const opening = { ...identity, name, version, origin: onWorkers ? origin : undefined };
    return new RemoteSession(services, hostId ?? '', sessionId, opening);
  }

  /**
   * What a host that has the code makes of a value. A value that nobody can be asked about is taken as it is: then nobody
   * can run the code either.
   *
   * @throws {ValidationError}
   */
  async check(code: WorkflowCode, eventName: string | undefined, value: unknown, what: string): Promise<unknown> {
    const { host, directory, sessions } = this.#services();
    for (const hostId of directory.hostsOf(code, what)) {
      try {
        const ref = host.actor(sessions, hostId, { timeoutMs: SESSION_CALL_TIMEOUT_MS });
        const checked = await ref.check(code.name, code.version, eventName, value);
        if (checked.ok === true) return checked.value;
        if (checked.ok === false) throw new ValidationError(what, checked.issues);
      } catch (error) {
        if (!isOutOfReach(error)) throw error;
      }
    }
    return value;
  }
}

class RemoteSession implements ExecutorSession {
  readonly sessionId: string;
  readonly takesMany: boolean;
  readonly replaysLate = true;
  readonly #services: RemoteSessionServices;
  readonly #hostId: HostId;
  readonly #opening: SessionOpening;
  #opened = false;
  #closed = false;
  #late: LateAnswer | undefined;

  constructor(services: RemoteSessionServices, hostId: HostId, sessionId: string, opening: SessionOpening) {
    this.sessionId = sessionId;
    this.#services = services;
    this.#hostId = hostId;
    this.#opening = opening;
    this.takesMany = opening.origin !== undefined;
  }

  replay(past: () => Promise<readonly HistoryEvent[]>): undefined {
    this.#opened = true;
    void this.#answer(async () => {
      const { host } = this.#services;
      const events = await past();
      let answer: WireAnswer = { kind: 'lost' };
      const pages = pagesOf(events, (event) => event, HISTORY_PAGE_LENGTH);
      for (const [page, part] of pages.entries()) {
        // The stamp is of no use to the code.
        const entries = part.map((event) => encodeEvent(event, NO_STAMP, undefined));
        const isLast = page === pages.length - 1;
        answer = await this.#ask((ref) =>
          ref.replay(host.hostId, this.sessionId, this.#opening, page, entries, isLast),
        );
        if (answer.kind !== 'read') break;
      }
      return answer;
    });
  }

  dispatch(turnId: number, event: InputEvent, _receiver: ExecutorAnswer, more: readonly InputEvent[]): false {
    const opening = this.#opened ? undefined : this.#opening;
    this.#opened = true;
    const { host } = this.#services;
    void this.#answer(async () => {
      let answer: WireAnswer;
      do {
        answer = await this.#ask((ref) => ref.turn(host.hostId, this.sessionId, opening, turnId, event, more));
      } while (answer.kind === 'waiting' && !this.#closed);
      return answer;
    });
    return false;
  }

  takeLate(): LateAnswer | undefined {
    const late = this.#late;
    this.#late = undefined;
    return late;
  }

  askRetry(sequence: number, attempt: number, failure: Failure, decided: (retried: boolean) => void): void {
    void (async () => {
      const retried = await this.#ask((ref) => ref.retried(this.sessionId, { sequence, attempt, failure })).catch(
        () => undefined,
      );
      if (this.#closed) return;
      if (retried === undefined) this.#tell({ kind: 'lost' });
      else decided(retried);
    })();
  }

  async explain(fault: Error): Promise<Error> {
    return fault;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#opened) return;
    // If it gets lost the session goes after a rest.
    this.#ref()
      .close(this.sessionId)
      .catch(() => {});
  }

  async #answer(ask: () => Promise<WireAnswer>): Promise<void> {
    let late: LateAnswer;
    try {
      late = this.#lateOf(await ask());
    } catch (error) {
      if (!isOutOfReach(error)) {
        const { logger } = this.#services.host;
        logger.warn(
          { instanceId: this.#opening.instanceId, err: error },
          'the code on another host could not be asked',
        );
      }
      late = { kind: 'lost' };
    }
    this.#tell(late);
  }

  #tell(late: LateAnswer): void {
    if (this.#closed) return;
    this.#late = late;
    this.#services.answered(this.#opening.instanceId, this);
  }

  #lateOf(answer: WireAnswer): LateAnswer {
    const closure = new SessionBody(this.#hostId, this.sessionId);
    switch (answer.kind) {
      case 'replayed':
        return { kind: 'replayed', open: openWorkOf(answer, closure) };
      case 'turn':
        return { kind: 'turn', answer: turnOf(answer, closure) };
      case 'fault':
        return { kind: 'fault', fault: faultOf(answer.fault) };
      default:
        return { kind: 'lost' };
    }
  }

  /** E1 */
  async #ask<T>(question: (ref: ActorRef<SessionsActor>) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await question(this.#ref());
      } catch (error) {
        const mayAsk = error instanceof OutcomeUnknownError && this.#services.directory.isPeer(this.#hostId);
        if (!mayAsk || this.#closed || tries >= SESSION_TRIES_MAX) throw error;
      }
    }
  }

  #ref(): ActorRef<SessionsActor> {
    const { host, sessions } = this.#services;
    return host.actor(sessions, this.#hostId, { timeoutMs: SESSION_CALL_TIMEOUT_MS });
  }
}

const NO_STAMP = { generation: 0, version: '' };
