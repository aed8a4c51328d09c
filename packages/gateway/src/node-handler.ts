import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { HttpGateway } from './gateway.ts';
import { badRequest } from './problem.ts';

/** A handler of `node:http`, as Express and others take it too. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The gateway as a handler for `http.createServer`, Express (`app.use('/api', handler)`), or the raw messages of Fastify.
 * Mount it before body parsers: an Idempotency-Key compares raw bytes.
 */
export function toNodeHandler(gateway: HttpGateway): NodeHandler {
  const listener = getRequestListener(gateway.fetch, {
    // Other code of the process has its own Request and Response.
    overrideGlobalObjects: false,
    hostname: 'host.missing',
    // Only what is no URL at all comes here.
    errorHandler: (error) => {
      const isRequest = error instanceof Error && error.name === 'RequestError';
      if (!isRequest) gateway.logger.error({ error }, 'an HTTP request failed');
      return isRequest
        ? badRequest('PATH_INVALID', 'the request target is not valid').toResponse()
        : new Response(null, { status: 500 });
    },
  });
  return (request, response) => {
    // A client that goes away in the middle of an answer is no error of ours.
    response.on('error', () => {});
    listener(request, response).catch((error: unknown) => {
      gateway.logger.error({ error }, 'an HTTP answer could not be sent');
      response.destroy();
    });
  };
}
