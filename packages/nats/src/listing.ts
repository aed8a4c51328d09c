// Lists and counts over all hosts: each owner keeps the summaries of its partitions, whoever is asked merges what the others
// answer. A list is incomplete while a partition has no owner that has read it, or an owner does not answer.

import {
  parseCursor,
  printCursor,
  StoreUnavailableError,
  type ActorAddress,
  type Clock,
  type ListedActor,
  type ListFilter,
  type ListPage,
  type Logger,
  type PartitionId,
  type Summary,
} from '@troupe/actors';
import { json, parseJson } from './jetstream.ts';
import { parseSummary } from './head.ts';
import {
  QUERY_ANSWER_BYTES_MAX,
  QUERY_PATIENCE_MS,
  SUMMARY_AGAIN_MS,
  SUMMARY_RESCAN_MS,
  SUMMARY_SCANS_MAX,
} from './limits.ts';
import { Background } from './background.ts';
import { parsePurged, PURGED_HEADER, SUMMARY_HEADER, type PurgedMark } from './record-headers.ts';
import type { Requests } from './requests.ts';
import type { Scanner } from './scan.ts';
import type { StreamNames } from './stream-names.ts';
import { comparePositions, Summaries, type ListPosition } from './summaries.ts';
import type { Wire, WireMessage } from './wire.ts';

/** What one host asks another. */
interface Query {
  readonly filter: ListFilter;
  /** Absent: a count is wanted. */
  readonly limit?: number;
  readonly after?: ListPosition;
}

/** What one host knows. */
interface Answer {
  /** The partitions that it has read. */
  readonly partitions: readonly PartitionId[];
  readonly actors?: readonly (readonly [id: string, summary: Summary])[];
  readonly more?: boolean;
  readonly counts?: Readonly<Record<string, number>>;
}

export interface ListingParts {
  readonly wire: Wire;
  readonly requests: Requests;
  readonly names: StreamNames;
  readonly scanner: Pick<Scanner, 'read'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly partitionCount: number;
  /** This host, and those that own partitions now; absent for a store that is used alone. */
  readonly hostId: string | undefined;
  readonly members: () => readonly string[];
  /** A tombstone was found in a partition that this store has. */
  foundTombstone(address: ActorAddress, sequence: number, mark: PurgedMark): void;
}

export class Listing {
  readonly summaries = new Summaries();
  readonly #parts: ListingParts;
  readonly #scans: Background;
  /** Partitions that have been read. */
  readonly #ready = new Set<PartitionId>();
  /** Tells one ownership of a partition from the next. */
  readonly #owned = new Map<PartitionId, symbol>();
  /** Those who wait until all that is owned has been read. */
  readonly #whenRead = new Set<() => void>();
  #endSubscription: () => void = () => {};
  #stopped = false;

  constructor(parts: ListingParts) {
    this.#parts = parts;
    this.#scans = new Background(SUMMARY_SCANS_MAX, parts.clock, parts.logger);
  }

