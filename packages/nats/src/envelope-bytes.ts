import type { Envelope } from '@troupe/actors';
import { BytesError, type ByteReader, type ByteWriter } from './bytes.ts';
import { BODY_COPY_BYTES_MAX } from './limits.ts';

// The bytes of an envelope: a kind, then its fields in the order of `transport.ts`. They are part of the version of a
// frame.

const CALL = 1;
const REPLY = 2;
const CANCEL = 3;
const FORGET = 4;

/** Which fields of a call that may be missing are there. */
const HAS_TIMEOUT = 1;
const HAS_KEY = 2;
const HAS_CHAIN = 4;
const HAS_TRACE = 8;
const HAS_SEND = 16;

const OUTCOMES = ['done', 'failed', 'not-executed', 'unknown', 'moved'] as const;

export function writeEnvelope(writer: ByteWriter, envelope: Envelope): void {
  switch (envelope.kind) {
    case 'call': {
      const { timeoutMs, idempotencyKey, chain, traceparent, send } = envelope;
      writer.byte(CALL);
      writer.byte(
        (timeoutMs === undefined ? 0 : HAS_TIMEOUT) |
          (idempotencyKey === undefined ? 0 : HAS_KEY) |
          (chain.length === 0 ? 0 : HAS_CHAIN) |
          (traceparent === undefined ? 0 : HAS_TRACE) |
          (send === undefined ? 0 : HAS_SEND),
      );
      writer.varint(envelope.callId);
      writer.string(envelope.address.type);
      writer.string(envelope.address.id);
      writer.string(envelope.method);
      writer.bytes(envelope.args);
      if (timeoutMs !== undefined) writer.double(timeoutMs);
      if (idempotencyKey !== undefined) writer.string(idempotencyKey);
      if (chain.length > 0) {
        writer.varint(chain.length);
        for (const link of chain) writer.string(link);
      }
      if (traceparent !== undefined) writer.string(traceparent);
      if (send !== undefined) {
        writer.string(send.sender);
        writer.varint(send.sequence);
      }
      break;
    }
    case 'reply':
      writer.byte(REPLY);
      writer.varint(envelope.callId);
      writer.byte(OUTCOMES.indexOf(envelope.outcome));
      writer.bytes(envelope.body);
      break;
    case 'cancel':
      writer.byte(CANCEL);
      writer.varint(envelope.callId);
      break;
    case 'forget':
      writer.byte(FORGET);
      writer.string(envelope.address.type);
      writer.string(envelope.address.id);
      writer.string(envelope.send.sender);
      writer.varint(envelope.send.sequence);
      break;
  }
}

/** @throws {BytesError} when it is not an envelope */
export function readEnvelope(reader: ByteReader): Envelope {
  const kind = reader.byte();
  switch (kind) {
    case CALL: {
      const has = reader.byte();
      return {
        kind: 'call',
        callId: reader.varint(),
        address: { type: reader.string(), id: reader.string() },
        method: reader.string(),
        args: kept(reader),
        timeoutMs: has & HAS_TIMEOUT ? reader.double() : undefined,
        idempotencyKey: has & HAS_KEY ? reader.string() : undefined,
        chain: has & HAS_CHAIN ? readChain(reader) : [],
        traceparent: has & HAS_TRACE ? reader.string() : undefined,
        send: has & HAS_SEND ? { sender: reader.string(), sequence: reader.varint() } : undefined,
      };
    }
    case REPLY: {
      const callId = reader.varint();
      const outcome = OUTCOMES[reader.byte()];
      if (outcome === undefined) throw new BytesError('there is no such outcome');
      return { kind: 'reply', callId, outcome, body: kept(reader) };
    }
    case CANCEL:
      return { kind: 'cancel', callId: reader.varint() };
    case FORGET:
      return {
        kind: 'forget',
        address: { type: reader.string(), id: reader.string() },
        send: { sender: reader.string(), sequence: reader.varint() },
      };
    default:
      throw new BytesError(`there is no envelope of kind ${kind}`);
  }
}

function readChain(reader: ByteReader): string[] {
  const length = reader.varint();
  // Each has at least its length.
  if (length > reader.left) throw new BytesError('it ends too early');
  return Array.from({ length }, () => reader.string());
}

/** Small bodies are copied: a call that waits would else keep alive everything that came with it. */
function kept(reader: ByteReader): Uint8Array {
  const bytes = reader.bytes();
  return bytes.length <= BODY_COPY_BYTES_MAX ? new Uint8Array(bytes) : bytes;
}
