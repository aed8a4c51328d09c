// What processes did, as lines of JSON, each process into a file of its own. A line is handed to the system before its
// writer goes on, so that it outlives a SIGKILL. Times are the wall clock's: all processes are on one machine.

import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** What a caller was told. A call without an answer is one whose caller died: nobody knows, as with `unknown`. */
export type Outcome = 'done' | 'not-executed' | 'unknown' | 'failed';

/** The life of a host process. */
export interface HostEvent {
  readonly kind: 'host';
  readonly event: 'starting' | 'ready' | 'stopping' | 'stopped';
  readonly pid: number;
}

/** A partition as its holder sees it. `lost`: others have it already; `released`: it was drained and given away. */
export interface ClaimEvent {
  readonly kind: 'claim';
  readonly event: 'acquired' | 'draining' | 'released' | 'lost';
  readonly partition: number;
  readonly epoch: number;
}

/** A commit that the store has accepted. */
export interface CommitEvent {
  readonly kind: 'commit';
  readonly actor: string;
  /** `writer.sequence` */
  readonly commit: string;
  readonly expectedRevision: number;
  readonly revision: number;
}

/** Somebody calls; `call` is unique over all processes. */
export interface CallEvent {
  readonly kind: 'call';
  readonly call: string;
  readonly actor: string;
  readonly method: string;
}

export interface AnswerEvent {
  readonly kind: 'answer';
  readonly call: string;
  readonly outcome: Outcome;
  readonly value?: unknown;
  readonly error?: string;
}

/** The turn of a call begins. */
export interface TurnEvent {
  readonly kind: 'turn';
  readonly call: string;
  readonly actor: string;
}

/** The body of an activity begins: an arrival. */
export interface ActivityEvent {
  readonly kind: 'activity';
  readonly key: string;
  readonly attempt: number;
  readonly instanceId: string;
}

/** A workflow instance is asked for (`starting`), is known to be there, or its end was seen. */
export interface InstanceEvent {
  readonly kind: 'instance';
  readonly event: 'starting' | 'started' | 'ended';
  readonly instanceId: string;
  readonly status?: string;
  readonly output?: unknown;
}

/** Something failed and is tried again: for people who look for why. */
export interface TroubleEvent {
  readonly kind: 'trouble';
  readonly error: string;
}

/** What whoever makes trouble does, and to whom. */
export interface FaultEvent {
  readonly kind: 'fault';
  readonly fault: FaultKind;
  readonly event: 'begin' | 'end';
  readonly target: string;
}

export type FaultKind =
  | 'kill-host'
  | 'restart-host'
  | 'freeze-host'
  | 'kill-server'
  | 'restart-server'
  | 'freeze-server'
  | 'cut-link'
  | 'delay-link'
  | 'reset-link';

export type LedgerEvent =
  | HostEvent
  | ClaimEvent
  | CommitEvent
  | CallEvent
  | AnswerEvent
  | TurnEvent
  | ActivityEvent
  | InstanceEvent
  | TroubleEvent
  | FaultEvent;

/** An event with who wrote it, and when. */
export type Line<E extends LedgerEvent = LedgerEvent> = E & { readonly atMs: number; readonly by: string };

export class Ledger {
  readonly #file: number;
  readonly #by: string;

  /** @param by names the process: each life of a host has another */
  constructor(folder: string, by: string) {
    this.#file = openSync(join(folder, `${by}.jsonl`), 'a');
    this.#by = by;
  }

  write(event: LedgerEvent): void {
    writeSync(this.#file, `${JSON.stringify({ atMs: Date.now(), by: this.#by, ...event })}\n`);
  }
}

/** Everything that the processes have written, by time; what one process wrote stays in its order. */
export function readLedger(folder: string): Line[] {
  const lines: Line[] = [];
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith('.jsonl')) continue;
    const written = readFileSync(join(folder, name), 'utf8').split('\n');
    // Behind the last line break: nothing, or a line that somebody was killed over.
    for (const text of written.slice(0, -1)) lines.push(JSON.parse(text) as Line);
  }
  return lines.sort((a, b) => a.atMs - b.atMs);
}

/** The lines of one kind. */
export function ofKind<K extends LedgerEvent['kind']>(
  lines: readonly Line[],
  kind: K,
): Line<Extract<LedgerEvent, { kind: K }>>[] {
  return lines.filter((line) => line.kind === kind) as Line<Extract<LedgerEvent, { kind: K }>>[];
}
