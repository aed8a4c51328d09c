// Makes the parts of a host of one connection, and tells each of them what it has to know of the others.

import { hostname } from 'node:os';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import type { Cluster, ClusterContext, ClusterParts, HostId } from '@troupe/actors';
import { connectWire } from './connection.ts';
import type { ClientConnection } from './client.ts';
import { NatsPlacement } from './nats-placement.ts';
import { NatsStore } from './nats-store.ts';
import { NatsTransport } from './nats-transport.ts';
import { InboxRequests } from './requests.ts';
import { checkApp, randomToken } from './stream-names.ts';
import { StuckStreams } from './stuck-streams.ts';

/** How hosts meet over NATS. */
export interface NatsOptions {
  /** One server or several of a cluster, as `nats://host:port`. Not with `connection`. */
  readonly servers?: string | readonly string[];
  /** A connection of `@nats-io/transport-node` or of `nats`, instead of one of our own. It is not closed. */
  readonly connection?: ClientConnection;
  /** Passed through to the client's `connect`: user, token, credentials, TLS and so on. */
  readonly options?: Omit<NodeConnectionOptions, 'servers'>;
  /** Servers that keep each record. Default: 3 in a cluster of servers, else 1. Fixed by the first start. */
  readonly replicas?: number;
  /** Streams that the partitions are spread over: each has a leader of its own. Default 1. Fixed by the first start. */
  readonly streams?: number;
  /** What the servers' configuration says; a host cannot ask them. Undeclared is warned about. */
  readonly syncInterval?: 'always' | 'default';
  /** Begins the ids of hosts, in logs and in the servers' monitoring. Default: the machine's name. */
  readonly name?: string;
}

/**
 * Hosts that share their actors through NATS: `startHost({ cluster: nats({ servers }) })`.
 *
 * @throws {TypeError} when there is neither a server nor a connection, or both, or a number is none that can be
 */
export function nats(options: NatsOptions): Cluster {
  if ((options.servers === undefined) === (options.connection === undefined))
    throw new TypeError('nats() takes either servers or a connection');
  for (const what of ['replicas', 'streams'] as const) {
    const count = options[what];
    if (count !== undefined && !(Number.isSafeInteger(count) && count > 0))
      throw new TypeError(`${what} is an integer of at least 1, got ${String(count)}`);
  }
  return { connect: (context) => connect(options, context) };
}

async function connect(options: NatsOptions, context: ClusterContext): Promise<ClusterParts> {
  const { app, announcement, clock, logger, partitionCount } = context;
  // Before there is a connection that would have to be closed again.
  checkApp(app);
  const hostId = newHostId(options.name ?? hostname(), () => context.random());
  const { servers } = options;
  const connection: ClientConnection | NodeConnectionOptions = options.connection ?? {
    name: hostId,
    ...options.options,
    servers: typeof servers === 'string' ? servers : [...servers!],
  };
  const wire = await connectWire(connection, { clock, logger });
  const requests = new InboxRequests(wire, clock);
  const stuck = new StuckStreams(requests, clock, logger);
  const store: NatsStore = new NatsStore({
    app,
    open: async () => ({ wire, requests, stuck }),
    clock,
    logger,
    random: () => context.random(),
    replicas: options.replicas,
    streams: options.streams,
    syncInterval: options.syncInterval,
    hosts: { hostId, members: () => placement.members().map((member) => member.hostId) },
  });
  const transport = new NatsTransport({
    app,
    hostId,
    wire,
    clock,
    logger,
    onNoResponders: (host) => placement.noResponders(host),
  });
  const placement: NatsPlacement = new NatsPlacement({
    app,
    hostId,
    partitionCount,
    announcement,
    wire,
    requests,
    stuck,
    names: store.claimNames,
    clock,
    logger,
    onAcquired: (partition) => store.partitionAcquired(partition),
    onLost: (partition) => store.partitionLost(partition),
    onGone: (host) => transport.forget(host),
  });
  return { store, transport, placement };
}

const NAME_LENGTH_MAX = 64;

/** One token of a subject, another one for each incarnation. */
function newHostId(name: string, random: () => number): HostId {
  const readable = name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, NAME_LENGTH_MAX);
  return `${readable}-${randomToken(random)}`;
}
