import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A service that lends jobs out, each again after a second unless it is deleted. */
export async function startJobService(pages: readonly string[]) {
  const jobs = new Map(pages.map((page, index) => [`${index + 1}`, { page, freeAtMs: 0 }]));
  let emptied: (() => void) | undefined;
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    if (request.method === 'DELETE') {
      jobs.delete(pathname.slice('/jobs/'.length));
      response.writeHead(204).end();
      if (jobs.size === 0) emptied?.();
      return;
    }
    const nowMs = Date.now();
    const free = [...jobs].filter(([, { freeAtMs }]) => freeAtMs <= nowMs).slice(0, Number(searchParams.get('count')));
    for (const [, job] of free) job.freeAtMs = nowMs + 1_000;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(free.map(([id, { page }]) => ({ id, payload: { page } }))));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jobs`,
    /** Resolves when all jobs were deleted. */
    async empty(): Promise<void> {
      if (jobs.size > 0) await new Promise<void>((resolve) => (emptied = resolve));
    },
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
