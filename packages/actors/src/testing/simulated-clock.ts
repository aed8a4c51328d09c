import type { CancelTimeout, Clock } from '../clock.ts';
import type { Agenda, SimulatedProcess } from './agenda.ts';

/** The clock of one simulated process. It may be wrong, and jump; delays pass truly all the same. */
export function simulatedClock(agenda: Agenda, process: SimulatedProcess): Clock {
  const label = `timer ${process.id}`;
  return {
    nowMs: () => agenda.nowMs + process.clockAheadMs,
    setTimeout(callback, delayMs): CancelTimeout {
      if (agenda.over) {
        // Of a host that is being freed: whatever it would wait for is not worth waiting for.
        const immediate = setImmediate(callback);
        return () => clearImmediate(immediate);
      }
      return agenda.add(process, delayMs, label, callback, { stream: process.tieSeed });
    },
  };
}
