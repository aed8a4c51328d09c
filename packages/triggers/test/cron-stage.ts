// A host in memory with one cron trigger, `nightly`, that starts jobs; time is moved by hand, and the machine's clock can be
// set while it runs.

import { MemoryStore, type Clock, type Logger, type StoreFaults } from '@troupe/actors';
import { ManualClock } from '@troupe/actors/testing';
import { startHost, workflow, type AnyWorkflow, type WorkflowClient, type WorkflowHost } from '@troupe/workflow';
import { cron, type CronOptions, type CronTick } from '../src/cron.ts';
import { start, trigger, Triggers, type Action } from '../src/index.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
/** A host that comes back wakes what came due for so long before its triggers start. */
export const RISE_MS = 2_000;
/** When it begins. */
export const MIDNIGHT_MS = Date.UTC(2030, 0, 1);

export interface Deed {
  readonly workflows?: readonly AnyWorkflow[];
  readonly do?: Action;
}

export class CronStage implements AsyncDisposable {
  options: CronOptions;
  /** What an undo of a job does beside being noted. */
  undo: () => void = () => {};
  readonly undone: string[] = [];
  readonly warnings: string[] = [];
  readonly #time = new ManualClock(MIDNIGHT_MS);
  #aheadMs = 0;
  readonly #deed: Deed;
  readonly #durationMs: number;
  #store: MemoryStore;
  #host!: WorkflowHost;
  #triggers!: Triggers;
  /** Silences what a dead process would still do. */
  #alive = { is: true };

  private constructor(options: CronOptions, durationMs: number, deed: Deed) {
    this.options = options;
    this.#durationMs = durationMs;
    this.#deed = deed;
    this.#store = new MemoryStore({ clock: this.#time });
  }

  /** Starts it at midnight. */
  static async begin(
    options: CronOptions,
    durationMs = 0,
    before: (host: WorkflowHost) => Promise<void> = () => Promise.resolve(),
    deed: Deed = {},
  ): Promise<CronStage> {
    const stage = new CronStage(options, durationMs, deed);
    await stage.#rise(before);
    return stage;
  }

  get workflows(): WorkflowClient {
    return this.#host.workflows;
  }

  get triggers(): Triggers {
    return this.#triggers;
  }

  /** What the machine's clock shows. */
  get nowMs(): number {
    return this.#time.nowMs() + this.#aheadMs;
  }

  /** Somebody sets the machine's clock; timeouts go on as they were. */
  setClock(byMs: number): void {
    this.#aheadMs += byMs;
  }

  storeAway(away: boolean): void {
    this.#store.unavailable = away;
  }

  set faults(faults: StoreFaults | undefined) {
    this.#store.faults = faults;
  }

  advance(byMs: number): Promise<void> {
    return this.#time.advance(byMs);
  }

  /** The process is killed, and another is started later. */
  async outage(durationMs: number): Promise<void> {
    this.kill();
    await this.#time.advance(durationMs - RISE_MS);
    await this.rise();
  }

  kill(): void {
    this.#alive.is = false;
    this.#store.crash();
    void this.#triggers.stop({ graceMs: 0 });
    void this.#host.stop({ graceMs: 0 }).catch(() => {});
  }

  async rise(): Promise<void> {
    this.#store = new MemoryStore({ clock: this.#time, contents: this.#store.snapshot() });
    await this.#rise();
  }

  async #rise(before?: (host: WorkflowHost) => Promise<void>): Promise<void> {
    const alive = { is: true };
    this.#alive = alive;
    const clock: Clock = {
      nowMs: () => this.nowMs,
      setTimeout: (callback, delayMs) => this.#time.setTimeout(() => void (alive.is && callback()), delayMs),
    };
    const note = (_: object, message: string): void => void (alive.is && this.warnings.push(message));
    const logger: Logger = { debug() {}, info() {}, warn: note, error: note };
    this.#triggers = new Triggers();
    const job = workflow('job', async (ctx, tick: CronTick) => {
      await ctx.step('begin', () => null, {
        undo: () => {
          this.undo();
          this.undone.push(tick.scheduledAt);
        },
        undoOptions: {
          retry: { maxAttempts: 1_000, initialIntervalMs: 50_000, maxIntervalMs: 50_000, jitter: 0 },
        },
      });
      if (this.#durationMs > 0) await ctx.createTimer(this.#durationMs);
    });
    trigger(this.#triggers, 'nightly', cron(this.options), { do: this.#deed.do ?? start(job) });
    this.#host = await startHost({
      store: this.#store,
      clock,
      logger,
      partitionCount: 1,
      workflows: [job, ...(this.#deed.workflows ?? [])],
      actors: this.#triggers.actors,
    });
    // What came due meanwhile is woken first.
    if (before === undefined) await this.#time.advance(RISE_MS);
    else await before(this.#host);
    await this.#triggers.start(this.#host);
    await this.#time.advance(0);
  }

  /** Scheduled times of jobs, as `hh:mm` on the first day, in their order. */
  async started(): Promise<string[]> {
    return Object.keys(await this.statuses());
  }

  /** … and how they are. */
  async statuses(): Promise<Record<string, string>> {
    const found: [string, string][] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.workflows.list({
        workflowName: 'job',
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const { tags, runtimeStatus } of page.instances) found.push([shortTime(tags['event-id']!), runtimeStatus]);
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopped = this.#triggers.stop({ graceMs: 0 }).then(() => this.#host.stop({ graceMs: 0 }));
    await this.#time.advance(10_000);
    await stopped;
  }
}

function shortTime(scheduledAt: string): string {
  return scheduledAt.replace(/^2030-01-01T(..:..):00.000Z$/, '$1');
}
