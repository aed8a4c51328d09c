// State that is shared with other hosts over NATS.
//
// The servers are waited for, with a connection that is closed again: service and servers are often started together, in no
// order. What waiting does not mend (a refused user, a certificate) is told at once.

import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import type { Cluster, Logger } from '@troupe/actors';
import { nats } from '@troupe/nats';
import { NatsRefusedError } from './errors.ts';
import type { NatsSettings } from './nats-settings.ts';
import type { SharedState } from './serve.ts';

/** What answered. */
interface NatsServers {
  readonly version: string;
  /** The name of their cluster; undefined for a server that is alone. */
  readonly cluster: string | undefined;
}

/** One attempt to connect, to all servers in turn. */
const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 3_000;
const RETRY_DELAY_MS = 500;
/** A line of the log this often while it waits. */
const TOLD_INTERVAL_MS = 15_000;

/** JetStream of a cluster that has no leader yet: https://github.com/nats-io/nats-server, server/errors.json */
const JETSTREAM_UNAVAILABLE = 10_008;

/** Nobody there, or not yet. */
const ABSENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * Resolves when JetStream answers; until then the log says what is waited for.
 *
 * @throws {NatsRefusedError} when waiting would not help
 * @throws the signal's reason when it aborts
 */
export async function sharedState(
  settings: NatsSettings,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<{ readonly cluster: Cluster; readonly shared: SharedState }> {
  const { servers, syncInterval } = settings;
  const options = await clientOptions(settings);
  const { version, cluster } = await waitForServers(servers, options, logger, signal);
  const replicas = settings.replicas ?? (cluster === undefined ? 1 : 3);
  if (settings.replicas === undefined) {
    const why =
      cluster === undefined ? 'the server is not part of a cluster' : `the servers form the cluster ${cluster}`;
    logger.info({ replicas, why }, 'the number of replicas is taken from the servers');
  }
  const sync = syncInterval === undefined ? {} : { syncInterval };
  return {
    cluster: nats({ servers, options, replicas, ...sync }),
    shared: { servers, serverVersion: version, replicas },
  };
}

async function waitForServers(
  servers: readonly string[],
  options: NodeConnectionOptions,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<NatsServers> {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    signal?.throwIfAborted();
    const found = await look(servers, options);
    if (typeof found !== 'string') return found;
    if (performance.now() - toldAtMs > TOLD_INTERVAL_MS) {
      toldAtMs = performance.now();
      logger.warn({ servers, reason: found }, 'waiting for NATS and its JetStream');
    }
    await sleep(RETRY_DELAY_MS, undefined, { signal });
  }
}

/** What the client package's `connect` takes, but for the servers. */
async function clientOptions({ credentials = {} }: NatsSettings): Promise<NodeConnectionOptions> {
  const { creds, ...options } = credentials;
  if (creds === undefined) return options;
  const { credsAuthenticator } = await import('@nats-io/transport-node');
  return { ...options, authenticator: credsAuthenticator(creds) };
}

type Client = typeof import('@nats-io/transport-node');

/** What is there, or why nothing is yet. */
async function look(servers: readonly string[], options: NodeConnectionOptions): Promise<NatsServers | string> {
  const client = await import('@nats-io/transport-node');
  let connection: NatsConnection;
  try {
    connection = await client.connect({
      ...options,
      servers: [...servers],
      reconnect: false,
      timeout: CONNECT_TIMEOUT_MS,
    });
  } catch (error) {
    if (isAbsent(error, client)) return `nobody answers: ${messageOf(error)}`;
    throw new NatsRefusedError(`NATS at ${servers.join(', ')} cannot be used: ${messageOf(error)}`, { cause: error });
  }
  try {
    return await askJetStream(connection, client);
  } finally {
    await connection.close();
  }
}

async function askJetStream(connection: NatsConnection, client: Client): Promise<NatsServers | string> {
  const { version, cluster } = connection.info!;
  const server = connection.getServer();
  let answer: { readonly error?: { readonly err_code?: number; readonly description?: string } };
  try {
    answer = (await connection.request('$JS.API.INFO', undefined, { timeout: REQUEST_TIMEOUT_MS })).json();
  } catch (error) {
    if (error instanceof client.TimeoutError || connection.isClosed())
      return `JetStream does not answer: ${messageOf(error)}`;
    if (error instanceof client.RequestError && error.isNoResponders())
      throw new NatsRefusedError(`JetStream is off at ${server}: nats-server has it with --jetstream`, {
        cause: error,
      });
    throw new NatsRefusedError(`JetStream at ${server} cannot be used: ${messageOf(error)}`, { cause: error });
  }
  if (answer.error === undefined) return { version, cluster };
  const { err_code: code, description } = answer.error;
  if (code === JETSTREAM_UNAVAILABLE) return `JetStream does not serve: ${description}`;
  throw new NatsRefusedError(`JetStream at ${server} cannot be used: ${description}`);
}

/** Whether nobody was there to be spoken to. */
function isAbsent(error: unknown, client: Client): boolean {
  if (error instanceof client.TimeoutError) return true;
  // Without a cause: hung up on before a word was said, as a proxy does whose server is not up yet.
  if (error instanceof client.ConnectionError) return error.cause === undefined || ABSENT.has(codeOf(error.cause));
  return ABSENT.has(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
