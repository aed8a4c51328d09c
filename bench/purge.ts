import { setTimeout as sleep } from 'node:timers/promises';
import { InstanceNotFoundError, type WorkflowClient } from '@troupe/workflow';
import { forEachIndex } from './closed-loop.ts';
import { leftovers, type Leftovers } from './leftovers.ts';
import { storeFolder, type Service } from './service.ts';

const PURGERS = 64;
/** Deletions go on in the background and after a restart; they have that many starts to end. */
const STARTS_MAX = 30;

/** Purges every instance that a list finds, whatever it does; resolves with how many. */
export async function purgeAll(workflows: WorkflowClient): Promise<number> {
  let purged = 0;
  let cursor: string | undefined;
  do {
    const page = await workflows.list({ limit: 1_000, cursor });
    await forEachIndex(page.instances.length, PURGERS, async (index) => {
      try {
        await workflows.purge(page.instances[index]!.instanceId, { force: true });
        purged++;
      } catch (error) {
        // Its own retention was faster.
        if (!(error instanceof InstanceNotFoundError)) throw error;
      }
    });
    cursor = page.cursor;
  } while (cursor !== undefined);
  return purged;
}

/** Stops the service and looks what it has left when no deletion is outstanding. */
export async function leftAfterDeletion(service: Service): Promise<Leftovers> {
  await service.stopHost();
  for (let starts = 0; ; starts++) {
    const left = await leftovers(storeFolder(service.folder));
    if (left.rows['deletion'] === undefined || starts === STARTS_MAX) return left;
    await service.startHost();
    await sleep(1_000);
    await service.stopHost();
  }
}
