// What one host knows of the others and of the claims: plain data, changed by `protocol.ts` alone, and what can be read
// from it at any time.

import type { PartitionId } from '../address.ts';
import type { Announcement, Member } from '../placement.ts';
import type { HostId } from '../transport.ts';
import type { Candidate } from './rendezvous.ts';
import { CLUSTER_TIMINGS, type ClusterTimings } from './timings.ts';

/** The claim record of a partition. Its epoch rises with every change; of two, the one with the higher epoch counts. */
export interface Claim {
  /** 0: there is no record. */
  readonly epoch: number;
  /** Undefined: it was released, or never taken. */
  readonly holder: HostId | undefined;
  /** Who should take what was released. */
  readonly successor: HostId | undefined;
}

/** What a host tells the others every second, and whenever it matters. */
export interface Heartbeat {
  readonly from: HostId;
  /** Rises with each heartbeat of a host. */
  readonly sequence: number;
  readonly announcement: Announcement;
  readonly weight: number;
  /** It is about to go; without claims: it goes now. */
  readonly leaving: boolean;
  /** What it holds: partition and epoch. */
  readonly claims: readonly (readonly [PartitionId, number])[];
}

/** What happened. */
export type ClusterInput =
  | { readonly kind: 'started' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** A heartbeat of another host, from a broadcast or as the answer to a probe. */
  | { readonly kind: 'heartbeat'; readonly heartbeat: Heartbeat }
  /** Somebody new asks who is there. */
  | { readonly kind: 'helloSeen' }
  /** A heartbeat of this host came back through the server, sent at this time. */
  | { readonly kind: 'ownHeartbeatSeen'; readonly sentAtMs: number }
  /** Nobody listens at the host: the answer to a probe, or to anything else that was sent to it. */
  | { readonly kind: 'noResponders'; readonly host: HostId }
  /** Somebody listens at the host, but no answer came to what was sent at this time. */
  | { readonly kind: 'probeUnanswered'; readonly host: HostId; readonly sentAtMs: number }
  /** Somebody told of a claim. */
  | { readonly kind: 'claimSeen'; readonly partition: PartitionId; readonly claim: Claim }
  /** A claim as the leader has it, asked for at this time; undefined: it could not be read. */
  | {
      readonly kind: 'claimRead';
      readonly partition: PartitionId;
      readonly claim: Claim | undefined;
      readonly askedAtMs: number;
    }
  /** A claim or a release was accepted: it is the record now. */
  | { readonly kind: 'claimAccepted'; readonly partition: PartitionId; readonly claim: Claim }
  /** It was refused for certain; the claim that stands, where that could be read. */
  | {
      readonly kind: 'claimRefused';
      readonly partition: PartitionId;
      readonly expectedEpoch: number;
      readonly claim: Claim | undefined;
    }
  /** Nobody knows whether it was accepted, or ever will be. */
  | { readonly kind: 'claimUnanswered'; readonly partition: PartitionId; readonly expectedEpoch: number }
  /** The last activation of a partition is gone that was to drain under this epoch. */
  | { readonly kind: 'drained'; readonly partition: PartitionId; readonly epoch: number }
  | { readonly kind: 'stopAsked' };

/** What is to be done about it, in this order. */
export type ClusterEffect =
  /** To everybody, this host too. Whoever sends it adds the announcement and the time. */
  | { readonly kind: 'heartbeat'; readonly heartbeat: Omit<Heartbeat, 'announcement'> }
  | { readonly kind: 'hello' }
  /** To everybody: this claim counts. */
  | { readonly kind: 'tell'; readonly partition: PartitionId; readonly claim: Claim }
  /** A request to the host, which answers with its heartbeat. */
  | { readonly kind: 'probe'; readonly host: HostId }
  | { readonly kind: 'readClaim'; readonly partition: PartitionId; readonly askedAtMs: number }
  /** Writes a claim record by compare-and-set on its epoch: this host's, or without holder, for a successor. */
  | {
      readonly kind: 'claim';
      readonly partition: PartitionId;
      readonly expectedEpoch: number;
      readonly holder: HostId | undefined;
      readonly successor: HostId | undefined;
    }
  | { readonly kind: 'acquired'; readonly partition: PartitionId; readonly epoch: number }
  | { readonly kind: 'drain'; readonly partition: PartitionId; readonly epoch: number }
  | { readonly kind: 'lost'; readonly partition: PartitionId }
  | { readonly kind: 'ownerChanged'; readonly partition: PartitionId }
  | { readonly kind: 'membersChanged' }
  | { readonly kind: 'servingAgain' }
  /** The host knows its view and begins to take partitions with the next input. */
  | { readonly kind: 'joined' }
  /**
   * Nothing is held any more, and nothing follows. The heartbeat tells everybody that this host is gone; it is for whoever
   * drives this to send, when nobody waits for an answer of the host any more.
   */
  | { readonly kind: 'left'; readonly goodbye: Omit<Heartbeat, 'announcement'> };

/** Another host that is not known to be gone. */
export interface Peer {
  readonly hostId: HostId;
  /** Undefined: only a claim names it. */
  announcement: Announcement | undefined;
  weight: number;
  leaving: boolean;
  sequence: number;
  heardAtMs: number;
  probedAtMs: number;
  /** First and last sign, since it was heard, that nobody listens there. */
  refusedFromMs: number | undefined;
  refusedUntilMs: number | undefined;
}

/**
 * What this host does with a partition: nothing · its claim is under way · it serves it · it empties it · its release is
 * under way.
 */
export type PartitionPhase = 'free' | 'claiming' | 'held' | 'draining' | 'releasing';

export interface PartitionState {
  /** The newest claim that is known; undefined: none was read yet. */
  claim: Claim | undefined;
  phase: PartitionPhase;
  /** Since when a claim or a release waits for its answer; undefined: it does not. */
  askedAtMs: number | undefined;
  /** The same for a read. */
  readAtMs: number | undefined;
  /** Not asked or read again before. */
  againAtMs: number;
  /** This host's claim must be read before it may answer again. */
  unconfirmed: boolean;
  /** Since when the holder sends heartbeats without it. */
  untoldAtMs: number | undefined;
  /** When the claim became known. */
  knownAtMs: number;
  /** Not told again before. */
  tellAtMs: number;
}

export interface ClusterState {
  readonly hostId: HostId;
  readonly weight: number;
  readonly timings: ClusterTimings;
  phase: 'starting' | 'listening' | 'joined' | 'leaving' | 'left';
  connected: boolean;
  /** Nobody is suspected before, … */
  judgesAtMs: number;
  /** … and only while this host hears itself. */
  judging: boolean;
  /** Proof lapsed, or there was none yet: no answers until there is proof from after `fencedAtMs`, and claims were read. */
  fenced: boolean;
  fencedAtMs: number;
  /** When the newest heartbeat that came back was sent. */
  provenAtMs: number;
  sequence: number;
  heartbeatAtMs: number;
  heartbeatAsked: boolean;
  /** More are suspected together than die together, since then. */
  manySuspectsAtMs: number | undefined;
  readonly peers: Map<HostId, Peer>;
  /** Hosts that left or died, and their last sequence. Oldest first. */
  readonly gone: Map<HostId, number>;
  /** The hosts that partitions go to now. Sorted. */
  view: readonly Candidate[];
  /** When those who joined since are counted; undefined: nobody did. */
  viewAtMs: number | undefined;
  viewFromMs: number;
  owners: readonly HostId[];
  readonly partitions: PartitionState[];
  draining: number;
  /** Since when a host that leaves has nothing to drain. */
  emptyAtMs: number | undefined;
}

/** A host that has not started. Times are of one clock that never goes back and does not stop while the process does. */
export function initialClusterState(
  hostId: HostId,
  partitionCount: number,
  weight = 1,
  timings: ClusterTimings = CLUSTER_TIMINGS,
): ClusterState {
  return {
    hostId,
    weight,
    timings,
    phase: 'starting',
    connected: true,
    judgesAtMs: -Infinity,
    judging: false,
    fenced: true,
    fencedAtMs: -Infinity,
    provenAtMs: -Infinity,
    sequence: 0,
    heartbeatAtMs: -Infinity,
    heartbeatAsked: false,
    manySuspectsAtMs: undefined,
    peers: new Map(),
    gone: new Map(),
    view: [],
    viewAtMs: undefined,
    viewFromMs: -Infinity,
    owners: [],
    partitions: Array.from({ length: partitionCount }, () => ({
      claim: undefined,
      phase: 'free',
      askedAtMs: undefined,
      readAtMs: undefined,
      againAtMs: -Infinity,
      unconfirmed: false,
      untoldAtMs: undefined,
      knownAtMs: -Infinity,
      tellAtMs: -Infinity,
    })),
    draining: 0,
    emptyAtMs: undefined,
  };
}

/**
 * Whether this host may answer for what it owns. A function of the time as well, since a process that stood still must
 * see at its first instruction afterwards that it may not.
 */
export function isServing(state: ClusterState, nowMs: number): boolean {
  return state.connected && !state.fenced && !proofLapsed(state, nowMs);
}

export function proofLapsed(state: ClusterState, nowMs: number): boolean {
  return nowMs - state.provenAtMs > state.timings.proofMs;
}

/** The owner as far as this host knows: the holder until it releases, then the successor that it named. */
export function ownerOf(state: ClusterState, partition: PartitionId): HostId | undefined {
  const claim = state.partitions[partition]?.claim;
  const owner = claim?.holder ?? claim?.successor;
  return owner !== undefined && (owner === state.hostId || isMember(state.peers.get(owner))) ? owner : undefined;
}

/** The hosts that are taken for alive, this one first. */
export function membersOf(state: ClusterState, announcement: Announcement): readonly Member[] {
  const members: Member[] = [{ hostId: state.hostId, announcement }];
  for (const peer of state.peers.values())
    if (peer.announcement !== undefined) members.push({ hostId: peer.hostId, announcement: peer.announcement });
  return members;
}

export function isMember(peer: Peer | undefined): boolean {
  return peer?.announcement !== undefined;
}
