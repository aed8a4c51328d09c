// How an application is laid out on JetStream: its streams, and the record that says how they are to be read. The record is
// written once, by compare-and-set, so that hosts that start together agree; the streams are made by whoever comes first.

import {
  checkLayout,
  CorruptRecordError,
  LayoutMismatchError,
  StoreUnavailableError,
  type Layout,
  type Logger,
} from '@troupe/actors';
import { JetStream, JetStreamError, json, type StreamConfig, type StreamInfo } from './jetstream.ts';
import { START_PATIENCE_MS } from './limits.ts';
import type { Patience } from './patience.ts';
import type { Publisher } from './publication.ts';
import { StreamNames } from './stream-names.ts';
import type { ServerInfo } from './wire.ts';

/** The layout of messages and subjects. A reader reads every earlier one. */
const VERSION = 1;
/** Nobody uses message ids; servers remember them for at least this long. */
const DUPLICATE_WINDOW_NS = 100 * 1e6;
/** Not enough servers, or not enough room on them. */
const NO_SUITABLE_PEERS = 10005;
const INSUFFICIENT_RESOURCES = 10023;
const NOT_CLUSTERED = 10074;

/** What the record says. */
export interface StreamLayout extends Layout {
  readonly version: number;
  readonly streams: number;
  readonly replicas: number;
}

export interface LayoutOptions {
  readonly app: string;
  /** Servers that keep each message: 3 in a cluster, else 1, unless it is said. */
  readonly replicas: number | undefined;
  readonly streams: number | undefined;
  readonly syncInterval: 'always' | 'default' | undefined;
}

export interface LayoutParts {
  readonly info: ServerInfo;
  readonly jetstream: JetStream;
  readonly publisher: Publisher;
  readonly patience: Patience;
  readonly logger: Logger;
}

/**
 * Makes what is missing and resolves with the layout in force.
 *
 * @throws {LayoutMismatchError} when the application is laid out otherwise; the message says how
 * @throws {StoreUnavailableError} when JetStream cannot serve, or has too few servers for the replicas
 */
export async function settleLayout(parts: LayoutParts, options: LayoutOptions, asked: Layout): Promise<StreamLayout> {
  checkLayout({ ...asked, app: options.app }, asked);
  const wanted: StreamLayout = {
    ...asked,
    version: VERSION,
    streams: options.streams ?? 1,
    replicas: options.replicas ?? (parts.info.cluster === undefined ? 1 : 3),
  };
  const settled = await settleRecord(parts, wanted);
  checkLayout(settled, asked);
  checkStreams(settled, options);
  const names = new StreamNames(options.app, settled.streams);
  for (let stream = 1; stream < settled.streams; stream++) await makeStream(parts, names, stream, settled);
  for (let stream = 0; stream < settled.streams; stream++) await checkStream(parts, names, stream, settled);
  warn(parts, options, settled);
  return settled;
}

async function settleRecord(parts: LayoutParts, wanted: StreamLayout): Promise<StreamLayout> {
  const { jetstream, patience, publisher } = parts;
  const names = new StreamNames(wanted.app, wanted.streams);
  const subject = names.layout;
  const first = names.streams[0]!;
  for (;;) {
    // The record lies in stream 0, whose subjects depend on the record: look before anything is made.
    const known = await patience.within(() => jetstream.streamInfo(first), START_PATIENCE_MS);
    if (known === undefined) await makeStream(parts, names, 0, wanted);
    const found = await patience.within(() => jetstream.lastMessage(first, subject), START_PATIENCE_MS);
    if (found !== undefined) return parseRecord(found.data, subject);
    // Made by a host that asked for something else, and has not written the record yet.
    await checkStream(parts, names, 0, wanted);
    // Refused: another host was first.
    const sequence = await publisher.write(subject, json(wanted), 0);
    if (sequence !== undefined) return wanted;
  }
}

function parseRecord(data: Buffer, subject: string): StreamLayout {
  let record: Partial<StreamLayout>;
  try {
    // What is no object has none of the parts.
    record = Object(JSON.parse(data.toString())) as Partial<StreamLayout>;
  } catch (cause) {
    throw new CorruptRecordError(`the layout in ${subject} is damaged`, { cause });
  }
  if (record.version !== undefined && record.version > VERSION) {
    throw new LayoutMismatchError(
      `the streams are of layout version ${record.version}; this version knows those up to ${VERSION}: start a newer one`,
    );
  }
  const { app, partitionCount, hash, format, version, streams, replicas } = record;
  if (
    app === undefined ||
    partitionCount === undefined ||
    hash === undefined ||
    format === undefined ||
    version === undefined ||
    streams === undefined ||
    replicas === undefined
  ) {
    throw new CorruptRecordError(`the layout in ${subject} is damaged: ${data.toString().slice(0, 200)}`);
  }
  return { app, partitionCount, hash, format, version, streams, replicas };
}

