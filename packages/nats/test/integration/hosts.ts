// Host processes in verbs, each behind links of its own to every server. What is done to them is in the ledger beside what
// they write themselves.

import { cp, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childProgram } from '../../../../scripts/bundled.mjs';
import { guardFolder } from '../../../../scripts/guardian.mjs';
import type { HostSettings, Question, Reply } from '../cluster/host-program.ts';
import type { HostQuestions } from '../cluster/host-questions.ts';
import { Ledger, readLedger, type FaultKind, type Line } from '../cluster/ledger.ts';
import { Child, type Exit } from './child.ts';
import { eventually } from './eventually.ts';
import { Link, type Direction } from './link.ts';
import type { NatsServers } from './nats-servers.ts';

const program = fileURLToPath(new URL('../cluster/host-program.ts', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 120_000;

export interface HostsOptions {
  readonly replicas?: number;
  readonly app?: string;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The questions of {@link HostQuestions}, asked from another process. */
export type Asked = {
  readonly [K in Exclude<keyof HostQuestions, '#private'>]: (
    ...args: Parameters<HostQuestions[K]>
  ) => Promise<Awaited<ReturnType<HostQuestions[K]>>>;
};

/** One host over all its lives. */
export class HostProcess {
  readonly name: string;
  readonly links: readonly Link[];
  /** What can be asked while it runs. */
  readonly ask: Asked;
  readonly #settings: Omit<HostSettings, 'by'>;
  readonly #faults: Ledger;
  readonly #waiting = new Map<number, Waiting>();
  #child: Child | undefined;
  #questions = 0;
  #life = 0;

  constructor(name: string, links: readonly Link[], settings: Omit<HostSettings, 'by' | 'servers'>, faults: Ledger) {
    this.name = name;
    this.links = links;
    this.#settings = { ...settings, servers: links.map(({ url }) => url) };
    this.#faults = faults;
    this.ask = new Proxy({} as Asked, {
      get:
        (_, question: string) =>
        (...args: unknown[]) =>
          this.#ask(question, args),
    });
  }

  /** Names its present life in the ledger. */
  get by(): string {
    return `${this.name}-${this.#life}`;
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  get frozen(): boolean {
    return this.#child?.frozen ?? false;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const run = await childProgram(program);
    if (this.running) throw new Error(`${this.by} runs already`);
    this.#life++;
    const settings: HostSettings = { ...this.#settings, by: this.by };
    const child = new Child(process.execPath, [...run, JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    let errors = '';
    child.process.stderr!.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    let ready = false;
    child.process.on('message', (message: Reply | { readonly ready: true }) => {
      if ('ready' in message) ready = true;
      else this.#answered(message);
    });
    child.process.once('exit', () => this.#gone());
    await eventually(
      `${this.by} is ready`,
      async () => {
        if (ready) return 'ready';
        return !child.running && 'ended';
      },
      READY_TIMEOUT_MS,
    ).then(
      async (state) => {
        if (state === 'ended') throw new Error(`${this.by} ended:\n${errors}\n${await this.log()}`);
      },
      async (error: unknown) => {
        throw new Error(`${this.by} did not start:\n${errors}\n${await this.log()}`, { cause: error });
      },
    );
  }

  /** Stops it gracefully. */
  async stop(): Promise<Exit> {
    const { by } = this;
    this.#note('restart-host', 'begin', by);
    const exit = await this.#child!.stop();
    this.#note('restart-host', 'end', by);
    return exit;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#note('kill-host', 'begin', this.by);
    await this.#child!.kill();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  freeze(): void {
    this.#note('freeze-host', 'begin', this.by);
    this.#child!.freeze();
  }

  thaw(): void {
    this.#child!.thaw();
    this.#note('freeze-host', 'end', this.by);
  }

  /** Its links to all servers, as long as they are not healed. */
  cut(direction?: Direction): void {
    this.#note('cut-link', 'begin', this.by);
    for (const link of this.links) link.cut(direction);
  }

  delay(ms: number): void {
    this.#note('delay-link', 'begin', this.by);
    for (const link of this.links) link.delay(ms);
  }

  heal(): void {
    for (const link of this.links) link.heal();
    this.#note('cut-link', 'end', this.by);
  }

  reset(): void {
    this.#note('reset-link', 'begin', this.by);
    for (const link of this.links) link.reset();
  }

  /** The last of what its present life has logged. */
  async log(): Promise<string> {
    const path = join(this.#settings.folder, `${this.by}.log`);
    return (await readFile(path, 'utf8').catch(() => '(no log)')).slice(-4_000);
  }

  async end(): Promise<void> {
    await this.#child?.kill();
    await Promise.all(this.links.map((link) => link.close()));
  }

  #note(fault: FaultKind, event: 'begin' | 'end', target: string): void {
    this.#faults.write({ kind: 'fault', fault, event, target });
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

export class Hosts {
  readonly hosts: readonly HostProcess[];
  /** Where the ledger and the logs are. */
  readonly folder: string;
  /** For what is done to others than hosts. */
  readonly faults: Ledger;
  readonly #remove: () => void;

  private constructor(hosts: readonly HostProcess[], folder: string, faults: Ledger, remove: () => void) {
    this.hosts = hosts;
    this.folder = folder;
    this.faults = faults;
    this.#remove = remove;
  }

  /** Prepares hosts that do not run yet. */
  static async prepare(count: number, servers: NatsServers, options: HostsOptions = {}): Promise<Hosts> {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-hosts-'));
    const remove = guardFolder(folder);
    const faults = new Ledger(folder, 'faults');
    const settings = { app: options.app ?? 'test', replicas: options.replicas ?? 1, folder };
    const hosts: HostProcess[] = [];
    for (let index = 1; index <= count; index++) {
      const links = await Promise.all(servers.servers.map(({ port }) => Link.to(port)));
      hosts.push(new HostProcess(`h${index}`, links, settings, faults));
    }
    return new Hosts(hosts, folder, faults, remove);
  }

  static async start(count: number, servers: NatsServers, options?: HostsOptions): Promise<Hosts> {
    const hosts = await Hosts.prepare(count, servers, options);
    try {
      await Promise.all(hosts.hosts.map((host) => host.start()));
      await hosts.waitForBalance();
    } catch (error) {
      await hosts.end();
      throw error;
    }
    return hosts;
  }

  get running(): HostProcess[] {
    return this.hosts.filter((host) => host.running && !host.frozen);
  }

  /** Everything that has been written. */
  lines(): Line[] {
    return readLedger(this.folder);
  }

  /** Until every partition is held by a host that runs, each holds some, and nothing moves any more. */
  async waitForBalance(partitions = 256): Promise<void> {
    let last = '';
    let since = performance.now();
    await eventually('the partitions are spread', async () => {
      const reports = await Promise.all(this.running.map(({ ask }) => ask.report()));
      const counts = reports.map((report) => report.partitions);
      const state = JSON.stringify(counts);
      if (state !== last) [last, since] = [state, performance.now()];
      const held = counts.reduce((sum, count) => sum + count, 0) === partitions && counts.every((count) => count > 0);
      if (held && performance.now() - since > 1_000) return true;
      throw new Error(`partitions of each host: ${state}`);
    });
  }

  /** Until lists show no instance that has not ended. */
  async waitForQuiet(timeoutMs: number): Promise<void> {
    await eventually(
      'every instance has ended',
      async () => (await this.running[0]!.ask.unfinished()).length === 0,
      timeoutMs,
    );
  }

  /** Copies the ledger and the logs, for whoever wants to know more. */
  async keep(folder: string): Promise<void> {
    await cp(this.folder, folder, { recursive: true });
  }

  async end(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.end()));
    this.#remove();
  }
}
