// The small part of an instance's record, replaced whole by each commit that changes it. Steps do not change it: what they
// did stands in the history.

import { decodeEvent, encodeEvent, type InputEvent } from './history.ts';
import type { StartKey } from './start-key.ts';
import type { Failure, WorkflowStatus } from './status.ts';

/** The version of the snapshot below. A reader reads every earlier one. */
const SNAPSHOT_FORMAT = 1;

export interface ParentLink {
  readonly instanceId: string;
  readonly executionId: string;
  readonly sequence: number;
  readonly workflowName: string;
  /** Which time the parent asks for it under this number. */
  readonly attempt: number;
}

/** A message that waits in the record. */
export interface InboxItem {
  readonly event: InputEvent;
  readonly traceparent: string | undefined;
}

/** A section of the code of a workflow, and an entity that is locked for it. */
export type EntityLock = readonly [sectionId: string, entityId: string];

/** One for all that have none. */
export const NO_TAGS: Readonly<Record<string, string>> = Object.freeze({});
const NO_NUMBERS: readonly number[] = [];
const NO_LOCKS: readonly EntityLock[] = [];

/** What is durable of an instance beside its history. */
export class InstanceState {
  workflowName = '';
  version = '';
  /** Tells this life of the instance id from others. */
  birth = '';
  /** Counts the executions of this life: continue-as-new begins another. */
  generation = 1;
  /** How it ended; undefined while it has not. */
  ended: 'completed' | 'failed' | 'terminated' | undefined;
  suspended = false;
  /** Why its code cannot go on. */
  stalled: Failure | undefined;
  undoing = false;
  createdAtMs = 0;
  startAtMs: number | undefined;
  startedAtMs: number | undefined;
  completedAtMs: number | undefined;
  customStatus: unknown;
  tags = NO_TAGS;
  parent: ParentLink | undefined;
  startKey: StartKey | undefined;
  /** Advanced by whatever makes the turn that is out worthless. */
  turnId = 0;
  /** Number of the entry that begins the execution. */
  firstEntry = 1;
  traceparent: string | undefined;
  /** The start named the version: continue-as-new keeps it. */
  pinned = false;
  /** Messages that were acknowledged and wait until the code can run. */
  inbox: InboxItem[] = [];
  /** Activities that the code did not wait for: it has ended, they have not. */
  leftBehind = NO_NUMBERS;
  /** Workers began it, and nobody else can read its history. */
  onWorkers = false;
  /** It failed, and a worker is to rewrite its history before its code goes on. */
  rewinding = false;
  /** What its code wants of entities for itself: section and entity, until it gives that back. */
  entityLocks: readonly EntityLock[] = NO_LOCKS;

  #executionId: string | undefined;
  #executionIdOf = 0;

  get executionId(): string {
    // One string for all, since it is a key in maps: its hash is computed once.
    if (this.#executionId === undefined || this.#executionIdOf !== this.generation) {
      this.#executionId = `${this.birth}.${this.generation}`;
      this.#executionIdOf = this.generation;
    }
    return this.#executionId;
  }

  get status(): WorkflowStatus {
    if (this.ended !== undefined) return this.ended;
    if (this.suspended) return 'suspended';
    if (this.stalled !== undefined) return 'stalled';
    return this.startedAtMs === undefined ? 'pending' : 'running';
  }

  get isPending(): boolean {
    return this.status === 'pending';
  }

  /** The execution has not begun: its history begins with the start. */
  get startWaits(): boolean {
    return this.inbox[0]?.event.type === 'WorkflowStarted';
  }

  /** Whether it is the workflow that is meant; undefined means any. */
  isOf(workflowName: string | undefined): boolean {
    return workflowName === undefined || this.workflowName === workflowName;
  }

  /** Undefined means any. A child that could not be started has another instance under its id: that one is left alone. */
  isChildOf(parentId: string | undefined): boolean {
    return parentId === undefined || this.parent?.instanceId === parentId;
  }

  snapshot(): unknown {
    return [
      SNAPSHOT_FORMAT,
      this.workflowName,
      this.version,
      this.birth,
      this.generation,
      this.ended,
      this.suspended,
      this.stalled,
      this.undoing,
      this.createdAtMs,
      this.startAtMs,
      this.startedAtMs,
      this.completedAtMs,
      this.customStatus,
      this.tags === NO_TAGS ? null : this.tags,
      this.parent === undefined ? null : printedLink(this.parent),
      this.startKey === undefined ? null : printedKey(this.startKey),
      this.turnId,
      this.firstEntry,
      this.traceparent,
      this.inbox.length === 0
        ? null
        : this.inbox.map(({ event, traceparent }) => encodeEvent(event, this, traceparent)),
      this.pinned,
      this.leftBehind.length === 0 ? null : this.leftBehind,
      this.onWorkers,
      this.rewinding,
      this.entityLocks.length === 0 ? null : this.entityLocks,
    ];
  }

  static of(snapshot: unknown): InstanceState {
    const fields = snapshot as [number, ...unknown[]];
    if (fields[0] !== SNAPSHOT_FORMAT) {
      throw new TypeError(
        `a workflow instance was stored in format ${fields[0]}; this version reads up to ${SNAPSHOT_FORMAT}`,
      );
    }
    const state = new InstanceState();
    state.workflowName = fields[1] as string;
    state.version = fields[2] as string;
    state.birth = fields[3] as string;
    state.generation = fields[4] as number;
    state.ended = fields[5] as InstanceState['ended'];
    state.suspended = fields[6] as boolean;
    state.stalled = fields[7] as Failure | undefined;
    state.undoing = fields[8] as boolean;
    state.createdAtMs = fields[9] as number;
    state.startAtMs = fields[10] as number | undefined;
    state.startedAtMs = fields[11] as number | undefined;
    state.completedAtMs = fields[12] as number | undefined;
    state.customStatus = fields[13];
    state.tags = (fields[14] as Record<string, string> | null) ?? NO_TAGS;
    const parent = fields[15] as ReturnType<typeof printedLink> | null;
    if (parent !== null) {
      const [instanceId, executionId, sequence, workflowName, attempt] = parent;
      state.parent = { instanceId, executionId, sequence, workflowName: workflowName ?? '', attempt: attempt ?? 1 };
    }
    const startKey = fields[16] as ReturnType<typeof printedKey> | null;
    if (startKey !== null) state.startKey = { key: startKey[0], hash: startKey[1], keptMs: startKey[2] };
    state.turnId = fields[17] as number;
    state.firstEntry = fields[18] as number;
    state.traceparent = fields[19] as string | undefined;
    for (const encoded of (fields[20] as unknown[] | null) ?? []) {
      const { event, stamp } = decodeEvent(encoded);
      state.inbox.push({ event: event as InputEvent, traceparent: stamp.traceparent });
    }
    state.pinned = fields[21] === true;
    state.leftBehind = (fields[22] as number[] | null | undefined) ?? NO_NUMBERS;
    state.onWorkers = fields[23] === true;
    state.rewinding = fields[24] === true;
    state.entityLocks = (fields[25] as EntityLock[] | null | undefined) ?? NO_LOCKS;
    return state;
  }
}

/** The third is there only if it is set: records that were written before it was known have two. */
function printedKey({ key, hash, keptMs }: StartKey): [string, string, number?] {
  return keptMs === undefined ? [key, hash] : [key, hash, keptMs];
}

function printedLink({ instanceId, executionId, sequence, workflowName, attempt }: ParentLink) {
  const fields = [instanceId, executionId, sequence, workflowName, attempt];
  return fields as [string, string, number, string | undefined, number | undefined];
}
