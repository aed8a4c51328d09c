// What hosts tell all of their application: heartbeats, the question who is there, and claims that were won or released.

import type { Announcement, Claim, Heartbeat, HostId, PartitionId } from '@troupe/actors';
import { Packr } from 'msgpackr';
import { isHostId } from './subjects.ts';

export type MemberMessage =
  /** `sentAtMs` is of the sender's own clock, for itself. */
  | { readonly kind: 'heartbeat'; readonly heartbeat: Heartbeat; readonly sentAtMs: number }
  | { readonly kind: 'hello'; readonly from: HostId }
  | { readonly kind: 'claims'; readonly from: HostId; readonly claims: readonly (readonly [PartitionId, Claim])[] };

/** Begins every message. A host of another version that speaks otherwise is not understood, and says so in its log. */
const FORMAT = 1;
const HEARTBEAT = 0;
const HELLO = 1;
const CLAIMS = 2;

const packr = new Packr({ useRecords: false, mapsAsObjects: true });

export function encodeMemberMessage(message: MemberMessage): Uint8Array {
  switch (message.kind) {
    case 'heartbeat': {
      const { from, sequence, announcement, weight, leaving, claims } = message.heartbeat;
      const body = [sequence, message.sentAtMs, announcement, weight, leaving, claims.flat()];
      return packr.pack([FORMAT, HEARTBEAT, from, ...body]);
    }
    case 'hello':
      return packr.pack([FORMAT, HELLO, message.from]);
    case 'claims': {
      const claims = message.claims.flatMap(([partition, { epoch, holder, successor }]) => [
        partition,
        epoch,
        holder ?? null,
        successor ?? null,
      ]);
      return packr.pack([FORMAT, CLAIMS, message.from, claims]);
    }
  }
}

/** Undefined for what is no message of this format. Reads as if an enemy had written it. */
export function decodeMemberMessage(data: Uint8Array): MemberMessage | undefined {
  let parsed: unknown;
  try {
    parsed = packr.unpack(data);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const [format, kind, from, ...body] = parsed as unknown[];
  if (format !== FORMAT || !isHost(from)) return undefined;
  switch (kind) {
    case HEARTBEAT:
      return decodeHeartbeat(from, body);
    case HELLO:
      return { kind: 'hello', from };
    case CLAIMS:
      return decodeClaims(from, body[0]);
    default:
      return undefined;
  }
}

function decodeHeartbeat(from: HostId, body: readonly unknown[]): MemberMessage | undefined {
  const [sequence, sentAtMs, announcement, weight, leaving, numbers] = body;
  if (!isCount(sequence) || typeof sentAtMs !== 'number' || typeof leaving !== 'boolean') return undefined;
  if (typeof weight !== 'number' || !(weight > 0 && weight < Infinity)) return undefined;
  if (!isAnnouncement(announcement)) return undefined;
  if (!Array.isArray(numbers) || numbers.length % 2 !== 0 || !numbers.every((value) => isCount(value)))
    return undefined;
  const claims: [PartitionId, number][] = [];
  for (let index = 0; index < numbers.length; index += 2) claims.push([numbers[index]!, numbers[index + 1]!]);
  return { kind: 'heartbeat', heartbeat: { from, sequence, announcement, weight, leaving, claims }, sentAtMs };
}

function decodeClaims(from: HostId, parts: unknown): MemberMessage | undefined {
  if (!Array.isArray(parts) || parts.length % 4 !== 0) return undefined;
  const claims: [PartitionId, Claim][] = [];
  for (let index = 0; index < parts.length; index += 4) {
    const [partition, epoch, holder, successor] = parts.slice(index, index + 4) as unknown[];
    if (!isCount(partition) || !isCount(epoch)) return undefined;
    if ((holder !== null && !isHost(holder)) || (successor !== null && !isHost(successor))) return undefined;
    claims.push([partition, { epoch, holder: holder ?? undefined, successor: successor ?? undefined }]);
  }
  return { kind: 'claims', from, claims };
}

function isHost(value: unknown): value is HostId {
  return typeof value === 'string' && isHostId(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isAnnouncement(value: unknown): value is Announcement {
  const { actorTypes, details } = Object(value) as { actorTypes?: unknown; details?: unknown };
  return (
    Array.isArray(actorTypes) &&
    actorTypes.every((type) => typeof type === 'string') &&
    typeof details === 'object' &&
    details !== null
  );
}
