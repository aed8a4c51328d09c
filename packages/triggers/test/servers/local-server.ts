// A server of a test's own in verbs, on loopback: a process that works in a temporary folder and keeps its port and its data
// there over restarts. It ends with the test, whatever becomes of the test (scripts/guardian.mjs).

import { closeSync, mkdtempSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SpawnOptions } from 'node:child_process';
import { guardFolder } from '../../../../scripts/guardian.mjs';
import { Child } from '../../../nats/test/integration/child.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';

/** Of the log, when a start has failed. */
const LOG_CHARACTERS_MAX = 4_000;

/** The largest of them takes seconds, and many times that on a busy machine. */
const START_TIMEOUT_MS = 3 * 60_000;

export interface Command {
  readonly path: string;
  readonly args: readonly string[];
  readonly options: Pick<SpawnOptions, 'env' | 'uid' | 'gid'>;
  /** Its standard input; none unless said. */
  readonly input?: 'pipe';
}

export abstract class LocalServer {
  readonly name: string;
  /** Holds all that it keeps. */
  readonly folder: string;
  readonly #remove: () => void;
  #child: Child | undefined;

  protected constructor(name: string) {
    this.name = name;
    // Short: it holds sockets, whose paths may not be long.
    this.folder = mkdtempSync(join(tmpdir(), `troupe-${name}-`));
    this.#remove = guardFolder(this.folder);
  }

  protected abstract command(): Command;

  /** Whether it does its work for clients; throws or gives false while it does not. */
  protected abstract answers(): Promise<boolean>;

  /** Whether it ended at its start for a reason that passes. */
  protected endedForNow(_log: string): boolean {
    return false;
  }

  /** Its processes that the test has started. */
  get pids(): number[] {
    return this.#child?.pid === undefined ? [] : [this.#child.pid];
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  protected signal(signal: NodeJS.Signals): void {
    this.#child?.process.kill(signal);
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    if (!this.running) this.#launch();
    try {
      const look = async (): Promise<'ready' | 'ended' | false> => {
        if (this.running) return (await this.answers()) && 'ready';
        if (!this.endedForNow(await this.log())) return 'ended';
        this.#launch();
        return false;
      };
      const state = await eventually(`${this.name} answers`, look, START_TIMEOUT_MS);
      if (state === 'ended') throw new Error(`${this.name} ended`);
    } catch (error) {
      const log = (await this.log()).slice(-LOG_CHARACTERS_MAX);
      throw new Error(`${this.name} did not start:\n${log}`, { cause: error });
    }
  }

  #launch(): void {
    const { path, args, options, input = 'ignore' } = this.command();
    // Each life begins a log of its own.
    const log = openSync(this.#logFile, 'w');
    try {
      this.#child = new Child(path, args, { cwd: this.folder, stdio: [input, log, log], ...options });
    } finally {
      closeSync(log);
    }
  }

  /** Ends as an operator ends it. */
  async stop(): Promise<void> {
    await this.#child?.stop();
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** SIGSTOP: connections stay and nothing is answered. */
  freeze(): void {
    this.#child?.freeze();
  }

  thaw(): void {
    this.#child?.thaw();
  }

  /** Kills it and removes its folder. */
  async end(): Promise<void> {
    await this.kill();
    this.#remove();
  }

  /** What it has said since it was started. */
  async log(): Promise<string> {
    return await readFile(this.#logFile, 'utf8').catch(() => '(no log)');
  }

  get #logFile(): string {
    return join(this.folder, 'server.log');
  }
}
