// A stream whose leader refuses every write of a subject, although the subject is where the writes expect it to be.
//
// The leader of a replicated stream notes which subjects have a conditional write under way and refuses others meanwhile
// (error 10164). After elections in quick succession such a note was seen to stay, for as long as the leader leads: a new
// leader has none. (nats-server 2.15.1, `expectedPerSubjectInProcess` in server/stream.go)

import type { Clock, Logger } from '@troupe/actors';
import { STEPDOWN_INTERVAL_MS, STEPDOWN_TIMEOUT_MS, STUCK_AFTER_MS } from './limits.ts';
import type { Requests } from './requests.ts';

/** Asks streams for another leader when theirs refuses what it should take. */
export class StuckStreams {
  readonly #requests: Requests;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** When each stream was asked last. */
  readonly #askedAtMs = new Map<string, number>();

  constructor(requests: Requests, clock: Clock, logger: Logger) {
    this.#requests = requests;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** A write of the subject is refused in vain, for the first time since `sinceMs`. Does not throw. */
  refusedSince(sinceMs: number, stream: string, subject: string): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - sinceMs < STUCK_AFTER_MS) return;
    const askedAtMs = this.#askedAtMs.get(stream);
    if (askedAtMs !== undefined && nowMs - askedAtMs < STEPDOWN_INTERVAL_MS) return;
    this.#askedAtMs.set(stream, nowMs);
    this.#logger.warn(
      { stream, subject },
      'the leader of a stream refuses every write of a subject; the stream is asked for another leader',
    );
    this.#requests
      .ask(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, new Uint8Array(0), STEPDOWN_TIMEOUT_MS)
      .catch((error: unknown) => this.#logger.warn({ stream, err: error }, 'the stream was not given another leader'));
  }
}
