// The hosts of one test in verbs: each a process, with the same trigger, on a store of their own or on NATS together.

import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childProgram } from '../../../../scripts/bundled.mjs';
import { guardFolder } from '../../../../scripts/guardian.mjs';
import { Child, type Exit } from '../../../nats/test/integration/child.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { Evidence } from './evidence.ts';
import type { Origin, OriginHosts } from './source-kit.ts';
import type { TriggerHostQuestions } from './trigger-host-questions.ts';
import {
  KILL_AFTER,
  type FoundEnding,
  type Question,
  type Reply,
  type Rule,
  type TriggerHostSettings,
} from './trigger-host-settings.ts';

const program = fileURLToPath(new URL('trigger-host.ts', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** What is the same in all lives of all hosts of a test. */
export interface TriggerHostsOptions {
  readonly kind: string;
  readonly trigger: string;
  readonly origin: Origin;
  readonly valueAt?: string | undefined;
  /** Servers that several hosts share; without, there is one host, on a folder. */
  readonly nats?: readonly string[];
  readonly concurrency?: number;
  readonly attemptsMax?: number;
}

/** What differs between lives. */
export interface LifeOptions {
  readonly rule?: Rule;
  /** It kills itself when so many creates of this life are durable, before its source hears of the last. */
  readonly killAfter?: number;
  /** Of the old generation of its heap. */
  readonly heapMegabytes?: number;
}

/** The questions of {@link TriggerHostQuestions}, asked from another process. */
export type Asked = {
  readonly [K in keyof TriggerHostQuestions]: (
    ...args: Parameters<TriggerHostQuestions[K]>
  ) => Promise<Awaited<ReturnType<TriggerHostQuestions[K]>>>;
};

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class TriggerHost {
  readonly name: string;
  /** What can be asked while it runs. */
  readonly ask: Asked;
  readonly #settings: () => Omit<TriggerHostSettings, 'by' | 'rule'>;
  readonly #waiting = new Map<number, Waiting>();
  #child: Child | undefined;
  #ready = false;
  #errors = '';
  #questions = 0;
  #life = 0;

  constructor(name: string, settings: () => Omit<TriggerHostSettings, 'by' | 'rule'>) {
    this.name = name;
    this.#settings = settings;
    this.ask = new Proxy({} as Asked, {
      get:
        (_, question: string) =>
        (...args: unknown[]) =>
          this.#ask(question, args),
    });
  }

  /** Names its present life in the evidence. */
  get by(): string {
    return `${this.name}-${this.#life}`;
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  get ready(): boolean {
    return this.running && this.#ready;
  }

  /** Resolves when its trigger is started. One that may kill itself is not waited for. */
  async start({ heapMegabytes, killAfter, rule = 'start' }: LifeOptions = {}): Promise<void> {
    const run = await childProgram(program);
    if (this.running) throw new Error(`${this.by} runs already`);
    this.#life++;
    this.#ready = false;
    const settings: TriggerHostSettings = { ...this.#settings(), by: this.by, rule };
    // Maps of the sources would take most of a small heap.
    const flags =
      heapMegabytes === undefined
        ? run
        : [
            `--max-old-space-size=${heapMegabytes}`,
            '--expose-gc',
            ...run.filter((flag) => flag !== '--enable-source-maps'),
          ];
    const child = new Child(process.execPath, [...flags, JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...(killAfter === undefined ? {} : { [KILL_AFTER]: String(killAfter) }) },
    });
    this.#child = child;
    this.#errors = '';
    child.process.stderr!.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    child.process.on('message', (message: Reply | { readonly ready: true }) => {
      if ('ready' in message) this.#begun(settings.clockShiftMs);
      else this.#answered(message);
    });
    child.process.once('exit', () => this.#gone());
    if (killAfter !== undefined) return;
    const state = await eventually(
      `${this.by} is ready`,
      () => (this.#ready ? 'ready' : !child.running && 'ended'),
      READY_TIMEOUT_MS,
    ).catch(async (error: unknown) => {
      throw new Error(`${this.by} did not start:\n${await this.log()}`, { cause: error });
    });
    if (state === 'ended') throw new Error(`${this.by} ended:\n${await this.log()}`);
  }

  /** Resolves when its trigger is open, and its origin in reach. */
  async waitUntilOpen(): Promise<void> {
    await eventually(`the trigger of ${this.by} is open`, async () => {
      const { failing, open } = await this.ask.report();
      return open && !failing;
    });
  }

  /** SIGTERM. */
  async stop(): Promise<Exit> {
    return await this.#child!.stop();
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  /** Resolves when it has ended by itself. */
  async ended(): Promise<Exit> {
    const child = this.#child!;
    await eventually(`the end of ${this.by}`, () => !child.running).catch(async (error: unknown) => {
      throw new Error(`${this.by} did not end:\n${await this.log()}`, { cause: error });
    });
    return await child.exited;
  }

  /** The last of what its present life has said and logged. */
  async log(): Promise<string> {
    const path = join(this.#settings().folder, `${this.by}.log`);
    return `${this.#errors}\n${(await readFile(path, 'utf8').catch(() => '(no log)')).slice(-4_000)}`;
  }

  #begun(clockShiftMs: number): void {
    this.#ready = true;
    // It was shifted while this life began.
    const behindMs = this.#settings().clockShiftMs - clockShiftMs;
    if (behindMs !== 0) this.ask.shiftClock(behindMs).catch(() => {});
  }

  #ask(question: string, args: readonly unknown[]): Promise<unknown> {
    const number = ++this.#questions;
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(
        () => this.#waiting.get(number)?.reject(new Error(`${this.by} does not answer ${question}`)),
        ANSWER_TIMEOUT_MS,
      );
      const done = (): void => {
        clearTimeout(timeout);
        this.#waiting.delete(number);
      };
      this.#waiting.set(number, {
        resolve: (value) => (done(), resolve(value)),
        reject: (error) => (done(), reject(error)),
      });
      const message: Question = { number, question, args };
      if (!this.ready) return this.#waiting.get(number)!.reject(new Error(`${this.by} does not run`));
      this.#child!.process.send(message, (error) => {
        if (error !== null) this.#waiting.get(number)?.reject(error);
      });
    });
  }

  #answered({ error, number, value }: Reply): void {
    const waiting = this.#waiting.get(number);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(`${this.by}: ${error}`));
  }

  #gone(): void {
    for (const waiting of this.#waiting.values()) waiting.reject(new Error(`${this.by} is gone`));
  }
}

