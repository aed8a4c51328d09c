import type { PartitionId } from './address.ts';
import type { HostId } from './transport.ts';

/** What placement asks of its host. */
export interface PlacementListener {
  /** This host owns the partition from now on, under this epoch. Work that is due in it may begin. */
  acquired(partition: PartitionId, epoch: number): void;
  /** The partition must go: no new turns, running ones finish. Resolves when the last activation is gone. */
  drain(partition: PartitionId): Promise<void>;
}

/** The port that says which host owns a partition. A hint: the store decides. */
export interface Placement {
  start(listener: PlacementListener): Promise<void>;
  /** Gives up every partition, draining each, and leaves the cluster. */
  stop(): Promise<void>;
  /** The owner as far as this host knows, or undefined while there is none. */
  ownerOf(partition: PartitionId): HostId | undefined;
}

/** One host that owns every partition: the embedded set-up. */
export function singleHostPlacement(hostId: HostId, partitionCount: number): Placement {
  let listener: PlacementListener | undefined;
  return {
    async start(given) {
      listener = given;
      for (let partition = 0; partition < partitionCount; partition++) given.acquired(partition, 1);
    },
    async stop() {
      const drained = listener;
      listener = undefined;
      if (drained === undefined) return;
      await Promise.all(Array.from({ length: partitionCount }, (_, partition) => drained.drain(partition)));
    },
    ownerOf: () => hostId,
  };
}
