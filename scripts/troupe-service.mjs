// A Troupe service for examples whose workers and clients are not Troupe's: the one that DAPR_GRPC_PORT names, or one that is
// started on free ports, with its state in a temporary folder.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guardFolder, guardProcess } from './guardian.mjs';
import { root } from './repository.mjs';

/**
 * Starts a service unless there is one.
 *
 * @throws {Error} with what it wrote, when it ends before it serves
 */
export async function troupeService() {
  const given = process.env.DAPR_GRPC_PORT;
  if (given !== undefined && given !== '') return { grpcPort: given, stop: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), 'troupe-service-'));
  const removeFolder = guardFolder(folder);
  const args = ['--no-examples', '--port', '0', '--grpc-port', '0', '--data', folder];
  const service = spawn(process.execPath, [join(root, 'scripts/start.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  guardProcess(service);
  const exited = once(service, 'exit');
  let log = '';
  service.stderr.setEncoding('utf8').on('data', (text) => (log += text));
  const grpcPort = await new Promise((resolve, reject) => {
    createInterface({ input: service.stdout }).on('line', (line) => {
      const port = /SDKs: 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) resolve(port);
    });
    service.once('error', reject);
    service.once('close', () => reject(new Error(`the service ended before it served:\n${log}`)));
  });
  return {
    grpcPort,
    async stop() {
      service.kill('SIGTERM');
      await exited;
      removeFolder();
    },
  };
}
