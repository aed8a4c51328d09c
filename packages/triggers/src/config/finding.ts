import { TroupeError } from '@troupe/actors';

/** Something that is wrong in a file of triggers, or looks so. Lines and columns count from 1. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly line: number;
  readonly column: number;
  /** What is wrong. Never says a secret. */
  readonly message: string;
  /** What to do. */
  readonly hint?: string;
}

/** A file of triggers that cannot be used. The message has a line for each finding. */
export class TriggerFileError extends TroupeError {
  override readonly name = 'TriggerFileError';
  readonly code = 'trigger_file';
  readonly findings: readonly Finding[];

  constructor(file: string, findings: readonly Finding[]) {
    super(findings.map((finding) => formatFinding(file, finding)).join('\n'));
    this.findings = findings;
  }
}

/** `file:line:column: message. hint` */
export function formatFinding(file: string, { severity, line, column, message, hint }: Finding): string {
  const text = `${severity === 'warning' ? 'warning: ' : ''}${message}.${hint === undefined ? '' : ` ${hint}`}`;
  return `${file}:${line}:${column}: ${text}`;
}

/** Which of the known names is meant, if one is near enough; else, with `all`, those that there are. */
export function meant(wanted: string, known: readonly string[], all = true): string | undefined {
  const near = known
    .map((name) => ({ name, edits: editsBetween(wanted.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= Math.min(3, Math.floor((wanted.length + 1) / 3)) || continues(wanted, name))
    .sort((a, b) => a.edits - b.edits);
  if (near[0] !== undefined) return `Is ${JSON.stringify(near[0].name)} meant?`;
  if (!all || known.length === 0 || known.length > NAMES_SHOWN_MAX) return undefined;
  return `${known.length === 1 ? 'There is' : 'There are'} ${[...known].sort().join(', ')}.`;
}

const NAMES_SHOWN_MAX = 20;

/** As `ackWait` and `ackWaitMs`. */
function continues(wanted: string, known: string): boolean {
  const [short, long] = [wanted.toLowerCase(), known.toLowerCase()].sort((a, b) => a.length - b.length);
  return short!.length >= 3 && long!.startsWith(short!);
}

/** Letters that are added, taken away, changed, or change places (Damerau and Levenshtein), in the first 64 of each. */
function editsBetween(left: string, right: string): number {
  const [a, b] = [left.slice(0, 64), right.slice(0, 64)];
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const changed = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let edits = Math.min(previous[column]! + 1, current[column - 1]! + 1, changed);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        edits = Math.min(edits, older[column - 2]! + 1);
      current.push(edits);
    }
    older = previous;
    previous = current;
  }
  return previous[b.length]!;
}
