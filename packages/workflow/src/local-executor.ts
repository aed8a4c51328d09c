import type { Logger } from '@troupe/actors';
import { isRecorded, type Command, type Effect, type Outcome } from './command.ts';
import { NondeterminismError, NonDurableWaitError } from './errors.ts';
import type { ExecutorAnswer, ExecutorSession, OpenWork } from './executor.ts';
import { GlobalWatch } from './global-watch.ts';
import {
  isCommandEvent,
  isEndEvent,
  isInputEvent,
  type CommandEvent,
  type HistoryEvent,
  type InputEvent,
} from './history.ts';
import { GUARD_WARNINGS_MAX } from './limits.ts';
import { quiescent, whenQuiescent, type Resumed } from './quiescence.ts';
import { closeWork, noteRetry, openWork } from './open-work.ts';
import { WorkflowRun, type RunIdentity } from './run.ts';
import { SmallMap } from './small-map.ts';
import type { AnyWorkflow } from './workflow.ts';

/** Runs workflows by functions of this process. */
export interface LocalExecutor {
  open(definition: AnyWorkflow, identity: RunIdentity): LocalSession;
}

export function localExecutor(logger: Logger, guard?: GlobalWatch): LocalExecutor {
  return { open: (definition, identity) => new LocalSession(definition, identity, logger, guard) };
}

/** Warns of each line of workflow code that uses the clock, randomness, timers or the network of the process. */
export function developmentGuard(logger: Logger): GlobalWatch {
  const warned = new Set<string>();
  return new GlobalWatch((what, at) => {
    const use = `${what} at ${at}`;
    if (warned.has(use) || warned.size >= GUARD_WARNINGS_MAX) return;
    warned.add(use);
    logger.warn(
      { what, at },
      `workflow code uses ${use}: it gives something else in a replay. Use ctx, or do it in a step`,
    );
  });
}

/** Code that runs by a function of this process. */
export class LocalSession implements ExecutorSession, Resumed {
  readonly sessionId = undefined;
  readonly takesMany = false;
  readonly replaysLate = false;
  readonly #logger: Logger;
  readonly #run: WorkflowRun;
  /** The turn that is out, and who waits for its answer. */
  #turnId = 0;
  #receiver: ExecutorAnswer | undefined;

  constructor(definition: AnyWorkflow, identity: RunIdentity, logger: Logger, guard: GlobalWatch | undefined) {
    this.#logger = logger;
    this.#run = new WorkflowRun(definition, identity, logger, false, guard);
  }

  /** Another run of the same, from the beginning, that notes its lines. */
  #tracedRun(watch?: GlobalWatch): WorkflowRun {
    const { definition, identity } = this.#run;
    return new WorkflowRun(definition, identity, this.#logger, true, watch);
  }

