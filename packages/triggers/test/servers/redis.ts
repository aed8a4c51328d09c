// Redis, with everything on the disk before it is acknowledged.

import { findServer, type ServerProgram } from '../../../../scripts/servers.mjs';
import { freePort } from '../../../nats/test/integration/free-port.ts';
import { answerOf } from './answer.ts';
import { LocalServer, type Command } from './local-server.ts';

export class RedisServer extends LocalServer {
  readonly port: number;
  readonly #program: ServerProgram;

  private constructor(program: ServerProgram, port: number) {
    super('redis');
    this.#program = program;
    this.port = port;
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await findServer('redis-server'), await freePort());
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  protected override command(): Command {
    const settings = {
      bind: '127.0.0.1',
      port: `${this.port}`,
      dir: this.folder,
      appendonly: 'yes',
      appendfsync: 'always',
      save: '',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    return { path: this.#program.path, args, options: { env: this.#program.env } };
  }

  protected override async answers(): Promise<boolean> {
    // While it loads its data it answers with an error.
    return (await answerOf(this.port, 'PING\r\n')).toString().startsWith('+PONG');
  }
}
