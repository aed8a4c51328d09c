// What the storage of a simulation accepted, put together again as executions of workflow instances.

import { commitContents, type AppliedWrite } from '@troupe/actors/testing';
import { decodeEvent, type HistoryEvent } from '../../src/history.ts';
import { InstanceState } from '../../src/instance-state.ts';
import type { StoredHistory } from '../../src/testing.ts';
import { historyEntry } from '../../src/history-entry.ts';

/** One event, when it became durable. */
export interface LoggedEvent {
  readonly event: HistoryEvent;
  readonly generation: number;
  readonly committedAtMs: number;
  /** As it was stored. */
  readonly encoded: unknown;
}

/** One execution: from a start to an end, to the next execution, or to where the log ends. */
export interface LoggedExecution {
  readonly instanceId: string;
  /** Undefined where one commit holds several lives: only the last is named in it. */
  executionId: string | undefined;
  readonly events: LoggedEvent[];
  /** When it was purged, or another execution took its place; Infinity: neither. */
  replacedAtMs: number;
}

/** All executions that ever became durable, by instance, oldest first; and each instance's state at the end. */
export interface ExecutionLog {
  readonly executions: ReadonlyMap<string, readonly LoggedExecution[]>;
  readonly states: ReadonlyMap<string, InstanceState>;
  /** When an instance was to undo what it did, as soon as its code could be run. */
  readonly undos: readonly { readonly instanceId: string; readonly atMs: number }[];
  readonly purges: readonly { readonly instanceId: string; readonly atMs: number }[];
  /** Events that waited in a record, and were neither met by the code nor waited on after a commit. */
  readonly vanished: readonly string[];
}

export function executionLog(applied: readonly AppliedWrite[]): ExecutionLog {
  const executions = new Map<string, LoggedExecution[]>();
  const states = new Map<string, InstanceState>();
  const purges: { instanceId: string; atMs: number }[] = [];
  const undos: { instanceId: string; atMs: number }[] = [];
  const vanished: string[] = [];
  const seen = new Set<string>();
  for (const { address, atMs, kind, revision, commit } of applied) {
    if (address.type !== 'workflow') continue;
    const instanceId = address.id;
    const own = executions.get(instanceId) ?? [];
    executions.set(instanceId, own);
    if (kind === 'purge') {
      for (const execution of own) execution.replacedAtMs = Math.min(execution.replacedAtMs, atMs);
      states.delete(instanceId);
      purges.push({ instanceId, atMs });
      continue;
    }
    // Accepted once more: the answer to the first was lost.
    if (commit === undefined || seen.has(`${instanceId} ${revision}`)) continue;
    seen.add(`${instanceId} ${revision}`);
    const { state, entries } = commitContents(commit);
    const before = states.get(instanceId);
    if (state !== undefined) {
      const after = InstanceState.of(state);
      states.set(instanceId, after);
      if (after.inbox.some(({ event }) => event.type === 'UndoRequested')) undos.push({ instanceId, atMs });
      const met = entries.map((encoded) => decodeEvent(encoded).event);
      if (before !== undefined) vanished.push(...vanishedEvents(instanceId, before, after, met));
    }
    const begun: { execution: LoggedExecution; firstEntry: number }[] = [];
    for (const [index, encoded] of entries.entries()) {
      const { event, stamp } = decodeEvent(encoded);
      if (event.type === 'WorkflowStarted') {
        for (const execution of own) execution.replacedAtMs = Math.min(execution.replacedAtMs, atMs);
        const execution: LoggedExecution = { instanceId, executionId: undefined, events: [], replacedAtMs: Infinity };
        own.push(execution);
        begun.push({ execution, firstEntry: commit.entries!.first + index });
      }
      own.at(-1)?.events.push({ event, generation: stamp.generation, committedAtMs: atMs, encoded });
    }
    nameExecutions(begun, states.get(instanceId));
    // A start that waits in the record has no event yet, and what was before is gone all the same.
    const last = own.at(-1);
    const now = states.get(instanceId);
    if (last?.executionId !== undefined && now !== undefined && last.executionId !== now.executionId)
      last.replacedAtMs = Math.min(last.replacedAtMs, atMs);
  }
  return { executions, states, undos, purges, vanished };
}

/** What waited before a commit and is nowhere after it, although the life of the instance went on. */
export function vanishedEvents(
  instanceId: string,
  before: InstanceState,
  after: InstanceState,
  met: readonly HistoryEvent[],
): string[] {
  if (after.birth !== before.birth || after.ended !== undefined) return [];
  const payloads = (events: readonly HistoryEvent[]): unknown[] =>
    events.flatMap((event) => (event.type === 'EventRaised' ? [event.payload] : []));
  const waiting = (state: InstanceState): unknown[] => payloads(state.inbox.map(({ event }) => event));
  const left = [...waiting(after), ...payloads(met)];
  return waiting(before)
    .filter((payload) => !left.includes(payload))
    .map((payload) => `${instanceId}: ${String(payload)} waited and vanished`);
}

/** Those that began in one commit: its state names the last, and executions before that in the same life. */
function nameExecutions(
  begun: readonly { readonly execution: LoggedExecution; readonly firstEntry: number }[],
  state: InstanceState | undefined,
): void {
  if (state === undefined) return;
  let generation = begun.at(-1)?.firstEntry === state.firstEntry ? state.generation : state.generation - 1;
  for (const { execution } of begun.toReversed()) {
    if (generation < 1 || execution.events[0]!.generation !== generation) return;
    execution.executionId = `${state.birth}.${generation}`;
    generation -= 1;
  }
}

/** The execution as an exported history. */
export function storedHistory(execution: LoggedExecution): StoredHistory {
  const birth = execution.executionId!.slice(0, execution.executionId!.lastIndexOf('.'));
  return {
    instanceId: execution.instanceId,
    events: execution.events.map(({ encoded }, index) => historyEntry(encoded, index + 1, birth)),
  };
}
