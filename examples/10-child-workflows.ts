// Workflows that start workflows. A child has a history of its own; its failure is an error in the parent.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { levelStore } from '@troupe/level';
import { activity, ChildWorkflowFailedError, startHost, workflow } from '@troupe/workflow';

const deploy = activity('deploy', (_ctx, { region, version }: { region: string; version: string }) => {
  if (region === 'moon') throw new Error('the moon does not answer');
  console.log(`  ${version} runs in ${region}`);
  return `https://${region}.example`;
});

const deployRegion = workflow('deployRegion', async (ctx, input: { region: string; version: string }) => {
  const url = await ctx.callActivity(deploy, input);
  await ctx.createTimer(100);
  return url;
});

const release = workflow('release', async (ctx, input: { version: string; regions: string[] }) => {
  const outcomes = input.regions.map(async (region) => {
    try {
      const child = { region, version: input.version };
      return await ctx.callChildWorkflow(deployRegion, child, { instanceId: `${ctx.instanceId}-${region}` });
    } catch (error) {
      if (error instanceof ChildWorkflowFailedError) return `${region} failed: ${error.failure.message}`;
      throw error;
    }
  });
  return await Promise.all(outcomes);
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-children-'));
console.log(`state is kept in ${folder}`);
await using host = await startHost({
  store: levelStore(folder),
  workflows: [release, deployRegion],
  activities: [deploy],
});

const input = { version: '1.2.0', regions: ['north', 'south', 'moon'] };
const instance = await host.workflows.start(release, { instanceId: 'release-1', input });
for (const outcome of await instance.result()) console.log(outcome);

const { instances } = await host.workflows.list({ idPrefix: 'release-1' });
for (const one of instances) console.log(`${one.instanceId}: ${one.runtimeStatus}`);
