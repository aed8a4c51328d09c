// Typed reading of query parameters. What cannot be read is a 400 that names the parameter and what it should be.

import { WORKFLOW_STATUSES, type WorkflowStatus } from '@troupe/workflow';
import { badRequest } from './problem.ts';
import { WAIT_MS_MAX } from './limits.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL_PATTERN = /[\u0000-\u001f\u007f]/;
const NAME_LENGTH_MAX = 256;
const TAGS_MAX = 32;

/** Text that is not empty; undefined when absent or empty. */
export function textParameter(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (text.length > NAME_LENGTH_MAX || CONTROL_PATTERN.test(text)) {
    throw wrong(name, text, `at most ${NAME_LENGTH_MAX} characters without control characters`);
  }
  return text;
}

/** An opaque text of ours, as a cursor is. */
export function opaqueParameter(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) ?? undefined;
}

/** `?name`, `?name=true` and `?name=false`. */
export function flagParameter(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (text === '' || text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw wrong(name, text, 'true or false');
}

export function integerParameter(query: URLSearchParams, name: string, min: number, max: number): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw wrong(name, text, `a whole number from ${min} to ${max}`);
  return value;
}

export function choiceParameter<T extends string>(
  query: URLSearchParams,
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw wrong(name, text, `one of ${choices.join(', ')}`);
  return choice;
}

const RFC_3339_PATTERN = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

export function timeParameter(query: URLSearchParams, name: string): Date | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  // A "+" that was not encoded arrives as a space.
  const written = text.replace(/ (\d{2}:\d{2})$/, '+$1');
  const time = RFC_3339_PATTERN.test(written) ? new Date(written.replace(' ', 'T')) : undefined;
  if (time === undefined || Number.isNaN(time.getTime())) throw wrong(name, text, 'a time as in 2030-01-31T12:00:00Z');
  return time;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** `20s`, `500ms`, `1m`, or a number of seconds; longer than the limit is the limit. */
export function waitParameter(query: URLSearchParams): number | undefined {
  const text = query.get('wait');
  if (text === null || text === '') return undefined;
  const match = /^(\d{1,9})(ms|s|m)?$/.exec(text);
  if (match === null) throw wrong('wait', text, 'a duration as in 20s, 500ms or 1m');
  return Math.min(Number(match[1]) * UNIT_MS[match[2] ?? 's']!, WAIT_MS_MAX);
}

/** `?tag=key:value`, any number of times; the key ends at the first colon. */
export function tagsParameter(query: URLSearchParams): Record<string, string> | undefined {
  const texts = query.getAll('tag');
  if (texts.length === 0) return undefined;
  const tags: Record<string, string> = {};
  for (const text of texts) {
    const colon = text.indexOf(':');
    const [key, value] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
    const fits = (part: string): boolean => part.length <= NAME_LENGTH_MAX && !CONTROL_PATTERN.test(part);
    if (colon < 1 || !fits(key) || !fits(value) || key === '__proto__') {
      throw wrong('tag', text, `key:value, each at most ${NAME_LENGTH_MAX} printable characters`);
    }
    tags[key] = value;
  }
  if (Object.keys(tags).length > TAGS_MAX) throw wrong('tag', String(texts.length), `given at most ${TAGS_MAX} times`);
  return tags;
}

/** `?status=running&status=failed` or `?status=running,failed`, in any case. */
export function statusesParameter(query: URLSearchParams): WorkflowStatus[] | undefined {
  const texts = query
    .getAll('status')
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '');
  if (texts.length === 0) return undefined;
  return texts.map((text) => {
    const status = WORKFLOW_STATUSES.find((candidate) => candidate === text.toLowerCase());
    if (status === undefined) throw wrong('status', text, `one of ${WORKFLOW_STATUSES.join(', ')}`);
    return status;
  });
}

function wrong(name: string, text: string, wanted: string): Error {
  return badRequest(
    'QUERY_INVALID',
    `the parameter "${name}" must be ${wanted}, got ${JSON.stringify(text.slice(0, 64))}`,
    undefined,
    {
      parameter: name,
    },
  );
}

/** @throws {Problem} 400 when no workflow, event or operation can have this name */
export function checkName(kind: 'workflow' | 'event' | 'operation', name: string): void {
  if (name === '' || name.length > NAME_LENGTH_MAX || CONTROL_PATTERN.test(name) || !name.isWellFormed()) {
    const article = kind === 'workflow' ? 'a' : 'an';
    throw badRequest(
      'NAME_INVALID',
      `${article} ${kind} name is 1 to ${NAME_LENGTH_MAX} characters without control characters`,
    );
  }
}
