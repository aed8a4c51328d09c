// The mixed load of the soak: everything that can be done with instances and actors, in random order, each with its
// outcome checked. Ids come from a small pool and are used again as soon as they are purged: caches of what was seen once
// stay small, and a life after a purge is what most instances live.

import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  InstanceNotEndedError,
  InstanceNotFoundError,
  WorkflowFailedError,
  WorkflowTerminatedError,
  type WorkflowClient,
  type WorkflowHost,
} from '@troupe/workflow';
import {
  countdown,
  impatient,
  ledger,
  listener,
  nap,
  parent,
  patientParent,
  retrying,
  shortLived,
  spread,
  steps,
} from './soak-workflows.ts';

/** An idle activation of the soak is ended after this long; some instances sleep longer and are replayed. */
export const SOAK_IDLE_TIMEOUT_MS = 500;

const WORKERS = 128;
/** Ids of each worker and kind. */
const IDS = 4;
/** Longer than a run of the test, shorter than what the host looks ahead: what is left of such a timer is seen. */
const MINUTES_MS = 4 * 60_000;

interface Worker {
  readonly host: WorkflowHost;
  readonly workflows: WorkflowClient;
  /** An integer from 0 to below `limit`. */
  readonly below: (limit: number) => number;
  /** An id that this worker does not use at the moment. */
  readonly id: (kind: string) => string;
}

type Scenario = (worker: Worker) => Promise<unknown>;

/** Runs until told to stop. */
export class SoakLoad {
  readonly #host: WorkflowHost;
  readonly #random: () => number;
  readonly #done: Record<string, number> = {};
  readonly #running = new Map<number, string>();
  #stopping = false;

  constructor(host: WorkflowHost, random: () => number) {
    this.#host = host;
    this.#random = random;
  }

  /** How often each scenario was gone through. */
  get done(): Readonly<Record<string, number>> {
    return this.#done;
  }

