// What must hold of every run, whatever befell it. Each checker is a function over what was recorded and gives what is
// wrong, a line each; `simulation-checkers.test.ts` shows that each refuses a history that it must refuse.

import { isEndEvent, isInputEvent, type HistoryEvent } from '../../src/history.ts';
import { isTerminal, type InstanceMetadata } from '../../src/status.ts';
import { replayExactly, replayHistory } from '../../src/testing.ts';
import { runAgain } from '../../src/testing/replay-history.ts';
import type { AnyWorkflow } from '../../src/workflow.ts';
import { storedHistory, type ExecutionLog, type LoggedExecution } from './execution-log.ts';

/** One execution of an activity's body, as the world outside saw it. */
export interface Arrival {
  readonly atMs: number;
  readonly key: string;
  readonly attempt: number;
}

/** One call of a client and how it ended. */
export interface ClientCall {
  readonly verb: 'start' | 'raiseEvent' | 'suspend' | 'resume' | 'terminate' | 'purge' | 'result' | 'get';
  readonly instanceId: string;
  readonly beganAtMs: number;
  readonly endedAtMs: number;
  /** `done`, or the name of the error. */
  readonly outcome: string;
  readonly value?: unknown;
}

const all = (log: ExecutionLog): LoggedExecution[] => [...log.executions.values()].flat();
const nameOf = ({ instanceId, executionId }: LoggedExecution): string => `${instanceId} (${executionId})`;
/**
 * I15: what is recorded of an execution makes sense: one start, one result for each command, one end, nothing after it;
 * while it is suspended its code is told nothing.
 */
export function checkRecorded(log: ExecutionLog): string[] {
  const wrong: string[] = [];
  for (const execution of all(log)) {
    const commands = new Map<number, HistoryEvent['type']>();
    const results = new Set<number>();
    let ended = false;
    let suspended = false;
    for (const [index, { event, generation }] of execution.events.entries()) {
      const say = (problem: string): void => void wrong.push(`${nameOf(execution)}: ${event.type} ${problem}`);
      if (ended) say('after its end');
      if (suspended && isInputEvent(event) && event.type !== 'UndoRequested') say('while it is suspended');
      if (event.type === 'WorkflowSuspended') suspended = true;
      if (event.type === 'WorkflowResumed' || event.type === 'UndoRequested') suspended = false;
      if ((event.type === 'WorkflowStarted') !== (index === 0)) say(`is event ${index + 1}`);
      if (generation !== execution.events[0]!.generation) say(`is of execution ${generation}`);
      switch (event.type) {
        case 'ActivityScheduled':
        case 'TimerCreated':
        case 'ChildScheduled':
        case 'EventSent':
          if (commands.has(event.sequence)) say(`#${event.sequence} twice`);
          commands.set(event.sequence, event.type);
          break;
        case 'ActivityCompleted':
        case 'ActivityFailed':
        case 'TimerFired':
        case 'ChildCompleted':
        case 'ChildFailed': {
          if (commands.get(event.sequence) !== COMMAND_OF[event.type])
            say(`#${event.sequence} is the result of nothing`);
          if (results.has(event.sequence)) say(`#${event.sequence} twice`);
          results.add(event.sequence);
          break;
        }
        case 'ActivityRetried':
          if (results.has(event.sequence)) say(`#${event.sequence} after its result`);
          break;
        default:
          ended = isEndEvent(event);
      }
    }
  }
  return wrong;
}

const COMMAND_OF = {
  ActivityCompleted: 'ActivityScheduled',
  ActivityFailed: 'ActivityScheduled',
  TimerFired: 'TimerCreated',
  ChildCompleted: 'ChildScheduled',
  ChildFailed: 'ChildScheduled',
} as const;

/** I15: a replay of what is recorded asks for just that, and ends as recorded. */
export async function checkReplays(log: ExecutionLog, workflow: AnyWorkflow): Promise<string[]> {
  const wrong: string[] = [];
  for (const execution of all(log)) {
    if (execution.executionId === undefined || execution.events.length < 2) continue;
    const history = storedHistory(execution);
    try {
      await replayExactly(workflow, history);
      const recorded = OUTCOME_OF[execution.events.at(-1)!.event.type];
      // Terminated from outside, continued as new, or not at its end: the code says nothing of it.
      if (recorded === undefined || isForWantOfCode(execution.events.at(-1)!.event)) continue;
      const { outcome } = await replayHistory(workflow, history);
      if (outcome !== recorded) wrong.push(`${nameOf(execution)}: a replay ends ${outcome} instead of ${recorded}`);
    } catch (error) {
      wrong.push(`${nameOf(execution)}: ${(error as Error).message}`);
    }
  }
  return wrong;
}

