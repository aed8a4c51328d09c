// Which partitions this host holds, takes, and gives away. What a claim record says decides; everything else is hearsay.
//
// K1  Of what is known of a partition the claim with the highest epoch counts, from wherever it comes. A claim of this
//     host that another one supersedes is lost at once.
// K2  The proposed owner takes a partition that nobody holds, or whose holder is gone. Of a holder that lives it waits for
//     the release. What was released for a named successor is that one's for a while.
// K3  A holder that is not the proposed owner drains, a bounded number of partitions at a time and each for itself, and
//     then releases. It serves until then, for `settleMs` at least: hosts whose views differ pass it on slowly.
// K4  A claim or a release whose outcome is unknown is asked again until it is accepted or refused, whatever is
//     proposed meanwhile: it may still land. A claim of this host that it hears of later is its own after all.
// K5  After a fence a held partition counts as this host's only when its claim was read by a question asked since then.
// K6  Who hears a host list a claim that is superseded, or not list one that the record gives it, tells it. (The new
//     holder tells it as well, unless it is dead.)

import type { PartitionId } from '../address.ts';
import type { HostId } from '../transport.ts';
import {
  isMember,
  isServing,
  ownerOf,
  type Claim,
  type ClusterEffect,
  type ClusterState,
  type Heartbeat,
  type PartitionState,
} from './cluster-state.ts';
import { hearOf } from './membership.ts';
import { DRAINS_MAX, DRAINS_MAX_LEAVING } from './timings.ts';

/** K1: takes in what a claim record says, or said once. */
export function learn(
  state: ClusterState,
  partition: PartitionId,
  claim: Claim,
  nowMs: number,
  effects: ClusterEffect[],
): void {
  const known = state.partitions[partition];
  if (known === undefined || (known.claim !== undefined && claim.epoch <= known.claim.epoch)) return;
  const ownerBefore = ownerOf(state, partition);
  const { phase } = known;
  if (phase === 'draining') state.draining--;
  known.claim = claim;
  known.knownAtMs = nowMs;
  known.askedAtMs = undefined;
  known.againAtMs = nowMs;
  known.untoldAtMs = undefined;
  known.unconfirmed = false;
  known.phase = 'free';
  if (phase === 'held' || phase === 'draining') effects.push({ kind: 'lost', partition });
  if (claim.holder === state.hostId || phase === 'releasing') effects.push({ kind: 'tell', partition, claim });
  if (claim.holder === state.hostId) {
    known.phase = 'held';
    known.unconfirmed = state.fenced;
    effects.push({ kind: 'acquired', partition, epoch: claim.epoch });
  } else if (claim.holder !== undefined) hearOf(state, claim.holder, nowMs);
  if (ownerOf(state, partition) !== ownerBefore) effects.push({ kind: 'ownerChanged', partition });
}

/** What another host says that it holds. */
export function learnFrom(state: ClusterState, heartbeat: Heartbeat, nowMs: number, effects: ClusterEffect[]): void {
  const { from, claims } = heartbeat;
  const told = new Map(claims);
  for (const [partition, known] of state.partitions.entries()) {
    const epoch = told.get(partition);
    if (epoch !== undefined) {
      learn(state, partition, { epoch, holder: from, successor: undefined }, nowMs, effects);
      if (known.claim!.epoch > epoch && !isMember(state.peers.get(known.claim!.holder ?? '')))
        tell(state, partition, known, nowMs, effects);
    }
    if (known.claim?.holder !== from) continue;
    if (known.claim.epoch === epoch) known.untoldAtMs = undefined;
    else known.untoldAtMs ??= nowMs;
  }
}

/** A read was answered, or failed. */
export function learnRead(
  state: ClusterState,
  partition: PartitionId,
  claim: Claim | undefined,
  askedAtMs: number,
  nowMs: number,
  effects: ClusterEffect[],
): void {
  const known = state.partitions[partition];
  if (known === undefined) return;
  known.readAtMs = undefined;
  known.againAtMs = nowMs + state.timings.askAgainMs;
  if (claim === undefined) return;
  learn(state, partition, claim, nowMs, effects);
  if (claim.epoch !== known.claim!.epoch) return;
  if (askedAtMs >= state.fencedAtMs) known.unconfirmed = false;
  if (known.untoldAtMs !== undefined) tell(state, partition, known, nowMs, effects);
}

/** A claim or a release is not, or may not be, in the record. It is asked again, unless it is known to be superseded. */
export function askAgain(state: ClusterState, partition: PartitionId, expectedEpoch: number, nowMs: number): void {
  const known = state.partitions[partition];
  if (known?.askedAtMs === undefined || known.claim!.epoch !== expectedEpoch) return;
  known.askedAtMs = undefined;
  known.againAtMs = nowMs + state.timings.askAgainMs;
}

