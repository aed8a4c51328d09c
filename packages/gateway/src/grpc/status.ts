import { type WorkflowStatus } from '@troupe/workflow';

/** OrchestrationStatus. An unset field reads as running. */
export const STATUS = {
  running: 0,
  completed: 1,
  continuedAsNew: 2,
  failed: 3,
  canceled: 4,
  terminated: 5,
  pending: 6,
  suspended: 7,
  stalled: 8,
} as const;

/** @param knowsStalled whether the peer has that status at all: the others see such an instance run */
export function wireStatusOf(status: WorkflowStatus, knowsStalled: boolean): number {
  return status === 'stalled' && !knowsStalled ? STATUS.running : STATUS[status];
}

/** The statuses of ours that those of the wire stand for. Ours has no cancelled instances, and one that continued runs. */
export function statusesOf(statuses: readonly number[]): readonly WorkflowStatus[] {
  const found = new Set<WorkflowStatus>();
  for (const status of statuses) for (const one of STATUSES[status] ?? []) found.add(one);
  return [...found];
}

const STATUSES: Readonly<Record<number, readonly WorkflowStatus[]>> = {
  [STATUS.running]: ['running', 'stalled'],
  [STATUS.completed]: ['completed'],
  [STATUS.continuedAsNew]: [],
  [STATUS.failed]: ['failed'],
  [STATUS.canceled]: [],
  [STATUS.terminated]: ['terminated'],
  [STATUS.pending]: ['pending'],
  [STATUS.suspended]: ['suspended'],
  [STATUS.stalled]: ['stalled'],
};