/** I18: what nobody had taken when an execution continued as new comes first to the next, in its order. */
export async function checkKept(log: ExecutionLog, workflow: AnyWorkflow): Promise<string[]> {
  const wrong: string[] = [];
  for (const executions of log.executions.values()) {
    for (const [index, execution] of executions.entries()) {
      const next = executions[index + 1];
      if (execution.executionId === undefined || next === undefined) continue;
      // The next of another life has nothing of this one.
      if (next.events[0]!.generation !== execution.events[0]!.generation + 1) continue;
      const { instanceId, executionId, events } = execution;
      const past = events.map(({ event }) => event);
      const { outcome } = await runAgain(workflow, { instanceId, executionId, parent: undefined }, past);
      const kept = outcome?.type === 'continued' ? outcome.kept : [];
      const raised = next.events.flatMap(({ event }) => (event.type === 'EventRaised' ? [event.payload] : []));
      const open = !next.events.some(({ event }) => isEndEvent(event)) && next.replacedAtMs === Infinity;
      for (const [position, { payload }] of kept.entries()) {
        if (position < raised.length ? raised[position] === payload : !open) continue;
        wrong.push(`${nameOf(execution)}: ${String(payload)} was kept and is not what the next execution met`);
      }
    }
  }
  return wrong;
}

const OUTCOME_OF: Partial<Record<HistoryEvent['type'], string>> = {
  WorkflowCompleted: 'completed',
  WorkflowFailed: 'failed',
};

/**
 * I16: a body runs only for a durable command and only after that; once for each attempt when nothing goes wrong, and no
 * more often than its instance was activated, or some host or message was lost, when something does; and at all, unless its execution was cut off.
 */
export function checkExecutions(
  log: ExecutionLog,
  arrivals: readonly Arrival[],
  loads: readonly { readonly instanceId: string; readonly atMs: number }[],
  losses: readonly number[],
  disturbed: boolean,
): string[] {
  const wrong: string[] = [];
  const byKey = new Map<string, Arrival[]>();
  for (const arrival of arrivals) byKey.set(arrival.key, [...(byKey.get(arrival.key) ?? []), arrival]);
  for (const execution of all(log)) {
    if (execution.executionId === undefined) continue;
    const last = execution.events.at(-1)!;
    for (const { event, committedAtMs } of execution.events) {
      if (event.type !== 'ActivityScheduled' || event.kind !== 'activity') continue;
      const key = `${execution.instanceId}/${execution.executionId}/${event.sequence}`;
      const came = byKey.get(key) ?? [];
      byKey.delete(key);
      const say = (problem: string): void => void wrong.push(`activity ${key} ${problem}`);
      if (came.some(({ atMs }) => atMs < committedAtMs)) say('began before its command was durable');
      const result = execution.events.find(({ event: other }) => isResultOf(other, event.sequence));
      const untilMs = result?.committedAtMs ?? Infinity;
      const activations = loads.filter(
        ({ instanceId, atMs }) => instanceId === execution.instanceId && atMs >= committedAtMs && atMs <= untilMs,
      ).length;
      const lost = losses.filter((atMs) => atMs >= committedAtMs && atMs <= untilMs).length;
      const attempts = new Map<number, number>();
      for (const { attempt } of came) attempts.set(attempt, (attempts.get(attempt) ?? 0) + 1);
      for (const [attempt, count] of attempts) {
        const most = disturbed ? 1 + activations + lost : 1;
        if (count > most) say(`ran ${count} times in attempt ${attempt} instead of at most ${most}`);
      }
      if (came.length > 0) continue;
      if (result !== undefined) {
        if (!isForWantOfCode(result.event)) say('has a result and never ran');
      }
      // Left behind by an end of its own: it runs all the same.
      else if (
        execution.replacedAtMs === Infinity &&
        (last.event.type === 'WorkflowCompleted' || last.event.type === 'WorkflowFailed')
      )
        say('was left behind and never ran');
    }
  }
  // The keys of executions without a name cannot be told.
  const unnamed = all(log).filter(({ executionId }) => executionId === undefined);
  for (const key of byKey.keys()) {
    if (unnamed.some(({ instanceId }) => key.startsWith(`${instanceId}/`))) continue;
    wrong.push(`activity ${key} ran, and no durable command asks for it`);
  }
  return wrong;
}

