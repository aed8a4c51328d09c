// Somebody who sends events over HTTP and sends each again until it is taken, as senders of webhooks do.

import { setTimeout as sleep } from 'node:timers/promises';
import type { OriginHosts } from './source-kit.ts';

const ATTEMPTS_MAX = 600;
const AT_ONCE = 8;
const PAUSE_MS = 100;
const TIMEOUT_MS = 15_000;

/** What is sent for a number. */
export type RequestOf = (number: number) => { readonly headers: Record<string, string>; readonly body: string };

/** Sends one request for each number; resolves when all were answered with 2xx. */
export async function sendUntilTaken(
  numbers: readonly number[],
  hosts: OriginHosts,
  trigger: string,
  requestOf: RequestOf,
): Promise<void> {
  const left = [...numbers];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let number = left.shift(); number !== undefined; number = left.shift())
        await sendOne(hosts, trigger, requestOf(number));
    }),
  );
}

async function sendOne(hosts: OriginHosts, trigger: string, request: ReturnType<RequestOf>): Promise<void> {
  let last: unknown;
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
    try {
      const response = await fetch(`${await hosts.url()}/triggers/${trigger}`, {
        method: 'POST',
        ...request,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      if (response.ok) return;
      last = new Error(`${response.status}: ${text}`);
      if (response.status < 500 && response.status !== 404 && response.status !== 429) break;
    } catch (error) {
      // The host was killed: the next life is asked.
      last = error;
    }
    await sleep(PAUSE_MS);
  }
  throw new Error('a host would not take an event', { cause: last });
}
