import type { Announcement, HostId, Member, PartitionId, Placement, PlacementListener } from '../src/index.ts';

const SILENT: Announcement = { actorTypes: [], details: {} };

/** Which host owns which partition, as every host of a test sees it at once. */
export class SharedPlacement {
  readonly #owners: (HostId | undefined)[];
  readonly #epochs: number[];
  readonly #listeners = new Map<HostId, PlacementListener>();
  readonly #announcements = new Map<HostId, Announcement>();
  /** Hosts that may not serve. */
  readonly silent = new Set<HostId>();
  /** What a host believes instead of the truth. */
  readonly beliefs = new Map<HostId, HostId>();
  /** Hosts that a host takes for gone, which the others see. */
  readonly #unseen = new Map<HostId, Set<HostId>>();

  constructor(partitionCount: number) {
    this.#owners = Array.from({ length: partitionCount });
    this.#epochs = Array.from({ length: partitionCount }, () => 0);
  }

  of(hostId: HostId, announcement: Announcement = SILENT): Placement {
    const { silent } = this;
    return {
      start: async (listener) => {
        this.#listeners.set(hostId, listener);
        this.#announcements.set(hostId, announcement);
        for (const [partition, owner] of this.#owners.entries()) if (owner === undefined) this.#give(partition, hostId);
        this.#tell((other) => other.membersChanged());
      },
      stop: async () => {
        const heirs = [...this.#listeners.keys()].filter((other) => other !== hostId);
        const owned = [...this.#owners.keys()].filter((partition) => this.#owners[partition] === hostId);
        await Promise.all(owned.map((partition) => this.move(partition, heirs[partition % Math.max(1, heirs.length)])));
        await this.#listeners.get(hostId)?.leaving();
        this.#listeners.delete(hostId);
        this.#tell((other) => other.membersChanged());
      },
      ownerOf: (partition) => this.beliefs.get(hostId) ?? this.#owners[partition],
      get serving() {
        return !silent.has(hostId);
      },
      members: () => this.members.filter((member) => this.#unseen.get(hostId)?.has(member.hostId) !== true),
    };
  }

  get members(): readonly Member[] {
    return [...this.#listeners.keys()].map((hostId) => ({
      hostId,
      announcement: this.#announcements.get(hostId)!,
    }));
  }

  /** A host does not see another for a while: nobody else notices. */
  blind(hostId: HostId, ...others: readonly HostId[]): void {
    this.#unseen.set(hostId, new Set(others));
    this.#listeners.get(hostId)?.membersChanged();
  }

  /** The host may serve again. */
  unsilence(hostId: HostId): void {
    this.silent.delete(hostId);
    this.#listeners.get(hostId)?.servingAgain();
  }

  ownerOf(partition: PartitionId): HostId | undefined {
    return this.#owners[partition];
  }

  /** Drains a partition where it is and gives it to another host, or to nobody. */
  async move(partition: PartitionId, to: HostId | undefined): Promise<void> {
    const from = this.#owners[partition];
    if (from !== undefined) await this.#listeners.get(from)?.drain(partition);
    this.#owners[partition] = undefined;
    if (to !== undefined) this.#give(partition, to);
    else this.#tell((listener) => listener.ownerChanged(partition));
  }

  /** Takes everything from a host that is dead, or believed to be: it is no member any more, and does not hear of it. */
  seize(from: HostId, to: HostId): void {
    this.#listeners.delete(from);
    this.#tell((listener) => listener.membersChanged());
    for (const [partition, owner] of this.#owners.entries()) if (owner === from) this.#give(partition, to);
  }

  /** Takes a partition from a host that hears of it only afterwards. */
  oust(partition: PartitionId, to: HostId): void {
    const from = this.#owners[partition];
    this.#give(partition, to);
    if (from !== undefined && from !== to) this.#listeners.get(from)?.lost(partition);
  }

  #give(partition: PartitionId, to: HostId): void {
    this.#owners[partition] = to;
    this.#listeners.get(to)!.acquired(partition, ++this.#epochs[partition]!);
    this.#tell((listener) => listener.ownerChanged(partition));
  }

  #tell(what: (listener: PlacementListener) => void): void {
    for (const listener of [...this.#listeners.values()]) what(listener);
  }
}
