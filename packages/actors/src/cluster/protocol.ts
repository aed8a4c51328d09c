// The protocol of a cluster: one host's share of it, as a function of what happened and when. It does no I/O and has no
// clock and no randomness; whoever drives it (a package that provides a cluster) does what it says and tells it what came
// of it. `membership.ts` says who is there, `claims.ts` who holds what; here is the order of things, and the fence:
//
// P1  A host may answer while its own heartbeats come back, the newest sent no more than `proofMs` ago. That is shorter
//     than the time after which a host that is frozen or cut off is taken for dead.
// P2  At a disconnect it stops at once, and when the proof has lapsed. It serves again when a heartbeat that was sent
//     since came back and every claim that it holds was read by a question asked since.
// P3  A host that does not serve takes nothing.
// P4  Every input may be late, doubled, or missing. What was missed comes with the next heartbeat.

import { advance, askAgain, drained, learn, learnFrom, learnRead, ownClaims } from './claims.ts';
import {
  isMember,
  isServing,
  proofLapsed,
  type ClusterEffect,
  type ClusterInput,
  type ClusterState,
} from './cluster-state.ts';
import { beginJudging, hear, judge, refuse, unanswered, updateView } from './membership.ts';

/** Changes the state by one input and returns what is to be done, in order. `nowMs` never goes back. */
export function stepCluster(state: ClusterState, input: ClusterInput, nowMs: number): ClusterEffect[] {
  const effects: ClusterEffect[] = [];
  if (state.phase === 'left') return effects;
  if (!state.fenced && proofLapsed(state, nowMs)) fence(state, nowMs);
  apply(state, input, nowMs, effects);
  beginJudging(state, nowMs);
  if (input.kind === 'tick') judge(state, nowMs, effects);
  unfence(state, nowMs, effects);
  join(state, nowMs);
  const moved = updateView(state, nowMs);
  if (moved && state.phase === 'listening') {
    state.phase = 'joined';
    effects.push({ kind: 'joined' });
  } else if ('partition' in input && input.kind !== 'drained' && !moved)
    advance(state, input.partition, nowMs, effects);
  else if (moved || ACTS_ON_ALL.has(input.kind))
    for (const partition of state.partitions.keys()) advance(state, partition, nowMs, effects);
  leave(state, nowMs, effects);
  beat(state, nowMs, effects);
  return effects;
}

/** The inputs after which every partition is looked at. */
const ACTS_ON_ALL: ReadonlySet<ClusterInput['kind']> = new Set([
  'started',
  'tick',
  'connected',
  'drained',
  'stopAsked',
]);

function apply(state: ClusterState, input: ClusterInput, nowMs: number, effects: ClusterEffect[]): void {
  switch (input.kind) {
    case 'started':
      if (state.phase !== 'starting') return;
      state.phase = 'listening';
      state.fencedAtMs = nowMs;
      state.heartbeatAsked = true;
      effects.push({ kind: 'hello' });
      return;
    case 'tick':
      return;
    case 'connected':
      if (state.connected) return;
      state.connected = true;
      state.fencedAtMs = nowMs;
      state.judgesAtMs = nowMs + state.timings.returnMs;
      state.heartbeatAsked = true;
      effects.push({ kind: 'hello' });
      return;
    case 'disconnected':
      state.connected = false;
      fence(state, nowMs);
      return;
    case 'heartbeat':
      if (input.heartbeat.from === state.hostId) return;
      if (hear(state, input.heartbeat, nowMs, effects)) learnFrom(state, input.heartbeat, nowMs, effects);
      return;
    case 'helloSeen':
      state.heartbeatAsked = true;
      return;
    case 'ownHeartbeatSeen':
      state.provenAtMs = Math.max(state.provenAtMs, Math.min(input.sentAtMs, nowMs));
      return;
    case 'noResponders':
      refuse(state, input.host, nowMs);
      return;
    case 'probeUnanswered':
      unanswered(state, input.host, input.sentAtMs);
      return;
    case 'claimSeen':
    case 'claimAccepted':
      learn(state, input.partition, input.claim, nowMs, effects);
      return;
    case 'claimRead':
      learnRead(state, input.partition, input.claim, input.askedAtMs, nowMs, effects);
      return;
    case 'claimRefused':
      if (input.claim !== undefined) learn(state, input.partition, input.claim, nowMs, effects);
      askAgain(state, input.partition, input.expectedEpoch, nowMs);
      return;
    case 'claimUnanswered':
      askAgain(state, input.partition, input.expectedEpoch, nowMs);
      return;
    case 'drained':
      drained(state, input.partition, input.epoch, effects);
      return;
    case 'stopAsked':
      state.phase = 'leaving';
      state.heartbeatAsked = true;
  }
}

/** P2 */
function fence(state: ClusterState, nowMs: number): void {
  state.fenced = true;
  state.fencedAtMs = nowMs;
  state.heartbeatAsked = true;
  for (const known of state.partitions) {
    if (known.phase !== 'held' && known.phase !== 'draining') continue;
    known.unconfirmed = true;
    // A question that was asked before says nothing now.
    known.readAtMs = undefined;
    known.againAtMs = nowMs;
  }
}

function unfence(state: ClusterState, nowMs: number, effects: ClusterEffect[]): void {
  if (!state.fenced || !state.connected || state.provenAtMs < state.fencedAtMs || proofLapsed(state, nowMs)) return;
  if (state.partitions.some(({ unconfirmed }) => unconfirmed)) return;
  state.fenced = false;
  effects.push({ kind: 'servingAgain' });
}

/** A newcomer begins to count when it has heard itself: then it would hear the others too. */
function join(state: ClusterState, nowMs: number): void {
  if (state.phase !== 'listening' || state.viewAtMs !== undefined || !isServing(state, nowMs)) return;
  const membersHeard = [...state.peers.values()].some(isMember);
  state.viewFromMs = nowMs;
  state.viewAtMs = nowMs + (membersHeard ? state.timings.settleMs : state.timings.listenMs);
}

function leave(state: ClusterState, nowMs: number, effects: ClusterEffect[]): void {
  if (state.phase !== 'leaving') return;
  if (state.partitions.some(({ phase }) => phase === 'held' || phase === 'draining')) state.emptyAtMs = undefined;
  else state.emptyAtMs ??= nowMs;
  if (state.emptyAtMs === undefined) return;
  const open = state.partitions.some(({ phase }) => phase !== 'free');
  if (open && nowMs - state.emptyAtMs < state.timings.leaveMsMax) return;
  state.phase = 'left';
  effects.push({ kind: 'left', goodbye: heartbeatOf(state, []) });
}

/** Heartbeats go out every `heartbeatMs`, and at once when something asks for one. */
function beat(state: ClusterState, nowMs: number, effects: ClusterEffect[]): void {
  if (state.phase === 'starting' || state.phase === 'left' || !state.connected) return;
  if (!state.heartbeatAsked && nowMs - state.heartbeatAtMs < state.timings.heartbeatMs) return;
  state.heartbeatAsked = false;
  state.heartbeatAtMs = nowMs;
  effects.push({ kind: 'heartbeat', heartbeat: heartbeatOf(state, ownClaims(state)) });
}

function heartbeatOf(state: ClusterState, claims: readonly (readonly [number, number])[]) {
  const leaving = state.phase === 'leaving' || state.phase === 'left';
  return { from: state.hostId, sequence: ++state.sequence, weight: state.weight, leaving, claims };
}
