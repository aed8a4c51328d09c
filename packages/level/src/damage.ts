// Looks for damage in the files of a LevelDB database before it is opened.
//
// LevelDB by itself skips damaged parts of its log in silence, together with the writes in them, and reads tables without
// looking at their checksums (`paranoid_checks` and `verify_checksums` cannot be set from here). Both would turn a flipped
// bit into commits that never were. So this reads, and never writes:
//
// - CURRENT and the manifest: which logs and tables are in use, and that all of them are there;
// - the logs: every record. A last record that is broken is a write that never finished, and dropping it is right; one
//   that is followed by a good one is damage.
// - the tables: every block, the newest tables first, up to a bound.
//
// Sources: google/leveldb 1.20, doc/log_format.md, doc/table_format.md, db/version_edit.cc, table/format.cc;
// google/snappy, format_description.txt.

import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CorruptRecordError } from '@troupe/actors';
import { maskedCrc32c } from './crc32c.ts';

/**
 * Checks the files of a database: its logs if they are to be, its tables up to a number of bytes. A folder without a
 * CURRENT file is not one yet.
 *
 * @throws {CorruptRecordError} naming the file and the place
 */
export async function checkFiles(folder: string, tableBytesMax: number, checkLogs: boolean): Promise<void> {
  const names = new Set(await readdir(folder));
  if (!names.has('CURRENT')) return;
  const current = await readFile(join(folder, 'CURRENT'), 'utf8');
  const manifestName = current.slice(0, -1);
  if (!/^MANIFEST-\d+\n$/.test(current) || !names.has(manifestName)) {
    throw damaged(folder, 'CURRENT', 'it does not name a manifest that is there');
  }
  const manifest = readLog(folder, manifestName, await readFile(join(folder, manifestName)));
  const { firstLog, tables } = readManifest(folder, manifestName, manifest);

  const logs = [...names].map((name) => /^(\d+)\.log$/.exec(name)).filter((found) => found !== null);
  if (firstLog > 0 && !logs.some(([, number]) => Number(number) === firstLog)) {
    throw damaged(folder, `${String(firstLog).padStart(6, '0')}.log`, 'it is missing');
  }
  for (const [name, number] of logs) {
    if (checkLogs && Number(number) >= firstLog) readLog(folder, name, await readFile(join(folder, name)));
  }

  let bytesLeft = tableBytesMax;
  for (const [number, size] of [...tables].sort(([a], [b]) => b - a)) {
    const name = [`${number}.ldb`, `${number}.sst`]
      .map((end) => end.padStart(10, '0'))
      .find((found) => names.has(found));
    if (name === undefined) throw damaged(folder, `${String(number).padStart(6, '0')}.ldb`, 'it is missing');
    if (bytesLeft > 0) await checkTable(folder, name, size);
    bytesLeft -= size;
  }
}

function damaged(folder: string, file: string, how: string): CorruptRecordError {
  return new CorruptRecordError(
    `${join(folder, file)} is damaged: ${how}. Nothing was changed; bring the whole folder back from a copy`,
  );
}

const LOG_BLOCK_BYTES = 32 * 1024;
const LOG_HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** The payloads of the records of a log, without an unfinished one at the end. */
function readLog(folder: string, name: string, bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  let fragments: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES);
    if (left < LOG_HEADER_BYTES) {
      at += left;
      continue;
    }
    const type = goodFragment(bytes, at);
    const begins = type === FULL || type === FIRST;
    // A writer that was killed leaves a beginning at the end of a log; nothing follows it, LevelDB starts a new log then.
    if (type === 0 || begins !== (fragments.length === 0)) {
      const next = findBeginning(bytes, type === 0 ? at + 1 : at);
      if (next === -1) return records;
      throw damaged(folder, name, `byte ${at} is wrong, and good records follow at ${next}`);
    }
    const end = at + LOG_HEADER_BYTES + bytes.readUInt16LE(at + 4);
    fragments.push(bytes.subarray(at + LOG_HEADER_BYTES, end));
    if (type === FULL || type === LAST) {
      records.push(fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments));
      fragments = [];
    }
    at = end;
  }
  return records;
}

/** The type of the fragment that begins here, or 0 when none does that is whole. */
function goodFragment(bytes: Buffer, at: number): number {
  const room = Math.min(bytes.length - at, LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES)) - LOG_HEADER_BYTES;
  if (room < 0) return 0;
  const type = bytes[at + 6]!;
  const length = bytes.readUInt16LE(at + 4);
  if (type < FULL || type > LAST || length > room) return 0;
  return maskedCrc32c(bytes, at + 6, at + LOG_HEADER_BYTES + length) === bytes.readUInt32LE(at) ? type : 0;
}

/** Where the next whole record begins, wherever it is: lengths before it cannot be trusted. -1 when there is none. */
function findBeginning(bytes: Buffer, from: number): number {
  for (let at = from; at + LOG_HEADER_BYTES <= bytes.length; at++) {
    const type = bytes[at + 6];
    if ((type === FULL || type === FIRST) && goodFragment(bytes, at) !== 0) return at;
  }
  return -1;
}

