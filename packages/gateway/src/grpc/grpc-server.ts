// The gateway for the SDKs that speak the protocol of Dapr's and Microsoft's durable tasks: where it may listen, who may call,
// how it stops.
//
// Order of a call: caller and scope → is the server stopping → handler. Nothing of the message is read before the caller is
// known. A web page cannot speak gRPC, so there is no origin to check.
//
// G1 When it stops, streams of workers end well before the port closes: some workers never come back after an error. Waits are
//    answered UNAVAILABLE, which clients try again elsewhere.
// G2 Pings are answered and never counted: workers send them often, and with no call under way.

import {
  Server,
  ServerCredentials,
  status,
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { consoleLogger, type CancelTimeout, type Logger } from '@troupe/actors';
import type { WorkflowHost } from '@troupe/workflow';
import { Access, isLoopbackAddress, type AccessOptions } from '../access.ts';
import {
  DETAIL_LENGTH_MAX,
  KEEP_ALIVE_PING_MS,
  KEEP_ALIVE_PING_TIMEOUT_MS,
  MESSAGE_BYTES_MAX,
  STOP_GRACE_MS,
  STREAM_ITEMS_MAX,
} from '../limits.ts';
import { CallEnd } from './call-end.ts';
import { failureOf, stopping } from './grpc-failure.ts';
import { GrpcCall, type GatewayParts, type Rpc, type StreamRpc, type UnaryRpc } from './rpc.ts';
import { RPCS } from './service.ts';

/** Settings of {@link serveGrpc}. */
export interface ServeGrpcOptions extends Pick<AccessOptions, 'token' | 'authenticate'> {
  /** Default 50001; 0 takes a free one. */
  readonly port?: number | undefined;
  /** Default `127.0.0.1`. Any other than loopback needs `token` or `authenticate`. */
  readonly hostname?: string | undefined;
  /** Larger messages are refused, both ways. Default 128 MiB. */
  readonly messageBytesMax?: number | undefined;
  /** Items that a worker has at once, unless it says itself how many it takes. Default 50. */
  readonly streamItemsMax?: number | undefined;
  /** The `id` that Dapr's clients see. Default `"troupe"`. */
  readonly appId?: string | undefined;
  /** Where bugs are reported. Default: the console. */
  readonly logger?: Logger | undefined;
}

/** A listening gateway. Made by {@link serveGrpc}. */
export interface GrpcServer extends AsyncDisposable {
  readonly port: number;
  /**
   * Stops gracefully: workers are let go, waits are answered, calls in flight are finished. What takes longer than `graceMs`
   * (default 10 s) is cut. A second call with less grace forces.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * Serves workers and clients of the Dapr Workflow and Durable Task SDKs.
 *
 * @throws {TypeError} when the address is reachable by others and no auth is set, or for options that make no sense
 */
export async function serveGrpc(host: WorkflowHost, options: ServeGrpcOptions = {}): Promise<GrpcServer> {
  const hostname = options.hostname ?? '127.0.0.1';
  const access = new Access(options, () => false);
  if (!access.required && !isLoopbackAddress(hostname)) {
    throw new TypeError(
      `refusing to listen on ${hostname} without auth: set token or authenticate, or listen on 127.0.0.1`,
    );
  }
  const server = new ListeningServer(host, access, options);
  await server.listen(hostname, options.port ?? 50_001);
  return server;
}

class ListeningServer implements GrpcServer {
  /** As it was bound. */
  port = 0;
  readonly #access: Access;
  readonly #server: Server;
  readonly #parts: GatewayParts;
  readonly #draining = new AbortController();
  readonly #calls = new Set<CallEnd>();
  readonly #streams = new Set<Promise<void>>();
  #stopped: Promise<void> | undefined;

  constructor(host: WorkflowHost, access: Access, options: ServeGrpcOptions) {
    const messageBytesMax = checkedNumber('messageBytesMax', options.messageBytesMax ?? MESSAGE_BYTES_MAX, 2 ** 31 - 1);
    this.#access = access;
    this.#parts = {
      host,
      logger: options.logger ?? consoleLogger,
      appId: options.appId ?? 'troupe',
      messageBytesMax,
      streamItemsMax: checkedNumber('streamItemsMax', options.streamItemsMax ?? STREAM_ITEMS_MAX, 1_000_000),
      draining: this.#draining.signal,
    };
    this.#server = new Server({
      'grpc.max_receive_message_length': messageBytesMax,
      'grpc.max_send_message_length': messageBytesMax,
      'grpc.keepalive_time_ms': KEEP_ALIVE_PING_MS,
      'grpc.keepalive_timeout_ms': KEEP_ALIVE_PING_TIMEOUT_MS,
    });
    for (const rpc of RPCS) this.#register(rpc);
  }

  async listen(hostname: string, port: number): Promise<void> {
    const address = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;
    this.port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(withCode(error)),
      );
    });
  }

  stop({ graceMs = STOP_GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    const { clock } = this.#parts.host.actors;
    const cancel: CancelTimeout = clock.setTimeout(() => this.#server.forceShutdown(), graceMs);
    this.#stopped ??= this.#stop();
    return this.#stopped.finally(cancel);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    this.#draining.abort();
    for (const call of this.#calls) call.end();
    // G1: streams first.
    await Promise.all(this.#streams);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  #register(rpc: Rpc): void {
    const path = `/${rpc.service}/${rpc.rpc}`;
    const same = (bytes: Buffer): Buffer => bytes;
    if (rpc.kind === 'unary') {
      const handle = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void =>
        void this.#answer(rpc, call, answer);
      this.#server.register(path, handle, same, same, 'unary');
      return;
    }
    const handle = (call: ServerWritableStream<Buffer, Buffer>): void => {
      const served = this.#stream(rpc, call);
      this.#streams.add(served);
      void served.finally(() => this.#streams.delete(served));
    };
    this.#server.register(path, handle, same, same, 'serverStream');
  }

  async #answer(rpc: UnaryRpc, call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): Promise<void> {
    const end = this.#begin(call);
    try {
      await this.#checkCaller(rpc, call.metadata);
      if (this.#draining.signal.aborted && rpc.scope !== undefined) throw stopping();
      answer(null, await rpc.handle(call.request, this.#callOf(rpc, call.metadata, end)));
    } catch (error) {
      answer(this.#statusOf(rpc, error));
    } finally {
      this.#calls.delete(end);
    }
  }

  /** Never rejects. */
  async #stream(rpc: StreamRpc, call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
    const end = this.#begin(call);
    try {
      await this.#checkCaller(rpc, call.metadata);
      const { signal } = end;
      await rpc.handle(call.request, this.#callOf(rpc, call.metadata, end), {
        write: (message) => call.cancelled || call.write(message),
        drained: () =>
          new Promise<void>((resolve) => {
            const done = (): void => {
              call.off('drain', done);
              signal.removeEventListener('abort', done);
              resolve();
            };
            call.once('drain', done);
            signal.addEventListener('abort', done);
            if (signal.aborted) done();
          }),
      });
      call.end();
    } catch (error) {
      call.emit('error', this.#statusOf(rpc, error));
    } finally {
      this.#calls.delete(end);
    }
  }

  /** Ends when the caller is gone, and when the server stops. */
  #begin(call: ServerUnaryCall<Buffer, Buffer> | ServerWritableStream<Buffer, Buffer>): CallEnd {
    const end = new CallEnd();
    call.once('cancelled', () => end.end());
    if (call.cancelled || this.#draining.signal.aborted) end.end();
    this.#calls.add(end);
    return end;
  }

  #callOf(rpc: Rpc, metadata: Metadata, end: CallEnd): GrpcCall {
    return new GrpcCall(rpc.rpc, this.#parts, {
      signs: {
        userAgent: textIn(metadata, 'user-agent') ?? '',
        namesTaskHub: textIn(metadata, 'taskhub') !== undefined,
      },
      end,
      traceparent: traceparentIn(metadata),
    });
  }

  /** @throws {Problem} */
  async #checkCaller(rpc: Rpc, metadata: Metadata): Promise<void> {
    if (rpc.scope === undefined || !this.#access.required) return;
    const headers = new Headers();
    for (const [name, value] of Object.entries(metadata.getMap())) {
      if (typeof value === 'string') headers.set(name, value);
    }
    // The hook of both gateways is asked about requests.
    const request = new Request(`http://localhost/${rpc.service}/${rpc.rpc}`, { method: 'POST', headers });
    await this.#access.checkCaller(request, rpc.scope);
  }

  #statusOf(rpc: Rpc, error: unknown): Error & { code: status; details: string } {
    const failure = failureOf(error, { logger: this.#parts.logger, rpc: rpc.rpc });
    // It travels in a header, which has to stay small.
    const details = failure.message.slice(0, DETAIL_LENGTH_MAX).toWellFormed();
    return Object.assign(new Error(details), { code: failure.code, details });
  }
}

function textIn(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' ? value : undefined;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header */
function traceparentIn(metadata: Metadata): string | undefined {
  const text = textIn(metadata, 'traceparent');
  return text !== undefined && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(text) ? text : undefined;
}

function checkedNumber(name: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new TypeError(`${name} is a whole number from 1 to ${max}, got ${value}`);
  return value;
}

/** The library tells the code of the system's error in the text of its own. */
function withCode(error: Error): Error {
  const code = /\bE[A-Z]{4,}\b/.exec(error.message)?.[0];
  return code === undefined ? error : Object.assign(error, { code });
}
