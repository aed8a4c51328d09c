// Everything that reads the database and decides nothing: an actor's record, its runs of entries, pages of the indexes.
// What is read together is read from one snapshot, since writes go on meanwhile.

import type { ClassicLevel } from 'classic-level';
import {
  COMMIT_BYTES_MAX,
  CorruptRecordError,
  formatAddress,
  matchesFilter,
  type ActorAddress,
  type DueEntry,
  type DuePage,
  type EntryRun,
  type ListedActor,
  type ListFilter,
  type ListPage,
  type Loaded,
  type PartitionId,
  type Summary,
  type Tombstone,
} from '@troupe/actors';
import { Absence, type Head } from './head.ts';
import {
  addressOfDueKey,
  dueBound,
  entryOf,
  idKey,
  idOfSummaryKey,
  NO_ENTRY,
  recordKey,
  summaryBound,
  summaryEnd,
  summaryKey,
  UINT48_MAX,
} from './keys.ts';
import { READ_BYTES_MAX, ROWS_PER_READ } from './limits.ts';
import { decodeRecord, decodeRow, encodeRow, type StoredRecord } from './record.ts';

export type Database = ClassicLevel<Buffer, Buffer>;
type Snapshot = ReturnType<Database['snapshot']>;

/** What an id leads to: the number of a life, or the tombstone of one. */
const LIFE = 1;
const TOMBSTONE = 2;

/** Writes the value of an id row with a life; returns where it ends. */
export function writeLife(target: Buffer, start: number, number: number): number {
  target[start] = LIFE;
  return target.writeUIntBE(number, start + 1, 6);
}

export function tombstoneRow(key: Buffer, tombstone: Tombstone): Buffer {
  return encodeRow(key, Buffer.concat([Buffer.from([TOMBSTONE]), Buffer.from(JSON.stringify(tombstone))]));
}

/** The value of a summary row. */
export function summaryText({ name, status, createdAtMs, completedAtMs, tags }: Summary): string {
  return JSON.stringify([name, status, createdAtMs, completedAtMs ?? null, tags]);
}

function decodeSummary(key: Buffer, value: Buffer): Summary {
  const [name, status, createdAtMs, completedAtMs, tags] = JSON.parse(decodeRow(key, value).toString()) as [
    string,
    string,
    number,
    number | null,
    Summary['tags'],
  ];
  return { name, status, createdAtMs, ...(completedAtMs === null ? {} : { completedAtMs }), tags };
}

/** What is known of an address, with the head to go on from. */
export async function readActor(
  database: Database,
  address: ActorAddress,
): Promise<{ loaded: Loaded; head: Head | Absence }> {
  const key = idKey(address);
  const snapshot = database.snapshot();
  try {
    const row = database.getSync(key, { snapshot });
    const { number, tombstone } = row === undefined ? { number: 0, tombstone: undefined } : decodeIdRow(key, row);
    if (number === 0) return { loaded: { record: undefined, tombstone }, head: new Absence() };
    const { head, state } = await readNewest(database, address, number, snapshot, true);
    return {
      loaded: {
        record: {
          revision: head.revision,
          state: state!,
          firstEntry: head.firstEntry,
          nextEntry: head.nextEntry,
          dueAtMs: head.dueAtMs,
          summary: head.listedAtMs === null ? null : readSummary(database, address, head.listedAtMs, snapshot),
          commitIds: head.commitIds(),
        },
        tombstone: undefined,
      },
      head,
    };
  } finally {
    await snapshot.close();
  }
}

function decodeIdRow(key: Buffer, row: Buffer): { number: number; tombstone: Tombstone | undefined } {
  const payload = decodeRow(key, row);
  if (payload[0] === LIFE) return { number: payload.readUIntBE(1, 6), tombstone: undefined };
  return { number: 0, tombstone: JSON.parse(payload.toString('utf8', 1)) as Tombstone };
}

