// The code of an execution that a worker of this host runs. A worker needs nothing but the history: what is open where that
// ends is read from it here, and each turn may go to another worker.
//
// V1  One turn is out at a time; a session that is closed takes its turn back.
// V2  A session whose last worker has gone is lost, and one whose turn another took the place of: its instance opens another,
//     wherever there are workers.

import type { Clock } from '@troupe/actors';
import type { WorkflowCode } from '../code-directory.ts';
import { isRecorded } from '../command.ts';
import type { ExecutorAnswer, ExecutorSession, LateAnswer, OpenWork, TurnAnswer } from '../executor.ts';
import { isOfTurns, type HistoryEvent, type InputEvent, type TurnBegan } from '../history.ts';
import { openWorkIn } from '../open-work.ts';
import type { RunIdentity } from '../run.ts';
import type { WorkerPool } from './worker-pool.ts';
import type { ExecutionOrigin, WorkerTurn } from './worker-port.ts';
import { acceptable } from './worker-turn.ts';

/** What sessions need of their host. */
export interface WorkerSessionServices {
  readonly pool: WorkerPool;
  readonly clock: Clock;
}

/** What is run, and who hears that there is an answer. */
export interface WorkerSessionParts {
  readonly sessionId: string;
  readonly code: Pick<WorkflowCode, 'name' | 'version'>;
  readonly identity: RunIdentity;
  readonly origin: ExecutionOrigin;
  answered(session: WorkerSession): void;
}

export class WorkerSession implements ExecutorSession {
  readonly sessionId: string;
  readonly takesMany = true;
  readonly replaysLate = false;
  readonly #services: WorkerSessionServices;
  readonly #parts: WorkerSessionParts;
  /** What of the history concerns workers, in its order. Not changed but replaced: the items of turns have it. */
  #past: readonly HistoryEvent[] = [];
  #request: { withdraw(): void } | undefined;
  #late: LateAnswer | undefined;
  #closed = false;

  constructor(services: WorkerSessionServices, parts: WorkerSessionParts) {
    this.#services = services;
    this.#parts = parts;
    this.sessionId = parts.sessionId;
  }

  async replay(past: () => Promise<readonly HistoryEvent[]>): Promise<OpenWork> {
    const events = await past();
    this.#past = events.filter(concernsWorkers);
    // What workers were sent before may never have become durable.
    this.#services.pool.forget(this.#parts.identity.executionId);
    return openWorkIn(events);
  }

  dispatch(turnId: number, event: InputEvent, _receiver: ExecutorAnswer, more: readonly InputEvent[]): false {
    const { identity, origin, code } = this.#parts;
    const { instanceId, executionId } = identity;
    const past = this.#past;
    const events = [event, ...more];
    // Time does not go back for the code, whatever the clocks of former owners showed.
    const beganAtMs = Math.max(this.#services.clock.nowMs(), past.at(-1)?.at ?? 0);
    this.#request = this.#services.pool.offer({
      kind: 'workflow',
      instanceId,
      executionId,
      sequence: undefined,
      name: code.name,
      version: code.version,
      length: past.length + events.length + 1,
      item: (token, kept) => ({
        kind: 'workflow',
        token,
        instanceId,
        executionId,
        origin,
        past,
        kept,
        beganAtMs,
        events,
      }),
      answered: (turn) => this.#answered(turnId, beganAtMs, events, acceptable(turn)),
      lost: () => this.#tell({ kind: 'lost' }),
    });
    return false;
  }

  #answered(turnId: number, at: number, events: readonly InputEvent[], turn: WorkerTurn): void {
    const began: TurnBegan = { type: 'TurnBegan', at, details: turn.details };
    const { commands, outcome, history, stalled: fault } = turn;
    if (fault === undefined) this.#remember(began, events, turn);
    const answer: TurnAnswer = { turnId, commands, outcome, fault, bufferedEvents: 0, began, history };
    this.#tell({ kind: 'turn', answer });
  }

  /** In the order of the history: the start, the beginning of the turn, what came, what was asked for. */
  #remember(began: TurnBegan, events: readonly InputEvent[], { commands }: WorkerTurn): void {
    const [first, ...more] = events;
    const came = first!.type === 'WorkflowStarted' ? [first!, began, ...more] : [began, ...events];
    const asked = commands.flatMap((command) => (isRecorded(command) ? [command.event] : []));
    this.#past = [...this.#past, ...came, ...asked];
  }

  takeLate(): LateAnswer | undefined {
    const late = this.#late;
    this.#late = undefined;
    return late;
  }

  askRetry(): void {
    // Workers retry by themselves: no activity of theirs has a policy.
  }

  async explain(fault: Error): Promise<Error> {
    return fault;
  }

  close(): void {
    this.#closed = true;
    this.#request?.withdraw();
    this.#request = undefined;
  }

  #tell(late: LateAnswer): void {
    this.#request = undefined;
    if (this.#closed) return;
    this.#late = late;
    this.#parts.answered(this);
  }
}

function concernsWorkers(event: HistoryEvent): boolean {
  // Code that is to be rewound is told how it failed.
  return isOfTurns(event) || event.type === 'WorkflowFailed';
}
