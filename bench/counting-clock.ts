import { systemClock, type CancelTimeout, type Clock } from '@troupe/actors';

/** The machine's clock, with a count of what waits for it. */
export class CountingClock implements Clock {
  /** Timeouts that have neither fired nor been cancelled. */
  pending = 0;

  nowMs(): number {
    return systemClock.nowMs();
  }

  setTimeout(callback: () => void, delayMs: number): CancelTimeout {
    this.pending++;
    let waits = true;
    const settle = (): void => {
      if (waits) this.pending--;
      waits = false;
    };
    const cancel = systemClock.setTimeout(() => {
      settle();
      callback();
    }, delayMs);
    return () => {
      settle();
      cancel();
    };
  }
}