/** Whoever had the code was away for a minute. */
function isForWantOfCode(event: HistoryEvent): boolean {
  return (
    (event.type === 'ActivityFailed' || event.type === 'WorkflowFailed') && event.failure.type === 'NotRegisteredError'
  );
}

function isResultOf(event: HistoryEvent, sequence: number): boolean {
  return (event.type === 'ActivityCompleted' || event.type === 'ActivityFailed') && event.sequence === sequence;
}

/**
 * I17: once it is calm, and before anybody touches anything, each instance has done whatever it has to do: nothing waits in
 * its record, every activity has its result, every timer that is due has fired, every end of a child is known.
 */
export function checkMoved(log: ExecutionLog, nowMs: number): string[] {
  const wrong: string[] = [];
  for (const [instanceId, state] of log.states) {
    const execution = log.executions.get(instanceId)?.at(-1);
    if (state.suspended || (state.startAtMs ?? 0) > nowMs) continue;
    const say = (problem: string): void => void wrong.push(`${instanceId} (${state.status}) ${problem}`);
    if (state.inbox.length > 0) say(`leaves ${state.inbox[0]!.event.type} in its inbox`);
    if (state.leftBehind.length > 0) say(`has not begun what it left behind`);
    if (state.ended !== undefined || execution?.executionId !== state.executionId) continue;
    const known = new Set(execution.events.map(({ event }) => resultFor(event)));
    for (const { event } of execution.events) {
      if (!('sequence' in event) || known.has(event.sequence)) continue;
      if (event.type === 'ActivityScheduled') say(`waits for activity #${event.sequence}`);
      // A wait that ended has cancelled its timer.
      if (event.type === 'TimerCreated' && event.eventName === undefined && event.dueAtMs <= nowMs)
        say(`waits for timer #${event.sequence}`);
      if (event.type === 'ChildScheduled' && log.states.get(event.instanceId)?.ended !== undefined && !event.detached)
        say(`waits for ${event.instanceId}, which has ended`);
    }
  }
  return wrong;
}

/** Number of what the event is the result of. */
function resultFor(event: HistoryEvent): number | undefined {
  return event.type in COMMAND_OF ? (event as HistoryEvent & { sequence: number }).sequence : undefined;
}

/** I17: once it is calm, and every event came that somebody could wait for, everything has ended. */
export function checkEnded(instances: readonly InstanceMetadata[], listed: ReadonlyMap<string, string>): string[] {
  const wrong: string[] = [];
  for (const { instanceId, runtimeStatus, failure } of instances) {
    if (!isTerminal(runtimeStatus)) wrong.push(`${instanceId} is ${runtimeStatus} for good: ${failure?.message ?? ''}`);
    if (listed.get(instanceId) !== runtimeStatus)
      wrong.push(`${instanceId} is ${runtimeStatus}, and listed as ${listed.get(instanceId)}`);
  }
  return wrong;
}

/** How much was done by some time. */
export interface Doings {
  readonly writes: number;
  readonly messages: number;
  readonly executions: number;
}

/** I17 and I18: when all has ended nobody does anything more, least of all tries something again for ever. */
export function checkQuiet(before: Doings, after: Doings): string[] {
  const kinds = ['writes', 'messages', 'executions'] as const;
  return kinds
    .filter((kind) => after[kind] !== before[kind])
    .map((kind) => `${after[kind] - before[kind]} more ${kind} when all has ended`);
}

