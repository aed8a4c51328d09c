// A process with one SDK in it (program.mjs), in verbs: its client, its worker, and what the code that it runs tells.

import { fileURLToPath } from 'node:url';
import { findNewerNode } from '../../scripts/newer-node.mjs';
import { Child } from '../../packages/nats/test/integration/child.ts';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';

/** Two dialects of one protocol, and of the first both clients that are published. */
export type Sdk = 'dapr' | 'durabletask' | 'microsoft';
export const SDKS: readonly Sdk[] = ['dapr', 'durabletask', 'microsoft'];

const PACKAGES: Readonly<Record<Sdk, string>> = {
  dapr: '@dapr/dapr',
  durabletask: '@dapr/durabletask-js',
  microsoft: '@microsoft/durabletask-js',
};
const program = fileURLToPath(new URL('../programs/program.mjs', import.meta.url));

export interface StartOptions {
  readonly instanceId?: string;
  readonly startAtMs?: number;
  /** These two: `microsoft` alone. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly version?: string;
}

/** An instance as its SDK shows it. Payloads are the text that travels. */
export interface State {
  readonly name: string;
  readonly instanceId: string;
  readonly status: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly input?: string;
  readonly output?: string;
  readonly customStatus?: string;
  readonly failure?: { readonly type: string; readonly message: string; readonly stack?: string };
  readonly tags?: Readonly<Record<string, string>>;
}

export interface Recursion {
  readonly recursive?: boolean;
}

interface Filter {
  readonly createdFromMs?: number;
  readonly createdToMs?: number;
  readonly statuses?: readonly string[];
}

/** What a process can be asked. */
interface Verbs {
  /** Connects a worker; of `microsoft` one that says what it runs, if it is to run only that. */
  work(only?: readonly string[]): Promise<void>;
  /** Stops the worker gracefully. */
  rest(): Promise<void>;
  /** Lets code go on that holds this key. */
  letGo(key: string): Promise<void>;
  start(name: string, input?: unknown, options?: StartOptions): Promise<string>;
  state(instanceId: string): Promise<State | undefined>;
  started(instanceId: string): Promise<State | undefined>;
  ended(instanceId: string): Promise<State | undefined>;
  raise(instanceId: string, name: string, payload?: unknown): Promise<void>;
  suspend(instanceId: string): Promise<void>;
  resume(instanceId: string): Promise<void>;
  terminate(instanceId: string, output?: unknown, options?: Recursion): Promise<void>;
  /** How many are gone. */
  purge(instanceId: string, options?: Recursion): Promise<number>;
  /** Not `dapr`. */
  purgeWhere(filter: Filter): Promise<number>;
  /** From here on `microsoft` alone. */
  restart(instanceId: string, withNewId: boolean): Promise<string>;
  rewind(instanceId: string, reason: string): Promise<void>;
  history(instanceId: string): Promise<readonly { readonly eventId: number; readonly type: string }[]>;
  query(filter: {
    readonly statuses?: readonly string[];
    readonly instanceIdPrefix?: string;
    readonly pageSize?: number;
    readonly fetchInputsAndOutputs?: boolean;
  }): Promise<readonly State[]>;
  listIds(options: {
    readonly statuses?: readonly string[];
    readonly pageSize?: number;
    readonly lastInstanceKey?: string;
  }): Promise<{ readonly ids: readonly string[]; readonly next?: string }>;
}

/** What code tells: an activity that begins, or a key that is held. */
export interface Notice {
  readonly ran?: string;
  readonly input?: unknown;
  readonly held?: string;
}

type Message =
  | { readonly ready: true }
  | { readonly notice: Notice }
  | {
      readonly question: number;
      readonly value?: unknown;
      readonly error?: { readonly name: string; readonly message: string; readonly code?: number };
    };

/** What an SDK threw; `code` is gRPC's. */
export class SdkError extends Error {
  override readonly name = 'SdkError';
  readonly code: number | undefined;

  constructor(message: string, code: number | undefined) {
    super(message);
    this.code = code;
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class SdkProcess {
  readonly sdk: Sdk;
  readonly ask: Verbs;
  /** In the order in which it was told. */
  readonly notices: Notice[] = [];
  readonly #child: Child;
  readonly #waiting = new Map<number, Waiting>();
  #questions = 0;
  #ready = false;
  #output = '';

  private constructor(sdk: Sdk, node: string, address: string) {
    this.sdk = sdk;
    this.ask = new Proxy({} as Verbs, {
      get:
        (_, verb: string) =>
        (...args: unknown[]) =>
          this.#ask(verb, args),
    });
    this.#child = new Child(node, [program, sdk, address], {
      // Outside of the workspace's development condition, as an installed package would be.
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#child.process.stdout!, this.#child.process.stderr!])
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#child.process.on('message', (message: Message) => this.#hear(message));
    this.#child.process.once('exit', () => this.#gone());
  }

  /** Resolves when it can be asked. */
  static async start(sdk: Sdk, address: string): Promise<SdkProcess> {
    const node = sdk === 'microsoft' ? await findNewerNode() : process.execPath;
    const started = new SdkProcess(sdk, node, address);
    await eventually(`a process with ${PACKAGES[sdk]} is ready`, () => {
      return started.#ready || !started.#child.running;
    });
    if (!started.#ready) throw new Error(`the process with ${PACKAGES[sdk]} ended:\n${started.#output}`);
    return started;
  }

  get output(): string {
    return this.#output;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#child.kill();
  }

  /** Resolves when code holds the key. */
  async holds(key: string): Promise<void> {
    await eventually(`${this.sdk} holds ${key}`, () => this.notices.some(({ held }) => held === key));
  }

  /** How often an activity began, if `input` is given with that. */
  runs(activity: string, input?: unknown): number {
    const isMeant = ({ ran, input: given }: Notice): boolean =>
      ran === activity && (input === undefined || JSON.stringify(given) === JSON.stringify(input));
    return this.notices.filter(isMeant).length;
  }

  async #ask(verb: string, args: readonly unknown[]): Promise<unknown> {
    if (!this.#child.running) throw new Error(`the process with ${PACKAGES[this.sdk]} has ended:\n${this.#output}`);
    const question = this.#questions++;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(question, { resolve, reject });
      this.#child.process.send({ question, verb, args });
    });
  }

  #hear(message: Message): void {
    if ('ready' in message) {
      this.#ready = true;
    } else if ('notice' in message) {
      this.notices.push(message.notice);
    } else {
      const waiting = this.#waiting.get(message.question);
      this.#waiting.delete(message.question);
      if (message.error === undefined) waiting?.resolve(message.value);
      else waiting?.reject(new SdkError(`${message.error.name}: ${message.error.message}`, message.error.code));
    }
  }

  #gone(): void {
    for (const { reject } of this.#waiting.values())
      reject(new Error(`the process with ${PACKAGES[this.sdk]} ended:\n${this.#output}`));
    this.#waiting.clear();
  }
}
