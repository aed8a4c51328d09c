// Whether the store can serve. It cannot when everything that it tried for some seconds was in vain; as soon as something
// works it can. While it cannot, it tries by itself, so that nobody has to.

import { StoreUnavailableError, type CancelTimeout, type Clock, type Logger } from '@troupe/actors';
import { FAILING_AFTER_MS, PROBE_INTERVAL_MS } from './limits.ts';

export class Health {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #probe: () => Promise<unknown>;
  #reason: string | undefined;
  #failure: StoreUnavailableError | undefined;
  #cancel: CancelTimeout = () => {};
  #stopped = false;

  /** `probe` resolves when the store can serve. */
  constructor(clock: Clock, logger: Logger, probe: () => Promise<unknown>) {
    this.#clock = clock;
    this.#logger = logger;
    this.#probe = probe;
  }

  get failure(): StoreUnavailableError | undefined {
    return this.#failure;
  }

  failing(reason: string): void {
    const began = this.#reason === undefined;
    this.#reason = reason;
    if (!began || this.#stopped) return;
    this.#cancel = this.#clock.setTimeout(() => {
      this.#failure = new StoreUnavailableError(`JetStream cannot serve: ${this.#reason}`, { wroteNothing: true });
      this.#logger.warn({ reason: this.#reason }, 'JetStream cannot serve; what waits for it goes on waiting');
      this.#probeLater();
    }, FAILING_AFTER_MS);
  }

  worked(): void {
    if (this.#reason === undefined) return;
    this.#reason = undefined;
    this.#cancel();
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#logger.info({}, 'JetStream serves again');
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #probeLater(): void {
    this.#cancel = this.#clock.setTimeout(() => {
      this.#probe().then(
        () => this.worked(),
        (error: unknown) => {
          this.#reason = error instanceof Error ? error.message : String(error);
          if (!this.#stopped && this.#failure !== undefined) this.#probeLater();
        },
      );
    }, PROBE_INTERVAL_MS);
  }
}