/** I18: what an execution was told is of itself: results carry the key of the call, children the name of the child. */
export function checkGenerations(log: ExecutionLog): string[] {
  const wrong: string[] = [];
  for (const execution of all(log)) {
    if (execution.executionId === undefined) continue;
    const children = new Map<number, string>();
    for (const { event } of execution.events) {
      if (event.type === 'ChildScheduled') children.set(event.sequence, event.instanceId);
      if (event.type === 'ActivityCompleted') {
        const scheduled = execution.events.find(
          ({ event: other }) => other.type === 'ActivityScheduled' && other.sequence === event.sequence,
        )?.event;
        const { key } = (event.result ?? {}) as { key?: string };
        const own = `${execution.instanceId}/${execution.executionId}/${event.sequence}`;
        if (scheduled?.type === 'ActivityScheduled' && scheduled.kind === 'activity' && key !== own)
          wrong.push(`${nameOf(execution)}: #${event.sequence} has the result of ${key}`);
      }
      if (event.type === 'ChildCompleted') {
        const { instanceId } = event.output as { instanceId: string };
        if (instanceId !== children.get(event.sequence))
          wrong.push(`${nameOf(execution)}: #${event.sequence} has the output of ${instanceId}`);
      }
    }
  }
  return wrong;
}

/** What clients were told is true. */
export function checkAnswers(log: ExecutionLog, calls: readonly ClientCall[]): string[] {
  const wrong: string[] = [];
  const cutOff = new Set<string>();
  for (const { verb, instanceId, value } of calls) {
    if (verb === 'terminate' || verb === 'purge') cutOff.add(instanceId);
    if (verb === 'start' && (value as { ifExists: string }).ifExists === 'terminate-and-restart')
      cutOff.add(instanceId);
  }
  for (const call of calls) {
    const say = (problem: string): void =>
      void wrong.push(`${call.verb} of ${call.instanceId} at ${call.beganAtMs} (${call.outcome}) ${problem}`);
    const executions = log.executions.get(call.instanceId) ?? [];
    const events = executions.flatMap((execution) => execution.events);
    switch (call.verb) {
      case 'raiseEvent': {
        const times = executions.filter((execution) =>
          execution.events.some(({ event }) => event.type === 'EventRaised' && event.payload === call.value),
        );
        const within = executions.map(
          (execution) =>
            execution.events.filter(({ event }) => event.type === 'EventRaised' && event.payload === call.value).length,
        );
        if (within.some((count) => count > 1)) say('was applied twice');
        if (call.outcome === 'NotExecutedError' && times.length > 0) say('was applied all the same');
        if (call.outcome === 'done' && times.length === 0 && !cutOff.has(call.instanceId)) {
          const endedBy = events.some(({ event }) => isEndEvent(event));
          if (!endedBy) say('was lost');
        }
        break;
      }
      case 'terminate':
        if (call.outcome === 'done' && !endedBy(log, call.instanceId, call.endedAtMs)) say('ended nothing');
        break;
      case 'purge':
        if (call.outcome === 'done' && !purgedBetween(log, call)) say('purged nothing');
        break;
      case 'result': {
        const told = JSON.stringify(call.value);
        const recorded = events.some(
          ({ event }) => event.type === 'WorkflowCompleted' && JSON.stringify(event.output) === told,
        );
        if (call.outcome === 'done' && !recorded) say(`is recorded nowhere: ${told}`);
        break;
      }
      case 'start': {
        if (call.outcome === 'done' && executions.length === 0 && !everKnown(log, call.instanceId))
          say('started nothing');
        if (call.outcome === 'AlreadyExistsError' && !everKnown(log, call.instanceId)) say('met nothing');
        break;
      }
      case 'get':
      case 'suspend':
      case 'resume':
        if (call.outcome === 'done' && call.value !== undefined && !everKnown(log, call.instanceId)) say('met nothing');
    }
  }
  return wrong;
}

function endedBy(log: ExecutionLog, instanceId: string, atMs: number): boolean {
  const executions = log.executions.get(instanceId) ?? [];
  return (
    executions.some(({ events }) =>
      events.some(
        ({ event, committedAtMs }) => (isEndEvent(event) || event.type === 'UndoRequested') && committedAtMs <= atMs,
      ),
    ) || log.undos.some((undo) => undo.instanceId === instanceId && undo.atMs <= atMs)
  );
}

function purgedBetween(log: ExecutionLog, call: ClientCall): boolean {
  return log.purges.some(
    ({ instanceId, atMs }) => instanceId === call.instanceId && atMs >= call.beganAtMs && atMs <= call.endedAtMs,
  );
}

function everKnown(log: ExecutionLog, instanceId: string): boolean {
  return log.executions.has(instanceId);
}
