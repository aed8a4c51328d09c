import { ActorAddressError } from './errors.ts';
import { ACTOR_ID_BYTES_MAX, ACTOR_TYPE_LENGTH_MAX } from './limits.ts';

/** The named kind of an actor. Letters, digits, `_`, `.` and `-`, at most 128 characters. */
export type ActorType = string;
/** The key of an actor within its type: well-formed Unicode without control characters, 1 to 512 bytes of UTF-8. */
export type ActorId = string;
/** Number of one of the fixed buckets that addresses hash to; placement moves partitions, never single actors. */
export type PartitionId = number;

/** Names one actor within an application. */
export interface ActorAddress {
  readonly type: ActorType;
  readonly id: ActorId;
}

/** Prints an address as `type/id`. */
export function formatAddress(address: ActorAddress): string {
  return `${address.type}/${address.id}`;
}

/**
 * Reads back what {@link formatAddress} printed.
 *
 * @throws {ActorAddressError} when there is no type or no id in it
 */
export function parseAddress(text: string): ActorAddress {
  const slash = text.indexOf('/');
  const address = { type: text.slice(0, Math.max(0, slash)), id: text.slice(slash + 1) };
  checkAddress(address);
  return address;
}

const TYPE_PATTERN = /^[A-Za-z0-9_.-]+$/;
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL_PATTERN = /[\u0000-\u001f\u007f]/;

/**
 * Checks that an address can name an actor.
 *
 * @throws {ActorAddressError} when the type or the id is empty, too long, or has characters that it may not have
 */
export function checkAddress(address: ActorAddress): void {
  checkType(address.type);
  checkId(address.type, address.id);
}

/** As {@link checkAddress}, for the type alone. */
export function checkType(type: unknown): asserts type is ActorType {
  if (typeof type !== 'string' || type.length > ACTOR_TYPE_LENGTH_MAX || !TYPE_PATTERN.test(type)) {
    throw new ActorAddressError(
      `an actor type is 1 to ${ACTOR_TYPE_LENGTH_MAX} characters of letters, digits, "_", "." and "-", ` +
        `got ${printed(type)}`,
    );
  }
}

/** As {@link checkAddress}, for the id alone. */
export function checkId(type: ActorType, id: unknown): asserts id is ActorId {
  if (typeof id !== 'string' || id.length === 0) {
    throw new ActorAddressError(`an actor id is a string that is not empty, got ${printed(id)} for type ${type}`);
  }
  // A UTF-16 unit is at most three bytes of UTF-8, so short ids need no count.
  if (id.length * 3 > ACTOR_ID_BYTES_MAX && Buffer.byteLength(id) > ACTOR_ID_BYTES_MAX) {
    throw new ActorAddressError(
      `an actor id is at most ${ACTOR_ID_BYTES_MAX} bytes of UTF-8, got ${Buffer.byteLength(id)} for type ${type}`,
    );
  }
  if (CONTROL_PATTERN.test(id) || !id.isWellFormed()) {
    throw new ActorAddressError(
      `an actor id has no control characters and no lone surrogates, got ${printed(id)} for type ${type}`,
    );
  }
}

function printed(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value)
    : typeof value;
}

/**
 * The partition of an address: 32-bit FNV-1a over the UTF-8 bytes of `type/id`, mixed by the finalizer of MurmurHash3
 * so that the low bits depend on every byte. The result is part of the stored layout: it never changes.
 *
 * Sources: http://www.isthe.com/chongo/tech/comp/fnv/ (FNV-1a); Austin Appleby, MurmurHash3.cpp, `fmix32`.
 */
export function partitionOf({ type, id }: ActorAddress, partitionCount: number): PartitionId {
  let hash = hashOfType(type);
  for (let index = 0; index < id.length; index++) {
    const unit = id.charCodeAt(index);
    if (unit > 0x7f) return mixed(fnvOfBytes(Buffer.from(id), hashOfType(type))) % partitionCount;
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return mixed(hash) % partitionCount;
}

const FNV_OFFSET = 0x811c9dc5;
let lastType: string | undefined;
let lastTypeHash = 0;

/** The hash of what an address begins with: the type, which is nearly always the same, and the slash. */
function hashOfType(type: ActorType): number {
  if (type !== lastType) {
    lastTypeHash = fnvOfBytes(Buffer.from(`${type}/`), FNV_OFFSET);
    lastType = type;
  }
  return lastTypeHash;
}

function fnvOfBytes(bytes: Uint8Array, start: number): number {
  let hash = start;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