function readSummary(database: Database, address: ActorAddress, createdAtMs: number, snapshot: Snapshot): Summary {
  const key = summaryKey(address, createdAtMs);
  const row = database.getSync(key, { snapshot });
  if (row === undefined) throw corrupt(address, 'its summary is missing');
  return decodeSummary(key, row);
}

/** Or a first large record would come alone. */
const TWO_RECORDS_BYTES_MAX = 4 * COMMIT_BYTES_MAX;

/** The newest head of a life and, if asked for, the newest state. The place of an entry is looked up on the way. */
async function readNewest(
  database: Database,
  address: ActorAddress,
  number: number,
  snapshot: Snapshot,
  withState: boolean,
): Promise<{ head: Head; state: Uint8Array | undefined }> {
  const bounds = { gte: recordKey(number, 0), lte: recordKey(number, NO_ENTRY), reverse: true, snapshot };
  const iterator = database.iterator({ ...bounds, highWaterMarkBytes: TWO_RECORDS_BYTES_MAX });
  try {
    // The last commit without entries, if there was one, and the last one with entries: one of them is the newest.
    const records = (await iterator.nextv(2)).map(([key, value]) => decodeRecord(key, value));
    const newest = records.reduce<StoredRecord | undefined>(
      (best, record) => (best === undefined || record.head.revision > best.head.revision ? record : best),
      undefined,
    );
    if (newest === undefined) throw corrupt(address, 'its records are missing');
    const { head } = newest;
    if (!withState || newest.state !== undefined) return { head, state: newest.state };
    iterator.seek(recordKey(number, head.stateAt));
    const found = await iterator.next();
    const holder = found === undefined ? undefined : decodeRecord(found[0], found[1]);
    if (holder?.state === undefined || entryOf(found![0]) !== head.stateAt)
      throw corrupt(address, 'its state is missing');
    return { head, state: holder.state };
  } finally {
    await iterator.close();
  }
}

/** As {@link Store.read}. */
export async function readRuns(
  database: Database,
  address: ActorAddress,
  fromEntry: number,
  limit: number,
): Promise<EntryRun[]> {
  const snapshot = database.snapshot();
  try {
    const key = idKey(address);
    const row = database.getSync(key, { snapshot });
    const number = row === undefined ? 0 : decodeIdRow(key, row).number;
    if (number === 0) return [];
    const { head } = await readNewest(database, address, number, snapshot, false);
    const from = Math.max(fromEntry, head.firstEntry);
    const until = Math.min(head.nextEntry, from + limit);
    if (from >= until) return [];
    const runs: EntryRun[] = [];
    let next = await firstOfRunWith(database, number, from, snapshot);
    const bounds = { gte: recordKey(number, next), lt: recordKey(number, until), snapshot };
    for await (const rows of rowsIn(database, bounds)) {
      for (const [runKey, value] of rows) {
        const { run } = decodeRecord(runKey, value);
        if (run?.first !== next) break;
        runs.push(run);
        next += run.count;
      }
    }
    if (next < until) throw corrupt(address, `its entries from ${next} on are missing`);
    return runs;
  } finally {
    await snapshot.close();
  }
}

async function firstOfRunWith(database: Database, number: number, entry: number, snapshot: Snapshot): Promise<number> {
  const bounds = { gte: recordKey(number, 0), lte: recordKey(number, entry), reverse: true, limit: 1, snapshot };
  const [key] = await database.keys(bounds).all();
  return key === undefined ? entry : entryOf(key);
}

/** As {@link Store.due}. */
export async function duePage(
  database: Database,
  partition: PartitionId,
  untilMs: number,
  cursor: string | undefined,
  limit: number,
): Promise<DuePage> {
  const end = untilMs >= UINT48_MAX ? dueBound(partition + 1, 0) : dueBound(partition, untilMs + 1);
  const bounds = { ...startAt(dueBound(partition, 0), 5, cursor), lt: end, limit: limit + 1 };
  const entries: DueEntry[] = [];
  let last: Buffer | undefined;
  for await (const rows of rowsIn(database, bounds)) {
    for (const [key, value] of rows) {
      if (entries.length === limit) return { entries, cursor: last?.toString('base64url') };
      last = key;
      entries.push({ address: addressOfDueKey(key), dueAtMs: decodeRow(key, value).readDoubleLE(0) });
    }
  }
  return { entries, cursor: undefined };
}

