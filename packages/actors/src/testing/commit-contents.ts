import { unpack, unpackAll } from '../codec.ts';
import { ActorRecord } from '../record.ts';
import type { Commit } from '../store.ts';

/** What a commit of an actor holds, unpacked; it was packed with the plain codec. */
export interface CommitContents {
  /** What the actor keeps beside its entries. Undefined when the commit leaves it as it was. */
  readonly state: unknown;
  readonly entries: readonly unknown[];
}

/** Unpacks a commit, for checkers that look at what was written. */
export function commitContents(commit: Commit): CommitContents {
  const state = commit.state === 'same' ? null : ActorRecord.decode(commit.state).userState;
  return {
    state: state === null ? undefined : unpack(state),
    entries: commit.entries === null ? [] : unpackAll(commit.entries.bytes),
  };
}
