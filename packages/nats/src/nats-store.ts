// The store of many hosts: the records of an application in JetStream, one message per commit.
//
// Responsible for: opening and closing what the other files do together. What is where: names in `stream-names.ts`, the layout
// record and the streams in `layout.ts`, heads in `head.ts`, chunks in `chunks.ts` and `references.ts`, commits in
// `commits.ts`, when actors are due in `wake-index.ts`, lists in `listing.ts`, ends in `purges.ts`.
//
// It decides nothing about who owns what: any number of hosts may use the same streams, and every write is conditional on
// what its writer has seen. Placement tells it which partitions this host has, for the lists alone.

import {
  StoreUnavailableError,
  type ActorAddress,
  type Clock,
  type CommitSource,
  type DuePage,
  type EntryRun,
  type Layout,
  type ListFilter,
  type ListPage,
  type Loaded,
  type Logger,
  type PartitionId,
  type Store,
  type Tombstone,
} from '@troupe/actors';
import { Background } from './background.ts';
import { Chunks } from './chunks.ts';
import { Commits } from './commits.ts';
import { DueReader } from './due-reader.ts';
import { Health } from './health.ts';
import { JetStream } from './jetstream.ts';
import { settleLayout, type StreamLayout } from './layout.ts';
import { DELETIONS_MAX, STOP_WRITES_MS } from './limits.ts';
import { Listing } from './listing.ts';
import { Patience } from './patience.ts';
import { Publisher } from './publication.ts';
import { Purges } from './purges.ts';
import { Records } from './records.ts';
import type { Requests } from './requests.ts';
import { Scanner } from './scan.ts';
import { Settling } from './settling.ts';
import { randomToken, StreamNames } from './stream-names.ts';
import type { StuckStreams } from './stuck-streams.ts';
import { WakeIndex } from './wake-index.ts';
import type { Wire } from './wire.ts';

/** A connection, and what is made of it. */
export interface Connected {
  readonly wire: Wire;
  readonly requests: Requests;
  readonly stuck: StuckStreams;
}

export interface NatsStoreOptions {
  readonly app: string;
  /** The connection, which the store closes when it stops. Asked for by each start. */
  readonly open: () => Promise<Connected>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Servers that keep each record. Default: 3 in a cluster, else 1. Fixed by the first start. */
  readonly replicas?: number | undefined;
  /** Streams that the partitions are spread over. Default: 1. Fixed by the first start. */
  readonly streams?: number | undefined;
  /** What the servers are configured with, as far as whoever runs them says so. */
  readonly syncInterval?: 'always' | 'default' | undefined;
  /** Who else may own partitions. Without it the store is alone and has all of them. */
  readonly hosts?: { readonly hostId: string; readonly members: () => readonly string[] };
}

/** Everything that lives from a start to a stop. */
interface Running {
  readonly layout: StreamLayout;
  readonly names: StreamNames;
  readonly wire: Wire;
  readonly requests: Requests;
  readonly publisher: Publisher;
  readonly patience: Patience;
  readonly health: Health;
  readonly background: Background;
  readonly records: Records;
  readonly commits: Commits;
  readonly index: WakeIndex;
  readonly due: DueReader;
  readonly purges: Purges;
  readonly listing: Listing;
  readonly endStatus: () => void;
}

export class NatsStore implements Store {
  readonly #options: NatsStoreOptions;
  #running: Running | undefined;
  #starting = false;
  #stopping: Promise<void> | undefined;

  constructor(options: NatsStoreOptions) {
    this.#options = options;
  }

