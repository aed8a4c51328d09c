// Compares our schema with classes that SDKs publish: every message that both know, both ways, with made-up values.
//
// The generated files of the SDKs share one global object: a process loads those of one package only.

import type protobuf from 'protobufjs';
import { expect } from 'vitest';
import { codecOf, unknownFields, type Dialect } from '../../src/grpc/schema.ts';

/** A class of google-protobuf's generator. */
interface PublishedClass {
  new (): { toObject(): Record<string, unknown> };
  deserializeBinary(bytes: Uint8Array): PublishedMessage;
}

interface PublishedMessage {
  toObject(): Record<string, unknown>;
  serializeBinary(): Uint8Array;
}

const ROUNDS = 10;
const DEPTH_MAX = 3;

/** The names of the messages that were compared. */
export function comparePublished(
  published: Readonly<Record<string, unknown>>,
  dialect: Dialect,
  { unread = [] }: { readonly unread?: readonly string[] } = {},
): string[] {
  const codec = codecOf(dialect);
  const compared: string[] = [];
  for (const [name, cls] of Object.entries(published)) {
    if (typeof cls !== 'function' || typeof (cls as Partial<PublishedClass>).deserializeBinary !== 'function') continue;
    const type = codec.type(name);
    if (type.fullName.startsWith('.google.')) continue;
    compared.push(name);
    const known = new Known(published, unread);
    const missing = known.missingIn(type, cls as PublishedClass);
    expect(missing, `fields of ${name} that are published and not in our schema`).toEqual([]);
    const random = generator(name);
    for (let round = 0; round < ROUNDS; round++) {
      const fields = known.madeUp(type, cls as PublishedClass, random, 0);
      const ours = codec.encode(name, fields);
      const theirs = (cls as PublishedClass).deserializeBinary(ours);
      expect(known.subset(theirs.toObject(), type), `${name} as the published class reads it`).toEqual(
        known.shaped(type, fields),
      );
      const back = codec.decode<object>(name, Buffer.from(theirs.serializeBinary()));
      expect(unknownFields(back)).toEqual([]);
      expect(type.toObject(back as protobuf.Message, { longs: Number }), `${name} as it came back`).toEqual(
        type.toObject(codec.decode<protobuf.Message>(name, ours), { longs: Number }),
      );
    }
  }
  return compared;
}

/** Small, and the same in every run: Numerical Recipes' linear congruential generator. */
function generator(seed: string): () => number {
  let state = Buffer.from(seed).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7);
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

const TEXTS = ['', 'a', '"json"', 'é ü 漢', '\u{1F600}', 'x'.repeat(300), '0', 'null'];

class Known {
  readonly #published: Readonly<Record<string, unknown>>;
  readonly #keys = new Map<string, ReadonlySet<string>>();

  readonly #unread: readonly string[];

  constructor(published: Readonly<Record<string, unknown>>, unread: readonly string[]) {
    this.#published = published;
    this.#unread = unread;
  }

  /** Fields that the class has and the type has not. */
  missingIn(type: protobuf.Type, cls: PublishedClass): string[] {
    const ours = new Set(type.fieldsArray.map((field) => keyOf(field)));
    return Object.keys(new cls().toObject())
      .map((key) => key.toLowerCase())
      .filter((key) => !ours.has(key) && !this.#unread.includes(`${type.name}.${key}`));
  }

  /** Values for the fields that both have. */
  madeUp(
    type: protobuf.Type,
    cls: PublishedClass | undefined,
    random: () => number,
    depth: number,
  ): Record<string, unknown> {
    const keys = this.#keysOf(type, cls);
    const fields: Record<string, unknown> = {};
    const chosen = new Map<string, string>();
    for (const oneof of type.oneofsArray) {
      const inBoth = oneof.fieldsArray.filter((field) => keys.has(keyOf(field)));
      const one = inBoth[Math.floor(random() * (inBoth.length + 1))];
      chosen.set(oneof.name, one?.name ?? '');
    }
    for (const field of type.fieldsArray) {
      field.resolve();
      if (!keys.has(keyOf(field))) continue;
      if (field.partOf !== null ? chosen.get(field.partOf.name) !== field.name : random() < 0.3) continue;
      const value = this.#valueOf(field, random, depth);
      if (value !== undefined) fields[field.name] = value;
    }
    return fields;
  }

  #valueOf(field: protobuf.Field, random: () => number, depth: number): unknown {
    const one = (): unknown => this.#oneOf(field, random, depth);
    if (field.map) {
      const entries = Array.from({ length: Math.floor(random() * 3) }, (_, index) => [`k${index}`, one()] as const);
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
    }
    if (field.repeated) {
      return Array.from({ length: Math.floor(random() * 3) }, one).filter((value) => value !== undefined);
    }
    return one();
  }

