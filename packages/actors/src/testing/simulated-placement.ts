// Who owns which partition in a simulation: the truth, and what each host has heard of it. It stands in for membership
// and claims; what it gives hosts is what the port promises, no more: a hint.
//
// X1  A partition has one owner by the truth, and each change has a higher epoch. A host hears of changes late, of some
//     never, but a later one brings all that it has missed.
// X2  A partition that moves is drained first; one whose owner is dead, or silent for long, is not: then it is lost to
//     the first owner when that hears of it.
// X3  A host hears all the time that what it owns is its own, unless it stands still or nothing reaches it. It serves for
//     `PROOF_MS` after the last proof, and is taken for dead no earlier than `SILENCE_MS` after it, unless its process is
//     dead. With the fault `unfenced` neither holds: it is taken for dead sooner, and serves until it hears of that.
// X4  Whoever hears that its claims hold has heard of every change before.

import type { PartitionId } from '../address.ts';
import type { Announcement, Member, Placement, PlacementListener } from '../placement.ts';
import type { HostId } from '../transport.ts';
import type { Agenda, SimulatedProcess } from './agenda.ts';
import type { SimulationFaults } from './faults.ts';
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
  /** The hosts that it has heard of, itself among them. */
  known: ReadonlySet<HostId>;
  /** Since when nothing proves its claims; undefined while something does. */
  silentSinceMs: number | undefined;
}

/** Nothing proved the claims of a host for this time. */
export interface Silence {
  readonly hostId: HostId;
  readonly fromMs: number;
  /** Infinity: to the end. */
  toMs: number;
}

/** A host heard that it owns a partition. */
export interface Acquisition {
  readonly atMs: number;
  readonly hostId: HostId;
  readonly partition: PartitionId;
  readonly epoch: number;
}

/** A host serves for this long without a proof. */
export const PROOF_MS = 10_000;
/** A host that is silent may be dead after this long. */
const SILENCE_MS = 15_000;

const ADOPT_AFTER_MS = 500;
const SILENT: Announcement = { actorTypes: [], details: {} };
const NOBODY: Claim = { owner: undefined, epoch: 0 };

export class SimulatedPlacement {
  readonly partitionCount: number;
  /** Whenever a host had no proof of its claims, in order. */
  readonly silences: Silence[] = [];
  /** Whenever a host heard that it owns something, in order. */
  readonly acquisitions: Acquisition[] = [];
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #faults: () => SimulationFaults;
  readonly #claims: Claim[];
  readonly #announcements = new Map<HostId, Announcement>();
  /** All that ever joined. */
  readonly #participants = new Map<HostId, Participant>();
  readonly #members = new Map<HostId, Participant>();
  /** With the claims that they are moved from. */
  readonly #moving = new Map<PartitionId, Claim>();
  /** Those that were taken for dead and may not know. */
  readonly #outcasts = new Set<Participant>();

  constructor(agenda: Agenda, random: SeededRandom, partitionCount: number, faults: () => SimulationFaults) {
    this.#agenda = agenda;
    this.#random = random;
    this.#faults = faults;
    this.partitionCount = partitionCount;
    this.#claims = Array.from({ length: partitionCount }, () => NOBODY);
  }

