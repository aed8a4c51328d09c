// Callers in a host process: some call actors, one after the other, and some keep workflow instances in flight. Whatever
// they do and hear is in the ledger.

import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotExecutedError, OutcomeUnknownError } from '@troupe/actors';
import { SeededRandom } from '@troupe/actors/testing';
import { InstanceNotFoundError, type WorkflowHost } from '@troupe/workflow';
import type { Ledger, Outcome } from './ledger.ts';
import type { Workload } from './workload.ts';

export interface LoadOptions {
  /** Names this life of the process: begins every id. */
  readonly name: string;
  /** Callers of actors. */
  readonly callers: number;
  /** Counters, and as many alarms. */
  readonly actors: number;
  /** Between two calls of a caller. */
  readonly pauseMs: number;
  /** Instances that are kept in flight. */
  readonly instances: number;
  /** How long the timers of an instance are. */
  readonly paceMs: number;
  readonly seed: number;
}

const CALL_TIMEOUT_MS = 30_000;
/** Before what was not executed is asked again, where the caller asks again. */
const AGAIN_MS = 100;
const REMINDER_MS_MAX = 3_000;
/** Of a hundred calls. */
const READS = 30;
const ALARMS = 10;

export class Load {
  readonly #host: WorkflowHost;
  readonly #workload: Workload;
  readonly #ledger: Ledger;
  readonly #options: LoadOptions;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>[] = [];
  #calls = 0;
  #instances = 0;

  constructor(host: WorkflowHost, work: Workload, ledger: Ledger, options: LoadOptions) {
    this.#host = host;
    this.#workload = work;
    this.#ledger = ledger;
    this.#options = options;
    // Each caller listens.
    setMaxListeners(0, this.#ending.signal);
  }

  start(): void {
    for (let index = 0; index < this.#options.callers; index++) this.#running.push(this.#caller(index));
    for (let index = 0; index < this.#options.instances; index++) this.#running.push(this.#keepInFlight(index));
  }

  /** Begins nothing more, and waits for the calls that are out; instances go on without anybody who waits. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#running);
  }

  get #ended(): boolean {
    return this.#ending.signal.aborted;
  }

  async #pause(ms: number): Promise<void> {
    // Aborted: the load ends.
    await sleep(ms, undefined, { signal: this.#ending.signal }).catch(() => {});
  }

  async #caller(index: number): Promise<void> {
    const random = new SeededRandom(this.#options.seed * 1_000 + index).next;
    const { actors, pauseMs } = this.#options;
    let reminder: string | undefined;
    while (!this.#ended) {
      const id = String(Math.floor(random() * actors));
      const draw = random() * 100;
      if (draw < READS) await this.read(id);
      else if (draw >= READS + ALARMS) await this.add(id);
      else if (reminder !== undefined && draw < READS + ALARMS / 4) {
        await this.#cancel(reminder);
        reminder = undefined;
      } else reminder = await this.#set(id, Math.floor(random() * REMINDER_MS_MAX));
      await this.#pause(pauseMs * 2 * random());
    }
  }

  async add(id: string): Promise<Outcome> {
    return await this.#call(`counter/${id}`, 'add', (call) => this.#counter(id).add(call));
  }

  async read(id: string): Promise<Outcome> {
    return await this.#call(`counter/${id}`, 'last', (call) => this.#counter(id).last(call));
  }

  /** The alarm and the name of a reminder that was set for certain. */
  async #set(id: string, delayMs: number): Promise<string | undefined> {
    let name = '';
    const outcome = await this.#call(`alarm/${id}`, 'set', (call) => {
      name = call;
      return this.#alarm(id).set(call, delayMs);
    });
    return outcome === 'done' ? `${id} ${name}` : undefined;
  }

  async #cancel(reminder: string): Promise<void> {
    const [id, name] = reminder.split(' ') as [string, string];
    await this.#call(`alarm/${id}`, `cancel ${name}`, (call) => this.#alarm(id).cancel(call, name));
  }

  #counter(id: string) {
    return this.#host.actors.actor(this.#workload.counter, id, { timeoutMs: CALL_TIMEOUT_MS });
  }

  #alarm(id: string) {
    return this.#host.actors.actor(this.#workload.alarm, id, { timeoutMs: CALL_TIMEOUT_MS });
  }

  async #call(actor: string, method: string, begin: (call: string) => Promise<unknown>): Promise<Outcome> {
    const call = `${this.#options.name}-${++this.#calls}`;
    this.#ledger.write({ kind: 'call', call, actor, method });
    try {
      const value = await begin(call);
      this.#ledger.write({ kind: 'answer', call, outcome: 'done', ...(value === undefined ? {} : { value }) });
      return 'done';
    } catch (error) {
      const outcome = outcomeOf(error);
      this.#ledger.write({ kind: 'answer', call, outcome, error: String(error) });
      return outcome;
    }
  }

  async #keepInFlight(index: number): Promise<void> {
    const random = new SeededRandom(this.#options.seed * 1_000_000 + index).next;
    // Not all at once.
    await this.#pause(random() * this.#options.paceMs);
    while (!this.#ended) {
      const number = this.#options.instances * this.#instances++ + index;
      const instanceId = `${this.#options.name}.${number}`;
      this.#ledger.write({ kind: 'instance', event: 'starting', instanceId });
      const input = { number, paceMs: Math.floor(this.#options.paceMs * (0.5 + random())) };
      const started = await this.#insist(() =>
        this.#host.workflows.start(this.#workload.journey, { instanceId, input, ifExists: 'attach' }),
      );
      if (started === undefined) return;
      this.#ledger.write({ kind: 'instance', event: 'started', instanceId });
      const end = await this.#insist(async () => {
        const found = await this.#host.workflows.wait(instanceId, { signal: this.#ending.signal });
        // An acknowledged start was lost: the audit says so.
        if (found === undefined) throw new InstanceNotFoundError(instanceId);
        return found;
      });
      if (end === undefined) return;
      const { runtimeStatus: status, output } = end;
      this.#ledger.write({ kind: 'instance', event: 'ended', instanceId, status, output });
    }
  }

  /** Asks again as long as it fails, until the load ends: then undefined. */
  async #insist<T>(ask: () => Promise<T>): Promise<T | undefined> {
    while (!this.#ended) {
      try {
        const value = await ask();
        return this.#ended ? undefined : value;
      } catch (error) {
        if (this.#ended) return undefined;
        if (error instanceof InstanceNotFoundError) return undefined;
        this.#ledger.write({ kind: 'trouble', error: String(error) });
        await this.#pause(AGAIN_MS);
      }
    }
    return undefined;
  }
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof NotExecutedError) return 'not-executed';
  if (error instanceof OutcomeUnknownError) return 'unknown';
  return 'failed';
}
