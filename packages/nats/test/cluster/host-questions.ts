// What a test asks of a host: to begin and end its load, and at the end what it finds. Answers are plain data, for the way
// between processes.

import type { Placement } from '@troupe/actors';
import type { WorkflowHost } from '@troupe/workflow';
import type { FoundInstance } from './checkers.ts';
import type { Ledger } from './ledger.ts';
import { Load, type LoadOptions } from './load.ts';
import { IDS_PAGE, type Workload } from './workload.ts';

/** Instances that are asked for at once. */
const INSTANCES_AT_ONCE = 50;
/** Instances that are named of those that have not ended. */
const RUNNING_NAMED_MAX = 1_000;

export interface HostReport {
  readonly hostId: string;
  readonly ready: boolean;
  readonly reason: string | undefined;
  readonly partitions: number;
  readonly members: readonly string[];
  readonly serving: boolean | undefined;
  /** Bytes that this process has. */
  readonly memoryBytes: number;
}

export class HostQuestions {
  readonly #host: WorkflowHost;
  readonly #workload: Workload;
  readonly #ledger: Ledger;
  readonly #placement: () => Placement | undefined;
  #load: Load | undefined;

  constructor(host: WorkflowHost, work: Workload, ledger: Ledger, placement: () => Placement | undefined) {
    this.#host = host;
    this.#workload = work;
    this.#ledger = ledger;
    this.#placement = placement;
  }

  report(): HostReport {
    const { ready, reason } = this.#host.status();
    return {
      hostId: this.#host.actors.hostId,
      ready,
      reason,
      partitions: this.#host.actors.status().partitions,
      members: this.#host.actors.members().map(({ hostId }) => hostId),
      serving: this.#placement()?.serving,
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  /** Begins a load; one that runs is replaced. */
  async startLoad(options: LoadOptions): Promise<void> {
    await this.stopLoad();
    this.#load = new Load(this.#host, this.#workload, this.#ledger, options);
    this.#load.start();
  }

  /** Resolves when every call that was out has ended. */
  async stopLoad(): Promise<void> {
    const load = this.#load;
    this.#load = undefined;
    await load?.stop();
  }

  /** Adds to every counter once, each of these calls in the ledger. */
  async probe(name: string, actors: number): Promise<void> {
    const load = new Load(this.#host, this.#workload, this.#ledger, { ...NO_LOAD, name, actors });
    await Promise.all(Array.from({ length: actors }, (_, id) => load.add(String(id))));
  }

  /** Every call that a counter has taken. */
  async counter(id: string): Promise<readonly string[]> {
    const counter = this.#host.actors.actor(this.#workload.counter, id);
    return await all((from) => counter.ids(from));
  }

  async alarm(id: string): Promise<readonly string[]> {
    const alarm = this.#host.actors.actor(this.#workload.alarm, id);
    return await all((from) => alarm.log(from));
  }

  /** Null: there is none. */
  async instances(ids: readonly string[]): Promise<readonly (FoundInstance | null)[]> {
    const found: (FoundInstance | null)[] = [];
    for (let from = 0; from < ids.length; from += INSTANCES_AT_ONCE) {
      const some = ids.slice(from, from + INSTANCES_AT_ONCE).map(async (id) => {
        const instance = await this.#host.workflows.get(id);
        return instance === undefined ? null : { status: instance.runtimeStatus, output: instance.output };
      });
      found.push(...(await Promise.all(some)));
    }
    return found;
  }

  /** Instances that have not ended, children among them, as lists show them. */
  async unfinished(): Promise<readonly string[]> {
    const { instances } = await this.#host.workflows.list({
      status: ['pending', 'running', 'suspended', 'stalled'],
      limit: RUNNING_NAMED_MAX,
    });
    return instances.map(({ instanceId, runtimeStatus }) => `${instanceId} ${runtimeStatus}`);
  }
}

const NO_LOAD = { callers: 0, pauseMs: 0, instances: 0, paceMs: 0, seed: 0 };

async function all(page: (from: number) => Promise<readonly string[]>): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const more = await page(found.length);
    found.push(...more);
    if (more.length < IDS_PAGE) return found;
  }
}
