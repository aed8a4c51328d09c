// Takes HTTP requests for triggers, as a gateway does: `/triggers/<name>`.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TriggerNotFoundError, type HttpRequest, type Triggers } from '../../src/index.ts';

export async function serveTriggers(triggers: Triggers): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const { pathname, searchParams } = new URL(incoming.url!, 'http://127.0.0.1');
      const chunks: Buffer[] = [];
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
      const request: HttpRequest = {
        method: incoming.method!,
        headers: new Headers(
          Object.entries(incoming.headersDistinct).map(([name, values]) => [name, values!.join(', ')]),
        ),
        query: searchParams,
        body: async () => Buffer.concat(chunks),
      };
      const { status, headers, body } = await triggers.receive(pathname.split('/').at(-1)!, request);
      const text = body === undefined ? undefined : JSON.stringify(body);
      outgoing.writeHead(status, { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...headers });
      outgoing.end(text);
    })().catch((error: unknown) => {
      outgoing.writeHead(error instanceof TriggerNotFoundError ? 404 : 500).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}
