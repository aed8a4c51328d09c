import type { HistoryEntry, HistoryPage, WorkflowClient } from './client-interface.ts';
import { InstanceNotFoundError } from './errors.ts';

/** A whole history with what a replay needs to know beside it. As JSON it is what `troupe workflow history ID` prints. */
export interface ExportedHistory {
  readonly instanceId: string;
  readonly workflowName: string;
  readonly parent?: { readonly instanceId: string };
  readonly events: readonly HistoryEntry[];
}

/**
 * Reads all pages of an instance's history, to be kept and replayed against later code.
 *
 * @throws {InstanceNotFoundError} when there is no such instance
 */
export async function exportHistory(workflows: WorkflowClient, instanceId: string): Promise<ExportedHistory> {
  const found = await workflows.get(instanceId);
  if (found === undefined) throw new InstanceNotFoundError(instanceId);
  const events: HistoryEntry[] = [];
  for (let from: number | undefined = 1; from !== undefined;) {
    const page: HistoryPage = await workflows.history(instanceId, { from });
    events.push(...page.events);
    from = page.next;
  }
  const { workflowName, parent } = found;
  return {
    instanceId,
    workflowName,
    ...(parent === undefined ? {} : { parent: { instanceId: parent.instanceId } }),
    events,
  };
}
