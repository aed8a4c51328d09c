// Values to JSON and back. The client in the same process keeps dates and bytes; JSON does not. So that nothing changes its
// type on the way, what JSON cannot hold is refused where it is given. What came as text goes as what it says.

import { PayloadError, plainPayload, TextPayload } from '@troupe/actors';
import type { HistoryEntry, InstancePage } from './client-interface.ts';
import { statusOf } from './http-error.ts';
import type { InstanceMetadata } from './status.ts';

/** As deep as the gateway reads. */
const DEPTH_MAX = 400;

/**
 * The JSON text of a value; undefined of undefined.
 *
 * @throws {PayloadError} with the path of the first part that JSON cannot hold
 */
export function jsonText(value: unknown, what: string): string | undefined {
  const plain = plainPayload(value);
  if (plain === undefined) return undefined;
  checkPart(plain, what, '', 0);
  return JSON.stringify(plain);
}

function checkPart(value: unknown, what: string, path: string, depth: number): void {
  const refuse = (reason: string): never => {
    throw new PayloadError(what, path, reason);
  };
  if (depth > DEPTH_MAX) refuse(`it is cyclic or nested deeper than ${DEPTH_MAX} levels`);
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (!value.isWellFormed()) refuse('a string with a lone surrogate');
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(`${value}, which JSON cannot hold,`);
  } else if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (value[index] === undefined)
        throw new PayloadError(what, `${path}[${index}]`, 'undefined in an array, which JSON cannot hold,');
      checkPart(value[index], what, `${path}[${index}]`, depth + 1);
    }
  } else if (typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (value instanceof TextPayload) {
      checkPart(value.value, what, path, depth);
      return;
    }
    if (value instanceof Date) refuse('a Date, which JSON cannot hold (send its toISOString()),');
    if (value instanceof Uint8Array) refuse('bytes, which JSON cannot hold (send them as base64),');
    if (prototype !== Object.prototype && prototype !== null) refuse('an object with a prototype');
    for (const [key, part] of Object.entries(value)) {
      if (key === '__proto__' || !key.isWellFormed()) refuse('a key that is not allowed');
      if (part !== undefined) checkPart(part, what, `${path}.${key}`, depth + 1);
    }
  } else refuse(`a ${typeof value}, which JSON cannot hold,`);
}

type Wire = Readonly<Record<string, unknown>>;

/** Metadata as the gateway writes it. */
export function metadataOfWire(wire: Wire): InstanceMetadata {
  const optional: Record<string, unknown> = {};
  for (const name of ['startedAt', 'completedAt', 'startAt']) {
    if (wire[name] !== undefined) optional[name] = new Date(wire[name] as string);
  }
  for (const name of ['customStatus', 'input', 'output', 'parent', 'undoing']) {
    if (wire[name] !== undefined) optional[name] = wire[name];
  }
  if (wire['failure'] !== undefined) optional['failure'] = wire['failure'];
  return {
    instanceId: wire['instanceId'] as string,
    workflowName: wire['workflowType'] as string,
    version: wire['version'] as string,
    executionId: wire['executionId'] as string,
    runtimeStatus: statusOf(wire['runtimeStatus']),
    createdAt: new Date(wire['createdAt'] as string),
    lastUpdatedAt: new Date(wire['lastUpdatedAt'] as string),
    tags: (wire['tags'] ?? {}) as Record<string, string>,
    ...optional,
  };
}

/** A page of a list as the gateway writes it. */
export function pageOfWire(wire: Wire): InstancePage {
  const instances = (wire['instances'] as readonly Wire[]).map((row) => ({
    instanceId: row['instanceId'] as string,
    workflowName: row['workflowType'] as string,
    runtimeStatus: statusOf(row['runtimeStatus']),
    createdAt: new Date(row['createdAt'] as string),
    ...(row['completedAt'] === undefined ? {} : { completedAt: new Date(row['completedAt'] as string) }),
    tags: (row['tags'] ?? {}) as Record<string, string>,
  }));
  return wire['cursor'] === undefined ? { instances } : { instances, cursor: wire['cursor'] as string };
}

/** A history event as the gateway writes it. */
export function historyEntryOfWire(wire: Wire): HistoryEntry {
  const details = Object.entries(wire['details'] as Wire).map(
    ([name, value]) =>
      // Instants are dates in everything that is shown.
      [name, name.endsWith('At') && typeof value === 'string' ? new Date(value) : value] as const,
  );
  return {
    ...(wire as unknown as HistoryEntry),
    at: new Date(wire['at'] as string),
    details: Object.fromEntries(details),
  };
}
