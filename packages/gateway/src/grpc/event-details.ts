// What the protocol tells with an event and our history has no place for. It is kept in the `details` of the event, as plain
// data, and told again.

import type { PlainTrace } from './trace.ts';
import type { WireTime } from './wire-value.ts';

/** Of what was carried out again in another instance. */
export interface RerunDetails {
  readonly rerunParentInstanceId?: string;
}

export interface ActivityDetails extends RerunDetails {
  readonly version?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly taskExecutionId?: string;
  readonly parentTraceContext?: PlainTrace;
  readonly historyPropagationScope?: number;
}

export interface TimerDetails extends RerunDetails {
  /** To the nanosecond; the timer itself is due at the millisecond that follows. */
  readonly fireAt?: WireTime;
  readonly name?: string;
  readonly origin?: TimerOrigin;
}

/** Why a timer was made, in Dapr's fork. */
export interface TimerOrigin {
  readonly kind: 'createTimer' | 'externalEvent' | 'activityRetry' | 'childWorkflowRetry';
  readonly name?: string;
  readonly taskExecutionId?: string;
  readonly instanceId?: string;
}

export interface ChildDetails extends RerunDetails {
  readonly version?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly parentTraceContext?: PlainTrace;
  readonly historyPropagationScope?: number;
  readonly retryParentInstanceId?: string;
  /** Of a detached one. */
  readonly scheduledStartAt?: WireTime;
  readonly executionId?: string;
}

export interface TurnDetails {
  /** What patches of the workflow's code the turn ran with. */
  readonly version?: { readonly patches?: readonly string[]; readonly name?: string };
  /** The span that the worker began for the execution. */
  readonly traceContext?: { readonly spanID?: string; readonly spanStartTime?: WireTime };
}
