// W3, W4: one workflow of many steps, one after another or all at once.

import { floorBurstMs, floorSequenceMs } from './floor.ts';
import type { Line, Settings } from './line.ts';
import { fanOut, runSequence } from './service.ts';
import { singleShots } from './single-shots.ts';

/** One workflow of many sequential steps: a step must not get dearer. */
export async function* w3(settings: Settings): AsyncGenerator<Line> {
  for (const unscaled of [100, 1_000, 10_000]) {
    const steps = Math.ceil(unscaled * settings.scale);
    const line = await singleShots('W3', settings, {
      workflows: 1,
      steps,
      work: (service) => runSequence(service, steps),
      // One record for each step and one for the start.
      floorMs: (folder) => floorSequenceMs(folder, steps + 1),
    });
    yield { ...line, steps, floorMsPerStep: line.floorTotalMs / (steps + 1) };
  }
}

/** One workflow that fans out and joins. */
export async function* w4(settings: Settings): AsyncGenerator<Line> {
  for (const unscaled of [1_000, 10_000]) {
    const width = Math.ceil(unscaled * settings.scale);
    const line = await singleShots('W4', settings, {
      workflows: 1,
      steps: width,
      work: async ({ host }) => {
        const instance = await host.workflows.start(fanOut, { input: width });
        await instance.result();
      },
      floorMs: (folder) => floorBurstMs(folder, width),
    });
    yield { ...line, width };
  }
}
