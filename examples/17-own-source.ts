// A source of one's own. Jobs come from a service that lends them out, and lends them out again when nobody deletes them.
// One job cannot be handled: it becomes a dead letter, and is tried once more when its reason is gone.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { levelStore } from '@troupe/level';
import { start, trigger, Triggers, type Source } from '@troupe/triggers';
import { startHost, workflow } from '@troupe/workflow';
import { startJobService } from './servers/jobs.ts';

interface Job {
  readonly id: string;
  readonly payload: { readonly page: string };
}

/** Jobs of a service, at least once each: every host borrows what it has room for, and deletes what is settled. */
function jobs(url: string, source: string): Source {
  return {
    kind: 'jobs',
    runsOn: 'every-host',
    async open(context) {
      const { clock, signal } = context;
      const out = new Set<Promise<void>>();

      const handle = async ({ id, payload }: Job): Promise<void> => {
        const { outcome } = await context.deliver({
          event: { source, id, type: 'job', extensions: {}, headers: {}, data: payload },
        });
        // A released one is lent out again. A deletion that gets lost brings the job once more: a duplicate.
        if (outcome !== 'released')
          await fetch(`${url}/${id}`, { method: 'DELETE' }).catch((error) => context.failing(error));
      };

      const read = async (): Promise<void> => {
        while (!signal.aborted) {
          const count = await context.room();
          if (count === 0) return;
          let found: readonly Job[] = [];
          try {
            const answer = await fetch(`${url}?count=${count}`, { signal });
            if (!answer.ok) throw new Error(`the service of jobs answers ${answer.status}`);
            found = (await answer.json()) as readonly Job[];
            context.working();
          } catch (error) {
            context.failing(error);
          }
          for (const job of found) {
            const handled: Promise<void> = handle(job).finally(() => out.delete(handled));
            out.add(handled);
          }
          if (found.length === 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, 200));
        }
      };

      const reading = read();
      return {
        drain: () => reading,
        close: async () => void (await Promise.all(out)),
      };
    },
  };
}

const index = workflow('index', async (_ctx, { page }: Job['payload']) => `${page} is indexed`);

let known = false;
const triggers = new Triggers();
await using service = await startJobService(['/home', '/old', '/home']);
trigger<Job['payload']>(triggers, 'pages', jobs(service.url, 'jobs:pages'), {
  do: start(index, {
    instanceId: ({ id, data }) => {
      if (data.page === '/old' && !known) throw new Error('there is no page /old');
      return `page-${id}`;
    },
  }),
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-own-source-'));
console.log(`state is kept in ${folder}`);
const host = await startHost({ store: levelStore(folder), workflows: [index], actors: triggers.actors });
await triggers.start(host);

await service.empty();
for (const { instanceId } of (await host.workflows.list()).instances)
  console.log(`  ${instanceId}: ${String(await host.workflows.result(instanceId))}`);
for await (const { id, error, event } of triggers.allDeadLetters('pages')) {
  console.log(`a dead letter, job ${event?.id}: ${error.message}`);
  known = true;
  const { outcome, instanceId } = await triggers.retryDeadLetter('pages', id);
  console.log(`tried once more: ${outcome}`);
  console.log(`  ${instanceId}: ${String(await host.workflows.result(instanceId!))}`);
}
console.log(`dead letters: ${(await triggers.status('pages')).deadLetters}`);

await triggers.stop();
await host.stop();
