// Layer M: three hosts of the real reducer, two partitions, one actor in each, explored breadth first over every order of
// a few faults and writes. Times are small numbers, so that a lease ends within a few steps; a message takes no longer than
// one step, unless its receiver stands still.
//
// What must hold in every state that is reached:
//   I5   who acquires a partition under an epoch is the holder that the record of that epoch names, and epochs rise
//   S1   no two hosts that may answer hold a partition, whether they run or stand still (then they may go on any moment)
//   S2   who may answer for a partition knows every write of its actor that was acknowledged
//   S3   from there on, without further faults, every partition is soon held by one host, and all know by whom

import {
  initialClusterState,
  isServing,
  ownerOf,
  type Claim,
  type ClusterEffect,
  type ClusterInput,
  type ClusterState,
} from '../../src/cluster/cluster-state.ts';
import { stepCluster } from '../../src/cluster/protocol.ts';
import type { ClusterTimings } from '../../src/cluster/timings.ts';

const PARTITIONS = [0, 1];
const HOSTS = ['a', 'b', 'c'];
const SETTLE_STEPS = 40;
/** Messages of one step: some dozens, unless hosts answer each other without end. */
const DELIVERED_MAX = 2_000;
/** Of the states reached, one in so many is run on until it is quiet. */
const SETTLED_EVERY = 8;

const TIMINGS: ClusterTimings = {
  heartbeatMs: 1,
  suspectMs: 2,
  probeMs: 1,
  deadMs: 1,
  frozenMs: 6,
  holdMs: 3,
  returnMs: 2,
  judgeMs: 2,
  proofMs: 3,
  listenMs: 1,
  settleMs: 1,
  settleMsMax: 2,
  successorMs: 1,
  askAgainMs: 1,
  answerMsMax: 3,
  leaveMsMax: 3,
};

interface Host {
  readonly id: string;
  condition: 'absent' | 'running' | 'frozen' | 'dead';
  state: ClusterState;
  /** What has come while it stood still, or came late. */
  waiting: ClusterInput[];
  /** What it is told in this step comes to it with the next. */
  late: boolean;
  /** The revision of the actor that it has in memory, by partition. */
  readonly loaded: (number | undefined)[];
}

/** How much may still happen. */
export interface Budget {
  crashes: number;
  freezes: number;
  lateSteps: number;
  lostAnswers: number;
  cuts: number;
  writes: number;
  joins: number;
  leaves: number;
}

interface World {
  nowMs: number;
  readonly hosts: Host[];
  readonly claims: Claim[];
  /** The holder of every epoch there was. */
  readonly holders: (string | undefined)[];
  /** Writes of the actor of each partition that were acknowledged: its revision. */
  readonly revisions: number[];
  readonly left: Budget;
  loseNextAnswer: boolean;
  queue: { to: number; input: ClusterInput }[];
}

export interface Exploration {
  readonly budget: Partial<Budget>;
  /** Hosts that run when it begins; the rest may join. */
  readonly running: number;
  readonly statesMax: number;
}

export const EXPLORATIONS: readonly Exploration[] = [
  { running: 3, budget: { freezes: 1, lateSteps: 1 }, statesMax: 3_000 },
  { running: 2, budget: { joins: 1, lateSteps: 1, writes: 1 }, statesMax: 3_000 },
  { running: 3, budget: { crashes: 1, freezes: 1, writes: 2 }, statesMax: 3_000 },
  { running: 3, budget: { leaves: 1, crashes: 1, lostAnswers: 2, lateSteps: 1 }, statesMax: 3_000 },
  { running: 2, budget: { cuts: 1, joins: 1, lostAnswers: 1, writes: 2 }, statesMax: 3_000 },
];

/** @throws {Error} with the way to the state that must not be */
export function explore({ running, budget, statesMax }: Exploration): {
  readonly states: number;
  readonly settled: number;
} {
  const first = beginning(running, budget);
  const seen = new Set([hashOf(first)]);
  let frontier: { world: World; path: readonly string[] }[] = [{ world: first, path: [] }];
  let settled = 0;
  while (frontier.length > 0 && seen.size < statesMax) {
    const next: typeof frontier = [];
    for (const { world, path } of frontier) {
      for (const [name, act] of actionsOf(world)) {
        if (seen.size >= statesMax) break;
        const after = structuredClone(world);
        const way = [...path, name];
        guarded(way, () => {
          act(after);
          check(after);
        });
        const hash = hashOf(after);
        if (seen.has(hash)) continue;
        seen.add(hash);
        next.push({ world: after, path: way });
        if (seen.size % SETTLED_EVERY !== 0) continue;
        settled++;
        guarded([...way, 'rest'], () => settle(structuredClone(after)));
      }
    }
    frontier = next;
  }
  return { states: seen.size, settled };
}

