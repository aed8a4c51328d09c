// Where fault tests play: servers, hosts and their load, from the start to the audit.

import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../integration/eventually.ts';
import { Hosts, type HostProcess } from '../integration/hosts.ts';
import { NatsServers } from '../integration/nats-servers.ts';
import { broken, find } from './audit.ts';
import { countCalls, repeatedActivities, takeoverTimesMs, type CallCounts, type Repeated } from './checkers.ts';
import { ofKind, type Line } from './ledger.ts';
import type { LoadOptions } from './load.ts';

export interface StageOptions {
  /** The path of nats-server. */
  readonly program: string;
  readonly servers: 1 | 3;
  readonly hosts: number;
  /** What each host does. */
  readonly load: Omit<LoadOptions, 'name' | 'seed'>;
  readonly seed: number;
}

/** What a run has come to. */
export interface Verdict {
  /** The invariants that are broken. */
  readonly broken: Readonly<Record<string, readonly string[]>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly calls: CallCounts;
  readonly instances: { readonly started: number; readonly ended: number };
  readonly activities: { readonly executed: number; readonly repeated: readonly Repeated[] };
  /** Of every partition that a killed host held, sorted. */
  readonly takeoverMs: readonly number[];
  /** The same of hosts that were killed while nothing else was wrong. */
  readonly takeoverAloneMs: readonly number[];
}

/** After the last change the load goes on for so long. */
const QUIET_LOAD_MS = 5_000;
/** For the last instances to come to their end. */
const QUIET_TIMEOUT_MS = 180_000;

export class Stage {
  readonly servers: NatsServers;
  readonly hosts: Hosts;
  readonly #options: StageOptions;
  readonly #startedAtMs: number;
  #loads = 0;

  private constructor(servers: NatsServers, hosts: Hosts, options: StageOptions) {
    this.servers = servers;
    this.hosts = hosts;
    this.#options = options;
    this.#startedAtMs = Date.now();
  }

  static async start(options: StageOptions): Promise<Stage> {
    const servers = await NatsServers.start(options.servers, { program: options.program });
    try {
      if (options.servers > 1) await servers.waitForLeader();
      const hosts = await Hosts.start(options.hosts, servers, { replicas: options.servers });
      return new Stage(servers, hosts, options);
    } catch (error) {
      await servers.end();
      throw error;
    }
  }