export class TriggerHosts implements OriginHosts {
  readonly hosts: readonly TriggerHost[];
  readonly evidence: Evidence;
  /** Resolves when an event cannot come to be without a host. */
  readonly needed: Promise<void>;
  readonly #remove: () => void;
  #need: () => void = () => {};
  #clockShiftMs = 0;
  #turn = 0;

  private constructor(count: number, folder: string, options: TriggerHostsOptions) {
    const { attemptsMax = 3, concurrency = 32, kind, nats, origin, trigger, valueAt = 'data.number' } = options;
    this.evidence = new Evidence(join(folder, 'evidence'));
    this.needed = new Promise((resolve) => (this.#need = resolve));
    this.#remove = guardFolder(folder);
    this.hosts = Array.from({ length: count }, (_, index) => {
      const name = `h${index + 1}`;
      return new TriggerHost(name, () => ({
        folder: join(folder, 'evidence'),
        store: nats === undefined ? { level: join(folder, name) } : { nats },
        trigger,
        kind,
        options: origin.options,
        valueAt,
        concurrency,
        attemptsMax,
        clockShiftMs: this.#clockShiftMs,
      }));
    });
  }

  /** Prepares hosts that do not run yet. */
  static async prepare(count: number, options: TriggerHostsOptions): Promise<TriggerHosts> {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-trigger-'));
    await mkdir(join(folder, 'evidence'));
    return new TriggerHosts(count, folder, options);
  }

  /** The only one, or the first. */
  get host(): TriggerHost {
    return this.hosts[0]!;
  }

  get running(): readonly TriggerHost[] {
    return this.hosts.filter(({ ready }) => ready);
  }

  async url(): Promise<string> {
    return await this.#sometime('a host tells its address', async ({ ask }) => (await ask.report()).url);
  }

  async start(workflow: string, instanceId: string, input: unknown): Promise<void> {
    await this.#sometime(`${instanceId} is started`, async ({ ask }) => {
      await ask.start(workflow, instanceId, input);
      return true;
    });
  }

  async shiftClock(byMs: number): Promise<void> {
    this.#clockShiftMs += byMs;
    // Those that are killed meanwhile learn it in their next life.
    await Promise.allSettled(this.running.map(({ ask }) => ask.shiftClock(byMs)));
  }

  async ended(instanceId: string): Promise<FoundEnding> {
    return await this.#sometime(`${instanceId} has ended`, ({ ask }) => ask.ended(instanceId));
  }

  async outstanding(): Promise<number> {
    const reports = await Promise.all(this.running.map(({ ask }) => ask.report()));
    if (reports.length === 0) throw new Error('no host runs that could say what is outstanding');
    return reports.reduce((sum, { wakeUps }) => sum + wakeUps, 0);
  }

  async resting(): Promise<void> {
    await this.#sometime('the source waits for a time', async ({ ask }) => (await ask.report()).resting);
  }

  async ready(): Promise<void> {
    await this.#sometime('a trigger is open', async ({ ask }) => {
      const { failing, open } = await ask.report();
      return open && !failing;
    });
  }

  async end(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.kill()));
    this.#remove();
  }

  async #sometime<T>(what: string, ask: (host: TriggerHost) => Promise<T | false>): Promise<T> {
    this.#need();
    return await eventually(what, async () => {
      // Each in turn: who asks again is to find another.
      const asked = this.running;
      const first = this.#turn++;
      for (let at = 0; at < asked.length; at++) {
        const host = asked[(first + at) % asked.length]!;
        const answer = await ask(host);
        if (answer !== false) return answer;
      }
      return undefined;
    });
  }
}
