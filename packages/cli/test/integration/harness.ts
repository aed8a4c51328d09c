// Runs the real service as people do, by `npm start`, each in a process group of its own, and talks to it over HTTP.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const root = fileURLToPath(new URL('../../../..', import.meta.url));

/** More for `npm run chaos`. */
export const rounds = Number(process.env['TROUPE_ROUNDS'] ?? 3);

/** A folder that goes when the test has ended. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** An instance as the HTTP API shows it. */
export interface Instance {
  readonly instanceId: string;
  readonly workflowType: string;
  readonly runtimeStatus: string;
  readonly customStatus?: unknown;
  readonly output?: unknown;
  readonly failure?: { readonly type: string; readonly message: string };
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly exited: Promise<Exit>;
  #output = '';
  #url: string | undefined;
  #told: () => void = () => {};

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    // Detached: the group can be signalled as a whole, and without the test's own.
    this.#child = spawn('npm', ['start', '--silent', '--', ...args], {
      cwd: root,
      env: { ...process.env, ...environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout!.on('data', (chunk: Buffer) => this.#hear(chunk));
    this.#child.stderr!.on('data', (chunk: Buffer) => this.#hear(chunk));
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => resolve({ code, signal, output: this.#output }));
    });
    onTestFinished(() => this.kill());
  }

  #hear(chunk: Buffer): void {
    this.#output += chunk.toString();
    this.#url ??= /serves (http:\S+?),/.exec(this.#output)?.[1];
    if (this.#url !== undefined) this.#told();
  }

  /** Resolves when it serves. */
  async ready(): Promise<this> {
    const served = new Promise<void>((resolve) => {
      this.#told = resolve;
    });
    if (this.#url !== undefined) return this;
    const exit = await Promise.race([served, this.exited]);
    if (exit !== undefined) throw new Error(`the service did not start:\n${exit.output}`);
    return this;
  }

  get url(): string {
    if (this.#url === undefined) throw new Error('the service is not ready');
    return this.#url;
  }

  get output(): string {
    return this.#output;
  }

  /** To npm alone, as a supervisor does. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** To all of them, as Ctrl-C does. */
  signalGroup(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      // ESRCH: all of them have ended.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Kills the whole group; resolves when it is gone. */
  async kill(): Promise<void> {
    this.signalGroup('SIGKILL');
    await this.exited;
  }

  async post(path: string, body?: unknown): Promise<Answer> {
    return await this.#fetch(path, {
      method: 'POST',
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  }

  async get(path: string): Promise<Answer> {
    return await this.#fetch(path, {});
  }

  async #fetch(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(`${this.url}/v1.0/workflows/${path}`, init);
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  }

  /** Looks at the instance until `holds` does. */
  async until(path: string, holds: (instance: Instance) => boolean): Promise<Instance> {
    for (;;) {
      const { status, body } = await this.get(path);
      if (status >= 300) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
      if (holds(body as Instance)) return body as Instance;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits for the end of the instance. */
  async end(path: string): Promise<Instance> {
    return await this.until(`${path}?wait=10s`, ({ runtimeStatus }) =>
      /COMPLETED|FAILED|TERMINATED/.test(runtimeStatus),
    );
  }
}

/** Starts a service on a free port. */
export async function startService(dataFolder: string, ...args: readonly string[]): Promise<ServiceProcess> {
  return await new ServiceProcess(['--port', '0', '--data', dataFolder, ...args]).ready();
}