  async startLoad(host: HostProcess): Promise<void> {
    const seed = this.#options.seed * 1_000 + ++this.#loads;
    await host.ask.startLoad({ ...this.#options.load, name: host.by, seed });
  }

  async startLoads(): Promise<void> {
    await Promise.all(this.hosts.running.map((host) => this.startLoad(host)));
  }

  /** Until calls were answered and instances have ended since then, on every host that runs. */
  async waitForProgress(): Promise<void> {
    const fromMs = Date.now();
    await eventually('every host has answers', () => {
      const lines = this.hosts.lines().filter(({ atMs }) => atMs >= fromMs);
      const told = new Set(
        ofKind(lines, 'answer')
          .filter(({ outcome }) => outcome === 'done')
          .map(({ by }) => by),
      );
      return this.hosts.running.every(({ by }) => told.has(by));
    });
  }

  /** Mends everything, lets the load go on for a while, ends it, and looks at everything. */
  async finish(): Promise<Verdict> {
    await Promise.all(this.servers.servers.map((server) => server.start()));
    if (this.#options.servers > 1) await this.servers.waitForLeader();
    for (const host of this.hosts.hosts) {
      host.heal();
      if (host.frozen) host.thaw();
      if (host.running) continue;
      await host.start();
      await this.startLoad(host);
    }
    await this.hosts.waitForBalance();
    const quietFromMs = Date.now();
    await sleep(QUIET_LOAD_MS);
    await Promise.all(this.hosts.hosts.map(({ ask }) => ask.stopLoad()));
    await Promise.all(this.hosts.hosts.map(({ ask, by }) => ask.probe(`${by}-probe`, this.#options.load.actors)));
    // One that never ends is the audit's to complain of.
    await this.hosts.waitForQuiet(QUIET_TIMEOUT_MS).catch(() => {});
    return await this.#audit(quietFromMs);
  }

  async #audit(quietFromMs: number): Promise<Verdict> {
    const { ask } = this.hosts.running[0]!;
    // A reminder may still be due.
    const lines = this.hosts.lines();
    let findings = await find(ask, lines);
    for (let again = 0; again < 10 && findings.alarms.size > 0; again++) {
      if (!('I13 reminders fire' in broken(lines, findings, quietFromMs))) break;
      await sleep(1_000);
      findings = await find(ask, lines);
    }
    const faults: Record<string, number> = {};
    for (const { event, fault } of ofKind(lines, 'fault')) {
      if (event === 'begin') faults[fault] = (faults[fault] ?? 0) + 1;
    }
    const events = ofKind(lines, 'instance').map(({ event, instanceId }) => `${event} ${instanceId}`);
    const instances = (event: string): number => new Set(events.filter((each) => each.startsWith(event))).size;
    return {
      broken: { ...broken(lines, findings, quietFromMs), ...this.#ended(lines) },
      faults,
      calls: countCalls(lines),
      instances: { started: instances('started'), ended: instances('ended') },
      activities: { executed: ofKind(lines, 'activity').length, repeated: repeatedActivities(lines) },
      takeoverMs: takeoverTimesMs(lines),
      takeoverAloneMs: takeoverTimesMs(lines, true),
    };
  }

  /** A host ends only when it is killed or stopped. */
  #ended(lines: readonly Line[]): Record<string, readonly string[]> {
    const told = new Set(
      ofKind(lines, 'fault')
        .filter(({ fault }) => fault === 'kill-host' || fault === 'restart-host')
        .map(({ target }) => target),
    );
    const lives = new Set(ofKind(lines, 'host').map(({ by }) => by));
    const present = new Set(this.hosts.running.map(({ by }) => by));
    const complaints = [...lives]
      .filter((by) => !told.has(by) && !present.has(by))
      .map((by) => `${by} has ended by itself`);
    return complaints.length > 0 ? { 'hosts go on': complaints } : {};
  }

  get elapsedMs(): number {
    return Date.now() - this.#startedAtMs;
  }

  async end(): Promise<void> {
    await this.hosts.end();
    await this.servers.end();
  }
}

/** What stands at this part of a sorted list. */
export function quantile(sorted: readonly number[], part: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** The verdict for people. */
export function report(verdict: Verdict): string {
  const { activities, broken: wrong, calls, faults, instances, takeoverAloneMs, takeoverMs } = verdict;
  const takeover = (times: readonly number[]): string => {
    const [p50, p99, longest] = [0.5, 0.99, 1].map((part) => `${quantile(times, part) ?? '-'} ms`);
    return `p50 ${p50}, p99 ${p99}, longest ${longest} (${times.length} partitions)`;
  };
  const { executed, repeated } = activities;
  const lines = [
    `faults: ${
      Object.entries(faults)
        .map(([fault, count]) => `${count} ${fault}`)
        .join(', ') || 'none'
    }`,
    `calls: ${calls.done} done, ${calls['not-executed']} not executed, ${calls.unknown} unknown (${calls.lost} of them by callers that died), ${calls.failed} failed`,
    `instances: ${instances.started} started, ${instances.ended} of them with somebody who waited to the end`,
    `activities: ${executed} executed, ${repeated.length} attempts more than once`,
    ...repeated
      .toSorted((a, b) => b.arrivals - a.arrivals)
      .slice(0, 10)
      .map(({ arrivals, faults, key }) => `  ${key}: ${arrivals} times, ${faults} faults in its window`),
    `takeover after a kill: ${takeover(takeoverMs)}`,
    `  while nothing else was wrong: ${takeover(takeoverAloneMs)}`,
  ];
  for (const [invariant, complaints] of Object.entries(wrong)) {
    lines.push(`BROKEN ${invariant}: ${complaints.length}`);
    lines.push(...complaints.slice(0, 10).map((complaint) => `  ${complaint}`));
  }
  if (Object.keys(wrong).length === 0) lines.push('no invariant is broken: nothing lost, nothing doubled');
  return lines.join('\n');
}