  start(): void {
    const { hostId, names, wire } = this.#parts;
    if (hostId !== undefined)
      this.#endSubscription = wire.subscribe(names.query(hostId), (message) => this.#answer(message));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endSubscription();
    await this.#scans.drain(0);
    for (const done of [...this.#whenRead]) done();
  }

  acquired(partition: PartitionId): void {
    const ownership = Symbol(partition);
    this.#owned.set(partition, ownership);
    this.#read(partition, ownership);
    // A former owner may have written until a moment ago, and a lagging replica not have had it.
    if (this.#parts.hostId !== undefined)
      this.#parts.clock.setTimeout(() => this.#read(partition, ownership), SUMMARY_RESCAN_MS);
  }

  lost(partition: PartitionId): void {
    this.#owned.delete(partition);
    this.#ready.delete(partition);
    this.summaries.drop(partition);
    this.#noteRead();
  }

  async list(filter: ListFilter, limit: number, cursor: string | undefined): Promise<ListPage> {
    const after = cursor === undefined ? undefined : positionAt(cursor);
    await this.whenRead();
    const own = this.summaries.list(filter, limit, after);
    const others = await this.#ask(after === undefined ? { filter, limit } : { filter, limit, after });
    const pages: { readonly actors: readonly ListedActor[]; readonly more: boolean }[] = [own];
    for (const answer of others) {
      const actors = (answer.actors ?? []).map(([id, summary]) => ({ address: { type: filter.type, id }, summary }));
      pages.push({ actors, more: answer.more ?? false });
    }
    const incomplete = !this.#covered(others);
    const { actors, more } = merged(pages, limit);
    const last = more ? actors.at(-1) : undefined;
    return { actors, cursor: last && printCursor(last.summary.createdAtMs, last.address.id), incomplete };
  }

  async count(filter: ListFilter): Promise<Record<string, number>> {
    await this.whenRead();
    const counts = this.summaries.count(filter);
    for (const answer of await this.#ask({ filter })) {
      for (const [status, count] of Object.entries(answer.counts ?? {}))
        counts.set(status, (counts.get(status) ?? 0) + count);
    }
    return Object.fromEntries(counts);
  }

  /** Reads a partition for as long as this host owns it: while it is not read, no list is complete. */
  #read(partition: PartitionId, ownership: symbol): void {
    const { clock, logger } = this.#parts;
    if (this.#stopped || this.#owned.get(partition) !== ownership) return;
    this.#scans.add(async () => {
      try {
        await this.#scan(partition, ownership);
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        if (this.#stopped) return;
        logger.warn({ partition, err: error }, 'the summaries of a partition could not be read; it is tried again');
        clock.setTimeout(() => this.#read(partition, ownership), SUMMARY_AGAIN_MS);
      }
    });
  }

  async #scan(partition: PartitionId, ownership: symbol): Promise<void> {
    const { names, scanner } = this.#parts;
    const isOwned = (): boolean => this.#owned.get(partition) === ownership;
    if (!isOwned()) return;
    const { summaries } = this;
    summaries.reading(partition);
    await scanner.read(
      names.streamOf(partition),
      names.headsIn(partition),
      { headersOnly: true },
      () => {},
      (message) => {
        const { subject, sequence } = message;
        const actor = names.addressOf(subject);
        if (actor === undefined || !isOwned()) return;
        const purged = message.header(PURGED_HEADER);
        const mark = purged === undefined ? undefined : parsePurged(purged);
        if (mark !== undefined) this.#parts.foundTombstone(actor.address, sequence, mark);
        else if (purged !== undefined)
          this.#parts.logger.error(
            { subject, sequence },
            'a tombstone is damaged; what it stands for is not cleaned up',
          );
        const text = purged === undefined ? message.header(SUMMARY_HEADER) : undefined;
        const listed = text === undefined ? undefined : parseSummary(text);
        if (text !== undefined && listed === undefined)
          this.#parts.logger.error({ subject, sequence }, 'a summary is damaged; its actor is not listed');
        summaries.set(partition, actor.address, sequence, listed?.summary ?? null);
      },
    );
    if (!isOwned()) return;
    summaries.read(partition);
    this.#ready.add(partition);
    this.#noteRead();
  }

  #noteRead(): void {
    if (this.#ready.size === this.#owned.size) for (const done of [...this.#whenRead]) done();
  }

  /** Resolves when the partitions of this store are read, or it takes too long. */
  async whenRead(): Promise<void> {
    if (this.#ready.size === this.#owned.size) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        this.#whenRead.delete(done);
        resolve();
      };
      const cancel = this.#parts.clock.setTimeout(done, QUERY_PATIENCE_MS);
      this.#whenRead.add(done);
    });
  }

  #covered(others: readonly Answer[]): boolean {
    const covered = new Set(this.#ready);
    for (const { partitions } of others) for (const partition of partitions) covered.add(partition);
    return covered.size === this.#parts.partitionCount;
  }

  async #ask(query: Query): Promise<Answer[]> {
    const { hostId, members, names, requests } = this.#parts;
    if (hostId === undefined) return [];
    const body = json(query);
    const others = members().filter((member) => member !== hostId);
    const answers = await Promise.allSettled(
      others.map(async (member) => {
        const { data } = await requests.ask(names.query(member), body, QUERY_PATIENCE_MS);
        return parseJson(data) as Answer;
      }),
    );
    // One that does not answer leaves its partitions uncovered.
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  #answer({ data, reply }: WireMessage): void {
    if (reply === undefined) return;
    const query = parseJson(data) as Query;
    this.#parts.wire.publish(reply, json(this.#answerTo(query)));
  }

  #answerTo({ filter, limit, after }: Query): Answer {
    const partitions = [...this.#ready];
    if (limit === undefined) return { partitions, counts: Object.fromEntries(this.summaries.count(filter)) };
    const page = this.summaries.list(filter, limit, after);
    const actors: (readonly [string, Summary])[] = [];
    // A server may take less than the usual.
    const bytesMax = Math.min(QUERY_ANSWER_BYTES_MAX, this.#parts.wire.info.payloadBytesMax / 2);
    let bytes = 0;
    for (const { address, summary } of page.actors) {
      bytes += JSON.stringify(summary).length * 3 + address.id.length * 3;
      if (bytes > bytesMax && actors.length > 0) return { partitions, actors, more: true };
      actors.push([address.id, summary]);
    }
    return { partitions, actors, more: page.more };
  }
}

/** One page of several: no further than the end of any page that goes on. */
function merged(
  pages: readonly { readonly actors: readonly ListedActor[]; readonly more: boolean }[],
  limit: number,
): { readonly actors: ListedActor[]; readonly more: boolean } {
  if (pages.length === 1) return { actors: [...pages[0]!.actors], more: pages[0]!.more };
  const ends = pages.flatMap(({ actors, more }) => (more && actors.length > 0 ? [positionOf(actors.at(-1)!)] : []));
  const end = ends.sort(comparePositions)[0];
  const seen = new Set<string>();
  const actors: ListedActor[] = [];
  const all = pages.flatMap((page) => page.actors).sort((a, b) => comparePositions(positionOf(a), positionOf(b)));
  for (const actor of all) {
    if (end !== undefined && comparePositions(positionOf(actor), end) > 0) return { actors, more: true };
    // A partition that changes hands is in two pages for a moment.
    if (seen.has(actor.address.id)) continue;
    if (actors.length === limit) return { actors, more: true };
    seen.add(actor.address.id);
    actors.push(actor);
  }
  return { actors, more: end !== undefined };
}

function positionOf({ address, summary }: ListedActor): ListPosition {
  return { createdAtMs: summary.createdAtMs, id: address.id };
}

function positionAt(cursor: string): ListPosition {
  const { number, text } = parseCursor(cursor);
  return { createdAtMs: number, id: text };
}