interface Manifest {
  /** Logs from this one on are in use. */
  readonly firstLog: number;
  /** Size by number. */
  readonly tables: ReadonlyMap<number, number>;
}

function readManifest(folder: string, name: string, edits: readonly Buffer[]): Manifest {
  let firstLog = 0;
  const tables = new Map<number, number>();
  for (const edit of edits) {
    const reader = new VarintReader(edit);
    while (reader.at < edit.length) {
      const tag = reader.varint();
      if (tag === 1) reader.skip(reader.varint()); // comparator
      else if (tag === 2) firstLog = reader.varint();
      else if (tag === 3 || tag === 4 || tag === 9) reader.varint(); // next file, last sequence, previous log
      else if (tag === 5) {
        reader.varint();
        reader.skip(reader.varint()); // where the next compaction of a level begins
      } else if (tag === 6) {
        reader.varint();
        tables.delete(reader.varint());
      } else if (tag === 7) {
        reader.varint();
        const number = reader.varint();
        tables.set(number, reader.varint());
        reader.skip(reader.varint()); // smallest key
        reader.skip(reader.varint()); // largest key
      } else throw damaged(folder, name, `it has an unknown part ${tag}`);
    }
  }
  return { firstLog, tables };
}

const FOOTER_BYTES = 48;
const BLOCK_TRAILER_BYTES = 5;
const TABLE_MAGIC = Buffer.from('57fb808b247547db', 'hex');
const SNAPPY = 1;

async function checkTable(folder: string, name: string, size: number): Promise<void> {
  const bytes = await readWhole(join(folder, name));
  if (bytes.length !== size) throw damaged(folder, name, `it has ${bytes.length} bytes, the manifest says ${size}`);
  if (size < FOOTER_BYTES || !bytes.subarray(size - 8).equals(TABLE_MAGIC))
    throw damaged(folder, name, 'its end is wrong');
  const footer = new VarintReader(bytes.subarray(size - FOOTER_BYTES));
  const metaIndex = { offset: footer.varint(), length: footer.varint() };
  const index = { offset: footer.varint(), length: footer.varint() };
  for (const listing of [metaIndex, index]) {
    checkBlock(folder, name, bytes, listing);
    for (const value of blockValues(uncompressed(bytes, listing))) {
      const reader = new VarintReader(value);
      checkBlock(folder, name, bytes, { offset: reader.varint(), length: reader.varint() });
    }
  }
}

async function readWhole(path: string): Promise<Buffer> {
  // `readFile` reads big files in small pieces; tables are 2 MB.
  const file = await open(path);
  try {
    const bytes = Buffer.allocUnsafe((await file.stat()).size);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

interface BlockPlace {
  readonly offset: number;
  readonly length: number;
}

function checkBlock(folder: string, name: string, bytes: Buffer, { offset, length }: BlockPlace): void {
  const end = offset + length;
  if (
    !(end + BLOCK_TRAILER_BYTES <= bytes.length) ||
    maskedCrc32c(bytes, offset, end + 1) !== bytes.readUInt32LE(end + 1)
  ) {
    throw damaged(folder, name, `the block of ${length} bytes at ${offset} has a wrong checksum`);
  }
}

function uncompressed(bytes: Buffer, { offset, length }: BlockPlace): Buffer {
  const block = bytes.subarray(offset, offset + length);
  return bytes[offset + length] === SNAPPY ? unsnapped(block) : block;
}

/** The values of a block of keys and values. */
function* blockValues(block: Buffer): Generator<Buffer> {
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4);
  const reader = new VarintReader(block);
  while (reader.at < end) {
    reader.varint(); // how much of the key before it has
    const keyLength = reader.varint();
    const valueLength = reader.varint();
    reader.skip(keyLength + valueLength);
    yield block.subarray(reader.at - valueLength, reader.at);
  }
}

/** Undoes Snappy, of bytes whose checksum was right. */
function unsnapped(bytes: Buffer): Buffer {
  const reader = new VarintReader(bytes);
  const out = Buffer.allocUnsafe(reader.varint());
  let end = 0;
  while (reader.at < bytes.length) {
    const tag = bytes[reader.at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let length = tag >>> 2;
      if (length >= 60) {
        const width = length - 59;
        length = bytes.readUIntLE(reader.at, width);
        reader.skip(width);
      }
      reader.skip(length + 1);
      end += bytes.copy(out, end, reader.at - length - 1, reader.at);
      continue;
    }
    const width = kind === 3 ? 4 : kind;
    let distance = bytes.readUIntLE(reader.at, width);
    reader.skip(width);
    if (kind === 1) distance |= (tag >>> 5) << 8;
    // A copy may overlap what it writes.
    for (let left = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1; left > 0; left--, end++)
      out[end] = out[end - distance]!;
  }
  return out;
}

/** Reads LevelDB's varints; sequence numbers above 2^53 come out inexact, which nobody here minds. */
class VarintReader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; this.at < this.#bytes.length; scale *= 128) {
      const byte = this.#bytes[this.at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value;
  }

  skip(length: number): void {
    this.at += length;
  }
}
