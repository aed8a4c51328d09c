// Who has which code: this host's own definitions, and what the other hosts announce. A hint like all of placement: whoever
// is asked on its word may be gone or have something else by now, and says so.

import type { ActorHost, HostId } from '@troupe/actors';
import { readAnnouncement, type AnnouncedCode, type AnnouncedVersion } from './announcement.ts';
import { NotRegisteredError } from './errors.ts';
import { nearestNames } from './name.ts';
import { weightOf } from './placement-weight.ts';
import { compareVersions, type Registry } from './registry.ts';
import type { WorkerDirectory } from './workers/worker-directory.ts';
import type { AnyWorkflow, Retention } from './workflow.ts';

/** One version of a workflow that can be run, here or elsewhere. */
export interface WorkflowCode {
  readonly name: string;
  readonly version: string;
  /** Undefined: only other hosts have it. */
  readonly definition: AnyWorkflow | undefined;
  /** Its input or one of its events has a schema. */
  readonly checked: boolean;
  readonly retention: Retention | undefined;
  /** Workers have it, on this host or another. */
  readonly onWorkers: boolean;
}

/** Another host that is taken for alive. */
export interface Peer {
  readonly hostId: HostId;
  readonly code: AnnouncedCode;
}

export class CodeDirectory {
  readonly #registry: Registry;
  readonly #workers: Pick<WorkerDirectory, 'mayRun'>;
  #peers: readonly Peer[] = [];
  /** Made once for each definition: every instance has one. */
  readonly #own = new Map<AnyWorkflow, WorkflowCode>();
  /** No other host is there: read wherever a host that is alone has nothing to look for. */
  alone = true;

  constructor(registry: Registry, workers: Pick<WorkerDirectory, 'mayRun'>) {
    this.#registry = registry;
    this.#workers = workers;
  }

  /** Hosts have come or gone. True: so it is since the last time. */
  refresh(host: ActorHost): boolean {
    const before = this.#peers;
    const known = new Map(before.map((peer) => [peer.hostId, peer]));
    // What a host announces stays as it is for as long as it lives.
    this.#peers = host
      .members()
      .filter(({ hostId }) => hostId !== host.hostId)
      .map(({ hostId, announcement }) => known.get(hostId) ?? { hostId, code: readAnnouncement(announcement) });
    this.alone = this.#peers.length === 0;
    return this.#peers.length !== before.length || this.#peers.some((peer) => !before.includes(peer));
  }

  get peers(): readonly Peer[] {
    return this.#peers;
  }

  isPeer(hostId: HostId): boolean {
    return this.#peers.some((peer) => peer.hostId === hostId);
  }

  /**
   * The newest version that anybody has, or the one named; this host's own if it has that. What no host has, workers may
   * have.
   */
  workflow(name: string, version?: string): WorkflowCode | undefined {
    const definition = this.#registry.workflow(name, version);
    if (this.alone || (version !== undefined && definition !== undefined))
      return this.#ownCode(definition) ?? this.onWorkers(name, version ?? '');
    let newest: AnnouncedVersion | undefined;
    for (const { code } of this.#peers) {
      for (const one of code.workflows.get(name) ?? []) {
        if (version !== undefined && one.version !== version) continue;
        if (newest === undefined || compareVersions(one.version, newest.version) > 0) newest = one;
      }
    }
    if (newest === undefined || (definition !== undefined && compareVersions(newest.version, definition.version) <= 0))
      return this.#ownCode(definition) ?? this.onWorkers(name, version ?? '');
    return { name, definition: undefined, onWorkers: false, ...newest };
  }

  /** What workers may have; an empty version is any. */
  onWorkers(name: string, version: string): WorkflowCode | undefined {
    if (!this.#workers.mayRun('workflow', name, version)) return undefined;
    return { name, version, definition: undefined, checked: false, retention: undefined, onWorkers: true };
  }

  #ownCode(definition: AnyWorkflow | undefined): WorkflowCode | undefined {
    if (definition === undefined) return undefined;
    let code = this.#own.get(definition);
    if (code === undefined) {
      const { name, version, options } = definition;
      const { input, retention } = options;
      code = { name, version, definition, checked: input !== undefined, retention, onWorkers: false };
      this.#own.set(definition, code);
    }
    return code;
  }

  /** Other hosts that have it, in an order that spreads instances over them. */
  hostsOf({ name, version }: Pick<WorkflowCode, 'name' | 'version'>, instanceId: string): readonly HostId[] {
    return this.#peers
      .filter(({ code }) => code.workflows.get(name)?.some((one) => one.version === version) === true)
      .map(({ hostId }) => ({ hostId, weight: weightOf(hostId, instanceId) }))
      .sort((a, b) => b.weight - a.weight)
      .map(({ hostId }) => hostId);
  }

  /** Whether another host has the definition. */
  activityIsRegistered(name: string): boolean {
    return this.#peers.some(({ code }) => code.activities.has(name));
  }

  workflowMissing(name: string, version?: string): NotRegisteredError {
    const versions = new Set(this.#registry.versionsOf(name));
    const names = new Set(this.#registry.listed().workflows.map((one) => one.name));
    for (const { code } of this.#peers) {
      for (const one of code.workflows.keys()) names.add(one);
      for (const one of code.workflows.get(name) ?? []) versions.add(one.version);
    }
    if (versions.size === 0 || version === undefined || version === '')
      return new NotRegisteredError('workflow', name, nearestNames(name, [...names]));
    const sorted = [...versions].sort(compareVersions);
    return new NotRegisteredError(
      'workflow',
      `${name} in version ${version}`,
      sorted.map((one) => `${name} ${one}`),
    );
  }

  activityMissing(name: string): NotRegisteredError {
    const names = new Set(this.#registry.listed().activities);
    for (const { code } of this.#peers) for (const one of code.activities) names.add(one);
    return new NotRegisteredError('activity', name, nearestNames(name, [...names]));
  }
}
