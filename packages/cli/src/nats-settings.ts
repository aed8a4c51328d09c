// Where the command finds out how to reach NATS. Secrets come from the environment or from files, under the names that the
// `nats` command has for them: what stands on a command line every user of the machine can read.

import { readFileSync } from 'node:fs';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import { UsageError } from './errors.ts';

/** What the client package is told beside the servers: who we are, and whom we trust. */
export type NatsCredentials = Pick<NodeConnectionOptions, 'user' | 'pass' | 'token' | 'tls'> & {
  /** What a credentials file holds. */
  readonly creds?: Uint8Array;
};

/** How the service shares its state with other hosts. */
export interface NatsSettings {
  /** Servers of one cluster, each as `nats://host:port`. */
  readonly servers: readonly string[];
  /** Copies of everything, each on another server. Default 3 when the servers form a cluster, else 1. */
  readonly replicas?: number | undefined;
  /** What the servers' configuration says of `sync_interval`; they cannot be asked. */
  readonly syncInterval?: SyncInterval | undefined;
  readonly credentials?: NatsCredentials;
}

type SyncInterval = 'always' | 'default';

export interface NatsArguments {
  readonly nats: string;
  readonly replicas?: string | undefined;
  readonly sync?: string | undefined;
  readonly credsFile?: string | undefined;
}

/** JetStream takes 2 and 4 as well; they survive no more failures than 1 and 3. */
const REPLICAS: readonly string[] = ['1', '3', '5'];
const SCHEMES: readonly string[] = ['nats:', 'tls:'];

/** @throws {UsageError} when the arguments make no sense or a file cannot be read */
export function natsSettings(
  args: NatsArguments,
  environment: Readonly<Record<string, string | undefined>>,
): NatsSettings {
  const { replicas, sync } = args;
  if (replicas !== undefined && !REPLICAS.includes(replicas))
    throw new UsageError(`--replicas is one of ${REPLICAS.join(', ')}, got ${JSON.stringify(replicas)}`);
  if (sync !== undefined && sync !== 'always' && sync !== 'default')
    throw new UsageError(`--nats-sync is always or default, got ${JSON.stringify(sync)}`);
  return {
    servers: args.nats.split(',').map(serverUrl),
    replicas: replicas === undefined ? undefined : Number(replicas),
    syncInterval: sync,
    credentials: credentials(args.credsFile ?? environment['NATS_CREDS'], environment),
  };
}

function serverUrl(text: string): string {
  const trimmed = text.trim();
  const url = trimmed.includes('://') ? trimmed : `nats://${trimmed}`;
  if (!URL.canParse(url)) throw new UsageError(`--nats names servers as nats://host:port, got ${JSON.stringify(text)}`);
  const { protocol, host, username, password, pathname, search } = new URL(url);
  // Not shown: it may hold a password.
  if (username !== '' || password !== '')
    throw new UsageError('--nats takes no user and no password: put them into NATS_USER and NATS_PASSWORD');
  if (!SCHEMES.includes(protocol) || host === '' || !['', '/'].includes(pathname) || search !== '')
    throw new UsageError(`--nats names servers as nats://host:port, got ${JSON.stringify(text)}`);
  return `${protocol}//${host}`;
}

function credentials(
  credsFile: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): NatsCredentials {
  const value = (name: string): string | undefined => environment[name] || undefined;
  const [user, pass, token] = [value('NATS_USER'), value('NATS_PASSWORD'), value('NATS_TOKEN')];
  if ((user === undefined) !== (pass === undefined))
    throw new UsageError('NATS_USER and NATS_PASSWORD belong together; a token goes into NATS_TOKEN');
  if ([user, token, credsFile].filter((way) => way !== undefined).length > 1)
    throw new UsageError('one of NATS_USER, NATS_TOKEN and a credentials file says who this is, not several of them');
  const [caFile, certFile, keyFile] = [value('NATS_CA'), value('NATS_CERT'), value('NATS_KEY')];
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new UsageError('NATS_CERT and NATS_KEY belong together');
  for (const [name, file] of Object.entries({ NATS_CA: caFile, NATS_CERT: certFile, NATS_KEY: keyFile }))
    if (file !== undefined) contentOf(name, file);
  return {
    ...(user === undefined || pass === undefined ? {} : { user, pass }),
    ...(token === undefined ? {} : { token }),
    ...(credsFile === undefined ? {} : { creds: contentOf('--nats-creds', credsFile) }),
    // As files: the client reads them anew for each connection, and certificates are replaced now and then.
    ...(caFile === undefined && certFile === undefined
      ? {}
      : {
          tls: {
            ...(caFile === undefined ? {} : { caFile }),
            ...(certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile }),
          },
        }),
  };
}

function contentOf(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${name} names a file that cannot be read: ${reason}`);
  }
}
