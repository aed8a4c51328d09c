import type { WorkflowClient } from '@troupe/workflow';
import { forEachIndex } from './closed-loop.ts';

const PURGERS = 64;

/** Purges every instance that a list finds, whatever it does; resolves with how many. */
export async function purgeAll(workflows: WorkflowClient): Promise<number> {
  let purged = 0;
  let cursor: string | undefined;
  do {
    const page = await workflows.list({ limit: 1_000, cursor });
    await forEachIndex(page.instances.length, PURGERS, (index) =>
      workflows.purge(page.instances[index]!.instanceId, { force: true }),
    );
    purged += page.instances.length;
    cursor = page.cursor;
  } while (cursor !== undefined);
  return purged;
}
