// Which workers there are, on this host and on the others: what each host's workers may run. Hosts tell each other, since
// workers come and go while a host announces itself once. A hint, like all of placement.
//
// D1  Each other host is told until it has heard the latest; one message is on its way to it at a time.
// D2  What an older message says is not taken for news.
// D3  Only what members told counts. What others told is kept for a while: hosts do not see each other come and go at once,
//     and one that sees this one all the while has no reason to tell it again.

import { actor, type ActorHost, type Clock, type HostId } from '@troupe/actors';
import { CoveredCode } from './covered-code.ts';
import { ABSENT_HOSTS_MAX, TELL_WORKERS_AGAIN_MS, TELL_WORKERS_TIMEOUT_MS } from '../limits.ts';
import { weightOf } from '../placement-weight.ts';
import type { WorkKind } from './pooled-item.ts';
import type { WorkerSummary } from './worker-pool.ts';

/** What the workers of one host may run. */
type Covered = Readonly<Record<WorkKind, CoveredCode>>;

/** What another host told. */
interface Told {
  readonly covered: Covered;
  readonly edition: number;
}

const NO_WORKERS: WorkerSummary = { workflows: [], activities: [], entities: [] };

/** What the directory needs of its host. */
export interface WorkerDirectoryServices {
  readonly host: ActorHost;
  readonly workers: WorkersActor;
}

export class WorkerDirectory {
  readonly #clock: Clock;
  readonly #services: () => WorkerDirectoryServices;
  readonly #onChanged: () => void;
  #own = NO_WORKERS;
  #ownCovered = coveredBy(NO_WORKERS);
  /** Rises with each change of it. */
  #edition = 0;
  readonly #peers = new Map<HostId, Told>();
  /** Of hosts that are no members, as far as this one knows: those that were told of last come last. */
  readonly #absent = new Map<HostId, Told>();
  #members: ReadonlySet<HostId> = new Set();
  /** Which edition each of the others has heard, and those that are being told. */
  readonly #heard = new Map<HostId, number>();
  readonly #telling = new Set<HostId>();
  #stopped = false;

  /** @param onChanged workers may be there that were not */
  constructor(parts: { clock: Clock; services: () => WorkerDirectoryServices; onChanged: () => void }) {
    this.#clock = parts.clock;
    this.#services = parts.services;
    this.#onChanged = parts.onChanged;
  }

  /** Whether anybody's workers may run it; an empty version is any. */
  mayRun(kind: WorkKind, name: string, version: string): boolean {
    if (this.#ownCovered[kind].covers(name, version)) return true;
    for (const { covered } of this.#peers.values()) if (covered[kind].covers(name, version)) return true;
    return false;
  }

  /** Whether the workers of another host may. */
  peerMayRun(hostId: HostId, kind: WorkKind, name: string, version: string): boolean {
    return this.#peers.get(hostId)?.covered[kind].covers(name, version) === true;
  }

  /** The other host whose workers are to run it: the same for the same key, as long as it can. */
  peerFor(kind: WorkKind, name: string, version: string, key: string): HostId | undefined {
    let best: HostId | undefined;
    let bestWeight = -1;
    for (const [hostId, { covered }] of this.#peers) {
      if (!covered[kind].covers(name, version)) continue;
      const weight = weightOf(hostId, key);
      if (weight > bestWeight) [best, bestWeight] = [hostId, weight];
    }
    return best;
  }

  /** What the workers of this host may run has changed. */
  ownChanged(summary: WorkerSummary): void {
    this.#own = summary;
    this.#ownCovered = coveredBy(summary);
    this.#edition += 1;
    this.#tellAll();
    this.#onChanged();
  }

  /** Hosts have come or gone. */
  membersChanged(): void {
    const members = new Set(
      this.#services()
        .host.members()
        .map(({ hostId }) => hostId),
    );
    this.#members = members;
    for (const [hostId, told] of this.#peers) if (!members.has(hostId)) this.#keep(hostId, told);
    for (const hostId of this.#heard.keys()) if (!members.has(hostId)) this.#heard.delete(hostId);
    const back = [...this.#absent].filter(([hostId]) => members.has(hostId));
    for (const [hostId, told] of back) this.#keep(hostId, told);
    this.#tellAll();
    if (back.length > 0) this.#onChanged();
  }

  /** Another host tells what its workers may run. */
  told(from: HostId, edition: number, summary: WorkerSummary): void {
    const known = this.#peers.get(from) ?? this.#absent.get(from);
    if (known !== undefined && known.edition >= edition) return;
    this.#keep(from, { covered: coveredBy(summary), edition });
    this.#onChanged();
  }

  /** D3 */
  #keep(hostId: HostId, told: Told): void {
    this.#peers.delete(hostId);
    this.#absent.delete(hostId);
    if (this.#members.has(hostId)) {
      this.#peers.set(hostId, told);
      return;
    }
    this.#absent.set(hostId, told);
    if (this.#absent.size <= ABSENT_HOSTS_MAX) return;
    const [longestAbsent] = this.#absent.keys();
    this.#absent.delete(longestAbsent!);
  }

  #tellAll(): void {
    // Who never had workers has nothing to tell.
    if (this.#edition === 0 || this.#stopped) return;
    const { host } = this.#services();
    for (const { hostId } of host.members()) if (hostId !== host.hostId) this.#tell(hostId);
  }

  /** D1 */
  #tell(hostId: HostId): void {
    const edition = this.#edition;
    if (this.#telling.has(hostId) || this.#heard.get(hostId) === edition) return;
    this.#telling.add(hostId);
    const { host, workers } = this.#services();
    host
      .actor(workers, hostId, { timeoutMs: TELL_WORKERS_TIMEOUT_MS })
      .told(host.hostId, edition, this.#own)
      .then(
        () => {
          this.#telling.delete(hostId);
          this.#heard.set(hostId, edition);
          this.#tellAll();
        },
        () => {
          // A host that is gone is no member soon.
          this.#clock.setTimeout(() => {
            this.#telling.delete(hostId);
            this.#tellAll();
          }, TELL_WORKERS_AGAIN_MS);
        },
      );
  }

  stop(): void {
    this.#stopped = true;
  }
}

function coveredBy({ workflows, activities, entities }: WorkerSummary): Covered {
  return {
    workflow: new CoveredCode(workflows),
    activity: new CoveredCode(activities),
    entity: new CoveredCode(entities),
  };
}

/** The host actor by which hosts tell each other of their workers. */
export function workersActor(directory: () => WorkerDirectory) {
  return actor('troupe.workers', {
    hostBound: true,
    methods: {
      told: (_ctx, from: HostId, edition: number, summary: WorkerSummary) => directory().told(from, edition, summary),
    },
  });
}

export type WorkersActor = ReturnType<typeof workersActor>;
