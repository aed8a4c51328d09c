// The connection of one source to NATS.
//
// N1  It is tried for as long as it is wanted: first by us, after that by the client.
// N2  `connected()` never resolves with a connection that is known to be lost, so nothing is asked of one.
// N3  What the sources report carries no password: URLs are shown without.

import { readFile } from 'node:fs/promises';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { waitAtMost } from '@troupe/actors';
import { reconnectDelayMs } from '../back-off.ts';
import { installed } from '../broker-client.ts';
import { SourceError } from '../errors.ts';
import { GrowingPause } from '../growing-pause.ts';
import { CONNECT_TIMEOUT_MS } from '../limits.ts';
import type { SourceContext } from '../source.ts';

/** How a source finds its NATS servers. */
export interface NatsServerOptions {
  /** One server or several of a cluster, as `nats://host:port`. */
  readonly servers: string | readonly string[];
  /** Path of a `.creds` file. */
  readonly credentialsFile?: string;
  /** Passed through to the client's `connect`: user, token, TLS and so on. */
  readonly options?: Omit<NodeConnectionOptions, 'servers'>;
}

/** @throws {TypeError} when there is no server */
export function checkServers({ servers }: NatsServerOptions, what: string): void {
  const urls = [servers].flat();
  if (urls.length === 0 || urls.some((url) => typeof url !== 'string' || url === '')) {
    throw new TypeError(`${what}: servers is one URL as nats://host:4222, or several`);
  }
}

export interface NatsLinkListener {
  /** Also when it is there again after it was lost. */
  connected(connection: NatsConnection): void;
  lost(): void;
}

export class NatsLink {
  readonly #options: NatsServerOptions;
  readonly #context: SourceContext;
  readonly #listener: NatsLinkListener;
  readonly #pause: GrowingPause;
  #client: typeof import('@nats-io/transport-node') | undefined;
  #connection: NatsConnection | undefined;
  #usable = false;
  #closed = false;
  /** Of the client, to connect again, since there was a connection last. */
  #attempts = 0;
  readonly #waiting = new Set<() => void>();
  #opening: Promise<void> | undefined;

  constructor(options: NatsServerOptions, context: SourceContext, listener: NatsLinkListener) {
    this.#options = options;
    this.#context = context;
    this.#listener = listener;
    this.#pause = new GrowingPause(context.clock, context.random);
  }

  /**
   * Resolves after the first attempt, whether there is a connection then or not; the next ones are made in the background.
   *
   * @throws {SourceError} when the client is not installed or the credentials cannot be read
   */
  async open(): Promise<void> {
    this.#client = await installed(
      import('@nats-io/transport-node'),
      'the client of NATS is missing: npm install @nats-io/transport-node @nats-io/jetstream',
    );
    if (this.#options.credentialsFile !== undefined) await this.#credentials();
    if (!(await this.#attempt())) this.#opening = this.#keepTrying();
  }

  /** Whether there is a connection, as far as is known. */
  get usable(): boolean {
    return this.#usable && !this.#closed;
  }

  /** Resolves when there is a connection; with undefined when the link is closed before. */
  async connected(): Promise<NatsConnection | undefined> {
    while (!this.#closed && !this.#usable) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this.#closed ? undefined : this.#connection;
  }

  /** Resolves when the promise is settled, however it is, and at the latest after {@link CONNECT_TIMEOUT_MS}. */
  async settled(promise: Promise<unknown>): Promise<void> {
    await waitAtMost(
      this.#context.clock,
      CONNECT_TIMEOUT_MS,
      promise.catch(() => {}),
    );
  }

  /** What was published arrives first, if the server answers in time. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    this.#pause.end();
    await this.#opening;
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) return;
    // A connection that is lost meanwhile: what was not acknowledged comes again.
    if (this.#usable) await this.settled(connection.flush());
    await connection.close();
  }

  async #keepTrying(): Promise<void> {
    do await this.#pause.wait();
    while (!this.#closed && !(await this.#attempt()));
  }

  /** Whether another attempt is not ours to make. */
  async #attempt(): Promise<boolean> {
    const { connect } = this.#client!;
    try {
      const authenticator = await this.#credentials();
      const connection = await connect({
        // It is asked many times for one pause, so this is not where attempts are counted.
        reconnectDelayHandler: () => reconnectDelayMs(this.#attempts + 1, this.#context.random),
        timeout: CONNECT_TIMEOUT_MS,
        ...this.#options.options,
        ...(authenticator !== undefined && { authenticator }),
        servers: [this.#options.servers].flat(),
        maxReconnectAttempts: -1,
        // A server that refuses a password while its configuration is being replaced does not end the source.
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
      });
      if (this.#closed) {
        await connection.close();
        return true;
      }
      this.#connection = connection;
      void this.#watch(connection);
      this.#becomeUsable(connection);
      return true;
    } catch (cause) {
      const reason = cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
      this.#context.failing(new Error(`no connection to NATS at ${this.#where()}: ${reason}`, { cause }));
      return false;
    }
  }

  async #credentials(): Promise<NodeConnectionOptions['authenticator'] | undefined> {
    const path = this.#options.credentialsFile;
    if (path === undefined) return undefined;
    try {
      return this.#client!.credsAuthenticator(await readFile(path));
    } catch (cause) {
      throw new SourceError(`the credentials of NATS cannot be read from ${path}`, { cause });
    }
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#closed) return;
      switch (status.type) {
        case 'disconnect':
        case 'staleConnection':
          this.#becomeLost();
          break;
        case 'reconnecting':
          this.#attempts++;
          break;
        case 'reconnect':
          this.#becomeUsable(connection);
          break;
        case 'error':
          this.#context.failing(status.error);
          break;
        default:
      }
    }
  }

  #becomeUsable(connection: NatsConnection): void {
    this.#usable = true;
    this.#attempts = 0;
    this.#listener.connected(connection);
    this.#wake();
  }

  #becomeLost(): void {
    if (!this.#usable) return;
    this.#usable = false;
    this.#context.failing(new Error(`the connection to NATS at ${this.#where()} was lost`));
    this.#listener.lost();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #where(): string {
    return [this.#options.servers]
      .flat()
      .join(', ')
      .replaceAll(/[^/,\s]*@/g, '');
  }
}
