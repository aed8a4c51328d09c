// Makes a `Wire` of a connection of either client package: one that it opens, or one that the user hands in.
//
// C1  It is `disconnected` from the first sign of it: requests and commits that wait for an answer are ambiguous then.
// C2  A server that is too old or has no JetStream is never used: refused at the start, and after a reconnect the wire
//     stays disconnected until the client has found another one.
// C3  A connection that was handed in is left as it was: the wire's subscriptions end, the connection does not.

import { connect, createInbox, type NodeConnectionOptions } from '@nats-io/transport-node';
import { StoreUnavailableError, type Clock, type Logger } from '@troupe/actors';
import { isClientConnection, type ClientConnection, type ClientMessage, type ClientStatus } from './client.ts';
import { RequestError, ServerUnfitError } from './errors.ts';
import {
  CLOSE_FLUSH_MS,
  HANDSHAKE_TIMEOUT_MS,
  JETSTREAM_PROBE_MS,
  PING_INTERVAL_MS,
  PINGS_UNANSWERED_MAX,
  RECONNECT_DELAY_MS,
  UNFIT_SERVER_RETRY_MS,
} from './limits.ts';
import { InboxRequests } from './requests.ts';
import { serverInfoOf, unfitVersion } from './server.ts';
import type { EndSubscription, PublishOptions, ServerInfo, Wire, WireMessage, WireStatus } from './wire.ts';

/** What a wire needs of its host. */
export interface WireContext {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** For whatever the user does not say. */
const DEFAULTS: NodeConnectionOptions = {
  reconnectTimeWait: RECONNECT_DELAY_MS,
  reconnectJitter: RECONNECT_DELAY_MS,
  reconnectJitterTLS: RECONNECT_DELAY_MS,
  maxReconnectAttempts: -1,
  // A server that refuses a password while its configuration is being replaced does not end the host.
  ignoreAuthErrorAbort: true,
  pingInterval: PING_INTERVAL_MS,
  maxPingOut: PINGS_UNANSWERED_MAX,
  timeout: HANDSHAKE_TIMEOUT_MS,
  noAsyncTraces: true,
};

/**
 * Connects, or takes the connection that is handed in.
 *
 * @throws {StoreUnavailableError} when no server can be reached
 * @throws {ServerUnfitError} when the server is too old or has no JetStream
 */
export async function connectWire(
  connection: NodeConnectionOptions | ClientConnection,
  context: WireContext,
): Promise<Wire> {
  const owned = !isClientConnection(connection);
  const client: ClientConnection = owned ? await opened(connection) : connection;
  const info = client.info;
  if (info === undefined) {
    throw new StoreUnavailableError('the connection to NATS that was handed in is not connected', {
      wroteNothing: true,
    });
  }
  const wire = new ClientWire(client, serverInfoOf(info), owned, context);
  try {
    await checkServer(wire, context.clock);
  } catch (error) {
    await wire.close();
    throw error;
  }
  return wire;
}

async function opened(options: NodeConnectionOptions): Promise<ClientConnection> {
  try {
    // Hosts hear themselves: what they tell all, they tell themselves too.
    return await connect({ ...DEFAULTS, ...options, noEcho: false });
  } catch (cause) {
    const servers = [options.servers ?? `127.0.0.1:${options.port ?? 4222}`].flat().join(', ');
    throw new StoreUnavailableError(`no connection to NATS at ${withoutPasswords(servers)}: ${reasonOf(cause)}`, {
      cause,
      wroteNothing: true,
    });
  }
}

function withoutPasswords(servers: string): string {
  return servers.replaceAll(/[^/,\s]*@/g, '');
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
}

async function checkServer(wire: Wire, clock: Clock): Promise<void> {
  const reason = unfitVersion(wire.info.version);
  if (reason !== undefined) throw new ServerUnfitError(reason);
  if (wire.info.jetstream) return;
  // It may belong to a cluster that has it elsewhere.
  const requests = new InboxRequests(wire, clock);
  try {
    await requests.ask('$JS.API.INFO', new Uint8Array(0), JETSTREAM_PROBE_MS);
  } catch (cause) {
    if (!(cause instanceof RequestError)) throw cause;
    throw new ServerUnfitError(
      `the NATS server ${wire.info.serverName} has no JetStream: start it with -js, or with a "jetstream" block in its ` +
        `configuration`,
      { cause },
    );
  } finally {
    requests.stop();
  }
}

class ClientWire implements Wire {
  readonly inboxPrefix: string;
  readonly #client: ClientConnection;
  readonly #owned: boolean;
  readonly #context: WireContext;
  readonly #subscriptions = new Set<() => void>();
  readonly #listeners = new Set<(status: WireStatus) => void>();
  readonly #statuses: AsyncIterable<ClientStatus>;
  #info: ServerInfo;
  #status: WireStatus = 'connected';
  /** The client is connected to a server that is not fit. */
  #unfit = false;
  #cancelRetry: () => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(client: ClientConnection, info: ServerInfo, owned: boolean, context: WireContext) {
    this.#client = client;
    this.#owned = owned;
    this.#context = context;
    this.#info = info;
    this.inboxPrefix = createInbox(inboxPrefixOf(client));
    this.#statuses = client.status();
    void this.#watch();
    void client.closed().then(() => this.#become('closed'));
  }

  get info(): ServerInfo {
    return this.#info;
  }

  get status(): WireStatus {
    return this.#status;
  }