function checkStreams(settled: StreamLayout, { replicas, streams }: LayoutOptions): void {
  for (const [what, said, asked] of [
    ['streams', settled.streams, streams],
    ['replicas', settled.replicas, replicas],
  ] as const) {
    if (asked !== undefined && asked !== said) {
      throw new LayoutMismatchError(
        `the store was laid out with ${what} ${said} and cannot be started with ${what} ${asked}`,
      );
    }
  }
}

async function makeStream(
  { jetstream, patience }: LayoutParts,
  names: StreamNames,
  stream: number,
  { partitionCount, replicas }: StreamLayout,
): Promise<void> {
  const config: StreamConfig = {
    name: names.streams[stream]!,
    subjects: names.subjectsOf(stream, partitionCount),
    storage: 'file',
    num_replicas: replicas,
    retention: 'limits',
    max_msgs_per_subject: 1,
    // A stream that is full refuses what is new; old records are not dropped for it.
    discard: 'new',
    allow_direct: true,
    duplicate_window: DUPLICATE_WINDOW_NS,
  };
  const create = async (): Promise<void> => {
    try {
      await jetstream.createStream(config);
    } catch (error) {
      // Another host was first. What it has made is checked afterwards.
      if (JetStream.nameIsTaken(error)) return;
      if (error instanceof JetStreamError && error.errorCode === NOT_CLUSTERED) throw tooFewServers(config, error);
      throw error;
    }
  };
  try {
    await patience.within(create, START_PATIENCE_MS);
  } catch (error) {
    // The other servers of the cluster may have been about to start.
    const refusal = error instanceof StoreUnavailableError ? error.cause : undefined;
    if (refusal instanceof JetStreamError && [NO_SUITABLE_PEERS, INSUFFICIENT_RESOURCES].includes(refusal.errorCode))
      throw tooFewServers(config, refusal);
    throw error;
  }
}

function tooFewServers(config: StreamConfig, cause: JetStreamError): StoreUnavailableError {
  return new StoreUnavailableError(
    `stream ${config.name} cannot have ${config.num_replicas} replicas: ${cause.message}. Start more servers with ` +
      'JetStream, or say replicas: 1 and read what that means in docs/operations.md',
    { cause, wroteNothing: true },
  );
}

/** The settings without which records would be lost. Others are the operator's. */
async function checkStream(
  { jetstream, patience, logger }: LayoutParts,
  names: StreamNames,
  stream: number,
  layout: StreamLayout,
): Promise<void> {
  const name = names.streams[stream]!;
  const info: StreamInfo | undefined = await patience.within(() => jetstream.streamInfo(name), START_PATIENCE_MS);
  if (info === undefined) throw new LayoutMismatchError(`stream ${name} is missing`);
  const { discard, max_age, max_msgs_per_subject, num_replicas, subjects } = info.config;
  const missing = names.subjectsOf(stream, layout.partitionCount).filter((subject) => !subjects.includes(subject));
  if (missing.length > 0) {
    throw new LayoutMismatchError(
      `stream ${name} was made for other settings: it does not take ${missing.slice(0, 3).join(', ')}`,
    );
  }
  if (max_msgs_per_subject !== 1 || discard !== 'new' || (typeof max_age === 'number' && max_age > 0)) {
    throw new LayoutMismatchError(
      `stream ${name} would lose records: it needs max_msgs_per_subject 1, discard new and no max_age; ` +
        `it has ${max_msgs_per_subject}, ${discard} and ${String(max_age)}`,
    );
  }
  if (num_replicas !== layout.replicas) {
    logger.warn(
      { stream: name, replicas: num_replicas, laidOut: layout.replicas },
      'the stream has another number of replicas than the layout says',
    );
  }
}

/** What cannot be seen in an error later. */
function warn({ logger, info }: LayoutParts, { syncInterval }: LayoutOptions, settled: StreamLayout): void {
  logger.info(
    { app: settled.app, replicas: settled.replicas, streams: settled.streams, cluster: info.cluster },
    `records are kept by ${settled.replicas === 1 ? 'one server' : `${settled.replicas} servers`}`,
  );
  if (settled.replicas < 3) {
    logger.warn(
      { replicas: settled.replicas },
      'records have fewer than three replicas: what the disk of a server loses is lost. For production run a cluster of ' +
        'three servers (docs/operations.md)',
    );
  }
  if (syncInterval === undefined) {
    logger.warn(
      {},
      'nobody said how often the NATS servers sync to disk, and a client cannot see it: their default is two minutes, and ' +
        'a power failure of all of them loses that much. Set "sync_interval: always" in the jetstream block of each ' +
        "server and say syncInterval: 'always' here, or say 'default' if you accept the loss (docs/operations.md)",
    );
  }
}
