import type { PartitionId } from './address.ts';
import type { HostId } from './transport.ts';

/** What a host tells the others of itself when it joins. Plain data. */
export interface Announcement {
  /** Hosts of one application register the same ones. */
  readonly actorTypes: readonly string[];
  /** What the layers above have to tell each other, each under a name of its own. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A host that is taken for alive. */
export interface Member {
  readonly hostId: HostId;
  readonly announcement: Announcement;
}

/** What placement asks of its host. None of it throws. */
export interface PlacementListener {
  /** This host owns the partition from now on, under this epoch. Work that is due in it may begin. */
  acquired(partition: PartitionId, epoch: number): void;
  /** The partition must go: no new turns, running ones finish. Resolves when the last activation is gone. */
  drain(partition: PartitionId): Promise<void>;
  /** Another host has the partition already: its activations are dropped at once, and what waits behind them is lost. */
  lost(partition: PartitionId): void;
  /** The partition has another owner, or none, as far as this host knows: calls that wait for one may look again. */
  ownerChanged(partition: PartitionId): void;
  /** Hosts have come or gone. */
  membersChanged(): void;
  /**
   * `serving` has become true again. Said after each time that it was false, however short: somebody may have read it
   * then, and waits for this.
   */
  servingAgain(): void;
  /**
   * No partition is left, and everybody will be told that this host is gone when this resolves: it ends what it does for
   * the others first, so that nobody waits for an answer then.
   */
  leaving(): Promise<void>;
}

/** The port that says which host owns a partition. A hint: the store decides. */
export interface Placement {
  start(listener: PlacementListener): Promise<void>;
  /** Gives up every partition, draining each, lets the host end what it does for others, and leaves the cluster. */
  stop(): Promise<void>;
  /** The owner as far as this host knows, or undefined while there is none. */
  ownerOf(partition: PartitionId): HostId | undefined;
  /**
   * Whether this host may answer for what it owns. False from the moment at which it can no longer prove that it does:
   * others may own it by now. Read for every answer.
   */
  readonly serving: boolean;
  /** The hosts that are taken for alive, this one among them. */
  members(): readonly Member[];
}

/** One host that owns every partition: the embedded set-up. */
export function singleHostPlacement(hostId: HostId, partitionCount: number, announcement: Announcement): Placement {
  let listener: PlacementListener | undefined;
  const members: readonly Member[] = [{ hostId, announcement }];
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
      await drained.leaving();
    },
    ownerOf: () => hostId,
    serving: true,
    members: () => members,
  };
}
