// W5: workflows that are parked on an event, then an event for each.

import { forEachIndex } from './closed-loop.ts';
import { FloorFile } from './floor.ts';
import type { Line, Settings } from './line.ts';
import { parked } from './service.ts';
import { singleShots } from './single-shots.ts';

const INSTANCES = 1_000;
const SENDERS = 64;
const FLOOR_MS = 500;

/** From the first event to the last result. */
export async function* w5(settings: Settings): AsyncGenerator<Line> {
  const id = (run: number, index: number): string => `parked-${run}-${index}`;
  const line = await singleShots('W5', settings, {
    workflows: INSTANCES,
    steps: INSTANCES,
    prepare: ({ host }, run) =>
      forEachIndex(INSTANCES, INSTANCES, (index) => host.workflows.start(parked, { instanceId: id(run, index) })),
    work: async ({ host }, run) => {
      const results = Array.from({ length: INSTANCES }, (_, index) => host.workflows.result(id(run, index)));
      await forEachIndex(INSTANCES, SENDERS, (index) => host.workflows.raiseEvent(id(run, index), 'go', 1));
      await Promise.all(results);
    },
    // Each event is one record, and so many senders wait for theirs.
    floorMs: async (folder) => {
      const file = new FloorFile(folder);
      const { rounds, totalMs } = await file.writers(SENDERS, FLOOR_MS);
      file.close();
      return (INSTANCES / rounds) * totalMs;
    },
  });
  yield { ...line, inFlight: SENDERS, instances: INSTANCES };
}
