// The port to whatever runs the code of workflows. It is split-phase: a dispatch ends the actor's turn, and the answer may
// come back later as a message. A local function answers within the turn.

import type { ActivityOptions } from './activity.ts';
import type { Command, Outcome, StepBody } from './command.ts';
import type { HistoryEvent, InputEvent } from './history.ts';
import type { RunIdentity } from './run.ts';
import type { SmallMap } from './small-map.ts';
import type { AnyWorkflow } from './workflow.ts';

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
}

/** An activity that is scheduled and has no result. */
export interface PendingActivity {
  readonly sequence: number;
  readonly name: string;
  readonly input: unknown;
  readonly kind: 'activity' | 'step' | 'undo';
  readonly options: ActivityOptions;
  readonly body: StepBody | undefined;
  readonly scheduledAtMs: number;
  attempt: number;
  /** Set while it waits for its next attempt. */
  nextAttemptAtMs: number | undefined;
  heartbeat: unknown;
}

export interface StartedChild {
  readonly instanceId: string;
  readonly detached: boolean;
  ended: boolean;
}

/** What is open where the history ends. */
export interface OpenWork {
  readonly activities: SmallMap<number, PendingActivity>;
  readonly children: Map<number, StartedChild>;
}

/** Who waits for the answer of a turn. */
export interface ExecutorAnswer {
  answer(answer: TurnAnswer): void;
}

/** The code of one execution, wherever it runs. */
export interface ExecutorSession {
  /**
   * Brings the code to where the history ends and says what is open there.
   *
   * @throws {NondeterminismError} when the code asks for something else than the history recorded
   */
  replay(past: readonly HistoryEvent[]): Promise<OpenWork>;
  /**
   * Resumes the code with an event. True: `receiver` gets the answer within this turn, after this method has returned;
   * false: the answer comes later, as a message to the instance. One turn is out at a time.
   */
  dispatch(turnId: number, event: InputEvent, receiver: ExecutorAnswer): boolean;
  /** A better account of a fault, made by running the code once more beside. */
  explain(fault: Error, past: readonly HistoryEvent[], event: InputEvent): Promise<Error>;
  /** The instance lets go of the code. */
  close(): void;
}

/** Runs workflows of some definitions. */
export interface Executor {
  open(definition: AnyWorkflow, identity: RunIdentity): ExecutorSession;
}