function guarded(path: readonly string[], body: () => void): void {
  try {
    body();
  } catch (error) {
    throw new Error(`${(error as Error).message} after: ${path.join(', ')}`, { cause: error });
  }
}

function beginning(running: number, budget: Partial<Budget>): World {
  const none = { crashes: 0, freezes: 0, lateSteps: 0, lostAnswers: 0, cuts: 0, writes: 0, joins: 0, leaves: 0 };
  const world: World = {
    nowMs: 100,
    hosts: HOSTS.map((id) => ({
      id,
      condition: 'absent',
      state: initialClusterState(id, PARTITIONS.length, 1, TIMINGS),
      waiting: [],
      late: false,
      loaded: [],
    })),
    claims: PARTITIONS.map(() => ({ epoch: 0, holder: undefined, successor: undefined })),
    holders: [undefined],
    revisions: PARTITIONS.map(() => 0),
    left: { ...none, ...budget },
    loseNextAnswer: false,
    queue: [],
  };
  for (let index = 0; index < running; index++) start(world, index);
  settle(world);
  return world;
}

type Action = [name: string, act: (after: World) => void];

function actionsOf(world: World): Action[] {
  const actions: Action[] = [['tick', tick]];
  /** May happen as often as the budget says. */
  const may = (what: keyof Budget, name: string, act: (after: World) => void): void => {
    if (world.left[what] === 0) return;
    actions.push([
      name,
      (after) => {
        after.left[what]--;
        act(after);
      },
    ]);
  };
  if (!world.loseNextAnswer) {
    may('lostAnswers', 'an answer is lost', (after) => {
      after.loseNextAnswer = true;
    });
  }
  for (const index of HOSTS.keys()) hostActions(world, index, actions, may);
  return actions;
}

function hostActions(
  world: World,
  index: number,
  actions: Action[],
  may: (what: keyof Budget, name: string, act: (after: World) => void) => void,
): void {
  const { id, condition, state, late } = world.hosts[index]!;
  const become = (next: Host['condition']) => (after: World) => {
    after.hosts[index]!.condition = next;
  };
  if (condition === 'absent') may('joins', `${id} joins`, (after) => start(after, index));
  if (condition === 'running') {
    may('crashes', `${id} dies`, become('dead'));
    may('freezes', `${id} freezes`, become('frozen'));
    if (state.phase === 'joined') may('leaves', `${id} leaves`, (after) => give(after, index, { kind: 'stopAsked' }));
    if (state.connected) may('cuts', `${id} is cut off`, (after) => give(after, index, { kind: 'disconnected' }));
    else actions.push([`${id} connects`, (after) => give(after, index, { kind: 'connected' })]);
  }
  if (condition === 'frozen') {
    actions.push([`${id} thaws`, (after) => thaw(after, index)]);
    actions.push([`${id} thaws without its connection`, (after) => thawCut(after, index)]);
  }
  if (!late && (condition === 'running' || condition === 'frozen')) {
    may('lateSteps', `${id} hears late`, (after) => {
      after.hosts[index]!.late = true;
    });
  }
  for (const partition of PARTITIONS)
    if (mayAnswer(world, index, partition))
      may('writes', `${id} writes ${partition}`, (after) => write(after, index, partition));
}

/** Also of one that stands still: it may go on within an answer. */
function mayAnswer(world: World, index: number, partition: number): boolean {
  const { condition, state } = world.hosts[index]!;
  const phase = state.partitions[partition]!.phase;
  return (
    (condition === 'running' || condition === 'frozen') &&
    (phase === 'held' || phase === 'draining') &&
    isServing(state, world.nowMs)
  );
}

