// The messages of the protocol. Two forks of it live under one service name and differ in about a dozen field numbers; the
// texts in `schema/` hold both. A line that ends in `// M` or `// D` gives a number the meaning that it has in Microsoft's or
// in Dapr's fork: it is read only by the codec of that dialect. The base codec has neither: what it meets there is kept as it
// came, unread.
//
// S1 A decoder reads a field only if its wire type is the declared one; anything else is kept as unknown. So where the two
//    meanings of a number differ in wire type, the wrong codec reads nothing rather than nonsense.

import protobuf from 'protobufjs';
import { DAPR_SCHEMA, HEALTH_SCHEMA } from './schema/dapr.ts';
import { ENTITY_SCHEMA } from './schema/entities.ts';
import { HISTORY_SCHEMA } from './schema/history.ts';
import { INSTANCE_SCHEMA } from './schema/instances.ts';
import { WORK_SCHEMA } from './schema/work.ts';

/** The fork that a peer speaks; `base`: not known. */
export type Dialect = 'microsoft' | 'dapr' | 'base';

/** Marks at the end of lines, and whose they are. */
const MARKS = { M: 'microsoft', D: 'dapr' } as const;

const TEXT = [HISTORY_SCHEMA, WORK_SCHEMA, INSTANCE_SCHEMA, ENTITY_SCHEMA, DAPR_SCHEMA, HEALTH_SCHEMA].join('\n');
const WELL_KNOWN = ['empty', 'struct', 'timestamp', 'duration', 'wrappers'];

/** Bytes that are not the message that they should be. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/** Encodes and decodes the messages of one dialect. */
export class Codec {
  readonly dialect: Dialect;
  readonly #root: protobuf.Root;
  readonly #types = new Map<string, protobuf.Type>();

  constructor(dialect: Dialect) {
    this.dialect = dialect;
    this.#root = new protobuf.Root();
    for (const name of WELL_KNOWN) {
      const definitions = protobuf.common.get(`google/protobuf/${name}.proto`);
      this.#root.addJSON(definitions!.nested!);
    }
    protobuf.parse(`syntax = "proto3";\n${textOf(dialect)}`, this.#root);
    this.#root.resolveAll();
  }

  /** Fields that are undefined or null are left out. */
  encode(message: string, fields: object): Buffer {
    // In Node the writer makes Buffers.
    return this.type(message).encode(fields).finish() as Buffer;
  }

  /**
   * Fields that are not there read as the default of their type, messages as null.
   *
   * @throws {DecodeError}
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names what is decoded
  decode<T>(message: string, bytes: Uint8Array): T {
    try {
      const reader = protobuf.Reader.create(bytes);
      reader.discardUnknown = false;
      return this.type(message).decode(reader) as T;
    } catch (error) {
      throw new DecodeError(`this is no ${message}: ${(error as Error).message}`, { cause: error });
    }
  }

  type(message: string): protobuf.Type {
    let type = this.#types.get(message);
    if (type === undefined) this.#types.set(message, (type = this.#root.lookupType(message)));
    return type;
  }
}

const codecs = new Map<Dialect, Codec>();

/** Made when it is first asked for. */
export function codecOf(dialect: Dialect): Codec {
  let codec = codecs.get(dialect);
  if (codec === undefined) codecs.set(dialect, (codec = new Codec(dialect)));
  return codec;
}

function textOf(dialect: Dialect): string {
  return TEXT.split('\n')
    .filter((line) => {
      const mark = / \/\/ ([MD])$/.exec(line)?.[1] as keyof typeof MARKS | undefined;
      return mark === undefined || MARKS[mark] === dialect;
    })
    .join('\n');
}

/** Field numbers and wire types of what a decoder did not know. */
export function unknownFields(message: object): readonly { readonly number: number; readonly wireType: number }[] {
  const unknown = (message as { $unknowns?: readonly Uint8Array[] }).$unknowns ?? [];
  return unknown.map((bytes) => {
    const tag = protobuf.Reader.create(bytes).uint32();
    return { number: tag >>> 3, wireType: tag & 7 };
  });
}
