import { StoreUnavailableError, type Cluster } from '@troupe/actors';

/** How hosts meet over NATS. */
export interface NatsOptions {
  /** One server or several of a cluster, as `nats://host:port`. */
  readonly servers: string | readonly string[];
  /** A connection of either client package, instead of one of our own. */
  readonly connection?: unknown;
  /** Passed through to the client's `connect`: credentials, TLS. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Copies of everything, on as many servers. Default: what the layout says, else 3 in a cluster of servers and 1 without. */
  readonly replicas?: number;
  /** Over how many streams the partitions are spread. Fixed by the first start. */
  readonly streams?: number;
  /** What the servers' configuration says; a host cannot ask them. */
  readonly syncInterval?: 'always' | 'default';
  /** Names the connection in the servers' monitoring. */
  readonly name?: string;
}

/** Hosts that share their actors through NATS and JetStream. */
export function nats(_options: NatsOptions): Cluster {
  return {
    async connect() {
      throw new StoreUnavailableError('hosts over NATS are not composed yet', { wroteNothing: true });
    },
  };
}