  async start(layout: Layout): Promise<Layout> {
    if (this.#running !== undefined || this.#starting) throw new TypeError('the store is started already');
    this.#starting = true;
    try {
      this.#running = await this.#open(layout);
    } finally {
      this.#starting = false;
    }
    this.#stopping = undefined;
    if (this.#options.hosts === undefined) {
      for (let partition = 0; partition < layout.partitionCount; partition++) this.partitionAcquired(partition);
    }
    const { app, partitionCount, hash, format } = this.#running.layout;
    return { app, partitionCount, hash, format };
  }

  stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running !== undefined) this.#stopping = this.#close(running);
    return this.#stopping ?? Promise.resolve();
  }

  failure(): Error | undefined {
    return this.#running === undefined ? notStarted() : this.#running.health.failure;
  }

  commit(source: CommitSource): void {
    if (this.#running === undefined) queueMicrotask(() => source.refused(notStarted()));
    else this.#running.commits.request(source);
  }

  release(source: CommitSource): void {
    this.#running?.commits.release(source);
  }

  async load(address: ActorAddress): Promise<Loaded> {
    const { index, records } = this.#started();
    const { head, loaded } = await records.load(address);
    index.loaded(head);
    return loaded;
  }

  async read(address: ActorAddress, fromEntry: number, limit: number): Promise<readonly EntryRun[]> {
    return await this.#started().records.read(address, fromEntry, limit);
  }

  async purge(address: ActorAddress, expectedRevision: number, tombstone?: Tombstone): Promise<void> {
    await this.#started().purges.purge(address, expectedRevision, tombstone);
  }

  async sweepTombstones(beforeMs: number): Promise<number> {
    const { listing, purges } = this.#started();
    // Those of a partition are known when it is read.
    await listing.whenRead();
    return await purges.sweep(beforeMs);
  }

  async due(partition: PartitionId, untilMs: number, cursor: string | undefined, limit: number): Promise<DuePage> {
    return await this.#started().due.page(partition, untilMs, cursor, limit);
  }

  async list(filter: ListFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<ListPage> {
    return await this.#started().listing.list(filter, page.limit, page.cursor);
  }

  async count(filter: ListFilter): Promise<Readonly<Record<string, number>>> {
    return await this.#started().listing.count(filter);
  }

  /** Where the claims of partitions are kept, once the store is started. */
  readonly claimNames = {
    streamOf: (partition: PartitionId): string => this.#started().names.streamOf(partition),
    claim: (partition: PartitionId): string => this.#started().names.claim(partition),
  };

  /** This host owns the partition: its summaries are read and kept. */
  partitionAcquired(partition: PartitionId): void {
    this.#running?.listing.acquired(partition);
  }

  /** This host owns the partition no more. */
  partitionLost(partition: PartitionId): void {
    this.#running?.listing.lost(partition);
  }

  async #open(asked: Layout): Promise<Running> {
    const { app, clock, hosts, logger, open, random } = this.#options;
    const names = new StreamNames(app, this.#options.streams ?? 1);
    const connected = await open();
    const { wire, requests } = connected;
    const jetstream = new JetStream(requests);
    const health = new Health(clock, logger, async () => {
      await jetstream.streamInfo(names.streams[0]!);
      // A stream that is full can be read all the same.
      return !publisher.isStuck;
    });
    const publisher: Publisher = new Publisher(requests, clock, health);
    const patience = new Patience(clock, health);
    try {
      const layout = await settleLayout(
        { info: wire.info, jetstream, publisher, patience, logger },
        {
          app,
          replicas: this.#options.replicas,
          streams: this.#options.streams,
          syncInterval: this.#options.syncInterval,
        },
        asked,
      );
      return this.#assemble(layout, connected, { jetstream, health, publisher, patience, hosts, random });
    } catch (error) {
      health.stop();
      patience.stop();
      await wire.close();
      throw error;
    }
  }

  #assemble(
    layout: StreamLayout,
    { wire, requests, stuck }: Connected,
    parts: {
      readonly jetstream: JetStream;
      readonly health: Health;
      readonly publisher: Publisher;
      readonly patience: Patience;
      readonly hosts: NatsStoreOptions['hosts'];
      readonly random: () => number;
    },
  ): Running {
    const { clock, logger } = this.#options;
    const { health, hosts, jetstream, patience, publisher, random } = parts;
    const { partitionCount, replicas } = layout;
    const names = new StreamNames(layout.app, layout.streams);
    const token = randomToken(random);
    const payloadBytesMax = (): number => wire.info.payloadBytesMax;
    const background = new Background(DELETIONS_MAX, clock, logger);
    const chunks = new Chunks(names, publisher, jetstream, patience, random, payloadBytesMax);
    const records = new Records(names, jetstream, chunks, patience, partitionCount, replicas);
    const index = new WakeIndex(names, publisher, jetstream, patience, background, clock);
    const scanner = new Scanner(wire, names, jetstream, publisher, patience, clock, token, replicas);
    const listing = new Listing({
      wire,
      requests,
      names,
      scanner,
      clock,
      logger,
      partitionCount,
      hostId: hosts?.hostId,
      members: () => hosts?.members() ?? [],
      foundTombstone: (address, sequence, mark) => purges.found(address, sequence, mark),
    });
    const { summaries } = listing;
    const purges: Purges = new Purges({
      names,
      jetstream,
      publisher,
      patience,
      records,
      index,
      background,
      clock,
      random,
      gone: ({ address, partition }, sequence) => summaries.set(partition, address, sequence, null),
    });
    const commits = new Commits({
      publisher,
      records,
      chunks,
      settling: new Settling(chunks, jetstream, patience, background),
      index,
      patience,
      clock,
      refusedSince: (sinceMs, { stream, subject }) => stuck.refusedSince(sinceMs, stream, subject),
      payloadBytesMax,
      listed: ({ address, partition }, sequence, summary) => summaries.set(partition, address, sequence, summary),
      born: ({ address }) => purges.replaced(address),
    });
    const endStatus = wire.onStatus((status) => {
      if (status === 'connected') publisher.reconnected();
      else health.failing('the connection to NATS is lost');
    });
    listing.start();
    return {
      layout,
      names,
      wire,
      requests,
      publisher,
      patience,
      health,
      background,
      records,
      commits,
      index,
      due: new DueReader(names, scanner, index, clock),
      purges,
      listing,
      endStatus,
    };
  }

  async #close(running: Running): Promise<void> {
    const { background, commits, due, endStatus, health, index, listing, patience, publisher, purges } = running;
    // Commits that have begun are answered: those that the server does not answer, when the publisher gives them up.
    const answered = commits.stop(notStarted());
    await Promise.all([listing.stop(), publisher.stop(STOP_WRITES_MS)]);
    // From now on everything is asked for once.
    patience.stop();
    await answered;
    purges.stop();
    due.stop();
    index.stop();
    await background.drain(STOP_WRITES_MS);
    health.stop();
    endStatus();
    running.records.clear();
    running.requests.stop();
    await running.wire.close();
  }

  #started(): Running {
    if (this.#running === undefined) throw notStarted();
    return this.#running;
  }
}

function notStarted(): StoreUnavailableError {
  return new StoreUnavailableError('the store is not started', { wroteNothing: true });
}
