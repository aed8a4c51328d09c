// A child process in verbs. It ends with the test, whatever becomes of the test (scripts/guardian.mjs).

import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { guardProcess } from '../../../../scripts/guardian.mjs';

const STOP_TIMEOUT_MS = 60_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Child {
  readonly #child: ChildProcess;
  /** Resolves when it has ended and its output has been read. */
  readonly exited: Promise<Exit>;
  #ended = false;
  #frozen = false;

  constructor(command: string, args: readonly string[], options: SpawnOptions) {
    this.#child = spawn(command, args, options);
    guardProcess(this.#child);
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        this.#ended = true;
        resolve({ code, signal });
      });
    });
    // Whoever waits hears of it; nobody has to wait.
    this.exited.catch(() => {});
  }

  get process(): ChildProcess {
    return this.#child;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return !this.#ended;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** SIGKILL; resolves when it is gone. Also ends one that is frozen. */
  async kill(): Promise<void> {
    if (this.#ended) return;
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM; resolves when it is gone. */
  async stop(): Promise<Exit> {
    this.thaw();
    if (!this.#ended) this.#child.kill('SIGTERM');
    let timeout: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timeout = setTimeout(() => reject(new Error(`process ${this.pid} did not stop`)), STOP_TIMEOUT_MS);
    });
    return await Promise.race([this.exited, late]).finally(() => clearTimeout(timeout));
  }

  /** SIGSTOP: it does nothing any more, and its connections stay. */
  freeze(): void {
    if (this.#ended || this.#frozen) return;
    this.#frozen = true;
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#child.kill('SIGCONT');
  }
}
