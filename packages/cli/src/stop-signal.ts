/**
 * A signal that comes sooner than this after the first is the same one: npm hands on what its process group was sent, so a
 * Ctrl-C arrives twice.
 */
const SAME_SIGNAL_MS = 500;

/** Resolves at the first SIGINT or SIGTERM; a later one ends the process at once, as if it had not been caught. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    const receive = (signal: NodeJS.Signals): void => {
      firstAtMs ??= performance.now();
      if (performance.now() - firstAtMs > SAME_SIGNAL_MS) {
        process.off('SIGINT', receive).off('SIGTERM', receive);
        process.kill(process.pid, signal);
      }
      resolve(signal);
    };
    process.on('SIGINT', receive).on('SIGTERM', receive);
  });
}
