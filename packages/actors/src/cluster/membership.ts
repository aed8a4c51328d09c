// Who is there: what is heard of the other hosts, whom nobody hears any more, and which hosts partitions should go to.
//
// M1  A host judges others only while it hears itself: connected, for a while, and its own heartbeats come back. When
//     that begins anew everybody gets fresh time. So NATS may be away for as long as it likes, and a host that stood
//     still does not take the others for silent.
// M2  A member is suspected when it is silent or when nobody listens at its address; then it is probed. It is dead when
//     nobody listened from one probe to another `deadMs` later and it was not heard between, or when it was silent for
//     `frozenMs`. When more than one and more than a third of the members are suspected together, it is rather the
//     network: none is dead for `holdMs`.
// M3  A host named by a claim that was never heard of is probed and judged like a member that is silent.
// M4  A leaving heartbeat without claims removes its sender at once.
// M5  Of each host only heartbeats with a higher sequence count, also after it is gone: late and repeated ones change
//     nothing. One that is heard after it was taken for dead is a newcomer.
// M6  Who goes is out of the view at once; who comes is in it when nobody else has come for `settleMs`.

import type { HostId } from '../transport.ts';
import { isMember, type ClusterEffect, type ClusterState, type Heartbeat, type Peer } from './cluster-state.ts';
import { proposedOwners, type Candidate } from './rendezvous.ts';
import { GONE_MAX } from './timings.ts';

/** Takes a heartbeat in. False: it is old, or its sender is gone with it. */
export function hear(state: ClusterState, heartbeat: Heartbeat, nowMs: number, effects: ClusterEffect[]): boolean {
  const { from, sequence, announcement, weight, leaving } = heartbeat;
  const known = state.peers.get(from);
  if (sequence <= (known?.sequence ?? state.gone.get(from) ?? 0)) return false;
  if (leaving && heartbeat.claims.length === 0) {
    remove(state, from, sequence, effects);
    return false;
  }
  const peer = known ?? stranger(from, nowMs);
  const isNew = !isMember(known);
  Object.assign(peer, { sequence, announcement, weight, leaving });
  hearFrom(peer, nowMs);
  state.gone.delete(from);
  state.peers.set(from, peer);
  if (isNew) {
    settle(state, nowMs);
    changed(state, from, effects);
  }
  return true;
}

/** A claim names a host that nobody here has heard of. */
export function hearOf(state: ClusterState, host: HostId, nowMs: number): void {
  if (host === state.hostId || state.peers.has(host) || state.gone.has(host)) return;
  state.peers.set(host, stranger(host, nowMs - state.timings.suspectMs));
}

/** Nobody listens at a host now. */
export function refuse(state: ClusterState, host: HostId, nowMs: number): void {
  const peer = state.peers.get(host);
  if (peer === undefined || !judges(state, nowMs)) return;
  peer.refusedFromMs ??= nowMs;
  peer.refusedUntilMs = nowMs;
}

/** Somebody listened at a host when this was sent. */
export function unanswered(state: ClusterState, host: HostId, sentAtMs: number): void {
  const peer = state.peers.get(host);
  if (peer?.refusedFromMs === undefined || sentAtMs < peer.refusedFromMs) return;
  peer.refusedFromMs = undefined;
  peer.refusedUntilMs = undefined;
}

/** M1. Called with every input. */
export function beginJudging(state: ClusterState, nowMs: number): void {
  const may = judges(state, nowMs);
  if (may && !state.judging)
    for (const peer of state.peers.values()) hearFrom(peer, isMember(peer) ? nowMs : nowMs - state.timings.suspectMs);
  state.judging = may;
}

/** Probes who is suspected, removes who is dead. */
export function judge(state: ClusterState, nowMs: number, effects: ClusterEffect[]): void {
  if (!state.judging) return;
  const { timings } = state;
  const suspects = [...state.peers.values()].filter(
    (peer) => peer.refusedFromMs !== undefined || nowMs - peer.heardAtMs >= timings.suspectMs,
  );
  const members = 1 + [...state.peers.values()].filter(isMember).length;
  const suspectMembers = suspects.filter(isMember).length;
  if (suspectMembers > 1 && suspectMembers > members / 3) state.manySuspectsAtMs ??= nowMs;
  else state.manySuspectsAtMs = undefined;
  const held = state.manySuspectsAtMs !== undefined && nowMs - state.manySuspectsAtMs < timings.holdMs;
  for (const peer of suspects) {
    if (isDead(state, peer, nowMs) && !(held && isMember(peer))) remove(state, peer.hostId, peer.sequence, effects);
    else if (nowMs - peer.probedAtMs >= timings.probeMs) {
      peer.probedAtMs = nowMs;
      effects.push({ kind: 'probe', host: peer.hostId });
    }
  }
}

