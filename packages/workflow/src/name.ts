import { createHash } from 'node:crypto';
import { INSTANCE_ID_BYTES_MAX, KEY_LENGTH_MAX, NAME_LENGTH_MAX, TAG_LENGTH_MAX, TAGS_MAX } from './limits.ts';
import { InstanceIdError } from './errors.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL_PATTERN = /[\u0000-\u001f\u007f]/;

/** @throws {TypeError} when a workflow, activity or event cannot have this name */
export function checkName(
  kind: 'workflow' | 'activity' | 'event' | 'step' | 'version' | 'operation',
  name: unknown,
): asserts name is string {
  if (
    typeof name !== 'string' ||
    name === '' ||
    name.length > NAME_LENGTH_MAX ||
    CONTROL_PATTERN.test(name) ||
    !name.isWellFormed()
  ) {
    throw new TypeError(
      `${kind === 'activity' || kind === 'event' || kind === 'operation' ? 'an' : 'a'} ${kind} name is 1 to ${NAME_LENGTH_MAX} characters without control characters, got ${
        typeof name === 'string' ? JSON.stringify(name.slice(0, 64)) : typeof name
      }`,
    );
  }
}

/** @throws {InstanceIdError} when no instance can have this id */
export function checkInstanceId(id: unknown): asserts id is string {
  if (typeof id !== 'string' || id === '')
    throw new InstanceIdError(`an instance id is a string that is not empty, got ${typeof id}`);
  if (Buffer.byteLength(id) > INSTANCE_ID_BYTES_MAX) {
    throw new InstanceIdError(
      `an instance id is at most ${INSTANCE_ID_BYTES_MAX} bytes of UTF-8, got ${Buffer.byteLength(id)}`,
    );
  }
  if (CONTROL_PATTERN.test(id) || !id.isWellFormed()) {
    throw new InstanceIdError(
      `an instance id has no control characters and no lone surrogates, got ${JSON.stringify(id)}`,
    );
  }
}

/** @throws {TypeError} for a key, hash or trace context that cannot be kept */
export function checkKey(name: string, key: unknown): void {
  if (key === undefined) return;
  if (typeof key !== 'string' || key === '' || key.length > KEY_LENGTH_MAX || !key.isWellFormed()) {
    throw new TypeError(
      `${name} is a string of 1 to ${KEY_LENGTH_MAX} characters, got ${typeof key === 'string' ? JSON.stringify(key.slice(0, 64)) : typeof key}`,
    );
  }
}

/** The id of a child that was given none: the same when the call is repeated, of no other execution, and never too long. */
export function childInstanceId(
  parent: { readonly instanceId: string; readonly executionId: string },
  sequence: number,
): string {
  const id = `${parent.instanceId}:${parent.executionId}.${sequence}`;
  if (Buffer.byteLength(id) <= INSTANCE_ID_BYTES_MAX) return id;
  const short = createHash('sha256').update(parent.instanceId).digest('hex').slice(0, 32);
  return `${short}:${parent.executionId}.${sequence}`;
}

/** The id of a child that code on a worker gave none, as the SDKs name it. */
export function workerChildId(instanceId: string, sequence: number): string {
  return `${instanceId}:${sequence.toString(16).padStart(4, '0')}`;
}

/** @throws {TypeError} when these cannot be the tags of an instance */
export function checkTags(tags: Readonly<Record<string, string>>): void {
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags))
    throw new TypeError('tags are an object of strings');
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX) throw new TypeError(`an instance has at most ${TAGS_MAX} tags, got ${entries.length}`);
  for (const [key, value] of entries) {
    const fits = (text: unknown): boolean =>
      typeof text === 'string' && text.length <= TAG_LENGTH_MAX && !CONTROL_PATTERN.test(text) && text.isWellFormed();
    if (!fits(key) || key === '' || key === '__proto__' || !fits(value)) {
      throw new TypeError(
        `a tag is a name and a string of at most ${TAG_LENGTH_MAX} characters each; ${JSON.stringify(key.slice(0, 64))} is not`,
      );
    }
  }
}

/** Names near a wrong one, best first: the same but for case, then by edit distance. */
export function nearestNames(wanted: string, known: readonly string[], count = 3): string[] {
  const scored = known.map((name) => ({ name, distance: editDistance(wanted.toLowerCase(), name.toLowerCase()) }));
  scored.sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name));
  return scored.slice(0, count).map(({ name }) => name);
}

/** Levenshtein distance by the two-row method (Wagner and Fischer, 1974), on the first 64 characters. */
function editDistance(left: string, right: string): number {
  const a = left.slice(0, 64);
  const b = right.slice(0, 64);
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substituted = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(previous[column]! + 1, current[column - 1]! + 1, substituted));
    }
    previous = current;
  }
  return previous[b.length]!;
}
