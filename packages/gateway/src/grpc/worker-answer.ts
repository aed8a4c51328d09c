// What workers answer, decoded.

import type { DecodedEntityMessage } from './entity-message.ts';
import type { DecodedFailure } from './failure-details.ts';
import type { DecodedTrace } from './trace.ts';
import type { DecodedTime, WireText } from './wire-value.ts';

/** OrchestratorResponse. */
export interface DecodedTurn {
  readonly instanceId: string;
  readonly completionToken: string;
  readonly actions: readonly DecodedAction[];
  readonly customStatus: WireText;
  readonly requiresHistory: boolean;
  readonly isPartial: boolean;
  readonly chunkIndex: { readonly value: number } | null;
  /** Microsoft's. */
  readonly orchestrationTraceContext?: { readonly spanID: WireText; readonly spanStartTime: DecodedTime | null } | null;
  /** Dapr's. */
  readonly version?: { readonly patches: readonly string[]; readonly name: string } | null;
}

/** OrchestratorAction. */
export interface DecodedAction {
  readonly id: number;
  /** Which of those that follow is set; undefined: none that is known. */
  readonly orchestratorActionType?: string;
  readonly scheduleTask: DecodedScheduleTask | null;
  readonly createTimer: DecodedCreateTimer | null;
  readonly createSubOrchestration: DecodedCreateChild | null;
  readonly createDetachedWorkflow: DecodedCreateDetached | null;
  readonly sendEvent: DecodedSendEvent | null;
  readonly sendEntityMessage: DecodedEntityMessage | null;
  readonly terminateOrchestration: {
    readonly instanceId: string;
    readonly reason: WireText;
    readonly recurse: boolean;
  } | null;
  readonly completeOrchestration: DecodedComplete | null;
  readonly rewindOrchestration?: { readonly newHistory: readonly DecodedEvent[] } | null;
}

export interface DecodedScheduleTask {
  readonly name: string;
  readonly version: WireText;
  readonly input: WireText;
  readonly tags: Readonly<Record<string, string>>;
  readonly parentTraceContext?: DecodedTrace | null;
  readonly taskExecutionId?: string;
  readonly historyPropagationScope: number;
}

export interface DecodedCreateTimer {
  readonly fireAt: DecodedTime | null;
  readonly name: string;
  readonly origin?: 'createTimer' | 'externalEvent' | 'activityRetry' | 'childWorkflowRetry';
  readonly createTimer: object | null;
  readonly externalEvent: { readonly name: string } | null;
  readonly activityRetry: { readonly taskExecutionId: string } | null;
  readonly childWorkflowRetry: { readonly instanceId: string } | null;
}

export interface DecodedCreateChild {
  readonly instanceId: string;
  readonly name: string;
  readonly version: WireText;
  readonly input: WireText;
  readonly tags?: Readonly<Record<string, string>>;
  readonly parentTraceContext: DecodedTrace | null;
  readonly historyPropagationScope?: number;
  readonly retryParentInstanceInfo: { readonly instanceID: string } | null;
}

export interface DecodedCreateDetached {
  readonly instanceId: string;
  readonly name: string;
  readonly version: WireText;
  readonly input: WireText;
  readonly scheduledStartTimestamp: DecodedTime | null;
  readonly executionId: WireText;
  readonly tags: Readonly<Record<string, string>>;
  readonly parentTraceContext: DecodedTrace | null;
}

export interface DecodedSendEvent {
  readonly instance: { readonly instanceId: string } | null;
  readonly name: string;
  readonly data: WireText;
}

export interface DecodedComplete {
  readonly orchestrationStatus: number;
  readonly result: WireText;
  readonly newVersion: WireText;
  readonly carryoverEvents: readonly DecodedEvent[];
  readonly failureDetails: DecodedFailure | null;
}

/** HistoryEvent. */
export interface DecodedEvent {
  readonly eventId: number;
  readonly timestamp: DecodedTime | null;
  readonly eventType?: string;
  readonly eventRaised: { readonly name: string; readonly input: WireText } | null;
}

/** ActivityResponse. */
export interface DecodedActivityAnswer {
  readonly instanceId: string;
  readonly taskId: number;
  readonly result: WireText;
  readonly failureDetails: DecodedFailure | null;
  readonly completionToken: string;
}
