import type { Logger } from '@troupe/actors';
import type { HistoryEntry } from '../client-interface.ts';
import { isRecordedEventType, type HistoryEvent } from '../history.ts';
import { replayRecorded } from '../local-executor.ts';
import type { AnyWorkflow } from '../workflow.ts';

/** A history as it is exported: pages of `history()`, also after a way through JSON. */
export interface StoredHistory {
  readonly instanceId: string;
  readonly parent?: { readonly instanceId: string } | undefined;
  readonly events: readonly (Omit<HistoryEntry, 'at'> & { readonly at: Date | string })[];
}

export interface ReplayResult {
  /** How the code ended, if the history goes that far. */
  readonly outcome: 'completed' | 'failed' | 'terminated' | 'continued' | undefined;
  readonly output: unknown;
}

/**
 * Replays a stored history against today's code, for use in CI before a deploy.
 *
 * @throws {NondeterminismError} that shows what was recorded, what the code asks for, and the line
 * @throws {NonDurableWaitError} when the code waits for something that no history event resolves
 */
export async function replayHistory(workflow: AnyWorkflow, history: StoredHistory): Promise<ReplayResult> {
  const executionId = history.events[0]?.executionId ?? '';
  const past = history.events.map(eventOf);
  const identity = { instanceId: history.instanceId, executionId, parent: history.parent };
  const outcome = await replayRecorded(workflow, identity, past, silentLogger);
  return { outcome: outcome?.type, output: outcome !== undefined && 'output' in outcome ? outcome.output : undefined };
}

const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** The opposite of what `history()` makes of an event: instants are numbers again. */
function eventOf(entry: StoredHistory['events'][number]): HistoryEvent {
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
