// What has become of the events of a test, by what is there at its end and by the evidence of all lives: nothing of it asks
// how the engine tells duplicates.

import { createHash } from 'node:crypto';
import type { Evidence, TakenInput } from './evidence.ts';
import type { Published } from './source-kit.ts';
import type { FoundInstance } from './trigger-host-settings.ts';

export interface Verdict {
  readonly events: number;
  readonly instances: number;
  /** Events without an instance that has completed, or with one that got something else. */
  readonly lost: readonly string[];
  /** Instances too many: of no event, or started more than once. */
  readonly doubled: readonly string[];
  readonly unacknowledged: number | undefined;
}

/** The id of an instance as it is documented; written anew, so that it is not the product that says what is right. */
export function documentedId(source: string, id: string): string {
  const readable = [...Buffer.from(`${source}/${id}`)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9_.-]/.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
  if (readable.length <= 128 && !id.includes('/')) return readable;
  const hash = createHash('sha256').update(source).update(Buffer.of(0)).update(id).digest();
  let bits = '';
  for (const byte of hash) bits += byte.toString(2).padStart(8, '0');
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  return `ce-${Array.from({ length: 26 }, (_, index) => letters[Number.parseInt(bits.slice(5 * index, 5 * index + 5), 2)]).join('')}`;
}

export function verdict(
  published: readonly Published[],
  instances: readonly FoundInstance[],
  evidence: Evidence,
  unacknowledged: number | undefined,
): Verdict {
  const expected = new Map(published.map((event) => [documentedId(event.source, event.id), event]));
  if (expected.size !== published.length) throw new Error('two events of the test have the same name');
  const births = new Map<string, Set<string>>();
  for (const { executionId, instanceId } of evidence.runs()) {
    births.set(instanceId, (births.get(instanceId) ?? new Set()).add(executionId));
  }
  const lost = new Set(expected.keys());
  const doubled = new Set([...births.keys()].filter((instanceId) => !expected.has(instanceId)));
  for (const instance of instances) {
    const { executionId, instanceId, starts } = instance;
    const born = births.get(instanceId) ?? new Set();
    if (!expected.has(instanceId) || starts !== 1 || born.size > 1) doubled.add(instanceId);
    // Replaced: another has run under this id before.
    else if (born.size === 1 && !born.has(executionId)) doubled.add(instanceId);
    else if (born.size === 1 && isRight(instance, expected.get(instanceId)!)) lost.delete(instanceId);
  }
  return {
    events: published.length,
    instances: instances.length,
    lost: [...lost],
    doubled: [...doubled],
    unacknowledged,
  };
}

function isRight({ input, output, status }: FoundInstance, { id, source, value }: Published): boolean {
  const wanted = canonical({ source, id, value });
  return status === 'completed' && canonical(input) === wanted && canonical(output) === wanted;
}

function canonical(input: unknown): string {
  const { id, source, value } = (input ?? {}) as Partial<TakenInput>;
  return JSON.stringify([source, id, value]);
}
