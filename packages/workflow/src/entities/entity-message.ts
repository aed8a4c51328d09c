// What is said to entities and what they say. All of it is plain data: it stands in histories and in the records of entities,
// and travels between hosts. Inputs, results and states are text, which only workers look into.

import type { MessageReceived, MessageSent } from '../history.ts';
import type { Failure } from '../status.ts';

/** Who calls and locks entities: an execution of an instance. */
export interface EntityCaller {
  readonly instanceId: string;
  readonly executionId: string;
}

/** What an entity is to do. */
export interface EntityOperation {
  readonly requestId: string;
  readonly name: string;
  readonly input: string | undefined;
  /** Who is told the result. Undefined: it is a signal. */
  readonly caller: EntityCaller | undefined;
  readonly traceparent: string | undefined;
}

/** What became of an operation. */
export type EntityResult =
  | { readonly ok: true; readonly output: string | undefined }
  | { readonly ok: false; readonly failure: Failure };

/** What operations asked for. */
export type EntityAction =
  | {
      readonly type: 'signal';
      readonly entityId: string;
      readonly name: string;
      readonly input: string | undefined;
      readonly scheduledAtMs: number | undefined;
    }
  | {
      readonly type: 'start';
      readonly workflowName: string;
      readonly version: string | undefined;
      /** Empty: it is given one. */
      readonly instanceId: string;
      readonly input: string | undefined;
      readonly startAtMs: number | undefined;
    };

/** An execution wants some entities for itself, and gets one after the other. */
export interface EntityLockRequest {
  readonly sectionId: string;
  /** Each once, in the order that all requests have in common. */
  readonly entityIds: readonly string[];
  /** Of the one that is asked now. */
  readonly position: number;
  readonly owner: EntityCaller;
}

interface OperationBody {
  readonly entityId: string;
  readonly requestId: string;
  readonly operation: string;
  readonly input: string | undefined;
  readonly scheduledAtMs: number | undefined;
}

/** A {@link MessageSent} to an entity. */
export type EntityMessageSent =
  | { readonly kind: 'entityOperationCalled'; readonly body: OperationBody }
  | { readonly kind: 'entityOperationSignaled'; readonly body: OperationBody }
  | {
      readonly kind: 'entityLockRequested';
      /** As the code asked for them. */
      readonly body: { readonly sectionId: string; readonly entityIds: readonly string[] };
    }
  | { readonly kind: 'entityUnlockSent'; readonly body: { readonly sectionId: string; readonly entityId: string } };

/** A {@link MessageReceived} from an entity. */
export type EntityMessageReceived =
  | {
      readonly kind: 'entityOperationCompleted';
      readonly body: { readonly requestId: string; readonly output: string | undefined };
    }
  | {
      readonly kind: 'entityOperationFailed';
      readonly body: { readonly requestId: string; readonly failure: Failure };
    }
  | { readonly kind: 'entityLockGranted'; readonly body: { readonly sectionId: string } };

const SENT: ReadonlySet<string> = new Set([
  'entityOperationCalled',
  'entityOperationSignaled',
  'entityLockRequested',
  'entityUnlockSent',
] satisfies EntityMessageSent['kind'][]);
const RECEIVED: ReadonlySet<string> = new Set([
  'entityOperationCompleted',
  'entityOperationFailed',
  'entityLockGranted',
] satisfies EntityMessageReceived['kind'][]);

/** The event as a message to an entity, if it is one. */
export function asSentToEntity(event: MessageSent): EntityMessageSent | undefined {
  return SENT.has(event.kind) ? (event as unknown as EntityMessageSent) : undefined;
}

/** The event as a message from an entity, if it is one. */
export function asReceivedFromEntity(event: MessageReceived): EntityMessageReceived | undefined {
  return RECEIVED.has(event.kind) ? (event as unknown as EntityMessageReceived) : undefined;
}
