// The port to whatever runs the code of workflows. It is split-phase: a dispatch ends the actor's turn, and the answer may
// come back later as a message. A local function answers within the turn.

import type { ActivityOptions } from './activity.ts';
import type { WorkflowCode } from './code-directory.ts';
import type { Command, Outcome, SessionBody, StepBody } from './command.ts';
import type { EventDetails, HistoryEvent, InputEvent, TurnBegan } from './history.ts';
import type { RunIdentity } from './run.ts';
import type { SmallMap } from './small-map.ts';
import type { Failure } from './status.ts';
import type { ExecutionOrigin } from './workers/worker-port.ts';

/** What one event led to. */
export interface TurnAnswer {
  /** The turn that it answers; an answer to another is dropped. */
  readonly turnId: number;
  readonly commands: readonly Command[];
  readonly outcome: Outcome | undefined;
  /** Why the code cannot go on; then nothing of this turn counts. */
  readonly fault: Error | undefined;
  /** Events that the code has not waited for. */
  readonly bufferedEvents: number;
  /** Recorded with the events of the turn, by code that must know which came together. */
  readonly began?: TurnBegan | undefined;
  /** In place of the whole history: the code was rewound. */
  readonly history?: readonly HistoryEvent[] | undefined;
}

/** An activity that is scheduled and has no result. */
export interface PendingActivity {
  readonly sequence: number;
  readonly name: string;
  readonly input: unknown;
  readonly kind: 'activity' | 'step' | 'undo';
  readonly options: ActivityOptions;
  readonly body: StepBody | SessionBody | undefined;
  readonly details: EventDetails | undefined;
  readonly scheduledAtMs: number;
  attempt: number;
  /** Set while it waits for its next attempt. */
  nextAttemptAtMs: number | undefined;
  heartbeat: unknown;
}

export interface StartedChild {
  readonly instanceId: string;
  /** Workers ask for a child that failed once more under its number: this counts how often. */
  readonly attempt: number;
  readonly detached: boolean;
  ended: boolean;
}

/** What is open where the history ends. */
export interface OpenWork {
  readonly activities: SmallMap<number, PendingActivity>;
  readonly children: Map<number, StartedChild>;
  /** Attempts of activities that have failed for good. Workers ask for one of these once more under its number. */
  readonly failed: Map<number, number>;
}

/** Who waits for the answer of a turn. */
export interface ExecutorAnswer {
  answer(answer: TurnAnswer): void;
}

/** An answer that came after the turn that it was asked in. */
export type LateAnswer =
  /** The code is where the history ends. */
  | { readonly kind: 'replayed'; readonly open: OpenWork }
  | { readonly kind: 'turn'; readonly answer: TurnAnswer }
  /** The code asks for something else than the history recorded. */
  | { readonly kind: 'fault'; readonly fault: Error }
  /** Whatever ran the code is gone: it is to be opened again. */
  | { readonly kind: 'lost' };

/** The code of one execution, wherever it runs. */
export interface ExecutorSession {
  /** Names it among all sessions of its instance; undefined: it never answers late. */
  readonly sessionId: string | undefined;
  /** Its code meets whatever has come in one turn; else one event at a time. */
  readonly takesMany: boolean;
  /** `replay` answers later, as a message to the instance. */
  readonly replaysLate: boolean;
  /**
   * Brings the code to where the history ends and says what is open there. Undefined: that comes later.
   *
   * @param past reads the history
   * @throws {NondeterminismError} when the code asks for something else than the history recorded
   */
  replay(past: () => Promise<readonly HistoryEvent[]>): Promise<OpenWork> | undefined;
  /**
   * Resumes the code with an event, and with `more` that came after it if it takes many. True: `receiver` gets the answer
   * within this turn, after this method has returned; false: the answer comes later, as a message to the instance. One turn
   * is out at a time.
   */
  dispatch(turnId: number, event: InputEvent, receiver: ExecutorAnswer, more: readonly InputEvent[]): boolean;
  /** The answer that has come, and is taken with this. */
  takeLate(): LateAnswer | undefined;
  /**
   * Has the code say whether a failed attempt is to be retried, where only a function of it can; `decided` hears, unless the
   * session is lost.
   */
  askRetry(sequence: number, attempt: number, failure: Failure, decided: (retried: boolean) => void): void;
  /** A better account of a fault, made by running the code once more beside. */
  explain(fault: Error, past: readonly HistoryEvent[], event: InputEvent): Promise<Error>;
  /** The instance lets go of the code. */
  close(): void;
}

/** Runs workflows of some definitions. */
export interface Executor {
  open(code: WorkflowCode, identity: RunIdentity, origin: () => ExecutionOrigin): ExecutorSession;
}