function check(world: World): void {
  for (const partition of PARTITIONS) {
    const indexes = [...HOSTS.keys()].filter((index) => mayAnswer(world, index, partition));
    if (indexes.length > 1)
      throw new Error(`${indexes.map((index) => HOSTS[index]).join(' and ')} both answer for ${partition} (S1)`);
    for (const index of indexes)
      if (world.hosts[index]!.loaded[partition] !== world.revisions[partition])
        throw new Error(`${HOSTS[index]} does not know what was written to ${partition} (S2)`);
  }
}

/** One write of the actor, by compare-and-set on what its host has in memory. */
function write(world: World, index: number, partition: number): void {
  const { loaded } = world.hosts[index]!;
  if (loaded[partition] !== world.revisions[partition]) throw new Error(`a write of ${HOSTS[index]} is refused (S2)`);
  loaded[partition] = ++world.revisions[partition]!;
}

function start(world: World, index: number): void {
  world.hosts[index]!.condition = 'running';
  give(world, index, { kind: 'started' });
}

function thaw(world: World, index: number): void {
  const host = world.hosts[index]!;
  host.condition = 'running';
  for (const input of host.waiting.splice(0)) world.queue.push({ to: index, input });
  deliver(world);
}

/** A server cuts off who does not read: what came meanwhile is lost. */
function thawCut(world: World, index: number): void {
  const host = world.hosts[index]!;
  host.condition = 'running';
  host.waiting = [];
  give(world, index, { kind: 'disconnected' });
  give(world, index, { kind: 'connected' });
}

function give(world: World, index: number, input: ClusterInput): void {
  world.queue.push({ to: index, input });
  deliver(world);
}

function tick(world: World): void {
  world.nowMs++;
  for (const [index, host] of world.hosts.entries()) {
    if (host.condition !== 'running') continue;
    if (!host.late) for (const input of host.waiting.splice(0)) world.queue.push({ to: index, input });
    world.queue.push({ to: index, input: { kind: 'tick' } });
  }
  deliver(world);
  for (const host of world.hosts) host.late = false;
}

/** No more faults: whoever stands still goes on, whoever is cut off connects. */
function settle(world: World): void {
  for (const [index, host] of world.hosts.entries()) {
    if (host.condition === 'frozen') thaw(world, index);
    if (host.condition === 'running' && !host.state.connected) give(world, index, { kind: 'connected' });
  }
  for (let steps = 0; steps < SETTLE_STEPS; steps++) {
    if (isSettled(world)) return;
    tick(world);
    check(world);
  }
  throw new Error(`it does not come to rest (S3): ${JSON.stringify(world.claims)}`);
}

function isSettled(world: World): boolean {
  const running = world.hosts.filter(({ condition, state }) => condition === 'running' && state.phase !== 'left');
  if (running.length === 0) return true;
  return world.claims.every(
    ({ holder, epoch }, partition) =>
      running.every(({ state }) => ownerOf(state, partition) === holder && state.owners[partition] === holder) &&
      world.hosts.some(
        ({ id, state }, index) =>
          id === holder && mayAnswer(world, index, partition) && state.partitions[partition]!.claim?.epoch === epoch,
      ),
  );
}

/** What may come late, while a host hears itself. */
const MAY_BE_LATE: ReadonlySet<ClusterInput['kind']> = new Set(['heartbeat', 'claimSeen', 'helloSeen', 'claimRead']);

function deliver(world: World): void {
  let delivered = 0;
  for (let next = world.queue.shift(); next !== undefined; next = world.queue.shift()) {
    if (++delivered > DELIVERED_MAX) throw new Error('hosts never stop answering each other (S3)');
    const host = world.hosts[next.to]!;
    if (host.condition === 'absent' || host.condition === 'dead') continue;
    if (host.condition === 'frozen' || (host.late && MAY_BE_LATE.has(next.input.kind))) {
      if (next.input.kind !== 'tick') host.waiting.push(next.input);
      continue;
    }
    for (const effect of stepCluster(host.state, next.input, world.nowMs)) perform(world, next.to, effect);
  }
}

