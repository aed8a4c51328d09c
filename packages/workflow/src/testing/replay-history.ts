import { inspect, isDeepStrictEqual } from 'node:util';
import type { Logger } from '@troupe/actors';
import type { HistoryEntry } from '../client-interface.ts';
import { isRecorded, type Outcome } from '../command.ts';
import {
  encodeEvent,
  isCommandEvent,
  isInputEvent,
  isRecordedEventType,
  type CommandEvent,
  type HistoryEvent,
} from '../history.ts';
import { owned } from '../input-event.ts';
import { replayRecorded } from '../local-executor.ts';
import { whenQuiescent } from '../quiescence.ts';
import { WorkflowRun, type RunIdentity } from '../run.ts';
import type { AnyWorkflow } from '../workflow.ts';

/** A history as it is exported: `exportHistory`, or pages of `history()`, also after a way through JSON. */
export interface StoredHistory {
  readonly instanceId: string;
  readonly parent?: { readonly instanceId: string } | undefined;
  readonly events: readonly StoredEntry[];
  /** There are more pages. */
  readonly next?: number | undefined;
}

type StoredEntry = Omit<HistoryEntry, 'at'> & { readonly at: Date | string };

export interface ReplayResult {
  /** How the code ended, if the history goes that far. */
  readonly outcome: 'completed' | 'failed' | 'terminated' | 'continued' | undefined;
  readonly output: unknown;
}

/**
 * Replays a stored history, whole or in all its pages, against today's code, for use in CI before a deploy.
 *
 * @throws {NondeterminismError} that shows what was recorded, what the code asks for, and the line
 * @throws {NonDurableWaitError} when the code waits for something that no history event resolves
 * @throws {TypeError} when it is not one whole history
 */
export async function replayHistory(
  workflow: AnyWorkflow,
  history: StoredHistory | readonly StoredHistory[],
): Promise<ReplayResult> {
  const { identity, past } = wholeHistory(Array.isArray(history) ? history : [history as StoredHistory]);
  if (neverRan(past)) return { outcome: undefined, output: undefined };
  const outcome = await replayRecorded(workflow, identity, past, silentLogger);
  return { outcome: outcome?.type, output: outcome !== undefined && 'output' in outcome ? outcome.output : undefined };
}

/**
 * Replays a history and compares what the code asks for with what is recorded in everything: kind, number, time, input.
 * That is more than a replay needs (an input may differ, it is data); the code that made the history must pass it.
 *
 * @throws {Error} that shows the first difference
 */
export async function replayExactly(workflow: AnyWorkflow, history: StoredHistory): Promise<void> {
  const { identity, past } = wholeHistory([history]);
  if (neverRan(past)) return;
  const recorded = past.filter(isCommandEvent);
  const { asked } = await runAgain(workflow, identity, past);
  for (let index = 0; index < Math.max(recorded.length, asked.length); index++) {
    if (isDeepStrictEqual(stored(recorded[index]), stored(asked[index]))) continue;
    throw new Error(
      `a replay of ${history.instanceId} asks for ${shown(asked[index])} where its history has ${shown(recorded[index])}`,
    );
  }
}

/** Feeds the code what is recorded, and compares nothing: what it asks for, and how it ends if it does. */
export async function runAgain(
  workflow: AnyWorkflow,
  identity: RunIdentity,
  past: readonly HistoryEvent[],
): Promise<{ readonly asked: readonly CommandEvent[]; readonly outcome: Outcome | undefined }> {
  const run = new WorkflowRun(workflow, identity, silentLogger, false);
  run.replaying = true;
  const asked: CommandEvent[] = [];
  for (const event of past) {
    if (!isInputEvent(event)) continue;
    run.feed(owned(event));
    await new Promise<void>((resolve) => whenQuiescent({ atRest: resolve }));
    for (const command of run.take()) if (isRecorded(command)) asked.push(command.event);
  }
  return { asked, outcome: run.outcome };
}

/** It was terminated, or given up because nobody had the code, before the code ran. */
function neverRan(past: readonly HistoryEvent[]): boolean {
  const [, end] = past;
  if (past.length !== 2 || end === undefined) return false;
  return (
    end.type === 'WorkflowTerminated' || (end.type === 'WorkflowFailed' && end.failure.type === 'NotRegisteredError')
  );
}

const STAMP = { generation: 0, version: '' };

/** What would be packed: a field that is undefined is one that is missing. */
function stored(event: CommandEvent | undefined): unknown {
  return event && encodeEvent(event, STAMP, undefined);
}

function shown(event: CommandEvent | undefined): string {
  return event === undefined ? 'nothing' : inspect(event, { breakLength: Infinity, depth: 6 });
}

function wholeHistory(pages: readonly StoredHistory[]): { identity: RunIdentity; past: HistoryEvent[] } {
  const [first, last] = [pages[0], pages.at(-1)];
  if (first === undefined || last === undefined) throw new TypeError('a history has at least one page');
  const entries = pages.flatMap(({ events }) => events);
  const { executionId } = entries[0] ?? { executionId: '' };
  if (entries[0]?.type !== 'WorkflowStarted')
    throw new TypeError(`the history of ${first.instanceId} lacks its beginning: it starts with WorkflowStarted`);
  for (const [index, { number, executionId: other }] of entries.entries()) {
    if (number !== entries[0].number + index)
      throw new TypeError(`the history of ${first.instanceId} lacks a page: event ${number} is in a place of another`);
    if (other !== executionId) throw new TypeError(`the history of ${first.instanceId} is of two executions`);
  }
  if (last.next !== undefined)
    throw new TypeError(`the history of ${first.instanceId} goes on at event ${last.next}: give all pages of it`);
  return {
    identity: { instanceId: first.instanceId, executionId, parent: first.parent },
    past: entries.map(eventOf),
  };
}

const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** The opposite of what `history()` makes of an event: instants are numbers again. */
function eventOf(entry: StoredEntry): HistoryEvent {
  if (!isRecordedEventType(entry.type)) throw new TypeError(`${entry.type} is no type of a history event`);
  const event: Record<string, unknown> = {
    type: entry.type,
    at: new Date(entry.at).getTime(),
    sequence: entry.sequence,
  };
  for (const [name, value] of Object.entries(entry.details)) {
    if (name.endsWith('At')) event[`${name}Ms`] = new Date(value as string).getTime();
    else event[name] = value;
  }
  return event as unknown as HistoryEvent;
}
