// What makes one of several hosts of a process: the store that all of them share, the way between them, and who owns
// what. It is one port, since the three are one thing to whoever provides them.

import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { Announcement, Placement } from './placement.ts';
import type { Store } from './store.ts';
import type { Transport } from './transport.ts';

/** What a host says of itself to be connected. */
export interface ClusterContext {
  readonly app: string;
  readonly partitionCount: number;
  readonly announcement: Announcement;
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/**
 * The parts of one host. The host starts them in the order store, transport, placement and stops them in the opposite
 * one; the store's stop, which comes last, also ends whatever they have in common.
 */
export interface ClusterParts {
  readonly store: Store;
  readonly transport: Transport;
  readonly placement: Placement;
}

/** Hosts of one application that share their actors. */
export interface Cluster {
  /**
   * Makes the parts of one host. Called once per host.
   *
   * @throws {StoreUnavailableError} when the servers that it needs cannot be reached; another {@link TroupeError} says
   * why they are not fit
   */
  connect(context: ClusterContext): Promise<ClusterParts>;
}