  async replay(read: () => Promise<readonly HistoryEvent[]>): Promise<OpenWork> {
    const past = await read();
    try {
      return await replayed(this.#run, past);
    } catch (error) {
      if (!(error instanceof NondeterminismError)) throw error;
      // Once more with the lines: a stack per command is dear, and hardly any replay needs it.
      await replayed(this.#tracedRun(), past);
      throw error;
    }
  }

  dispatch(turnId: number, event: InputEvent, receiver: ExecutorAnswer): true {
    this.#turnId = turnId;
    this.#receiver = receiver;
    this.#run.feed(event);
    whenQuiescent(this);
    return true;
  }

  atRest(): void {
    const receiver = this.#receiver!;
    this.#receiver = undefined;
    const run = this.#run;
    const commands = run.take();
    const { outcome, fault, bufferedCount: bufferedEvents } = run;
    receiver.answer({ turnId: this.#turnId, commands, outcome, fault, bufferedEvents });
  }

  takeLate(): undefined {}

  askRetry(): void {
    // The functions of its policies are at hand: nobody asks.
  }

  async explain(fault: Error, past: readonly HistoryEvent[], event: InputEvent): Promise<Error> {
    if (!(fault instanceof NonDurableWaitError)) return fault;
    let last: string | undefined;
    let seen: string | undefined;
    const watch = new GlobalWatch((what, at) => {
      if (BLOCKING.has(what)) seen ??= `${what} at ${at}`;
    });
    try {
      const run = this.#tracedRun(watch);
      await replayed(run, past);
      // What the code used before, it has got over.
      seen = undefined;
      run.feed(event);
      await quiescent();
      const command = run.take().findLast(isRecorded);
      if (command?.at !== undefined) last = `after ${printed(command.event)} at ${command.at}`;
    } finally {
      watch.stop();
    }
    const where = seen ?? last;
    return where === undefined ? fault : new NonDurableWaitError(`${fault.message}. See ${where}`);
  }

  close(): void {
    // The suspended code is garbage once the instance has let go of the session.
  }
}

/** What code can wait for. */
const BLOCKING = new Set(['setTimeout', 'setInterval', 'setImmediate', 'fetch']);

/** Feeds the history to the code, one event at a time as it was live, and holds what it asks for against the record. */
async function replayed(run: WorkflowRun, past: readonly HistoryEvent[]): Promise<OpenWork> {
  const open: OpenWork = { activities: new SmallMap(), children: new Map(), failed: new Map() };
  run.replaying = true;
  for (let index = 0; index < past.length;) {
    const event = past[index++]!;
    if (isCommandEvent(event)) throw mismatch(run, index, event, undefined);
    if (!isInputEvent(event)) {
      noteRetry(open, event);
      continue;
    }
    closeWork(open, event);
    run.feed(event);
    await quiescent();
    for (const command of run.take()) {
      if (!isRecorded(command)) continue;
      const recorded = past[index++];
      if (recorded === undefined || !isCommandEvent(recorded) || !matches(recorded, command.event)) {
        throw mismatch(run, index, recorded, command);
      }
      const isActivity = command.type === 'ScheduleActivity';
      openWork(open, recorded, isActivity ? command.options : {}, isActivity ? command.body : undefined);
    }
    if (run.fault !== undefined) throw run.fault;
    // The code that made this history went on here, unless the history has the end as well.
    if (run.outcome !== undefined && !isEndEvent(past[index])) throw mismatch(run, index + 1, past[index], 'end');
  }
  run.replaying = false;
  return open;
}

/** Replays a history from beside the instance, with the lines; resolves with how the code ended, if it did. */
export async function replayRecorded(
  definition: AnyWorkflow,
  identity: RunIdentity,
  past: readonly HistoryEvent[],
  logger: Logger,
): Promise<Outcome | undefined> {
  const run = new WorkflowRun(definition, identity, logger, false);
  try {
    await replayed(run, past);
  } catch (error) {
    if (error instanceof NondeterminismError) await replayed(new WorkflowRun(definition, identity, logger, true), past);
    throw error;
  }
  if (past.at(-1)?.type === 'WorkflowCompleted' && run.outcome?.type !== 'completed') {
    throw mismatch(run, past.length, past.at(-1), undefined);
  }
  return run.outcome;
}

/** What is recorded of a command must be what the code asks for now. Inputs and times may differ: they are data. */
function matches(recorded: CommandEvent, asked: CommandEvent): boolean {
  if (recorded.type !== asked.type || recorded.sequence !== asked.sequence) return false;
  switch (recorded.type) {
    case 'ActivityScheduled':
      return recorded.name === (asked as typeof recorded).name && recorded.kind === (asked as typeof recorded).kind;
    case 'ChildScheduled':
      return (
        recorded.name === (asked as typeof recorded).name &&
        recorded.instanceId === (asked as typeof recorded).instanceId
      );
    case 'EventSent':
      return (
        recorded.name === (asked as typeof recorded).name &&
        recorded.instanceId === (asked as typeof recorded).instanceId
      );
    case 'TimerCreated':
      return recorded.eventName === (asked as typeof recorded).eventName;
    case 'MessageSent':
      return recorded.kind === (asked as typeof recorded).kind;
  }
}

function mismatch(
  run: WorkflowRun,
  position: number,
  recorded: HistoryEvent | undefined,
  asked: Command | 'end' | undefined,
): NondeterminismError {
  const was =
    recorded === undefined
      ? 'nothing'
      : isEndEvent(recorded)
        ? 'the end'
        : isCommandEvent(recorded)
          ? printed(recorded)
          : 'nothing';
  const is = asked === 'end' ? 'its end' : asked === undefined || !isRecorded(asked) ? 'nothing' : askedFor(asked);
  return new NondeterminismError(
    `workflow ${run.definition.name} (version ${run.definition.version}) does not do again what its history recorded: ` +
      `at event ${position} the history has ${was}, the code asks for ${is}. Deploy code that does what was recorded, ` +
      `or register the changed one as another version`,
  );
}

function askedFor(command: Exclude<Command, Effect>): string {
  return `${printed(command.event)}${command.at === undefined ? '' : ` at ${command.at}`}`;
}

function printed(event: CommandEvent): string {
  switch (event.type) {
    case 'ActivityScheduled':
      return `${event.kind} ${JSON.stringify(event.name)} (#${event.sequence})`;
    case 'ChildScheduled':
      return `child workflow ${JSON.stringify(event.name)} as ${JSON.stringify(event.instanceId)} (#${event.sequence})`;
    case 'EventSent':
      return `event ${JSON.stringify(event.name)} to ${JSON.stringify(event.instanceId)} (#${event.sequence})`;
    case 'TimerCreated':
      return event.eventName === undefined
        ? `a timer (#${event.sequence})`
        : `a wait for event ${JSON.stringify(event.eventName)} with a time limit (#${event.sequence})`;
    case 'MessageSent':
      return `message ${JSON.stringify(event.kind)} (#${event.sequence})`;
  }
}