/** The last activation of a partition is gone. */
export function drained(state: ClusterState, partition: PartitionId, epoch: number, effects: ClusterEffect[]): void {
  const known = state.partitions[partition];
  if (known?.phase !== 'draining' || known.claim!.epoch !== epoch) return;
  state.draining--;
  if (state.owners[partition] === state.hostId) {
    known.phase = 'held';
    effects.push({ kind: 'acquired', partition, epoch });
  } else known.phase = 'releasing';
}

/** The claims that are this host's, as its heartbeat tells them. */
export function ownClaims(state: ClusterState): (readonly [PartitionId, number])[] {
  const claims: (readonly [PartitionId, number])[] = [];
  for (const [partition, { claim }] of state.partitions.entries())
    if (claim?.holder === state.hostId) claims.push([partition, claim.epoch]);
  return claims;
}

/** Does what is to be done about a partition now. */
export function advance(state: ClusterState, partition: PartitionId, nowMs: number, effects: ClusterEffect[]): void {
  const known = state.partitions[partition];
  if (known === undefined || state.phase === 'starting' || state.phase === 'left') return;
  switch (known.phase) {
    case 'free':
      if (known.claim?.holder !== undefined) hearOf(state, known.claim.holder, nowMs);
      if (mayTake(state, partition, known, nowMs)) {
        known.phase = 'claiming';
        ask(state, partition, known, nowMs, effects);
      } else if (known.claim === undefined || isUntold(state, partition, known, nowMs))
        read(state, partition, known, nowMs, effects);
      return;
    case 'held':
      if (known.unconfirmed) read(state, partition, known, nowMs, effects);
      if (!mustGo(state, partition, known, nowMs)) return;
      known.phase = 'draining';
      state.draining++;
      effects.push({ kind: 'drain', partition, epoch: known.claim!.epoch });
      return;
    case 'draining':
      if (known.unconfirmed) read(state, partition, known, nowMs, effects);
      return;
    case 'claiming':
    case 'releasing':
      ask(state, partition, known, nowMs, effects);
  }
}

/** K2 */
function mayTake(state: ClusterState, partition: PartitionId, known: PartitionState, nowMs: number): boolean {
  const { claim } = known;
  if (claim === undefined || state.phase !== 'joined' || !isServing(state, nowMs)) return false;
  if (claim.holder !== undefined) return state.owners[partition] === state.hostId && state.gone.has(claim.holder);
  if (claim.successor === state.hostId) return true;
  if (state.owners[partition] !== state.hostId) return false;
  return !mayCome(state, claim.successor) || nowMs - known.knownAtMs >= state.timings.successorMs;
}

function mayCome(state: ClusterState, successor: HostId | undefined): boolean {
  const peer = successor === undefined ? undefined : state.peers.get(successor);
  return isMember(peer) && !peer!.leaving;
}

/** K3 */
function mustGo(state: ClusterState, partition: PartitionId, known: PartitionState, nowMs: number): boolean {
  if (state.owners[partition] === state.hostId) return false;
  if (state.phase === 'leaving') return state.draining < DRAINS_MAX_LEAVING;
  return state.draining < DRAINS_MAX && nowMs - known.knownAtMs >= state.timings.settleMs;
}

/** The proposed owner waits for a holder that does not speak of the partition. */
function isUntold(state: ClusterState, partition: PartitionId, known: PartitionState, nowMs: number): boolean {
  return (
    state.owners[partition] === state.hostId &&
    known.untoldAtMs !== undefined &&
    nowMs - known.untoldAtMs >= state.timings.askAgainMs
  );
}

function ask(
  state: ClusterState,
  partition: PartitionId,
  known: PartitionState,
  nowMs: number,
  effects: ClusterEffect[],
): void {
  if (!state.connected || !isDue(state, known.askedAtMs, known.againAtMs, nowMs)) return;
  known.askedAtMs = nowMs;
  const expectedEpoch = known.claim!.epoch;
  const releases = known.phase === 'releasing';
  effects.push({
    kind: 'claim',
    partition,
    expectedEpoch,
    holder: releases ? undefined : state.hostId,
    successor: releases && state.owners[partition] !== state.hostId ? state.owners[partition] : undefined,
  });
}

function read(
  state: ClusterState,
  partition: PartitionId,
  known: PartitionState,
  nowMs: number,
  effects: ClusterEffect[],
): void {
  if (!state.connected || !isDue(state, known.readAtMs, known.againAtMs, nowMs)) return;
  known.readAtMs = nowMs;
  effects.push({ kind: 'readClaim', partition, askedAtMs: nowMs });
}

function isDue(state: ClusterState, askedAtMs: number | undefined, againAtMs: number, nowMs: number): boolean {
  return askedAtMs === undefined ? nowMs >= againAtMs : nowMs - askedAtMs >= state.timings.answerMsMax;
}

/** K6 */
function tell(
  state: ClusterState,
  partition: PartitionId,
  known: PartitionState,
  nowMs: number,
  effects: ClusterEffect[],
): void {
  if (nowMs < known.tellAtMs) return;
  known.tellAtMs = nowMs + state.timings.heartbeatMs;
  effects.push({ kind: 'tell', partition, claim: known.claim! });
}
