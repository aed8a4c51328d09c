// Who owns which partition in a simulation: the truth, and what each host has heard of it. It stands in for membership
// and claims; what it gives hosts is what the port promises, no more: a hint.
//
// X1  A partition has one owner by the truth, and each change has a higher epoch. A host hears of changes late, of some
//     never, but a later one brings all that it has missed.
// X2  A partition that moves is drained first; one whose owner is dead, or silent for long, is not: then two hosts may
//     serve it until the first hears of it.

import type { PartitionId } from '../address.ts';
import type { Announcement, Member, Placement, PlacementListener } from '../placement.ts';
import type { HostId } from '../transport.ts';
import type { Agenda, SimulatedProcess } from './agenda.ts';
import type { SeededRandom } from './seeded-random.ts';

interface Claim {
  readonly owner: HostId | undefined;
  readonly epoch: number;
}

interface Participant {
  readonly process: SimulatedProcess;
  /** How many of its partitions it is draining. */
  draining: number;
  readonly listener: PlacementListener;
  /** What this host has heard. */
  readonly view: Claim[];
  /** Until then nothing reaches it. */
  deafUntilMs: number;
  /** It gets no new partitions. */
  leaving: boolean;
}

const ADOPT_AFTER_MS = 500;
const SILENT: Announcement = { actorTypes: [], details: {} };
const NOBODY: Claim = { owner: undefined, epoch: 0 };

export class SimulatedPlacement {
  readonly partitionCount: number;
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #claims: Claim[];
  readonly #announcements = new Map<HostId, Announcement>();
  readonly #members = new Map<HostId, Participant>();
  /** With the claims that they are moved from. */
  readonly #moving = new Map<PartitionId, Claim>();
  /** Those that were taken for dead and may not know. */
  readonly #outcasts = new Set<Participant>();

  constructor(agenda: Agenda, random: SeededRandom, partitionCount: number) {
    this.#agenda = agenda;
    this.#random = random;
    this.partitionCount = partitionCount;
    this.#claims = Array.from({ length: partitionCount }, () => NOBODY);
  }

  /** The placement of one process. */
  placement(process: SimulatedProcess): Placement {
    let member: Participant | undefined;
    return {
      start: async (listener) => {
        const view = Array.from({ length: this.partitionCount }, () => NOBODY);
        member = { process, listener, view, draining: 0, deafUntilMs: 0, leaving: false };
        this.#join(member);
      },
      stop: async () => {
        if (member !== undefined && process.state !== 'dead') await this.#leave(member);
      },
      ownerOf: (partition) => member?.view[partition]?.owner,
      serving: true,
      members: () => this.#living(),
    };
  }

  /** What a host tells the others when it joins. */
  announce(hostId: HostId, announcement: Announcement): void {
    this.#announcements.set(hostId, announcement);
  }

