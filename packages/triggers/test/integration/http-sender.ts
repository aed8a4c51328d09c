// Somebody who sends events over HTTP and sends each again until it is taken, as senders of webhooks do. It is the origin of
// these events: nobody else keeps them.

import { setTimeout as sleep } from 'node:timers/promises';
import type { OriginHosts } from './source-kit.ts';

const ATTEMPTS_MAX = 3_000;
const AT_ONCE = 8;
const PAUSE_MS = 50;
const TIMEOUT_MS = 15_000;

/** What is sent for a number. */
export type RequestOf = (number: number) => { readonly headers: Record<string, string>; readonly body: string };

interface Waiting {
  readonly hosts: OriginHosts;
  readonly number: number;
  readonly requestOf: RequestOf;
}

export class HttpSender {
  readonly #trigger: string;
  readonly #waiting: Waiting[] = [];
  readonly #ended = new AbortController();
  readonly #working = new Set<Promise<void>>();
  /** Of the requests, those that are out. */
  #sending = 0;
  #failure: Error | undefined;

  constructor(trigger: string) {
    this.#trigger = trigger;
  }

  /** Has a request for each number, from now on, and sends it until it is taken. */
  send(numbers: readonly number[], hosts: OriginHosts, requestOf: RequestOf): void {
    for (const number of numbers) this.#waiting.push({ hosts, number, requestOf });
    while (this.#waiting.length > 0 && this.#sending < AT_ONCE) {
      this.#sending++;
      const working = this.#work().finally(() => this.#working.delete(working));
      this.#working.add(working);
    }
  }

  /** How many were not answered with 2xx yet. */
  unacknowledged(): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return Promise.resolve(this.#waiting.length + this.#sending);
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#working);
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    try {
      for (let one = this.#waiting.shift(); one !== undefined; one = this.#waiting.shift()) await this.#sendOne(one);
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#failure ??= error as Error;
    } finally {
      this.#sending--;
    }
  }

  async #sendOne({ hosts, number, requestOf }: Waiting): Promise<void> {
    const { signal } = this.#ended;
    let last: unknown;
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
      signal.throwIfAborted();
      try {
        const response = await fetch(`${await hosts.url()}/triggers/${this.#trigger}`, {
          method: 'POST',
          ...requestOf(number),
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        });
        const text = await response.text();
        if (response.ok) return;
        last = new Error(`${response.status}: ${text}`);
        if (response.status < 500 && response.status !== 404 && response.status !== 429) break;
      } catch (error) {
        // The host was killed: the next life is asked.
        last = error;
      }
      await sleep(PAUSE_MS, undefined, { signal });
    }
    throw new Error(`no host would take event ${number}`, { cause: last });
  }
}
