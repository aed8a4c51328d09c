import { setTimeout as sleep } from 'node:timers/promises';

const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Looks again until `look` gives something else than `undefined` or `false`, and gives that. What it throws counts as a
 * look in vain.
 *
 * @throws {Error} with what was waited for and the last failure, after `timeoutMs`
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let failure: unknown;
  do {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    await sleep(20);
  } while (performance.now() < endMs);
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: failure });
}
