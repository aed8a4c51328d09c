// What is expected of every kind, of ticks: an event comes to be when the clock is put forward past its time.

import type { CronOptions } from '../../src/cron.ts';
import type { OriginHosts, SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const MINUTE_MS = 60_000;
/** No tick comes by itself while a test runs, and a dozen of them are the day by which a clock must be set back to count. */
const TICK_MS = 120 * MINUTE_MS;
const SET_BACK_MS = 25 * 60 * MINUTE_MS;

const kit: SourceKit = {
  kind: 'cron',
  runsOn: 'one-host',
  trace: false,
  padding: false,
  oneByOne: true,
  valueAt: 'data.scheduledAt',
  server: () => Promise.resolve({ end: () => Promise.resolve() }),
  origin(_, name) {
    const source = `cron:${name}`;
    // Half a period from now, before a host begins.
    const firstMs = Math.floor((Date.now() + TICK_MS / 2) / MINUTE_MS) * MINUTE_MS;
    const first = new Date(firstMs);
    const options: CronOptions = {
      schedule: `${first.getUTCMinutes()} ${first.getUTCHours() % 2}-23/2 * * *`,
      catchUpMs: 366 * 24 * 60 * MINUTE_MS,
      overlap: 'allow-all',
    };
    const ticks = new Map<number, number>();
    let shiftMs = 0;
    /** Puts the clock a minute after (or before) a tick. */
    const setClock = async (hosts: OriginHosts, toMs: number): Promise<void> => {
      const byMs = toMs - (Date.now() + shiftMs);
      shiftMs += byMs;
      await hosts.shiftClock(byMs);
    };
    return Promise.resolve({
      options,
      async publish(numbers, hosts) {
        // A schedule begins when it is first read.
        await hosts.resting();
        for (const number of numbers) ticks.set(number, firstMs + ticks.size * TICK_MS);
        await setClock(hosts, firstMs + (ticks.size - 1) * TICK_MS + MINUTE_MS);
        return numbers.map((number) => {
          const id = new Date(ticks.get(number)!).toISOString();
          return { source, id, value: id };
        });
      },
      // Under a clock that is set back, these ticks and all after them come again.
      async publishAgain(numbers, hosts) {
        await hosts.resting();
        const lastMs = firstMs + (ticks.size - 1) * TICK_MS;
        const fromMs = Math.min(...numbers.map((number) => ticks.get(number)!), lastMs - SET_BACK_MS);
        if (fromMs < firstMs) throw new Error('they are not a day ago yet');
        await setClock(hosts, fromMs - MINUTE_MS);
        await hosts.resting();
        await setClock(hosts, lastMs + MINUTE_MS);
      },
      unacknowledged: () => Promise.resolve(undefined),
    });
  },
};

sourceSuite(kit);
