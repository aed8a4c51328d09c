// The names of streams and subjects, which are part of the stored layout: they never change.
//
//   TROUPE_<app>_<k>                                       stream k, with every subject of its partitions
//   tr.<app>.layout                                        the layout, in stream 0
//   tr.<app>.o.<part>                                      the claim of a partition
//   tr.<app>.h.<part>.<type>.<id>                          the head of a record
//   tr.<app>.c.<part>.<type>.<id>.<first entry>-<random>   a chunk
//   tr.<app>.i.<part>.<type>.<id>                          the entry of the wake index
//   tr.<app>.b.<k>.<random>                                what a reader of stream k waits for, to know how far it has read
//
// Types and ids are one token each. Partitions go round the streams.

import type { ActorAddress, ActorId, PartitionId } from '@troupe/actors';

const APP_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** Kept as they are; `encodeURIComponent` makes `%` and two digits of every other byte. */
const PLAIN_PATTERN = /^[A-Za-z0-9_-]+$/;

/** The token of a type or an id. The longest, of 512 bytes that all need three characters, is within what servers take. */
export function encodeToken(text: string): string {
  if (PLAIN_PATTERN.test(text)) return text;
  return encodeURIComponent(text).replaceAll('.', '%2E').replaceAll('*', '%2A');
}

/** What {@link encodeToken} made a token of. @throws {URIError} when it was made by something else */
export function decodeToken(token: string): string {
  return token.includes('%') ? decodeURIComponent(token) : token;
}

/** @throws {TypeError} when the name of the application cannot be part of a subject */
export function checkApp(app: string): void {
  if (APP_PATTERN.test(app)) return;
  throw new TypeError(
    `on NATS an application name is 1 to 64 letters, digits, "_" and "-"; got ${JSON.stringify(app)}`,
  );
}

/** A token that nobody else makes. */
export function randomToken(random: () => number): string {
  return Math.floor(random() * 2 ** 52).toString(36);
}

export class StreamNames {
  readonly app: string;
  readonly #streams: readonly string[];

  /** @throws {TypeError} when the name of the application cannot be part of a subject */
  constructor(app: string, streamCount: number) {
    checkApp(app);
    this.app = app;
    this.#streams = Array.from({ length: streamCount }, (_, index) => `TROUPE_${app}_${index}`);
  }

  get streams(): readonly string[] {
    return this.#streams;
  }

  get layout(): string {
    return `tr.${this.app}.layout`;
  }

  streamOf(partition: PartitionId): string {
    return this.#streams[partition % this.#streams.length]!;
  }

  /** What the stream of that number takes. Without partitions of its own it would overlap with the others. */
  subjectsOf(stream: number, partitionCount: number): string[] {
    const { app } = this;
    const first = stream === 0 ? [this.layout] : [];
    const barriers = `tr.${app}.b.${stream}.*`;
    if (this.#streams.length === 1) {
      return [...first, barriers, `tr.${app}.o.*`, `tr.${app}.h.>`, `tr.${app}.c.>`, `tr.${app}.i.>`];
    }
    const own: string[] = [];
    for (let partition = stream; partition < partitionCount; partition += this.#streams.length) {
      own.push(`tr.${app}.o.${partition}`, `tr.${app}.h.${partition}.>`, `tr.${app}.c.${partition}.>`);
      own.push(`tr.${app}.i.${partition}.>`);
    }
    return [...first, barriers, ...own];
  }

  claim(partition: PartitionId): string {
    return `tr.${this.app}.o.${partition}`;
  }

  /** What the subjects of an actor end with, in each of the three groups. */
  keyOf(partition: PartitionId, { type, id }: ActorAddress): string {
    return `${partition}.${encodeToken(type)}.${encodeToken(id)}`;
  }

  head(key: string): string {
    return `tr.${this.app}.h.${key}`;
  }

  index(key: string): string {
    return `tr.${this.app}.i.${key}`;
  }

  chunk(key: string, first: number, token: string): string {
    return `tr.${this.app}.c.${key}.${first}-${token}`;
  }

  chunksOf(key: string): string {
    return `tr.${this.app}.c.${key}.>`;
  }

  headsIn(partition: PartitionId | undefined): string {
    return partition === undefined ? `tr.${this.app}.h.>` : `tr.${this.app}.h.${partition}.>`;
  }

  indexOf(partition: PartitionId): string {
    return `tr.${this.app}.i.${partition}.>`;
  }

  barrier(stream: number, token: string): string {
    return `tr.${this.app}.b.${stream}.${token}`;
  }

  /** Where a host answers questions about its summaries. */
  query(hostId: string): string {
    return `tr.${this.app}.q.${encodeToken(hostId)}`;
  }

  /** The actor of a subject of one of the three groups, or undefined when it is none. */
  addressOf(subject: string): { readonly partition: PartitionId; readonly address: ActorAddress } | undefined {
    const tokens = subject.split('.');
    if (tokens.length < 6) return undefined;
    try {
      const id: ActorId = decodeToken(tokens[5]!);
      return { partition: Number(tokens[3]), address: { type: decodeToken(tokens[4]!), id } };
    } catch {
      // Somebody else wrote there.
      return undefined;
    }
  }
}
