// What travels between two hosts: frames, each one message. A frame has a version, a checksum of all that follows, who
// sends it, its place in the stream of frames from that host to this one, what the sender has got of the stream in the
// other direction, and either whole envelopes or a part of one that is larger than a message.

import { crc32 } from 'node:zlib';
import type { Envelope, HostId } from '@troupe/actors';
import { ByteReader, BytesError, ByteWriter } from './bytes.ts';
import { readEnvelope } from './envelope-bytes.ts';
import { LOST_RANGES_MAX } from './limits.ts';

/** Hosts of an application agree on it; a frame of another version is not read. */
export const FRAME_VERSION = 1;

const HEADER_BYTES = 5;

const HAS_PLACE = 1;
const HAS_ACK = 2;
const WANTS_ACK = 4;
const IS_PART = 8;
const IS_LAST_ACK = 16;

/** From one frame number to another, both included. */
export type FrameRange = readonly [from: number, to: number];

/** Everything up to `sequence` has come, but for what is `lost`, which will not be taken any more. */
export interface Acknowledgement {
  readonly stream: number;
  readonly sequence: number;
  readonly lost: readonly FrameRange[];
}

/** The place of a frame: streams of one host are numbered, and so are the frames of a stream, from 1. */
export interface FramePlace {
  readonly stream: number;
  readonly sequence: number;
}

/** One of the parts of an envelope. They come in order, with nothing between them. */
export interface EnvelopePart {
  readonly index: number;
  readonly last: boolean;
  readonly bytes: Uint8Array;
}

export interface FrameHead {
  readonly from: HostId;
  /** None in a frame that only acknowledges. */
  readonly place: FramePlace | undefined;
  readonly ack: Acknowledgement | undefined;
  readonly wantsAck: boolean;
  /** The sender stops: what `ack` does not cover, of this stream and of later ones, it has not taken and will not take. */
  readonly isLastAck: boolean;
}

export interface Frame extends FrameHead {
  readonly envelopes: readonly Envelope[];
  readonly part: EnvelopePart | undefined;
}

/** The most bytes that a frame has beside its envelopes. */
export function frameOverheadBytes(from: HostId): number {
  return HEADER_BYTES + 64 + from.length * 3 + LOST_RANGES_MAX * 16;
}

const writer = new ByteWriter();

/** A frame of envelopes that are bytes already. */
export function encodeFrame(head: FrameHead, envelopes: readonly Uint8Array[]): Uint8Array {
  writeHead(head, false);
  writer.varint(envelopes.length);
  return finished(envelopes);
}

export function encodePart(head: FrameHead, part: EnvelopePart): Uint8Array {
  writeHead(head, true);
  writer.varint(part.index);
  writer.byte(part.last ? 1 : 0);
  return finished([part.bytes]);
}

function writeHead({ from, place, ack, wantsAck, isLastAck }: FrameHead, isPart: boolean): void {
  writer.clear();
  writer.byte(
    (place === undefined ? 0 : HAS_PLACE) |
      (ack === undefined ? 0 : HAS_ACK) |
      (wantsAck ? WANTS_ACK : 0) |
      (isLastAck ? IS_LAST_ACK : 0) |
      (isPart ? IS_PART : 0),
  );
  writer.string(from);
  if (place !== undefined) {
    writer.varint(place.stream);
    writer.varint(place.sequence);
  }
  if (ack === undefined) return;
  writer.varint(ack.stream);
  writer.varint(ack.sequence);
  writer.varint(ack.lost.length);
  for (const [first, last] of ack.lost) {
    writer.varint(first);
    writer.varint(last);
  }
}

function finished(chunks: readonly Uint8Array[]): Uint8Array {
  const head = writer.taken();
  let length = HEADER_BYTES + head.length;
  for (const chunk of chunks) length += chunk.length;
  const frame = Buffer.allocUnsafe(length);
  frame[0] = FRAME_VERSION;
  frame.set(head, HEADER_BYTES);
  let position = HEADER_BYTES + head.length;
  for (const chunk of chunks) {
    frame.set(chunk, position);
    position += chunk.length;
  }
  frame.writeUInt32LE(crc32(frame.subarray(HEADER_BYTES)), 1);
  return frame;
}

/** @throws {BytesError} when it is no frame, or one of another version */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < HEADER_BYTES) throw new BytesError('it ends too early');
  if (bytes[0] !== FRAME_VERSION) throw new BytesError(`it is of version ${bytes[0]}, not ${FRAME_VERSION}`);
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.readUInt32LE(1) !== crc32(frame.subarray(HEADER_BYTES))) throw new BytesError('its checksum is wrong');
  const reader = new ByteReader(frame.subarray(HEADER_BYTES));
  const flags = reader.byte();
  const head: FrameHead = {
    from: reader.string(),
    place: flags & HAS_PLACE ? { stream: reader.varint(), sequence: reader.varint() } : undefined,
    ack: flags & HAS_ACK ? readAcknowledgement(reader) : undefined,
    wantsAck: (flags & WANTS_ACK) !== 0,
    isLastAck: (flags & IS_LAST_ACK) !== 0,
  };
  if (flags & IS_PART) {
    const part = { index: reader.varint(), last: reader.byte() === 1, bytes: reader.rest() };
    return { ...head, envelopes: [], part };
  }
  return { ...head, envelopes: readEnvelopes(reader), part: undefined };
}

function readAcknowledgement(reader: ByteReader): Acknowledgement {
  const stream = reader.varint();
  const sequence = reader.varint();
  const count = reader.varint();
  if (count > LOST_RANGES_MAX) throw new BytesError('it acknowledges too much');
  return { stream, sequence, lost: Array.from({ length: count }, () => [reader.varint(), reader.varint()] as const) };
}

function readEnvelopes(reader: ByteReader): Envelope[] {
  const count = reader.varint();
  if (count > reader.left) throw new BytesError('it ends too early');
  const envelopes: Envelope[] = [];
  for (let index = 0; index < count; index++) envelopes.push(readEnvelope(reader));
  if (reader.left > 0) throw new BytesError('something follows its end');
  return envelopes;
}