  #living(): readonly Member[] {
    return [...this.#members.keys()].map((hostId) => ({
      hostId,
      announcement: this.#announcements.get(hostId) ?? SILENT,
    }));
  }

  /** Who is there they see at once: that some hear of it late is for the claims to show. */
  #tellMembers(): void {
    for (const { process, listener } of this.#members.values())
      if (process.state === 'running') listener.membersChanged();
  }

  /** The owner by the truth. */
  ownerOf(partition: PartitionId): HostId | undefined {
    return this.#claims[partition]?.owner;
  }

  /** Drains a partition where it is and gives it to another host. */
  move(partition: PartitionId, to: HostId): void {
    const claim = this.#claims[partition]!;
    const from = claim.owner === undefined ? undefined : this.#members.get(claim.owner);
    if (claim.owner === to || this.#moving.has(partition) || !this.#members.has(to)) return;
    if (from === undefined) {
      this.#give(partition, to);
      return;
    }
    this.#moving.set(partition, claim);
    const ended = (): void => {
      if (this.#moving.get(partition) === claim) this.#moving.delete(partition);
    };
    // A drain that never ends, because its host died, ends with the host.
    from.process.whenDead(ended);
    const give = (): void => {
      ended();
      if (this.#claims[partition] === claim) this.#give(partition, this.#members.has(to) ? to : this.#heir());
    };
    this.#drain(from, partition, claim, give);
  }

  #drain(from: Participant, partition: PartitionId, claim: Claim, drained: () => void): void {
    const { id } = from.process;
    this.#agenda.add(from.process, this.#delayMs(), `${id} is to drain ${partition}`, () => {
      if (this.#claims[partition] !== claim) drained();
      // It has not heard yet that it owns it: what it drained now it would begin to serve afterwards.
      else if (from.view[partition] !== claim) this.#drain(from, partition, claim, drained);
      else {
        void this.#drained(from, partition).then(() => {
          this.#agenda.add(undefined, this.#delayMs(), `${id} has drained ${partition}`, drained);
        });
      }
    });
  }

  /** Takes everything from a host that is dead, or believed to be. */
  seize(from: HostId): void {
    const member = this.#members.get(from);
    if (member === undefined) return;
    this.#members.delete(from);
    this.#outcasts.add(member);
    this.#tellMembers();
    for (const partition of this.#claims.keys())
      if (this.#claims[partition]!.owner === from) this.#give(partition, this.#heir());
    // If it lives after all it hears of it, in a while, and is let in again.
    const inMs = this.#random.integer(0, this.#random.pick([30, 300, 5_000]));
    this.#agenda.add(member.process, inMs, `${from} hears that it was taken for dead`, () => {
      this.#join(member);
    });
  }

  /** Nothing reaches a host for a time; then it hears everything. */
  deafen(hostId: HostId, forMs: number): void {
    const member = this.#members.get(hostId);
    if (member === undefined) return;
    this.#agenda.note(`${hostId} hears nothing of placement for ${forMs} ms`);
    member.deafUntilMs = this.#agenda.nowMs + forMs;
    this.#tellAll(member, forMs);
  }

  /** Every partition has an owner that is alive, none is drained or to be moved, and every host knows. */
  get converged(): boolean {
    const members = [...this.#members.values()];
    return (
      this.#moving.size === 0 &&
      [...this.#outcasts].every(({ process }) => process.state === 'dead') &&
      this.#claims.every(
        (claim, partition) =>
          claim.owner !== undefined &&
          this.#members.get(claim.owner)?.process.state === 'running' &&
          members.every(({ process, view }) => process.state !== 'running' || view[partition] === claim),
      ) &&
      members.every(({ draining, process }) => process.state !== 'running' || draining === 0)
    );
  }

  /** Everybody hears everything. */
  converge(): void {
    for (const member of this.#members.values()) {
      member.deafUntilMs = 0;
      this.#tellAll(member, 0);
    }
  }

  #join(member: Participant): void {
    this.#outcasts.delete(member);
    this.#members.set(member.process.id, member);
    member.leaving = false;
    this.#tellMembers();
    for (const partition of this.#claims.keys()) {
      const owner = this.#claims[partition]!.owner;
      if (owner === undefined) this.#give(partition, member.process.id);
    }
    this.#tellAll(member, 0);
    this.#balance(member.process.id);
  }

  /** Moves partitions to a newcomer until it has its share. */
  #balance(to: HostId): void {
    const share = Math.floor(this.partitionCount / this.#members.size);
    const counts = new Map<HostId, number>();
    for (const { owner } of this.#claims) if (owner !== undefined) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    let missing = share - (counts.get(to) ?? 0);
    for (let partition = 0; partition < this.partitionCount && missing > 0; partition++) {
      const { owner } = this.#claims[partition]!;
      if (owner === undefined || owner === to || counts.get(owner)! <= share) continue;
      counts.set(owner, counts.get(owner)! - 1);
      missing--;
      this.move(partition, to);
    }
  }

  async #leave(member: Participant): Promise<void> {
    member.leaving = true;
    const { id } = member.process;
    await Promise.all(
      [...this.#claims.keys()].map(async (partition) => {
        await member.listener.drain(partition);
        if (this.#claims[partition]!.owner === id) this.#give(partition, this.#heir());
      }),
    );
    this.#members.delete(id);
    this.#tellMembers();
  }

  #heir(): HostId | undefined {
    const heirs = [...this.#members.values()].filter(({ leaving, process }) => !leaving && process.state === 'running');
    return heirs.length === 0 ? undefined : this.#random.pick(heirs).process.id;
  }

  #give(partition: PartitionId, owner: HostId | undefined): void {
    const claim = { owner, epoch: this.#claims[partition]!.epoch + 1 };
    this.#claims[partition] = claim;
    this.#agenda.note(`${partition} belongs to ${owner ?? 'nobody'} in epoch ${claim.epoch}`);
    if (owner === undefined) this.#adoptLater(partition);
    for (const member of this.#members.values()) {
      const label = `${member.process.id} hears of ${partition}`;
      this.#agenda.add(member.process, this.#delayMs(), label, () => {
        if (member.deafUntilMs <= this.#agenda.nowMs) this.#hear(member, partition, claim);
      });
    }
  }

  /** Somebody takes it as soon as there is anybody. */
  #adoptLater(partition: PartitionId): void {
    this.#agenda.add(undefined, ADOPT_AFTER_MS, `${partition} has no owner`, () => {
      if (this.#claims[partition]!.owner !== undefined) return;
      const heir = this.#heir();
      if (heir === undefined) this.#adoptLater(partition);
      else this.#give(partition, heir);
    });
  }

  async #drained(member: Participant, partition: PartitionId): Promise<void> {
    member.draining++;
    await member.listener.drain(partition);
    member.draining--;
  }

  #tellAll(member: Participant, afterMs: number): void {
    this.#agenda.add(member.process, afterMs + this.#delayMs(), `${member.process.id} hears of everything`, () => {
      if (member.deafUntilMs > this.#agenda.nowMs) return;
      for (const [partition, claim] of this.#claims.entries()) this.#hear(member, partition, claim);
    });
  }

  #hear(member: Participant, partition: PartitionId, claim: Claim): void {
    const known = member.view[partition]!;
    if (claim.epoch <= known.epoch) return;
    member.view[partition] = claim;
    const { id } = member.process;
    const { listener } = member;
    if (known.owner === id) {
      // Even if it has it again: somebody else may have had it between.
      const drained = this.#drained(member, partition);
      if (claim.owner !== id) void drained;
      else
        void drained.then(() => {
          if (member.view[partition] === claim) listener.acquired(partition, claim.epoch);
        });
    } else if (claim.owner === id) listener.acquired(partition, claim.epoch);
  }

  #delayMs(): number {
    return this.#random.integer(0, this.#random.pick([3, 30, 300]));
  }
}
