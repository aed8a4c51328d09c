// A service of gRPC clients on the embedded store, in the process of the test, and processes with SDKs that speak with it.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { serveGrpc, type GrpcServer } from '@troupe/gateway/grpc';
import { levelStore } from '@troupe/level';
import { startHost, type WorkflowHost, type WorkflowHostOptions } from '@troupe/workflow';
import { TestLogger } from '../../packages/gateway/test/harness.ts';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { freePort } from '../../packages/nats/test/integration/free-port.ts';
import { guardFolder } from '../../scripts/guardian.mjs';
import { SdkProcess, type Sdk } from './sdk-process.ts';

/** Where the instances of a host are. */
type Storage = Pick<WorkflowHostOptions, 'store'> | Pick<WorkflowHostOptions, 'cluster'>;

export class Service {
  readonly address: string;
  readonly #port: number;
  readonly #storage: () => Storage;
  readonly #removeFolder: () => void;
  readonly #logger = new TestLogger();
  #running: { readonly host: WorkflowHost; readonly server: GrpcServer } | undefined;

  private constructor(port: number, storage: () => Storage, removeFolder: () => void) {
    this.#port = port;
    this.#storage = storage;
    this.#removeFolder = removeFolder;
    this.address = `127.0.0.1:${port}`;
  }

  /** On the embedded store unless told otherwise. */
  static async start(storage?: () => Storage): Promise<Service> {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-interop-'));
    const removeFolder = guardFolder(folder);
    // Not just any: it comes back at the same one.
    const started = new Service(await freePort(), storage ?? (() => ({ store: levelStore(folder) })), removeFolder);
    await started.#start();
    return started;
  }

  async #start(): Promise<void> {
    const logger = this.#logger;
    const host = await startHost({ ...this.#storage(), workflows: [], activities: [], logger });
    this.#running = { host, server: await serveGrpc(host, { port: this.#port, logger }) };
  }

  get host(): WorkflowHost {
    if (this.#running === undefined) throw new Error('the service does not run');
    return this.#running.host;
  }

  /** Resolves when so many workers are connected. */
  async workers(count: number): Promise<void> {
    await eventually(`${count} workers are connected`, () => this.host.workers.connected === count);
  }

  /** In order: streams of workers end well, calls that are under way are answered. */
  async restart(): Promise<void> {
    await this.#stop();
    await this.#start();
  }

  /** @throws {Error} when an error was logged meanwhile */
  async stop(): Promise<void> {
    await this.#stop();
    this.#removeFolder();
    const [error] = this.#logger.errors;
    if (error !== undefined) throw new Error(`an error was logged: ${error.message}`, { cause: error.details });
  }

  async #stop(): Promise<void> {
    const { host, server } = this.#running!;
    await server.stop();
    await host.stop();
    this.#running = undefined;
  }
}

/** A process with an SDK and the service that it speaks with. */
export interface Peer {
  readonly service: Service;
  readonly process: SdkProcess;
  readonly ask: SdkProcess['ask'];
}

/** Both are there as long as the tests of the group that calls it, and so is the process's worker, which runs all code. */
export function sharedPeer(sdk: Sdk): Peer {
  let service: Service | undefined;
  let process: SdkProcess | undefined;
  beforeAll(async () => {
    service = await Service.start();
    process = await SdkProcess.start(sdk, service.address);
    await process.ask.work();
    await service.workers(1);
  });
  afterAll(async () => {
    await process?.kill();
    await service?.stop();
  });
  const there = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('only tests have it');
    return value;
  };
  return {
    get service() {
      return there(service);
    },
    get process() {
      return there(process);
    },
    get ask() {
      return there(process).ask;
    },
  };
}
