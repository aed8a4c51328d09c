// A saga: each step says how it is taken back. When a later one fails, the undos run in reverse, each of them recorded.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { levelStore } from '@troupe/level';
import { NonRetryableError, startHost, workflow, WorkflowFailedError } from '@troupe/workflow';

/** Stands for the services of others. */
function book(what: string, city: string): string {
  if (what === 'car' && city === 'Venice') throw new NonRetryableError('there are no cars in Venice');
  console.log(`  booked a ${what} in ${city}`);
  return `${what} in ${city}`;
}

function cancel(booking: string): void {
  console.log(`  cancelled the ${booking}`);
}

const trip = workflow('trip', async (ctx, city: string) => {
  const bookings: string[] = [];
  for (const what of ['flight', 'hotel', 'car']) {
    // A step is an activity without a name of its own: it runs here, and its result is recorded.
    bookings.push(await ctx.step(`book ${what}`, () => book(what, city), { undo: cancel }));
  }
  return bookings;
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-saga-'));
console.log(`state is kept in ${folder}`);
await using host = await startHost({ store: levelStore(folder), workflows: [trip] });

for (const city of ['Lisbon', 'Venice']) {
  const instance = await host.workflows.start(trip, { instanceId: `trip-${city}`, input: city });
  try {
    console.log(`${city}: ${(await instance.result()).join(', ')}`);
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    console.log(`${city}: ${error.failure.message}`);
  }
}