/** As {@link Store.list}. */
export async function listPage(
  database: Database,
  filter: ListFilter,
  limit: number,
  cursor: string | undefined,
): Promise<ListPage> {
  const actors: ListedActor[] = [];
  let last: Buffer | undefined;
  for await (const rows of rowsIn(database, summaryBounds(filter, cursor))) {
    for (const [key, value] of rows) {
      const actor = matching(filter, key, value);
      if (actor === undefined) continue;
      if (actors.length === limit) return { actors, cursor: last?.toString('base64url'), incomplete: false };
      last = key;
      actors.push(actor);
    }
  }
  return { actors, cursor: undefined, incomplete: false };
}

/** As {@link Store.count}. */
export async function countByStatus(database: Database, filter: ListFilter): Promise<Record<string, number>> {
  const counts = new Map<string, number>();
  for await (const rows of rowsIn(database, summaryBounds(filter, undefined))) {
    for (const [key, value] of rows) {
      const status = matching(filter, key, value)?.summary.status;
      if (status !== undefined) counts.set(status, (counts.get(status) ?? 0) + 1);
    }
  }
  return Object.fromEntries(counts);
}

function matching(filter: ListFilter, key: Buffer, value: Buffer): ListedActor | undefined {
  const address = { type: filter.type, id: idOfSummaryKey(filter.type, key) };
  if (filter.idPrefix !== undefined && !address.id.startsWith(filter.idPrefix)) return undefined;
  const summary = decodeSummary(key, value);
  return matchesFilter(filter, address, summary) ? { address, summary } : undefined;
}

/** Newest first: "before" is where to begin, "after" where to end. Whole milliseconds; `matchesFilter` is exact. */
function summaryBounds(filter: ListFilter, cursor: string | undefined): RowBounds {
  const { type, createdAfterMs, createdBeforeMs } = filter;
  const begin = summaryBound(type, createdBeforeMs ?? Infinity);
  return {
    ...startAt(begin, type.length + 2, cursor),
    lt: createdAfterMs === undefined ? summaryEnd(type) : summaryBound(type, createdAfterMs - 1),
  };
}

/** Begins after the key in the cursor, which has the first bytes of the keys that are asked for. */
function startAt(begin: Buffer, prefixBytes: number, cursor: string | undefined): RowBounds {
  if (cursor === undefined) return { gte: begin };
  const key = Buffer.from(cursor, 'base64url');
  if (key.length <= begin.length || key.compare(begin, 0, prefixBytes, 0, prefixBytes) !== 0) {
    throw new TypeError(`not a cursor of this list: ${cursor.slice(0, 80)}`);
  }
  return { gt: key };
}

export interface RowBounds {
  readonly gt?: Buffer;
  readonly gte?: Buffer;
  readonly lt?: Buffer;
  readonly limit?: number;
  readonly snapshot?: Snapshot;
}

/** Rows in order, some at a time; others get a chance between. */
export async function* rowsIn(database: Database, bounds: RowBounds): AsyncGenerator<[Buffer, Buffer][]> {
  const iterator = database.iterator({ ...bounds, highWaterMarkBytes: READ_BYTES_MAX });
  try {
    for (;;) {
      const rows = await iterator.nextv(ROWS_PER_READ);
      if (rows.length === 0) return;
      yield rows;
    }
  } finally {
    await iterator.close();
  }
}

function corrupt(address: ActorAddress, how: string): CorruptRecordError {
  return new CorruptRecordError(`the record of ${formatAddress(address)} is damaged: ${how}`);
}