  #oneOf(field: protobuf.Field, random: () => number, depth: number): unknown {
    const { resolvedType } = field;
    if (resolvedType !== null && 'values' in resolvedType) return Math.floor(random() * 4);
    if (resolvedType !== null) {
      if (depth >= DEPTH_MAX) return undefined;
      const name = resolvedType.name;
      return this.madeUp(resolvedType, this.#published[name] as PublishedClass, random, depth + 1);
    }
    switch (field.type) {
      case 'string':
        return TEXTS[Math.floor(random() * TEXTS.length)];
      case 'bool':
        return random() < 0.5;
      case 'bytes':
        return Buffer.from([1, 2, 250]);
      case 'double':
        return random() * 100;
      case 'int64':
        return Math.floor(random() * 2 ** 40) - 1000;
      case 'uint32':
        return Math.floor(random() * 2 ** 32);
      case 'int32':
        return Math.floor(random() * 2 ** 32) - 2 ** 31;
      default:
        throw new Error(`no values for ${field.type}`);
    }
  }

  /** Our fields in the shape of the class's `toObject`. */
  shaped(type: protobuf.Type, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const shape: Record<string, unknown> = {};
    for (const field of type.fieldsArray) {
      const value = fields[field.name];
      if (value === undefined) continue;
      const one = (part: unknown): unknown => {
        const { resolvedType } = field.resolve();
        if (resolvedType === null || 'values' in resolvedType) {
          return field.type === 'bytes' ? Buffer.from(part as Uint8Array).toString('base64') : part;
        }
        return this.shaped(resolvedType, part as Record<string, unknown>);
      };
      if (field.map) shape[keyOf(field)] = Object.entries(value as object).map(([key, part]) => [key, one(part)]);
      else shape[keyOf(field)] = field.repeated ? (value as unknown[]).map(one) : one(value);
      // Whether a member of a oneof is there that says nothing is compared by what comes back.
      if (isDefault(shape[keyOf(field)])) delete shape[keyOf(field)];
    }
    return shape;
  }

  /** What `toObject` gave, without defaults, under keys in lower case. */
  subset(read: unknown, type: protobuf.Type): unknown {
    if (read === null || typeof read !== 'object') return read;
    const shape: Record<string, unknown> = {};
    const fields = new Map(type.fieldsArray.map((field) => [keyOf(field), field.resolve()]));
    for (const [name, value] of Object.entries(read)) {
      const field = fields.get(name.toLowerCase());
      if (field === undefined || value === undefined) continue;
      const one = (part: unknown): unknown =>
        field.resolvedType === null || 'values' in field.resolvedType ? part : this.subset(part, field.resolvedType);
      const seen = field.map
        ? (value as [string, unknown][]).map(([key, part]) => [key, one(part)])
        : field.repeated
          ? (value as unknown[]).map(one)
          : one(value);
      if (isDefault(seen)) continue;
      shape[name.toLowerCase()] = seen;
    }
    return shape;
  }

  #keysOf(type: protobuf.Type, cls: PublishedClass | undefined): ReadonlySet<string> {
    let keys = this.#keys.get(type.fullName);
    if (keys === undefined) {
      // google's own types are the same everywhere.
      const names =
        cls === undefined || type.fullName.startsWith('.google.')
          ? type.fieldsArray.map((field) => keyOf(field))
          : Object.keys(new cls().toObject())
              .map((key) => key.toLowerCase())
              .filter((key) => !this.#unread.includes(`${type.name}.${key}`));
      this.#keys.set(type.fullName, (keys = new Set(names)));
    }
    return keys;
  }
}

function keyOf(field: protobuf.Field): string {
  return `${field.name}${field.map ? 'Map' : field.repeated ? 'List' : ''}`.toLowerCase();
}

function isDefault(value: unknown): boolean {
  return value === '' || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
}
