import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { replayHistory, type StoredHistory } from '@troupe/workflow/testing';
import { expect, test } from 'vitest';
import { childProgram } from '../../../../scripts/bundled.mjs';
import { order } from '../../src/examples/order.ts';
import { root, startService, temporaryFolder, type ServiceProcess } from './harness.ts';

const bin = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));

/** What `troupe workflow` prints, parsed; rejects with what it complains of. */
async function troupe(service: ServiceProcess, ...args: readonly string[]): Promise<unknown> {
  const options = [...(await childProgram(bin)), 'workflow', ...args, '--url', service.url];
  const { stdout } = await promisify(execFile)(process.execPath, options, { cwd: root });
  return stdout === '' ? undefined : JSON.parse(stdout);
}

test('an instance is started, steered, looked at and purged from the command line', async () => {
  const service = await startService(await temporaryFolder());
  expect(await troupe(service, 'start', 'order', '--id', 'o1', '--input', '{"item":"book","amount":3}')).toEqual({
    instanceId: 'o1',
  });
  await troupe(service, 'suspend', 'o1');
  expect(await troupe(service, 'get', 'o1')).toMatchObject({ runtimeStatus: 'suspended' });
  await troupe(service, 'resume', 'o1');
  await troupe(service, 'raise', 'o1', 'approved', '--payload', '{"by":"Ada"}');
  await service.end('order/o1');
  expect(await troupe(service, 'get', 'o1')).toMatchObject({ runtimeStatus: 'completed', output: { by: 'Ada' } });
  const exported = (await troupe(service, 'history', 'o1')) as StoredHistory;
  expect(await replayHistory(order, exported)).toMatchObject({ outcome: 'completed', output: { by: 'Ada' } });
  const first = (await troupe(service, 'history', 'o1', '--limit', '2')) as StoredHistory;
  expect(first).toMatchObject({ instanceId: 'o1', events: [{ number: 1 }, { number: 2 }], next: 3 });
  const rest = (await troupe(service, 'history', 'o1', '--from', '3')) as StoredHistory;
  expect(await replayHistory(order, [first, rest])).toMatchObject({ outcome: 'completed', output: { by: 'Ada' } });

  await troupe(service, 'start', 'order', '--id', 'o2', '--input', '{"item":"pen","amount":1}');
  await troupe(service, 'terminate', 'o2', '--output', '"not wanted"');
  expect(await troupe(service, 'list', '--workflow', 'order', '--status', 'terminated')).toMatchObject({
    instances: [{ instanceId: 'o2' }],
  });
  await troupe(service, 'purge', 'o2');
  await expect(troupe(service, 'get', 'o2')).rejects.toMatchObject({
    code: 1,
    stderr: 'troupe: there is no workflow instance "o2"\n',
  });
});
