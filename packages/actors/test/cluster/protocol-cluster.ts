// Hosts of the real reducer on a bus, a register of claims and a clock of a test's own. Time goes in steps; within a
// step everything that was sent arrives, unless the test has cut a host off.

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
import type { Announcement } from '../../src/placement.ts';

const STEP_MS = 50;

export interface TestHost {
  readonly id: string;
  readonly state: ClusterState;
  /** Everything that the reducer asked for. */
  readonly effects: ClusterEffect[];
  condition: 'running' | 'frozen' | 'dead';
  /** What came while it was frozen. */
  readonly waiting: ClusterInput[];
  /** Drains do not end by themselves. */
  slowDrains: boolean;
}

export class ProtocolCluster {
  nowMs = 1_000;
  readonly partitionCount: number;
  readonly hosts = new Map<string, TestHost>();
  readonly claims: Claim[];
  /** Every change of a claim record: partition and claim. */
  readonly history: [number, Claim][] = [];
  natsUp = true;
  /** Decides over each message and answer; false: it does not arrive. */
  passes: (from: string, to: string, input: ClusterInput) => boolean = () => true;
  /** What the next claims and releases come to; the default lets them be decided. */
  claimFault: (host: string, effect: ClusterEffect) => 'none' | 'lost-before' | 'lost-after' = () => 'none';
  readonly #step: typeof stepCluster;
  #epoch = 0;
  #queue: { to: string; input: ClusterInput }[] = [];

  constructor(partitionCount: number, step: typeof stepCluster = stepCluster) {
    this.partitionCount = partitionCount;
    this.#step = step;
    this.claims = Array.from({ length: partitionCount }, () => ({ epoch: 0, holder: undefined, successor: undefined }));
  }

  add(id: string, weight = 1): TestHost {
    const state = initialClusterState(id, this.partitionCount, weight);
    const host: TestHost = { id, state, effects: [], condition: 'running', waiting: [], slowDrains: false };
    this.hosts.set(id, host);
    this.input(id, { kind: 'started' });
    return host;
  }

  host(id: string): TestHost {
    return this.hosts.get(id)!;
  }

  /** Gives a host an input now, and lets everything arrive that follows. */
  input(id: string, input: ClusterInput): void {
    this.#queue.push({ to: id, input });
    this.#deliver();
  }

