// A nats-server with JetStream, everything on the disk before it is acknowledged.

import { findNatsServer } from '../../../../scripts/nats-server.mjs';
import { NatsServers, type NatsServer } from '../../../nats/test/integration/nats-servers.ts';

export class JetStreamServer {
  readonly #servers: NatsServers;
  readonly #server: NatsServer;

  private constructor(servers: NatsServers) {
    this.#servers = servers;
    [this.#server] = servers.servers as [NatsServer];
  }

  static async start(): Promise<JetStreamServer> {
    return new JetStreamServer(await NatsServers.start(1, { program: await findNatsServer(), syncInterval: 'always' }));
  }

  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get folder(): string {
    return this.#servers.folder;
  }

  get pids(): number[] {
    return this.#server.pid === undefined ? [] : [this.#server.pid];
  }

  get running(): boolean {
    return this.#server.running;
  }

  async start(): Promise<void> {
    await this.#server.start();
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  async kill(): Promise<void> {
    await this.#server.kill();
  }

  async restart(): Promise<void> {
    await this.#server.restart();
  }

  freeze(): void {
    this.#server.freeze();
  }

  thaw(): void {
    this.#server.thaw();
  }

  async end(): Promise<void> {
    await this.#servers.end();
  }
}
