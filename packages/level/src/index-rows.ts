// The rows of the indexes as commits put them into a batch. All are built in one buffer, key before value, so that a row costs
// one checksum and no memory: a batch copies what it is given before the next row is built.

import { crc32 } from 'node:zlib';
import type { ActorAddress, PartitionId } from '@troupe/actors';
import { ADDRESS_BYTES_MAX, writeDueKey, writeIdKey, writeSummaryKey } from './keys.ts';
import { writeLife } from './reading.ts';
import type { Batch } from './request.ts';

/** A key and what is beside the summary of a row. */
const ROW_BYTES_MIN = 2 * ADDRESS_BYTES_MAX + 64;
const CHECKSUM_BYTES = 4;

let row = Buffer.allocUnsafe(8 * 1024);

/** Puts the row that leads from an address to the number of its life. */
export function putLife(batch: Batch, address: ActorAddress, number: number): void {
  const keyEnd = writeIdKey(row, address);
  put(batch, keyEnd, writeLife(row, keyEnd, number));
}

export function putDue(batch: Batch, partition: PartitionId, dueAtMs: number, address: ActorAddress): void {
  const keyEnd = writeDueKey(row, partition, dueAtMs, address);
  put(batch, keyEnd, row.writeDoubleLE(dueAtMs, keyEnd));
}

export function deleteDue(batch: Batch, partition: PartitionId, dueAtMs: number, address: ActorAddress): void {
  batch.del(row.subarray(0, writeDueKey(row, partition, dueAtMs, address)));
}

/** `text`: what `summaryText` makes of it. */
export function putSummary(batch: Batch, address: ActorAddress, createdAtMs: number, text: string): void {
  if (row.length < ROW_BYTES_MIN + text.length * 3) row = Buffer.allocUnsafe(ROW_BYTES_MIN + text.length * 3);
  const keyEnd = writeSummaryKey(row, address, createdAtMs);
  put(batch, keyEnd, keyEnd + row.write(text, keyEnd));
}

export function deleteSummary(batch: Batch, address: ActorAddress, createdAtMs: number): void {
  batch.del(row.subarray(0, writeSummaryKey(row, address, createdAtMs)));
}

/** As `encodeRow`: the checksum is over the key and the value. */
function put(batch: Batch, keyEnd: number, end: number): void {
  row.writeUInt32LE(crc32(row.subarray(0, end)), end);
  batch.put(row.subarray(0, keyEnd), row.subarray(keyEnd, end + CHECKSUM_BYTES));
}
