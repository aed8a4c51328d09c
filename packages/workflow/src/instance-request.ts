// What is asked of an instance and what it answers. Plain data: it travels between hosts.

import type { IfExists } from './client-interface.ts';
import type { ParentLink } from './instance-state.ts';
import type { StartKey } from './start-key.ts';
import type { Failure, InstanceMetadata } from './status.ts';

/** A start as it reaches the actor. */
export interface StartRequest {
  readonly workflowName: string;
  readonly version: string | undefined;
  readonly input: unknown;
  readonly ifExists: IfExists;
  readonly startAtMs: number | undefined;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly startKey: StartKey | undefined;
  readonly parent: ParentLink | undefined;
  /** It waits for its code for as long as it takes. */
  readonly patient: boolean;
}

export interface TerminateRequest {
  readonly output: unknown;
  readonly recursive: boolean;
  readonly undo: boolean;
  /** Only if it is a child of this instance. */
  readonly parentId: string | undefined;
  readonly workflowName: string | undefined;
  readonly hash: string | undefined;
}

export interface PurgeRequest {
  readonly force: boolean;
  /** Only if it is a child of this instance. */
  readonly parentId: string | undefined;
  readonly workflowName: string | undefined;
  readonly hash: string | undefined;
}

/** What a child's end belongs to: an execution of its parent, and the number of the child there. */
export type ChildLink = Pick<ParentLink, 'executionId' | 'sequence' | 'attempt'>;

/** Why a request was not carried out. */
export type Refusal =
  | { readonly refused: 'exists'; readonly workflowName: string; readonly status: InstanceMetadata['runtimeStatus'] }
  | { readonly refused: 'not-found' }
  | { readonly refused: 'ended'; readonly status: InstanceMetadata['runtimeStatus'] }
  | { readonly refused: 'not-ended'; readonly instanceId: string; readonly status: InstanceMetadata['runtimeStatus'] }
  | { readonly refused: 'mismatch' }
  | { readonly refused: 'not-rewindable'; readonly why: string }
  | {
      readonly refused: 'invalid';
      readonly what: string;
      readonly issues: readonly { pointer: string; message: string }[];
    }
  | { readonly refused: 'limit'; readonly message: string };

/** Done, unless refused. `hash`: of what came with the idempotency key that this is the first answer to. */
export type Reply = { readonly hash: string } | undefined | Refusal;
export type StartReply = 'started' | 'attached' | 'duplicate' | Refusal;

/** Why an instance gives nothing to a rerun. */
export type RerunRefusal =
  | { readonly refused: 'not-rerunnable'; readonly why: string }
  | { readonly refused: 'no-command'; readonly sequence: number };

/** How an instance ended, or stands. */
export interface InstanceOutcome {
  readonly status: InstanceMetadata['runtimeStatus'];
  readonly output: unknown;
  readonly failure: Failure | undefined;
}
