// Real nats-servers in verbs: one alone, or a cluster of three. Each has its own folder and keeps its ports over restarts.

import { readFile, writeFile, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardFolder } from '../../../../scripts/guardian.mjs';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

export interface NatsOptions {
  /** The path of nats-server: `natsServerProgram()` in tests. */
  readonly program: string;
  /** `always`: a write is on the disk before it is acknowledged. The server's own default is two minutes. */
  readonly syncInterval?: 'always' | `${number}s`;
  /** More lines for the configuration of every server. */
  readonly configuration?: string;
}

interface Route {
  readonly port: number;
  readonly all: readonly number[];
}

interface JetStreamInfo {
  readonly meta_cluster?: { readonly leader?: string };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly name: string; readonly cluster?: { readonly leader?: string } }[];
  }[];
}

export class NatsServer {
  readonly name: string;
  readonly port: number;
  readonly #monitorPort: number;
  readonly #program: string;
  readonly #folder: string;
  #child: Child | undefined;

  private constructor(name: string, program: string, folder: string, ports: readonly [number, number]) {
    this.name = name;
    this.#program = program;
    this.#folder = folder;
    [this.port, this.#monitorPort] = ports;
  }

  /** Prepares a server that does not run yet. */
  static async prepare(name: string, parent: string, options: NatsOptions, route?: Route): Promise<NatsServer> {
    const folder = join(parent, name);
    await mkdir(folder, { recursive: true });
    const server = new NatsServer(name, options.program, folder, [await freePort(), await freePort()]);
    await writeFile(join(folder, 'nats.conf'), server.#configuration(options, route));
    return server;
  }

  #configuration({ syncInterval, configuration }: NatsOptions, route: Route | undefined): string {
    // Not advertised: a client that is to use a link must not learn of ways around it.
    const cluster =
      route === undefined
        ? ''
        : `cluster {
  name: troupe-test
  listen: 127.0.0.1:${route.port}
  routes: [${route.all.map((port) => `nats-route://127.0.0.1:${port}`).join(', ')}]
  no_advertise: true
}`;
    return `server_name: ${this.name}
listen: 127.0.0.1:${this.port}
http: 127.0.0.1:${this.#monitorPort}
log_file: ${JSON.stringify(join(this.#folder, 'server.log'))}
jetstream {
  store_dir: ${JSON.stringify(join(this.#folder, 'data'))}
  max_memory_store: 256MB
  max_file_store: 4GB
  ${syncInterval === undefined ? '' : `sync_interval: ${syncInterval}`}
}
${cluster}
${configuration ?? ''}
`;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  /** Resolves when it takes part: a member of a cluster needs the others for that. */
  async start(): Promise<void> {
    if (!this.running) {
      this.#child = new Child(this.#program, ['-c', join(this.#folder, 'nats.conf')], { stdio: 'ignore' });
    }
    const child = this.#child!;
    try {
      await eventually(`${this.name} is ready`, async () => {
        if (!child.running) return 'ended';
        return (await fetch(this.#monitor('healthz'), { signal: AbortSignal.timeout(5_000) })).ok && 'ready';
      }).then((state) => {
        if (state === 'ended') throw new Error(`${this.name} ended`);
      });
    } catch (error) {
      throw new Error(`nats-server ${this.name} did not start:\n${(await this.log()).slice(-4_000)}`, { cause: error });
    }
  }

  /** Ends as an operator ends it. */
  async stop(): Promise<void> {
    await this.#child?.stop();
  }

  /** SIGKILL. */
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

  async log(): Promise<string> {
    return await readFile(join(this.#folder, 'server.log'), 'utf8').catch(() => '(no log)');
  }

  /** The server that leads the stream, or the cluster's assets if none is named, as far as this server knows. */
  async leader(stream?: string): Promise<string | undefined> {
    const response = await fetch(this.#monitor('jsz?accounts=true&streams=true'), {
      signal: AbortSignal.timeout(5_000),
    });
    const info = (await response.json()) as JetStreamInfo;
    if (stream === undefined) return info.meta_cluster?.leader;
    const streams = (info.account_details ?? []).flatMap((account) => account.stream_detail ?? []);
    return streams.find(({ name }) => name === stream)?.cluster?.leader;
  }

  #monitor(path: string): string {
    return `http://127.0.0.1:${this.#monitorPort}/${path}`;
  }
}

export class NatsServers {
  readonly servers: readonly NatsServer[];
  /** Holds all that they keep. */
  readonly folder: string;
  readonly #remove: () => void;

  private constructor(servers: readonly NatsServer[], folder: string) {
    this.servers = servers;
    this.folder = folder;
    this.#remove = guardFolder(folder);
  }

  /** Starts one server (`count` 1) or a cluster (3). */
  static async start(count: 1 | 3, options: NatsOptions): Promise<NatsServers> {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-nats-'));
    const all: number[] = [];
    if (count > 1) for (let index = 0; index < count; index++) all.push(await freePort());
    const prepared: NatsServer[] = [];
    for (let index = 0; index < count; index++) {
      const port = all[index];
      prepared.push(
        await NatsServer.prepare(`n${index + 1}`, folder, options, port === undefined ? undefined : { port, all }),
      );
    }
    const servers = new NatsServers(prepared, folder);
    try {
      await Promise.all(prepared.map((server) => server.start()));
    } catch (error) {
      await servers.end();
      throw error;
    }
    return servers;
  }

  get urls(): string[] {
    return this.servers.map(({ url }) => url);
  }

  /** The leader of a stream, or of the cluster itself, as soon as a server that runs knows one. */
  async waitForLeader(stream?: string): Promise<NatsServer> {
    return await eventually(`a leader of ${stream ?? 'the cluster'}`, async () => {
      for (const server of this.servers.filter(({ running }) => running)) {
        const name = await server.leader(stream).catch(() => undefined);
        const leader = this.servers.find((candidate) => candidate.name === name);
        // Those that are left may still name one that was killed.
        if (leader?.running === true) return leader;
      }
      return undefined;
    });
  }

  /** Kills all of them and removes their folder. */
  async end(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()));
    this.#remove();
  }
}