  /** The placement of one process. */
  placement(process: SimulatedProcess): Placement {
    let member: Participant | undefined;
    const serves = (): boolean => member === undefined || this.#serves(member);
    return {
      start: async (listener) => {
        const view = Array.from({ length: this.partitionCount }, () => NOBODY);
        const known = new Set([process.id]);
        member = {
          process,
          listener,
          view,
          draining: 0,
          deafUntilMs: 0,
          leaving: false,
          known,
          silentSinceMs: undefined,
        };
        this.#participants.set(process.id, member);
        this.#join(member);
      },
      stop: async () => {
        if (member !== undefined && process.state !== 'dead') await this.#leave(member);
      },
      ownerOf: (partition) => member?.view[partition]?.owner,
      get serving() {
        return serves();
      },
      members: () => [...(member?.known ?? [process.id])].map((hostId) => this.#memberOf(hostId)),
    };
  }

  /** What a host tells the others when it joins. */
  announce(hostId: HostId, announcement: Announcement): void {
    this.#announcements.set(hostId, announcement);
  }

  #memberOf(hostId: HostId): Member {
    return { hostId, announcement: this.#announcements.get(hostId) ?? SILENT };
  }

  #serves({ silentSinceMs }: Participant): boolean {
    return silentSinceMs === undefined || this.#agenda.nowMs - silentSinceMs <= PROOF_MS || this.#faults().unfenced;
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
    this.#membersChanged();
    for (const partition of this.#claims.keys())
      if (this.#claims[partition]!.owner === from) this.#give(partition, this.#heir());
    // If it lives after all it hears of it, in a while, and is let in again.
    this.#tellOutcast(member, this.#random.integer(0, this.#random.pick([30, 300, 5_000])));
  }

  #tellOutcast(member: Participant, inMs: number): void {
    this.#agenda.add(member.process, inMs, `${member.process.id} hears that it was taken for dead`, () => {
      const deafMs = member.deafUntilMs - this.#agenda.nowMs;
      if (deafMs > 0) this.#tellOutcast(member, deafMs);
      else {
        this.#hearEverything(member);
        this.#join(member);
      }
    });
  }

  /** A host stands still: nothing is heard of it, and it hears nothing. */
  silence(hostId: HostId): void {
    const member = this.#participants.get(hostId);
    if (member !== undefined) this.#silent(member);
  }

  /** A host that stood still goes on: it hears everything, in a while. */
  unsilence(hostId: HostId): void {
    const member = this.#participants.get(hostId);
    if (member !== undefined) this.#tellAll(member, 0);
  }

  /** Without proofs of its claims from now on; missed when that goes on for long. */
  #silent(member: Participant): void {
    const { id } = member.process;
    if (member.silentSinceMs === undefined) {
      member.silentSinceMs = this.#agenda.nowMs;
      this.silences.push({ hostId: id, fromMs: this.#agenda.nowMs, toMs: Infinity });
    }
    const sinceMs = member.silentSinceMs;
    const inMs = this.#faults().unfenced
      ? this.#random.integer(500, SILENCE_MS)
      : sinceMs + SILENCE_MS + this.#random.integer(1, 5_000) - this.#agenda.nowMs;
    this.#agenda.add(undefined, inMs, `${id} is missed`, () => {
      if (member.silentSinceMs === sinceMs && this.#members.get(id) === member) this.seize(id);
    });
  }

  /** Nothing reaches a host for a time, and nothing is heard of it; then it hears everything. */
  deafen(hostId: HostId, forMs: number): void {
    const member = this.#members.get(hostId);
    if (member === undefined) return;
    this.#agenda.note(`${hostId} hears nothing of placement for ${forMs} ms`);
    member.deafUntilMs = this.#agenda.nowMs + forMs;
    this.#silent(member);
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
      members.every(
        ({ draining, known, process, silentSinceMs }) =>
          process.state !== 'running' || (draining === 0 && silentSinceMs === undefined && this.#isEverybody(known)),
      )
    );
  }

  #isEverybody(known: ReadonlySet<HostId>): boolean {
    return known.size === this.#members.size && [...this.#members.keys()].every((hostId) => known.has(hostId));
  }

  /** Everybody hears everything. */
  converge(): void {
    for (const member of this.#participants.values()) {
      member.deafUntilMs = 0;
      this.#tellAll(member, 0);
    }
  }

  #join(member: Participant): void {
    this.#outcasts.delete(member);
    this.#members.set(member.process.id, member);
    member.leaving = false;
    this.#membersChanged();
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
    await member.listener.leaving();
    this.#members.delete(id);
    this.#membersChanged();
  }

  #membersChanged(): void {
    for (const member of this.#members.values()) {
      this.#agenda.add(member.process, this.#delayMs(), `${member.process.id} hears who is there`, () => {
        if (member.deafUntilMs <= this.#agenda.nowMs) this.#hearMembers(member);
      });
    }
  }

  #hearMembers(member: Participant): void {
    if (this.#isEverybody(member.known)) return;
    member.known = new Set(this.#members.keys());
    member.listener.membersChanged();
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
      if (member.deafUntilMs <= this.#agenda.nowMs) this.#hearEverything(member);
    });
  }

  /** Also that its claims hold, as far as they do. */
  #hearEverything(member: Participant): void {
    this.#hearMembers(member);
    for (const [partition, claim] of this.#claims.entries()) this.#hear(member, partition, claim);
    if (member.silentSinceMs === undefined) return;
    const served = this.#serves(member);
    member.silentSinceMs = undefined;
    this.silences.findLast(({ hostId }) => hostId === member.process.id)!.toMs = this.#agenda.nowMs;
    if (!served) member.listener.servingAgain();
  }

  #hear(member: Participant, partition: PartitionId, claim: Claim): void {
    const known = member.view[partition]!;
    if (claim.epoch <= known.epoch) return;
    member.view[partition] = claim;
    const { id } = member.process;
    const { listener } = member;
    // Even if it has it again: somebody else may have had it between.
    if (known.owner === id) listener.lost(partition);
    if (claim.owner === id) {
      this.acquisitions.push({ atMs: this.#agenda.nowMs, hostId: id, partition, epoch: claim.epoch });
      listener.acquired(partition, claim.epoch);
    }
    listener.ownerChanged(partition);
  }

  #delayMs(): number {
    return this.#random.integer(0, this.#random.pick([3, 30, 300]));
  }
}
