// Whether the store can serve. It cannot when everything that it tried for some seconds was in vain; as soon as something
// works it can. Before it says so and while it cannot, it tries by itself, so that nobody has to: a store that nobody uses
// has nothing to notice by that it can serve again.

import { asError, StoreUnavailableError, type CancelTimeout, type Clock, type Logger } from '@troupe/actors';
import { FAILING_AFTER_MS, PROBE_INTERVAL_MS } from './limits.ts';

export class Health {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #probe: () => Promise<boolean>;
  #reason: string | undefined;
  #failure: StoreUnavailableError | undefined;
  #cancel: CancelTimeout = () => {};
  #stopped = false;

  /** `probe` tells whether the store can serve; false: what was in vain before is so still. */
  constructor(clock: Clock, logger: Logger, probe: () => Promise<boolean>) {
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
    if (began && !this.#stopped) this.#probeAfter(FAILING_AFTER_MS);
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

  #probeAfter(delayMs: number): void {
    this.#cancel = this.#clock.setTimeout(() => {
      const cancel = this.#cancel;
      const failed = (reason: string): void => {
        // Something may have worked meanwhile.
        if (!this.#stopped && this.#reason !== undefined && this.#cancel === cancel) this.#failed(reason);
      };
      this.#probe().then(
        (serves) => (serves ? this.worked() : failed(this.#reason ?? '')),
        (error: unknown) => failed(asError(error).message),
      );
    }, delayMs);
  }

  #failed(reason: string): void {
    this.#reason = reason;
    if (this.#failure === undefined) {
      this.#failure = new StoreUnavailableError(`JetStream cannot serve: ${reason}`, { wroteNothing: true });
      this.#logger.warn({ reason }, 'JetStream cannot serve; what waits for it goes on waiting');
    }
    this.#probeAfter(PROBE_INTERVAL_MS);
  }
}
