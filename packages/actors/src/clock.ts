/** Stops a timeout that has not fired; does nothing afterwards. */
export type CancelTimeout = () => void;

/**
 * The port for time. Everything that reads or waits for time takes one, so that a test can hold time still.
 *
 * Contract: `nowMs` never throws; a callback runs once, no earlier than its delay, never inside the call that set it,
 * and not after it was cancelled. Callbacks of one clock run in order of their due time.
 */
export interface Clock {
  /** Milliseconds since the epoch, as `Date.now()`. May jump when someone sets the machine's time. */
  nowMs(): number;
  /** Runs `callback` after `delayMs` (less than zero counts as zero; there is no upper limit). */
  setTimeout(callback: () => void, delayMs: number): CancelTimeout;
}

/** Node keeps a delay in a signed 32-bit integer and fires at once above it. */
const NODE_DELAY_MS_MAX = 2 ** 31 - 1;

/** The machine's clock. Its timeouts do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  setTimeout(callback, delayMs) {
    let handle: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(Math.max(leftMs, 0), NODE_DELAY_MS_MAX);
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), stepMs);
      handle.unref();
    };
    arm(delayMs);
    return () => clearTimeout(handle);
  },
};

/** Resolves when the work has ended, or after `timeoutMs`; rejects if the work fails before. */
export async function waitAtMost(clock: Clock, timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let cancel: CancelTimeout = () => {};
  try {
    await Promise.race([work, new Promise<void>((resolve) => (cancel = clock.setTimeout(resolve, timeoutMs)))]);
  } finally {
    cancel();
  }
}

/** Keeps the process running, as a server that listens does, until the returned function is called. */
export function keepProcessAlive(): () => void {
  const handle = setInterval(() => {}, NODE_DELAY_MS_MAX);
  return () => clearInterval(handle);
}
