// The gateway as a server of its own: where it may listen, what it cuts off, how it stops.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WorkflowHost } from '@troupe/workflow';
import { isLoopbackAddress } from './access.ts';
import { httpGateway, type HttpGateway, type HttpGatewayOptions } from './gateway.ts';
import {
  CLOSE_LINGER_MS,
  CONNECTION_CHECK_INTERVAL_MS,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  STOP_GRACE_MS,
} from './limits.ts';
import { toNodeHandler } from './node-handler.ts';

/** Settings of {@link serveHttp}. */
export interface ServeHttpOptions extends Omit<HttpGatewayOptions, 'basePath'> {
  /** Default 3500; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Default `127.0.0.1`. Any other than loopback needs `token` or `authenticate`. */
  readonly hostname?: string | undefined;
  /** Headers that take longer are cut off with 408. Default 10 s. */
  readonly headersTimeoutMs?: number | undefined;
  /** Idle connections are closed after this long. Default 65 s. */
  readonly keepAliveTimeoutMs?: number | undefined;
}

/** A listening gateway. Made by {@link serveHttp}. */
export interface HttpServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly gateway: HttpGateway;
  /**
   * Stops gracefully: no new connections and no new work, long polls are answered with what is known, answers in flight
   * are sent. What takes longer than `graceMs` (default 10 s) is cut. A second call with less grace forces.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * Serves the HTTP contract.
 *
 * @throws {TypeError} when the address is reachable by others and no auth is set
 */
export async function serveHttp(host: WorkflowHost, options: ServeHttpOptions = {}): Promise<HttpServer> {
  const hostname = options.hostname ?? '127.0.0.1';
  const gateway = httpGateway(host, options);
  if (!gateway.authRequired && !isLoopbackAddress(hostname)) {
    throw new TypeError(
      `refusing to listen on ${hostname} without auth: set token or authenticate, or listen on 127.0.0.1`,
    );
  }
  const server = new ListeningServer(gateway, hostname, options);
  await server.listen(options.port ?? 3500);
  return server;
}

class ListeningServer implements HttpServer {
  readonly gateway: HttpGateway;
  /** As it was bound. */
  port = 0;
  readonly #hostname: string;
  readonly #server: Server;
  #unanswered = 0;
  #onAnswered: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(gateway: HttpGateway, hostname: string, options: ServeHttpOptions) {
    this.gateway = gateway;
    this.#hostname = hostname;
    const headersTimeout = options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS;
    const handle = toNodeHandler(gateway);
    this.#server = createServer(
      {
        headersTimeout,
        // The gateway cuts slow bodies off itself; this catches those that nobody reads.
        requestTimeout: headersTimeout + gateway.bodyTimeoutMs + 1_000,
        connectionsCheckingInterval: CONNECTION_CHECK_INTERVAL_MS,
        keepAliveTimeout: options.keepAliveTimeoutMs ?? KEEP_ALIVE_TIMEOUT_MS,
      },
      (request: IncomingMessage, response: ServerResponse) => {
        this.#unanswered++;
        response.on('close', () => {
          this.#unanswered--;
          if (this.#unanswered === 0) this.#onAnswered?.();
        });
        handle(request, response);
      },
    );
    this.#server.on('clientError', answerClientError);
  }

  get url(): string {
    return `http://${this.#hostname.includes(':') ? `[${this.#hostname}]` : this.#hostname}:${this.port}`;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, this.#hostname, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.port = (this.#server.address() as AddressInfo).port;
    this.#server.on('error', (error) => this.gateway.logger.error({ error }, 'the HTTP server failed'));
  }

  stop({ graceMs = STOP_GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    const forced = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    this.#stopped ??= this.#stop();
    return this.#stopped.finally(() => clearTimeout(forced));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.gateway.drain();
    await new Promise<void>((resolve) => {
      this.#onAnswered = resolve;
      if (this.#unanswered === 0) resolve();
    });
    // What is left has no request of ours: idle connections, and those that never sent one.
    this.#server.closeIdleConnections();
    const lingering = setTimeout(() => this.#server.closeAllConnections(), CLOSE_LINGER_MS);
    await closed;
    clearTimeout(lingering);
  }
}

/** Answers what is not HTTP, or came too slowly, and hangs up. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, errorCode, message } = CLIENT_ERRORS[error.code ?? ''] ?? BAD_REQUEST;
  const body = JSON.stringify({ type: 'about:blank', title: message, status, detail: message, errorCode, message });
  const head = [
    `HTTP/1.1 ${status} ${message}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

const BAD_REQUEST = { status: 400, errorCode: 'REQUEST_INVALID', message: 'Bad Request' };
const CLIENT_ERRORS: Readonly<Record<string, typeof BAD_REQUEST>> = {
  HPE_HEADER_OVERFLOW: { status: 431, errorCode: 'HEADERS_TOO_LARGE', message: 'Request Header Fields Too Large' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, errorCode: 'BODY_TOO_LARGE', message: 'Content Too Large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, errorCode: 'REQUEST_TIMEOUT', message: 'Request Timeout' },
};