  /** The scenarios that are being gone through. */
  get running(): readonly string[] {
    return [...this.#running.values()];
  }

  /** Resolves when all have come to an end after `stop`; rejects then when an outcome was not what it must be. */
  async run(): Promise<void> {
    const workers = Array.from({ length: WORKERS }, (_, number) => this.#work(number));
    const ended = await Promise.allSettled([...workers, this.#clean()]);
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  }

  /** Begins nothing more. */
  stop(): void {
    this.#stopping = true;
  }

  async #work(number: number): Promise<void> {
    const below = (limit: number): number => Math.floor(this.#random() * limit);
    const worker: Worker = {
      host: this.#host,
      workflows: this.#host.workflows,
      below,
      id: (kind) => `${kind}-${number}-${below(IDS)}`,
    };
    try {
      while (!this.#stopping) {
        const [name, scenario] = SCENARIOS[below(SCENARIOS.length)]!;
        this.#running.set(number, name);
        await scenario(worker);
        this.#done[name] = (this.#done[name] ?? 0) + 1;
      }
    } catch (error) {
      this.#stopping = true;
      throw error;
    } finally {
      this.#running.delete(number);
    }
  }

  /** Purges what workers have left behind once it has ended. */
  async #clean(): Promise<void> {
    const { workflows } = this.#host;
    while (!this.#stopping) {
      const { instances } = await workflows.list({ idPrefix: 'left-', status: 'completed', limit: 1_000 });
      for (const { instanceId } of instances) {
        await workflows.purge(instanceId).catch((error: unknown) => {
          // It was started again meanwhile.
          if (!(error instanceof InstanceNotEndedError)) throw error;
        });
      }
      await sleep(1_000);
    }
  }
}

const SCENARIOS: readonly (readonly [string, Scenario])[] = Object.entries({
  async sequence({ workflows, below, id }) {
    const count = 1 + below(10);
    const instance = await workflows.start(steps, { instanceId: id('steps'), input: count });
    strictEqual(await instance.result(), (count * (count + 1)) / 2);
    await instance.purge();
  },
  async fanOut({ workflows, below, id }) {
    const width = 1 + below(50);
    const instance = await workflows.start(spread, { instanceId: id('spread'), input: width });
    strictEqual(await instance.result(), width);
    await instance.purge();
  },
  async timer({ workflows, below, id }) {
    const instance = await workflows.start(nap, { instanceId: id('nap'), input: below(100) });
    await instance.result();
    await instance.purge();
  },
  async cancelledTimer({ workflows, id }) {
    const instance = await workflows.start(nap, { instanceId: id('nap'), input: MINUTES_MS });
    await instance.terminate({ output: 'enough' });
    await rejects(instance.result(), WorkflowTerminatedError);
    await instance.purge();
  },
  async events({ workflows, below, id }) {
    const count = 1 + below(5);
    const instance = await workflows.start(listener, { instanceId: id('listener'), input: count });
    const key = `key-${below(1_000_000)}`;
    for (let sent = 0; sent < count; sent++) {
      const options = { idempotencyKey: `${key}-${sent}` };
      await instance.raiseEvent('number', 1, options);
      if (sent === 0 && count > 1) await instance.raiseEvent('NUMBER', 1, options);
    }
    strictEqual(await instance.result(), count);
    await instance.purge();
  },
  async lateEvent({ workflows, below, id }) {
    const instance = await workflows.start(impatient, { instanceId: id('impatient'), input: below(30) });
    strictEqual(await instance.result(), 'too late');
    await instance.purge();
  },
  /** Longer than an activation is kept: the event meets a replay. */
  async sleeper({ workflows, id }) {
    const instance = await workflows.start(listener, { instanceId: id('sleeper'), input: 1 });
    await sleep(3 * SOAK_IDLE_TIMEOUT_MS);
    await instance.raiseEvent('number', 7);
    strictEqual(await instance.result(), 7);
    await instance.purge();
  },
  async children({ workflows, below, id }) {
    const children = 1 + below(4);
    const instance = await workflows.start(parent, { instanceId: id('parent'), input: children });
    strictEqual(await instance.result(), children);
    await instance.purge({ recursive: true });
  },
  async terminatedTree({ workflows, below, id }) {
    const instance = await workflows.start(patientParent, { instanceId: id('patient'), input: 1 + below(3) });
    await instance.terminate({ recursive: true });
    await rejects(instance.result(), WorkflowTerminatedError);
    await instance.purge({ recursive: true, force: true });
  },
  async continueAsNew({ workflows, below, id }) {
    const rounds = below(6);
    const instance = await workflows.start(countdown, { instanceId: id('countdown'), input: rounds });
    for (let round = 0; round < rounds; round++) await instance.raiseEvent('go on');
    strictEqual(await instance.result(), 'done');
    await instance.purge();
  },
  async suspended({ workflows, id }) {
    const instance = await workflows.start(listener, { instanceId: id('suspended'), input: 1 });
    await instance.suspend();
    await instance.raiseEvent('number', 3);
    strictEqual((await instance.get())?.runtimeStatus, 'suspended');
    await instance.resume();
    strictEqual(await instance.result(), 3);
    await instance.purge();
  },
  async retries({ workflows, below, id }) {
    const failures = below(4);
    const instance = await workflows.start(retrying, { instanceId: id('retrying'), input: failures });
    if (failures < 3) strictEqual(await instance.result(), failures + 1);
    else await rejects(instance.result(), WorkflowFailedError);
    await instance.purge();
  },
  /** Waits that are given up before the end. */
  async waits({ workflows, id }) {
    const instance = await workflows.start(listener, { instanceId: id('awaited'), input: 1 });
    for (let wait = 0; wait < 5; wait++) await instance.wait({ timeoutMs: 2 });
    const aborted = new AbortController();
    const waiting = instance.wait({ signal: aborted.signal }).catch((error: unknown) => error);
    aborted.abort();
    await waiting;
    await instance.raiseEvent('number', 1);
    strictEqual(await instance.result(), 1);
    await instance.purge();
  },
  async queries({ workflows, below, id }) {
    const instance = await workflows.start(steps, { instanceId: id('queried'), input: 2, tags: { kind: 'queried' } });
    await instance.result();
    const page = await workflows.list({ tags: { kind: 'queried' }, idPrefix: 'queried-', limit: 1 + below(50) });
    strictEqual(
      page.instances.every(({ workflowName }) => workflowName === 'steps'),
      true,
    );
    await workflows.count({ workflowName: 'steps' });
    const { events } = await instance.history();
    strictEqual(events.at(-1)?.type, 'WorkflowCompleted');
    strictEqual(await workflows.get(`nobody-${below(IDS)}`), undefined);
    await instance.purge();
    await rejects(instance.result(), InstanceNotFoundError);
  },
  /** The next one that starts under this id restarts it, whatever it does. */
  async left({ workflows, below, id }) {
    const instanceId = id('left');
    const ifExists = 'terminate-and-restart';
    if (below(2) === 0) await workflows.start(steps, { instanceId, input: 3, ifExists });
    else await workflows.start(nap, { instanceId, input: 20, ifExists });
  },
  async retention({ workflows, below, id }) {
    const instanceId = id('short');
    const value = below(100);
    const ifExists = 'restart-if-terminal';
    const instance = await workflows.start(shortLived, { instanceId, input: value, ifExists });
    strictEqual(await instance.result(), value);
  },
  async actors({ host, below, id }) {
    const [payer, payee] = [id('payer'), id('payee')];
    const [from, to] = [host.actors.actor(ledger, payer), host.actors.actor(ledger, payee)];
    const amount = 1 + below(9);
    strictEqual(await from.add(amount, payee), amount);
    if (below(2) === 0) await to.remind(below(50));
    // The purge waits for the send: nothing wakes the other one again after it.
    await from.remove();
    deepStrictEqual((await to.look()).total, amount);
    await to.remove();
  },
} satisfies Record<string, Scenario>);