/** Brings the view, and with it the proposed owners, up to date. True: they have changed. */
export function updateView(state: ClusterState, nowMs: number): boolean {
  if (state.phase === 'starting' || state.phase === 'left') return false;
  const candidates: Candidate[] = [];
  if (state.phase !== 'leaving') candidates.push({ hostId: state.hostId, weight: state.weight });
  for (const peer of state.peers.values())
    if (isMember(peer) && !peer.leaving) candidates.push({ hostId: peer.hostId, weight: peer.weight });
  candidates.sort((a, b) => (a.hostId < b.hostId ? -1 : 1));
  let next: readonly Candidate[] = candidates;
  if (state.phase === 'listening') {
    if (state.viewAtMs === undefined || nowMs < state.viewAtMs) return false;
  } else if (!sameView(candidates, state.view)) {
    const stay = state.view.filter(({ hostId }) => candidates.some((candidate) => candidate.hostId === hostId));
    if (!sameView(candidates, stay) && state.viewAtMs === undefined) settle(state, nowMs);
    if (stay.length > 0 && state.viewAtMs !== undefined && nowMs < state.viewAtMs) next = stay;
  }
  if (next === candidates) state.viewAtMs = undefined;
  if (sameView(next, state.view)) return false;
  state.view = next;
  state.owners = proposedOwners(next, state.partitions.length);
  return true;
}

/** Puts the next view off: somebody has come. */
function settle(state: ClusterState, nowMs: number): void {
  // A newcomer that has not heard itself yet begins to count then.
  if (state.phase === 'listening' && state.viewAtMs === undefined) return;
  if (state.viewAtMs === undefined) state.viewFromMs = nowMs;
  const { settleMs, settleMsMax } = state.timings;
  state.viewAtMs = Math.min(nowMs + settleMs, state.viewFromMs + settleMsMax);
}

function judges(state: ClusterState, nowMs: number): boolean {
  return state.connected && nowMs >= state.judgesAtMs && nowMs - state.provenAtMs <= state.timings.judgeMs;
}

function isDead(state: ClusterState, peer: Peer, nowMs: number): boolean {
  const { deadMs, frozenMs } = state.timings;
  const { refusedFromMs, refusedUntilMs } = peer;
  const refusedMs = refusedFromMs === undefined || refusedUntilMs === undefined ? 0 : refusedUntilMs - refusedFromMs;
  return refusedMs >= deadMs || nowMs - peer.heardAtMs >= frozenMs;
}

function remove(state: ClusterState, host: HostId, sequence: number, effects: ClusterEffect[]): void {
  const wasMember = isMember(state.peers.get(host));
  state.peers.delete(host);
  state.gone.delete(host);
  state.gone.set(host, sequence);
  if (state.gone.size > GONE_MAX) state.gone.delete(state.gone.keys().next().value!);
  if (wasMember) changed(state, host, effects);
}

/** A host has come or gone, and what it owns has an owner or has none. */
function changed(state: ClusterState, host: HostId, effects: ClusterEffect[]): void {
  effects.push({ kind: 'membersChanged' });
  for (const [partition, { claim }] of state.partitions.entries())
    if ((claim?.holder ?? claim?.successor) === host) effects.push({ kind: 'ownerChanged', partition });
}

function stranger(hostId: HostId, heardAtMs: number): Peer {
  return {
    hostId,
    announcement: undefined,
    weight: 1,
    leaving: false,
    sequence: 0,
    heardAtMs,
    probedAtMs: -Infinity,
    refusedFromMs: undefined,
    refusedUntilMs: undefined,
  };
}

function hearFrom(peer: Peer, nowMs: number): void {
  peer.heardAtMs = nowMs;
  peer.refusedFromMs = undefined;
  peer.refusedUntilMs = undefined;
}

function sameView(a: readonly Candidate[], b: readonly Candidate[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ hostId, weight }, index) => b[index]!.hostId === hostId && b[index]!.weight === weight)
  );
}
