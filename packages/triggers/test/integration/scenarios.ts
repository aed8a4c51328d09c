// Parts of the suite that are run on broken sources too (suite.test.ts): what cannot fail shows nothing.

import { expect } from 'vitest';
import { WAITING_BYTES_MAX } from '../../src/limits.ts';
import { range } from './acceptance.ts';
import type { Scene } from './scene.ts';

/** What waits is larger than the heap that it goes through. */
const HEAP_MEGABYTES = 80;
/** What hangs on the heap: buffers that are held. What a broker pushes has a waiting room, which is the most of it. */
const EXTERNAL_BYTES_MAX = WAITING_BYTES_MAX + 32 * 1024 * 1024;
const HELD = 5;

export interface Backlog {
  readonly events: number;
  /** Of each; none where the kind decides on what its events hold. */
  readonly paddingBytes: number | undefined;
  readonly concurrency: number;
  /** It waits before a host runs, where the origin keeps events. */
  readonly durable: boolean;
  readonly timeoutMs: number;
}

/** A backlog goes through bounded memory, no more of it at once than is asked for. */
export async function boundedMemory(at: Scene, backlog: Backlog): Promise<void> {
  const { concurrency, durable, events, paddingBytes, timeoutMs } = backlog;
  const { host } = at.hosts;
  const open = async (): Promise<void> => {
    await host.start({ heapMegabytes: HEAP_MEGABYTES });
    await at.hosts.ready();
  };
  if (!durable) await open();
  const published = at.publish(range(0, events), paddingBytes === undefined ? {} : { paddingBytes });
  if (durable) {
    await Promise.race([published, at.hosts.needed]);
    await open();
  }
  await published;
  await at.done(timeoutMs);
  const { externalBytesPeak, inFlightPeak } = await host.ask.report();
  expect(inFlightPeak).toBeLessThanOrEqual(concurrency);
  expect(externalBytesPeak).toBeLessThan(EXTERNAL_BYTES_MAX);
  await at.expectRight();
}

export interface Unsettled {
  readonly end: 'stop' | 'kill';
  /** So many are tried at that time. */
  readonly held?: number;
  readonly timeoutMs?: number;
}

/** What is still failing when its host stops or is killed comes again. Wants hosts with many attempts. */
export async function unsettledComesAgain(at: Scene, { end, held = HELD, timeoutMs }: Unsettled): Promise<void> {
  const { evidence, host } = at.hosts;
  await host.start({ rule: 'try-later' });
  const published = at.publish(range(0, HELD));
  await at.tried(held);
  if (end === 'stop') expect(await host.stop()).toEqual({ code: 0, signal: null });
  else await host.kill();
  const outcomes = evidence.settled().map(({ outcome }) => outcome);
  expect(outcomes).toEqual(Array.from(outcomes, () => 'released'));
  await host.start({ rule: 'start' });
  await published;
  await at.done(timeoutMs);
  await at.expectRight();
}
