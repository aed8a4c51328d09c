/** Where an instance stands. The last three are terminal. */
export type WorkflowStatus = 'pending' | 'running' | 'suspended' | 'stalled' | 'completed' | 'failed' | 'terminated';

/** Every status, in the order of a life. */
export const WORKFLOW_STATUSES: readonly WorkflowStatus[] = [
  'pending',
  'running',
  'suspended',
  'stalled',
  'completed',
  'failed',
  'terminated',
];

/** Whether an instance in this status has ended. */
export function isTerminal(status: WorkflowStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'terminated';
}

/** Why something failed, as data. */
export interface Failure {
  /** The name of the error. */
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: Failure;
  /** The one who failed says that trying again is of no use. */
  readonly nonRetryable?: boolean;
  /** What else workers of other languages tell of it. */
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** What is known of an instance. */
export interface InstanceMetadata {
  readonly instanceId: string;
  readonly workflowName: string;
  readonly version: string;
  /** Names this execution; continue-as-new begins another. */
  readonly executionId: string;
  readonly runtimeStatus: WorkflowStatus;
  readonly createdAt: Date;
  /** When the workflow's code ran first. */
  readonly startedAt?: Date;
  readonly lastUpdatedAt: Date;
  readonly completedAt?: Date;
  /** The time of a start that was scheduled for later. */
  readonly startAt?: Date;
  readonly customStatus?: unknown;
  readonly input?: unknown;
  readonly output?: unknown;
  /** Of a failed instance: the error. Of a stalled one: why it cannot go on. */
  readonly failure?: Failure;
  readonly tags: Readonly<Record<string, string>>;
  readonly parent?: { readonly instanceId: string };
  /** The undos of its steps are running. */
  readonly undoing?: true;
}

/** One row of a list. */
export interface InstanceSummary {
  readonly instanceId: string;
  readonly workflowName: string;
  readonly runtimeStatus: WorkflowStatus;
  readonly createdAt: Date;
  readonly completedAt?: Date;
  readonly tags: Readonly<Record<string, string>>;
}
