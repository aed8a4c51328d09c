import { Client, credentials, Metadata, status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { MemoryStore } from '@troupe/actors';
import { startHost, type WorkflowHost } from '@troupe/workflow';
import { serveGrpc, type GrpcServer, type ServeGrpcOptions } from '../../src/grpc.ts';
import { codecOf, type Dialect } from '../../src/grpc/schema.ts';
import { activitiesOfTests, TestLogger, workflowsOfTests } from '../harness.ts';

/** What tests look into freely. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into it freely
export type Loose = any;

/** A real host, served on a free port. */
export class GrpcBench implements AsyncDisposable {
  readonly host: WorkflowHost;
  readonly server: GrpcServer;
  readonly logger: TestLogger;
  readonly #peers: Peer[] = [];

  private constructor(host: WorkflowHost, server: GrpcServer, logger: TestLogger) {
    this.host = host;
    this.server = server;
    this.logger = logger;
  }

  static async start(options: ServeGrpcOptions = {}): Promise<GrpcBench> {
    const logger = new TestLogger();
    const host = await startHost({
      store: new MemoryStore(),
      workflows: workflowsOfTests,
      activities: activitiesOfTests,
      logger,
    });
    return new GrpcBench(host, await serveGrpc(host, { port: 0, logger, ...options }), logger);
  }

  peer(dialect: Dialect = 'base', options: PeerOptions = {}): Peer {
    const peer = new Peer(this.server.port, dialect, options);
    this.#peers.push(peer);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.#peers) peer.close();
    await this.server.stop({ graceMs: 1_000 });
    await this.host.stop();
  }
}

export interface PeerOptions {
  readonly userAgent?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly channel?: Readonly<Record<string, number>>;
}

/** A client or a worker that speaks one dialect. */
export class Peer {
  readonly #client: Client;
  readonly #dialect: Dialect;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(port: number, dialect: Dialect, { userAgent, headers = {}, channel = {} }: PeerOptions = {}) {
    this.#dialect = dialect;
    this.#headers = headers;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // Clients of one address share their connections otherwise.
      'grpc.use_local_subchannel_pool': 1,
      ...(userAgent === undefined ? {} : { 'grpc.primary_user_agent': userAgent }),
      ...channel,
    });
  }

  /** The answer as plain data. Rejects with a ServiceError. */
  async call(rpc: string, request: string, fields: object, response: string, deadlineMs = 20_000): Promise<Loose> {
    return this.#plain(response, await this.raw(rpc, codecOf(this.#dialect).encode(request, fields), deadlineMs));
  }

  raw(rpc: string, bytes: Buffer, deadlineMs = 20_000): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        pathOf(rpc),
        same,
        same,
        bytes,
        this.#metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, answer) => (error === null ? resolve(answer!) : reject(error)),
      );
    });
  }

  stream(rpc: string, request: string, fields: object, response: string): PeerStream {
    const call = this.#client.makeServerStreamRequest(
      pathOf(rpc),
      same,
      same,
      codecOf(this.#dialect).encode(request, fields),
      this.#metadata(),
    );
    return new PeerStream(call, (bytes) => this.#plain(response, bytes));
  }

  close(): void {
    this.#client.close();
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(this.#headers)) metadata.set(name, value);
    return metadata;
  }

  #plain(message: string, bytes: Buffer): Loose {
    const type = codecOf(this.#dialect).type(message);
    return type.toObject(type.decode(bytes), { longs: Number, oneofs: true });
  }
}

/** What comes on a stream, and how it ends. */
export class PeerStream {
  readonly #call: ClientReadableStream<Buffer>;
  readonly #items: Loose[] = [];
  #wanted: (() => void) | undefined;
  /** The code of its end. */
  readonly ended: Promise<status>;

  constructor(call: ClientReadableStream<Buffer>, plain: (bytes: Buffer) => Loose) {
    this.#call = call;
    call.on('data', (bytes: Buffer) => {
      this.#items.push(plain(bytes));
      this.#wanted?.();
    });
    this.ended = new Promise((resolve) => {
      call.on('error', (error: ServiceError) => resolve(error.code));
      call.on('status', ({ code }: { code: status }) => resolve(code));
    });
  }

  /** Items that have come and were not taken. */
  get count(): number {
    return this.#items.length;
  }

  async next(): Promise<Loose> {
    while (this.#items.length === 0) await new Promise<void>((resolve) => (this.#wanted = resolve));
    return this.#items.shift();
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

function same(bytes: Buffer): Buffer {
  return bytes;
}

function pathOf(rpc: string): string {
  return rpc.startsWith('/') ? rpc : `/TaskHubSidecarService/${rpc}`;
}

/** The status of a call that fails. */
export async function failing(call: Promise<unknown>): Promise<{ readonly code: status; readonly details: string }> {
  try {
    await call;
  } catch (error) {
    const { code, details } = error as ServiceError;
    if (code === undefined) throw error;
    return { code, details };
  }
  throw new Error('the call succeeded');
}