  publish(subject: string, data: Uint8Array, options: PublishOptions = {}): void {
    if (this.#status === 'closed') throw this.#closedError();
    const bytes = data.length + (options.headers?.encode().length ?? 0);
    if (bytes > this.#info.payloadBytesMax) {
      throw new TypeError(
        `a message to ${subject} has ${bytes} bytes; max_payload of the NATS server is ${this.#info.payloadBytesMax}`,
      );
    }
    // It may or may not arrive, and through this server it shall not.
    if (this.#unfit) return;
    this.#client.publish(subject, data, options);
  }

  subscribe(subject: string, onMessage: (message: WireMessage) => void): EndSubscription {
    if (this.#status === 'closed') throw this.#closedError();
    const { logger } = this.#context;
    const subscription = this.#client.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) {
          logger.error({ error, subject }, 'NATS ended a subscription; look at the permissions of this user');
          return;
        }
        try {
          onMessage(new ClientWireMessage(message));
        } catch (thrown) {
          // An error that left this callback would end the client's reading of the connection.
          logger.error({ error: thrown, subject }, 'a message could not be handled');
        }
      },
    });
    const end = (): void => {
      if (!this.#subscriptions.delete(end) || this.#client.isClosed()) return;
      subscription.unsubscribe();
    };
    const drain = async (): Promise<void> => {
      if (!this.#subscriptions.has(end)) return;
      // The client drains for as long as it may take to connect again; messages on a lost connection are lost.
      if (this.#status === 'connected') await this.#whileConnected(subscription.drain()).catch(() => {});
      end();
    };
    this.#subscriptions.add(end);
    return Object.assign(end, { drain });
  }

  flush(): Promise<void> {
    if (this.#status === 'closed') return Promise.reject(this.#closedError());
    if (this.#status === 'disconnected') return Promise.reject(disconnectedError());
    return this.#whileConnected(this.#client.flush());
  }

  /** Rejects when the connection is lost before the promise is settled, or the promise is rejected. */
  #whileConnected(promise: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const endStatus = this.onStatus(() => {
        endStatus();
        reject(disconnectedError());
      });
      promise.then(
        () => {
          endStatus();
          resolve();
        },
        (cause: unknown) => {
          endStatus();
          reject(disconnectedError(cause));
        },
      );
    });
  }

  onStatus(listener: (status: WireStatus) => void): () => void {
    // One function may listen twice.
    const own = (status: WireStatus): void => listener(status);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelRetry();
    if (this.#status === 'connected') await this.#flushWithin(CLOSE_FLUSH_MS);
    for (const end of this.#subscriptions) end();
    if (this.#owned) await this.#client.close();
    this.#become('closed');
  }

  #flushWithin(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.clock.setTimeout(resolve, timeoutMs);
      // Closing a connection that is lost loses nothing more.
      const done = (): void => {
        cancel();
        resolve();
      };
      this.flush().then(done, done);
    });
  }

  async #watch(): Promise<void> {
    for await (const { type, error, data } of this.#statuses) {
      if (this.#status === 'closed') return;
      // The names of both clients: the older one says 'client initiated reconnect' for 'forceReconnect'.
      switch (type) {
        case 'disconnect':
        case 'staleConnection':
        case 'forceReconnect':
        case 'client initiated reconnect':
        case 'reconnecting':
          this.#cancelRetry();
          this.#become('disconnected');
          break;
        case 'reconnect':
          this.#reconnected();
          break;
        case 'error':
          this.#context.logger.warn(
            { error: error ?? data, server: this.#info.serverName },
            'the NATS server reported an error',
          );
          break;
        default:
      }
    }
  }

  #reconnected(): void {
    const info = this.#client.info;
    // Lost again meanwhile: the next status says so.
    if (info === undefined) return;
    this.#info = serverInfoOf(info);
    const reason = unfitVersion(info.version);
    this.#unfit = reason !== undefined;
    if (reason === undefined) {
      this.#become('connected');
      return;
    }
    this.#context.logger.error({ server: info.server_name }, `${reason} The server is not used`);
    this.#cancelRetry = this.#context.clock.setTimeout(() => {
      this.#client.reconnect().catch((error: unknown) => {
        this.#context.logger.warn({ error }, 'a NATS server that is too old could not be left');
      });
    }, UNFIT_SERVER_RETRY_MS);
  }

  #become(status: WireStatus): void {
    if (this.#status === status || this.#status === 'closed') return;
    this.#status = status;
    if (status === 'closed') {
      // Both clients give an iterator that can be stopped from outside; the types of one do not say so.
      (this.#statuses as { stop?: () => void }).stop?.();
      this.#subscriptions.clear();
    }
    for (const listener of [...this.#listeners]) listener(status);
  }

  #closedError(): StoreUnavailableError {
    return new StoreUnavailableError('the connection to NATS is closed', { wroteNothing: true });
  }
}

function disconnectedError(cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError('the connection to NATS was lost', { cause, wroteNothing: false });
}

/** Users whose permissions end at a prefix of their own say so in the options, which both clients keep. */
function inboxPrefixOf(client: ClientConnection): string | undefined {
  return (client as { options?: { inboxPrefix?: string } }).options?.inboxPrefix;
}

class ClientWireMessage implements WireMessage {
  readonly #message: ClientMessage;

  constructor(message: ClientMessage) {
    this.#message = message;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  get reply(): string | undefined {
    return this.#message.reply || undefined;
  }

  get status(): number {
    return this.#message.headers?.code ?? 0;
  }

  header(name: string): string | undefined {
    const { headers } = this.#message;
    return headers?.has(name) ? headers.get(name) : undefined;
  }
}
