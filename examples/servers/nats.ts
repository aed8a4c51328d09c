// A nats-server for examples that need one.

import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { guardFolder, guardProcess } from '../../scripts/guardian.mjs';
import { findNatsServer } from '../../scripts/nats-server.mjs';

/** Starts a nats-server on a free port, with a folder of its own; both end with this process. */
export async function startNatsServer(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-nats-server-'));
  guardFolder(folder);
  const options = [
    '--addr',
    '127.0.0.1',
    '--port',
    '-1',
    '--jetstream',
    '--store_dir',
    folder,
    '--ports_file_dir',
    folder,
  ];
  const server = spawn(await findNatsServer(), options, { stdio: 'ignore' });
  guardProcess(server);
  server.unref();
  for (;;) {
    const name = (await readdir(folder)).find((file) => file.endsWith('.ports'));
    const ports = name === undefined ? '' : await readFile(join(folder, name), 'utf8');
    if (ports.endsWith('}')) return (JSON.parse(ports) as { nats: string[] }).nats[0]!;
    await sleep(20);
  }
}
