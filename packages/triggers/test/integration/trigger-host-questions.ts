// What a test asks of a host with a trigger. Answers are plain data, for the way between processes.

import { isTerminal, type InstanceSummary, type WorkflowHost } from '@troupe/workflow';
import type { TriggerEvent, Triggers } from '../../src/index.ts';
import type { ObservedSource } from './observed-source.ts';
import type { ShiftedClock } from './shifted-clock.ts';
import type { FoundDeadLetter, FoundEnding, FoundInstance, TriggerHostReport } from './trigger-host-settings.ts';

/** Instances that are asked for at once. */
const INSTANCES_AT_ONCE = 100;
const PAGE_LIMIT = 1_000;

export class TriggerHostQuestions {
  readonly #host: WorkflowHost;
  readonly #triggers: Triggers;
  readonly #name: string;
  readonly #source: ObservedSource;
  readonly #url: string;
  readonly #clock: ShiftedClock;

  constructor(
    host: WorkflowHost,
    triggers: Triggers,
    name: string,
    source: ObservedSource,
    url: string,
    clock: ShiftedClock,
  ) {
    this.#host = host;
    this.#triggers = triggers;
    this.#name = name;
    this.#source = source;
    this.#url = url;
    this.#clock = clock;
  }

  report(): TriggerHostReport {
    return {
      ...this.#source.observed(),
      hostId: this.#host.actors.hostId,
      ready: this.#host.status().ready,
      wakeUps: this.#host.actors.status().wakeUps,
      url: this.#url,
    };
  }

  /** How many there are of a workflow, and how many of them have ended. */
  async progress(workflowName: string): Promise<{ readonly all: number; readonly ended: number }> {
    const counts = Object.entries(await this.#host.workflows.count({ workflowName }));
    const sum = (rows: typeof counts): number => rows.reduce((total, [, count]) => total + count, 0);
    return {
      all: sum(counts),
      ended: sum(counts.filter(([status]) => isTerminal(status as InstanceSummary['runtimeStatus']))),
    };
  }

  async instances(workflowName: string): Promise<readonly FoundInstance[]> {
    const rows: InstanceSummary[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#host.workflows.list({ workflowName, limit: PAGE_LIMIT, cursor });
      rows.push(...page.instances);
      ({ cursor } = page);
    } while (cursor !== undefined);
    const found: FoundInstance[] = [];
    for (let from = 0; from < rows.length; from += INSTANCES_AT_ONCE) {
      const some = rows.slice(from, from + INSTANCES_AT_ONCE);
      found.push(...(await Promise.all(some.map(({ instanceId }) => this.#found(instanceId)))));
    }
    return found;
  }

  async deadLetters(): Promise<readonly FoundDeadLetter[]> {
    const found: FoundDeadLetter[] = [];
    for await (const { attempts, error, event, id, reason } of this.#triggers.allDeadLetters(this.#name)) {
      const named = event && { source: event.source, id: event.id, value: event.data };
      found.push({ id, reason, attempts, error: { name: error.name, message: error.message }, event: named });
    }
    return found;
  }

  /** Gives the outcome. */
  async retry(deadLetterId: string): Promise<string> {
    return (await this.#triggers.retryDeadLetter(this.#name, deadLetterId)).outcome;
  }

  /** What would be done with an event. */
  async dryRun(event: TriggerEvent): Promise<string> {
    return (await this.#triggers.dryRun(this.#name, { event })).would;
  }

  /** Starts an instance, unless it is there. */
  async start(workflow: string, instanceId: string, input: unknown): Promise<void> {
    await this.#host.workflows.start(workflow, { instanceId, input, ifExists: 'attach' });
  }

  async result(instanceId: string): Promise<unknown> {
    return await this.#host.workflows.result(instanceId);
  }

  /** What tells the ending of an instance from others; waits for it. */
  async ended(instanceId: string): Promise<FoundEnding> {
    await this.#host.workflows.result(instanceId);
    const { completedAt, executionId } = (await this.#host.workflows.get(instanceId))!;
    return { executionId, endedAtMs: completedAt!.getTime() };
  }

  shiftClock(byMs: number): void {
    this.#clock.shift(byMs);
  }

  async #found(instanceId: string): Promise<FoundInstance> {
    const [metadata, history] = await Promise.all([
      this.#host.workflows.get(instanceId),
      this.#host.workflows.history(instanceId),
    ]);
    if (metadata === undefined) throw new Error(`instance ${instanceId} is listed and not there`);
    const { executionId, input, output, runtimeStatus, workflowName } = metadata;
    const starts = history.events.filter(({ type }) => type === 'WorkflowStarted').length;
    return { instanceId, workflowName, status: runtimeStatus, input, output, executionId, starts };
  }
}
