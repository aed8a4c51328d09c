// The worker pool under anything that workers and the engine may do, in any order, against a model that knows only what was
// offered and what was sent.

import { forEachSeed, SeededRandom } from '@troupe/actors/testing';
import { expect, test } from 'vitest';
import type { CodeFilter, WorkerFilters, WorkItem } from '../src/workers/worker-port.ts';
import {
  given,
  idOf,
  offerActivity,
  offerTurn,
  poolFixture,
  TestWorker,
  type Fate,
  type PoolFixture,
  type RequestOptions,
} from './worker-pool-kit.ts';

const STEPS = 200;
const SEEDS = 15;
const NAMES = ['a', 'b', 'c'];
const TURN_LEASE_MS = 5_000;
const ACTIVITY_LEASE_MS = 20_000;

/** What was offered and has not ended, as far as the model knows. */
interface Open {
  readonly kind: WorkItem['kind'];
  readonly instanceId: string;
  readonly sequence: number;
  readonly name: string;
  readonly version: string;
  fate: Fate;
  /** It has been out: it may avoid a worker now. */
  sent: boolean;
}

class Model {
  readonly #random: SeededRandom;
  readonly #fixture: PoolFixture = poolFixture({ turnLeaseMs: TURN_LEASE_MS, activityLeaseMs: ACTIVITY_LEASE_MS });
  readonly #open = new Map<string, Open>();
  readonly #withdrawn: Fate[] = [];
  readonly #replaced: Fate[] = [];
  readonly #workers: TestWorker[] = [];
  readonly #tokens = new Set<string>();
  /** Items that were sent, answered or not. */
  readonly #sent: WorkItem[] = [];
  readonly counts = { answered: 0, lost: 0, withdrawn: 0, replaced: 0, refused: 0, abandoned: 0, again: 0 };

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      await this.#step();
      this.#check();
    }
    await this.#end();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const chosen = random.integer(0, 99);
    if (chosen < 35) this.#offer();
    else if (chosen < 60) this.#answer();
    else if (chosen < 67) this.#abandon();
    else if (chosen < 72) this.#withdraw();
    else if (chosen < 77) this.#connect();
    else if (chosen < 80) this.#closeOne();
    else if (chosen < 97) await this.#fixture.clock.advance(random.integer(1, 1_500));
    else await this.#fixture.clock.advance(random.integer(1, 2 * ACTIVITY_LEASE_MS));
    // Now and then several things come together.
    if (random.chance(0.7)) await given();
  }

  #offer(): void {
    const random = this.#random;
    const kind = random.pick(['workflow', 'activity'] as const);
    const instanceId = `i${random.integer(0, 7)}`;
    const sequence = kind === 'workflow' ? -1 : random.integer(0, 3);
    const key = `${kind} ${instanceId} ${sequence}`;
    const former = this.#open.get(key);
    if (former !== undefined) {
      this.#open.delete(key);
      this.#replaced.push(former.fate);
    }
    const name = random.pick(NAMES);
    const version = random.pick(['', '1', '2']);
    const open: Open = {
      kind,
      instanceId,
      sequence,
      name,
      version,
      fate: { ends: [], withdraw: () => {} },
      sent: false,
    };
    this.#open.set(key, open);
    const options: RequestOptions = {
      name,
      version,
      sequence,
      onEnd: (end) => {
        if (end === 'replaced') {
          expect(this.#open.get(key), 'nothing has taken its place').not.toBe(open);
          this.counts.replaced += 1;
          return;
        }
        expect(this.#open.get(key), 'what has ended is not heard of again').toBe(open);
        if (end === 'lost') expect(this.#mayTake(open), 'lost while a worker may take it').toEqual([]);
        this.#open.delete(key);
        this.counts[end] += 1;
      },
    };
    open.fate =
      kind === 'workflow'
        ? offerTurn(this.#fixture, instanceId, options)
        : offerActivity(this.#fixture, instanceId, options);
  }

  #over(key: string, open: Open): void {
    this.#open.delete(key);
    this.#withdrawn.push(open.fate);
    this.counts.withdrawn += 1;
  }

  #withdraw(): void {
    if (this.#open.size === 0) return;
    const [key, open] = this.#random.pick([...this.#open]);
    this.#over(key, open);
    open.fate.withdraw();
  }

  #connect(unfiltered = this.#random.chance(0.4)): void {
    const random = this.#random;
    const list = (): CodeFilter[] =>
      NAMES.filter(() => random.chance(0.5)).map((name) => ({ name, versions: random.chance(0.5) ? [] : ['1'] }));
    const filters: Partial<WorkerFilters> = unfiltered ? {} : { workflows: list(), activities: list() };
    // So few that none is left for the other kind.
    const caps = {
      workflowsMax: random.integer(1, 3),
      activitiesMax: random.integer(1, 3),
      itemsMax: random.integer(1, 5),
    };
    const worker: TestWorker = new TestWorker(this.#fixture, {
      ...filters,
      ...caps,
      keepsHistory: random.chance(0.5),
      onItem: (item) => this.#received(worker, item),
    });
    this.#workers.push(worker);
  }

  #closeOne(): void {
    if (this.#workers.length > 0)
      this.#workers.splice(this.#random.integer(0, this.#workers.length - 1), 1)[0]!.close();
  }

  #received(worker: TestWorker, item: WorkItem): void {
    const open = this.#openOf(item);
    expect(open, 'sent what nobody asks for').toBeDefined();
    expect(this.#takes(worker, open!), 'sent what the worker does not take').toBe(true);
    expect(this.#tokens.has(item.token)).toBe(false);
    this.#tokens.add(item.token);
    if (open!.sent) this.counts.again += 1;
    open!.sent = true;
    this.#sent.push(item);
    // Some workers do all at once.
    const chosen = this.#random.integer(0, 99);
    if (chosen < 10) expect(worker.answer(item)).toBe(true);
    else if (chosen < 12) expect(this.#fixture.pool.abandon(item.token)).toBe(true);
    else if (chosen < 14 && this.#workers.includes(worker)) {
      this.#workers.splice(this.#workers.indexOf(worker), 1);
      worker.close();
    }
  }

  #openOf(item: WorkItem): Open | undefined {
    return this.#open.get(`${item.kind} ${idOf(item)} ${item.kind === 'activity' ? item.sequence : -1}`);
  }

  /** Any item that was ever sent, most often a late one. */
  #answer(): void {
    if (this.#sent.length === 0) return;
    const item = this.#random.pick(this.#sent.slice(-20));
    const open = this.#openOf(item);
    const counts = open !== undefined && this.#inHand(open)?.item.token === item.token;
    expect(this.#workers[0]?.answer(item) ?? counts).toBe(counts);
    if (!counts) this.counts.refused += 1;
    else if (this.#workers.length > 0) expect(open.fate.ends).toEqual(['answered']);
  }

  #abandon(): void {
    if (this.#sent.length === 0) return;
    const item = this.#random.pick(this.#sent.slice(-10));
    const open = this.#openOf(item);
    const counts = open !== undefined && this.#inHand(open)?.item.token === item.token;
    expect(this.#fixture.pool.abandon(item.token)).toBe(counts);
    if (counts) this.counts.abandoned += 1;
  }

  #inHand({ kind, instanceId, sequence }: Open) {
    const { pool } = this.#fixture;
    return kind === 'workflow' ? pool.turnInHand(instanceId) : pool.activityInHand(instanceId, sequence);
  }

  #takes({ filters }: TestWorker, { kind, name, version }: Open): boolean {
    if (filters === undefined) return true;
    const list = kind === 'workflow' ? filters.workflows : filters.activities;
    return list.some(
      (one) => one.name === name && (version === '' || one.versions.length === 0 || one.versions.includes(version)),
    );
  }

  #mayTake(open: Open): TestWorker[] {
    return this.#workers.filter((worker) => this.#takes(worker, open));
  }

  #check(): void {
    const { pool, errors } = this.#fixture;
    if (errors.length > 0) throw errors[0];
    const hands = new Map(this.#workers.map((worker) => [worker, { workflow: 0, activity: 0, entity: 0 }]));
    for (const open of this.#open.values()) {
      expect(open.fate.ends).toEqual([]);
      const hand = this.#inHand(open);
      if (hand === undefined) continue;
      const of = hands.get(hand.connection as TestWorker);
      expect(of, 'in the hand of a worker that is closed').toBeDefined();
      of![open.kind] += 1;
    }
    const sums = { workflow: 0, activity: 0, entity: 0 };
    for (const [worker, { workflow, activity }] of hands) {
      expect(workflow).toBeLessThanOrEqual(worker.workflowsMax);
      expect(activity).toBeLessThanOrEqual(worker.activitiesMax);
      expect(workflow + activity).toBeLessThanOrEqual(worker.itemsMax);
      sums.workflow += workflow;
      sums.activity += activity;
    }
    const { connected, inHand, waiting } = pool.counts();
    expect(connected).toBe(this.#workers.length);
    expect(inHand).toEqual(sums);
    expect(waiting.workflow + waiting.activity + sums.workflow + sums.activity).toBe(this.#open.size);
    for (const { ends } of this.#withdrawn) expect(ends).toEqual([]);
    for (const { ends } of this.#replaced) expect(ends.filter((end) => end !== 'replaced')).toEqual([]);
  }

  /** What has not been out yet waits for nothing but room. */
  #checkAtRest(): void {
    for (const open of this.#open.values()) {
      const takers = this.#mayTake(open);
      expect(takers.length, 'waits for nobody').toBeGreaterThan(0);
      if (open.sent) continue;
      for (const worker of takers) {
        const hand = [...this.#open.values()].filter((one) => this.#inHand(one)?.connection === worker);
        const ofKind = hand.filter(({ kind }) => kind === open.kind).length;
        const max = open.kind === 'workflow' ? worker.workflowsMax : worker.activitiesMax;
        expect(ofKind === max || hand.length === worker.itemsMax, 'waits for a worker with room').toBe(true);
      }
    }
  }

  /** With a worker that takes anything, and workers that answer, whatever is open is answered. */
  async #end(): Promise<void> {
    await given();
    this.#checkAtRest();
    this.#connect(true);
    for (let round = 0; round < 200 && this.#open.size > 0; round++) {
      await this.#fixture.clock.advance(1_000);
      for (const open of this.#open.values()) {
        const hand = this.#inHand(open);
        if (hand !== undefined && this.#workers.length > 0) (hand.connection as TestWorker).answer(hand.item);
      }
      if (this.#workers.length === 0) this.#connect(true);
      await given();
      this.#check();
      this.#checkAtRest();
    }
    expect([...this.#open.values()], 'never answered').toEqual([]);
    expect(this.#replaced.every(({ ends }) => ends.length === 1)).toBe(true);
  }
}

test('whatever workers do, each request ends once, and none is lost that a worker may take', async () => {
  const sum = { answered: 0, lost: 0, withdrawn: 0, replaced: 0, refused: 0, abandoned: 0, again: 0 };
  const command = 'npx vitest run packages/workflow/test/worker-pool-random.test.ts';
  await forEachSeed({ count: SEEDS, command }, async (seed) => {
    const model = new Model(seed);
    await model.run();
    for (const [what, count] of Object.entries(model.counts)) sum[what as keyof typeof sum] += count;
  });
  // Each of these has happened, or the test says little.
  if (process.env['TROUPE_SEED'] === undefined)
    for (const [what, count] of Object.entries(sum)) expect(count, what).toBeGreaterThan(SEEDS);
});