  run(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs;) {
      this.nowMs += STEP_MS;
      for (const { id } of this.hosts.values()) this.#queue.push({ to: id, input: { kind: 'tick' } });
      this.#deliver();
    }
  }

  /** Runs until it holds. */
  until(holds: () => boolean, withinMs: number): number {
    const fromMs = this.nowMs;
    while (!holds()) {
      if (this.nowMs - fromMs > withinMs) throw new Error(`not within ${withinMs} ms: ${this.describe()}`);
      this.run(STEP_MS);
    }
    return this.nowMs - fromMs;
  }

  kill(id: string): void {
    this.host(id).condition = 'dead';
  }

  freeze(id: string): void {
    this.host(id).condition = 'frozen';
  }

  thaw(id: string): void {
    const host = this.host(id);
    host.condition = 'running';
    this.#queue.push(...host.waiting.splice(0).map((input) => ({ to: id, input })));
    this.#deliver();
  }

  setNats(up: boolean): void {
    this.natsUp = up;
    for (const id of this.hosts.keys()) this.input(id, { kind: up ? 'connected' : 'disconnected' });
  }

  serving(id: string): boolean {
    const { condition, state } = this.host(id);
    return condition !== 'dead' && isServing(state, this.nowMs);
  }

  owned(id: string): number[] {
    return [...this.claims.keys()].filter((partition) => this.claims[partition]!.holder === id);
  }

  /** Every partition is held by a running host which serves it, is the proposed one, and all of them know. */
  get settled(): boolean {
    const running = [...this.hosts.values()].filter(
      ({ condition, state }) => condition === 'running' && state.phase !== 'left',
    );
    return (
      running.length > 0 &&
      running.every(
        ({ id, state }) => this.serving(id) && state.phase === 'joined' && state.view.length === running.length,
      ) &&
      this.claims.every(
        ({ holder }, partition) =>
          running.every(({ state }) => ownerOf(state, partition) === holder && state.owners[partition] === holder) &&
          running.some(({ id, state }) => id === holder && state.partitions[partition]!.phase === 'held'),
      )
    );
  }

  describe(): string {
    return [...this.hosts.values()]
      .map(({ id, condition, state }) => {
        const phases = state.partitions.map(({ phase, claim }) => `${phase}:${claim?.epoch}:${claim?.holder}`);
        return `${id} ${condition} ${state.phase} fenced=${state.fenced} view=${state.view.map(({ hostId }) => hostId).join()} ${phases.slice(0, 8).join(' ')}`;
      })
      .join('\n');
  }

  /** Writes a claim record that nobody asked for. */
  seize(partition: number, holder: string): Claim {
    const claim: Claim = { epoch: ++this.#epoch, holder, successor: undefined };
    this.claims[partition] = claim;
    return claim;
  }

  #deliver(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const host = this.host(next.to);
      if (host.condition === 'dead' || (host.condition === 'frozen' && next.input.kind === 'tick')) continue;
      if (host.condition === 'frozen') {
        host.waiting.push(next.input);
        continue;
      }
      const effects = this.#step(host.state, next.input, this.nowMs);
      host.effects.push(...effects);
      for (const effect of effects) this.#perform(host, effect);
    }
  }

  #send(from: string, to: string, input: ClusterInput): void {
    if (this.natsUp && this.passes(from, to, input)) this.#queue.push({ to, input });
  }

  #broadcast(from: string, input: ClusterInput): void {
    for (const id of this.hosts.keys()) if (id !== from) this.#send(from, id, input);
  }

  #perform(host: TestHost, effect: ClusterEffect): void {
    const { id } = host;
    switch (effect.kind) {
      case 'left':
        this.#broadcast(id, { kind: 'heartbeat', heartbeat: { ...effect.goodbye, announcement: announcementOf(id) } });
        return;
      case 'heartbeat':
        this.#broadcast(id, {
          kind: 'heartbeat',
          heartbeat: { ...effect.heartbeat, announcement: announcementOf(id) },
        });
        this.#send(id, id, { kind: 'ownHeartbeatSeen', sentAtMs: this.nowMs });
        return;
      case 'hello':
        this.#broadcast(id, { kind: 'helloSeen' });
        return;
      case 'tell':
        this.#broadcast(id, { kind: 'claimSeen', partition: effect.partition, claim: effect.claim });
        return;
      case 'probe':
        this.#probe(host, effect.host);
        return;
      case 'readClaim': {
        const { partition, askedAtMs } = effect;
        const claim = this.natsUp ? this.claims[partition] : undefined;
        this.#queue.push({ to: id, input: { kind: 'claimRead', partition, askedAtMs, claim } });
        return;
      }
      case 'claim':
        this.#claim(host, effect);
        return;
      case 'drain':
        if (!host.slowDrains)
          this.#queue.push({ to: id, input: { kind: 'drained', partition: effect.partition, epoch: effect.epoch } });
        return;
      default:
    }
  }

  #probe(host: TestHost, target: string): void {
    const other = this.hosts.get(target);
    if (!this.natsUp) return;
    if (other === undefined || other.condition === 'dead' || other.state.phase === 'left')
      this.#queue.push({ to: host.id, input: { kind: 'noResponders', host: target } });
    else if (other.condition === 'frozen')
      this.#queue.push({ to: host.id, input: { kind: 'probeUnanswered', host: target, sentAtMs: this.nowMs } });
    else this.#queue.push({ to: target, input: { kind: 'helloSeen' } });
  }

  #claim(host: TestHost, effect: ClusterEffect & { kind: 'claim' }): void {
    const { partition, expectedEpoch, holder, successor } = effect;
    const fault = this.natsUp ? this.claimFault(host.id, effect) : 'lost-before';
    const unanswered: ClusterInput = { kind: 'claimUnanswered', partition, expectedEpoch };
    if (fault === 'lost-before') {
      this.#queue.push({ to: host.id, input: unanswered });
      return;
    }
    const actual = this.claims[partition]!;
    const accepted = actual.epoch === expectedEpoch;
    const claim: Claim = accepted ? { epoch: ++this.#epoch, holder, successor } : actual;
    if (accepted) {
      this.claims[partition] = claim;
      this.history.push([partition, claim]);
    }
    const answer: ClusterInput = accepted
      ? { kind: 'claimAccepted', partition, claim }
      : { kind: 'claimRefused', partition, expectedEpoch, claim };
    this.#queue.push({ to: host.id, input: fault === 'lost-after' ? unanswered : answer });
  }
}

export function announcementOf(id: string): Announcement {
  return { actorTypes: ['counter'], details: { id } };
}