function perform(world: World, from: number, effect: ClusterEffect): void {
  const host = world.hosts[from]!;
  const { connected } = host.state;
  const all = (input: ClusterInput): void => {
    for (const [to, other] of world.hosts.entries())
      if (to !== from && connected && other.state.connected) world.queue.push({ to, input });
  };
  switch (effect.kind) {
    case 'left':
      all({ kind: 'heartbeat', heartbeat: { ...effect.goodbye, announcement: { actorTypes: [], details: {} } } });
      return;
    case 'heartbeat':
      all({ kind: 'heartbeat', heartbeat: { ...effect.heartbeat, announcement: { actorTypes: [], details: {} } } });
      if (connected) world.queue.push({ to: from, input: { kind: 'ownHeartbeatSeen', sentAtMs: world.nowMs } });
      return;
    case 'hello':
      all({ kind: 'helloSeen' });
      return;
    case 'tell':
      all({ kind: 'claimSeen', partition: effect.partition, claim: effect.claim });
      return;
    case 'probe':
      probe(world, from, effect.host);
      return;
    case 'readClaim': {
      const claim = connected ? world.claims[effect.partition] : undefined;
      world.queue.push({ to: from, input: { ...effect, kind: 'claimRead', claim } });
      return;
    }
    case 'claim':
      decide(world, from, effect);
      return;
    case 'acquired':
      if (world.holders[effect.epoch] !== host.id)
        throw new Error(`${host.id} acquired ${effect.partition} under epoch ${effect.epoch} of another (I5)`);
      host.loaded[effect.partition] = world.revisions[effect.partition];
      return;
    case 'drain':
      host.loaded[effect.partition] = world.revisions[effect.partition];
      world.queue.push({ to: from, input: { kind: 'drained', partition: effect.partition, epoch: effect.epoch } });
      return;
    case 'lost':
      host.loaded[effect.partition] = undefined;
      return;
    default:
  }
}

function probe(world: World, from: number, target: string): void {
  const to = HOSTS.indexOf(target);
  const other = world.hosts[to]!;
  if (!world.hosts[from]!.state.connected) return;
  const { condition, state } = other;
  if (condition === 'dead' || condition === 'absent' || state.phase === 'left' || !state.connected)
    world.queue.push({ to: from, input: { kind: 'noResponders', host: target } });
  else if (condition === 'frozen')
    world.queue.push({ to: from, input: { kind: 'probeUnanswered', host: target, sentAtMs: world.nowMs } });
  else world.queue.push({ to, input: { kind: 'helloSeen' } });
}

function decide(world: World, from: number, effect: ClusterEffect & { kind: 'claim' }): void {
  const { partition, expectedEpoch, holder, successor } = effect;
  const unanswered: ClusterInput = { kind: 'claimUnanswered', partition, expectedEpoch };
  if (!world.hosts[from]!.state.connected) {
    world.queue.push({ to: from, input: unanswered });
    return;
  }
  const actual = world.claims[partition]!;
  let answer: ClusterInput = { kind: 'claimRefused', partition, expectedEpoch, claim: actual };
  if (actual.epoch === expectedEpoch) {
    const claim: Claim = { epoch: world.holders.length, holder, successor };
    world.holders.push(holder);
    world.claims[partition] = claim;
    answer = { kind: 'claimAccepted', partition, claim };
  }
  if (world.loseNextAnswer) answer = unanswered;
  world.loseNextAnswer = false;
  world.queue.push({ to: from, input: answer });
}

/** Worlds that differ in what nobody can tell (when it is, how many heartbeats there were, the numbers of epochs) are one. */
function hashOf(world: World): string {
  const epochs = new Set<number>();
  const collect = (key: string, value: unknown): unknown => {
    if (/epoch/i.test(key) && typeof value === 'number') epochs.add(value);
    return value instanceof Map ? [...value] : value;
  };
  JSON.stringify(world, collect);
  const ranks = new Map([...epochs].sort((a, b) => a - b).map((epoch, rank) => [epoch, rank]));
  const { nowMs, holders: _holders, ...rest } = world;
  return JSON.stringify(rest, (key, value: unknown) => {
    if (key === 'timings' || key === 'sequence' || key === 'nowMs') return undefined;
    // The claims that heartbeats on their way list are known to their receivers, or are in the records.
    if (key === 'heartbeat') return (value as { from: string }).from;
    if (value instanceof Map) return key === 'gone' ? [...value.keys()].join() : [...value];
    if (typeof value !== 'number') return value;
    if (/epoch/i.test(key)) return ranks.get(value);
    return /AtMs$|FromMs$|UntilMs$/.test(key) ? Math.max(-8, Math.min(8, value - nowMs)) : value;
  });
}
