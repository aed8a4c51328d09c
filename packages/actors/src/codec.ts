import { addExtension, Packr } from 'msgpackr';
import { CorruptRecordError, PayloadError } from './errors.ts';
import { PAYLOAD_DEPTH_MAX } from './limits.ts';
import { TextPayload } from './text-payload.ts';

/**
 * The seam that every block of bytes passes on its way to the store or to another host: compression and encryption are
 * a codec. `decode(encode(bytes))` gives the same bytes; `decode` throws when it is given anything else. Summaries
 * (names, statuses, tags), ids and due times stay readable, or nothing could be listed or woken.
 */
export interface Codec {
  encode(bytes: Uint8Array): Uint8Array;
  decode(bytes: Uint8Array): Uint8Array;
}

/** Leaves the bytes as they are. */
export const plainCodec: Codec = { encode: (bytes) => bytes, decode: (bytes) => bytes };

// No shared structures: they would live apart from the data, and losing them would lose it. Without `variableMapSize`
// an object of more than 65,535 keys could not be packed.
const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  mapsAsObjects: true,
  copyBuffers: true,
  useBigIntExtension: true,
});

/**
 * Its number never changes: it stands in what is stored. Not one of the first, since extensions are the process's and
 * whoever else packs with this library begins to count there.
 */
const TEXT_PAYLOAD_EXTENSION = 0x54;
addExtension({
  Class: TextPayload,
  type: TEXT_PAYLOAD_EXTENSION,
  write: ({ text }: TextPayload) => text,
  read: (text: string) => new TextPayload(text),
});

/** Packs a value that {@link checkPayload} has passed, or one of the runtime's own. */
export function pack(value: unknown): Uint8Array {
  return packr.pack(value);
}

/**
 * Unpacks one value.
 *
 * @throws {CorruptRecordError} when the bytes are not one packed value
 */
export function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch (error) {
    throw new CorruptRecordError(`${bytes.length} bytes are not a packed value`, { cause: error });
  }
}

/**
 * Unpacks values that were packed one after another.
 *
 * @throws {CorruptRecordError} when the bytes are not a sequence of packed values
 */
export function unpackAll(bytes: Uint8Array): unknown[] {
  try {
    return packr.unpackMultiple(bytes);
  } catch (error) {
    throw new CorruptRecordError(`${bytes.length} bytes are not a sequence of packed values`, { cause: error });
  }
}

/**
 * An entry on its way into a commit: packed, or a flat array that is packed with the others of its commit and that
 * nobody changes meanwhile.
 */
export type PackedEntry = Uint8Array | readonly unknown[];

/** Longer strings are packed at once, so that what a commit will weigh is known well enough. */
const FLAT_STRING_LENGTH_MAX = 1_024;

/**
 * What an array packs to, about, if it is flat: numbers, booleans, null, undefined and short well-formed strings. Else
 * -1.
 */
export function flatBytes(entry: readonly unknown[]): number {
  let bytes = 3;
  for (let index = 0; index < entry.length; index++) {
    const part = entry[index];
    switch (typeof part) {
      case 'number':
        bytes += 9;
        break;
      case 'boolean':
      case 'undefined':
        bytes += 1;
        break;
      case 'string':
        if (part.length > FLAT_STRING_LENGTH_MAX || !part.isWellFormed()) return -1;
        bytes += part.length + 3;
        break;
      default:
        if (part !== null) return -1;
        bytes += 1;
    }
  }
  return bytes;
}

/** The packed entries one after another. */
export function packEntries(entries: readonly PackedEntry[]): Uint8Array {
  if (!entries.some((entry) => entry instanceof Uint8Array)) {
    // An array is packed as its length and then its parts: without the length they are one after another.
    const packed = pack(entries);
    return packed.subarray(entries.length < 16 ? 1 : entries.length < 65_536 ? 3 : 5);
  }
  const blocks = entries.map((entry) => (entry instanceof Uint8Array ? entry : pack(entry)));
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks);
}

/**
 * A copy that shares nothing with the original, as if it had been stored and read back. Values without parts are their
 * own copies.
 */
export function copyPayload<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  // Texts are large, and what a copy shares is only the string.
  if (value instanceof TextPayload) return new TextPayload(value.text) as T;
  return packr.unpack(packr.pack(value)) as T;
}

/**
 * Checks that a value survives being stored: null, undefined, booleans, numbers, bigints of 64 bits, well-formed
 * strings, dates, `Uint8Array`s, {@link TextPayload}s, arrays and plain objects of these. (The sign of -0 is lost, and
 * bytes come back as a `Buffer`.) `what` names the value in the error.
 *
 * @throws {PayloadError} with the path of the first part that does not survive
 */
export function checkPayload(value: unknown, what: string): void {
  const problem = problemWith(value, 0);
  if (problem !== undefined) throw new PayloadError(what, printedPath(problem.path), problem.reason);
}

/**
 * Why a value does not survive, and the way there from the inside out: hardly any value has one, so it is built late.
 */
interface Problem {
  readonly reason: string;
  readonly path: (string | number)[];
}

function problemWith(value: unknown, depth: number): Problem | undefined {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return undefined;
    case 'string':
      return value.isWellFormed() ? undefined : { reason: 'a string with a lone surrogate', path: [] };
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? undefined : { reason: 'a bigint of more than 64 bits', path: [] };
    case 'object':
      return value === null ? undefined : problemInside(value, depth);
    default:
      return { reason: `a ${typeof value} does not survive; pass plain data`, path: [] };
  }
}

function problemInside(value: object, depth: number): Problem | undefined {
  if (depth > PAYLOAD_DEPTH_MAX)
    return { reason: `it is cyclic or nested deeper than ${PAYLOAD_DEPTH_MAX} levels`, path: [] };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const problem = problemWith(value[index], depth + 1);
      if (problem !== undefined) return reached(problem, index);
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    for (const key of Object.keys(value)) {
      if (key === '__proto__') return { reason: 'the key "__proto__" is not allowed', path: [key] };
      if (!key.isWellFormed()) return { reason: 'a key with a lone surrogate', path: [key] };
      const problem = problemWith((value as Record<string, unknown>)[key], depth + 1);
      if (problem !== undefined) return reached(problem, key);
    }
    return undefined;
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? { reason: 'an invalid Date', path: [] } : undefined;
  if (value instanceof Uint8Array) return undefined;
  if (value instanceof TextPayload) {
    // Types end where values come from elsewhere.
    const text: unknown = value.text;
    return typeof text === 'string' ? problemWith(text, depth) : { reason: 'a text payload without a text', path: [] };
  }
  return { reason: `${hintFor(value)} does not survive; pass plain data`, path: [] };
}

function reached(problem: Problem, key: string | number): Problem {
  problem.path.push(key);
  return problem;
}

/** Parts of a path that are printed; the way into a cycle is long. */
const PATH_PARTS_MAX = 12;

function printedPath(path: readonly (string | number)[]): string {
  const parts = path.toReversed();
  return parts.slice(0, PATH_PARTS_MAX).map(printedKey).join('') + (parts.length > PATH_PARTS_MAX ? '…' : '');
}

function hintFor(value: object): string {
  if (value instanceof Map || value instanceof Set) return `a ${value.constructor.name}`;
  if (value instanceof Promise) return 'a Promise (is an await missing?)';
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object with a prototype';
}

function printedKey(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`;
  const shown = key.length > 40 ? `${key.slice(0, 40)}…` : key;
  return /^[A-Za-z_$][\w$]*$/.test(shown) ? `.${shown}` : `[${JSON.stringify(shown)}]`;
}
