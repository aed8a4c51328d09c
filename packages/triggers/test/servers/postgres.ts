// PostgreSQL: a cluster of databases of its own, whose user `postgres` needs no password.
//
// It refuses to run as root: started by root it runs as nobody, to whom its folder then belongs.

import { execFile } from 'node:child_process';
import { chown } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findServer, type ServerProgram } from '../../../../scripts/servers.mjs';
import { freePort } from '../../../nats/test/integration/free-port.ts';
import { answerOf } from './answer.ts';
import { LocalServer, type Command } from './local-server.ts';

const NOBODY = 65_534;
const USER = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
const INITDB_TIMEOUT_MS = 2 * 60_000;

export class PostgresServer extends LocalServer {
  readonly port: number;
  readonly #program: ServerProgram;

  private constructor(program: ServerProgram, port: number) {
    super('postgres');
    this.#program = program;
    this.port = port;
  }

  static async start(): Promise<PostgresServer> {
    const server = new PostgresServer(await findServer('postgres'), await freePort());
    try {
      await server.#initialise();
      await server.start();
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  async #initialise(): Promise<void> {
    if (USER.uid !== undefined) await chown(this.folder, USER.uid, USER.gid);
    const args = ['-D', this.#data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'];
    await promisify(execFile)(join(dirname(this.#program.path), 'initdb'), args, {
      ...USER,
      cwd: this.folder,
      env: this.#program.env,
      timeout: INITDB_TIMEOUT_MS,
    });
  }

  protected override command(): Command {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: `${this.port}`,
      unix_socket_directories: this.folder,
      // Outlives the end of the process, which is all that ends here.
      fsync: 'off',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const options = { env: this.#program.env, ...USER };
    return { path: this.#program.path, args: ['-D', this.#data, ...args], options };
  }

  protected override async answers(): Promise<boolean> {
    // A startup message; answered with an error while it recovers.
    const parameters = Buffer.from('user\0postgres\0database\0postgres\0\0');
    const head = Buffer.alloc(8);
    head.writeInt32BE(head.length + parameters.length);
    head.writeInt32BE(0x0003_0000, 4);
    return (await answerOf(this.port, Buffer.concat([head, parameters]))).toString('latin1').startsWith('R');
  }

  protected override endedForNow(log: string): boolean {
    // The children of one that was killed end by themselves, and a moment later.
    return /pre-existing shared memory block .* is still in use/.test(log);
  }

  /** SIGINT, its fast way: it ends the sessions of clients. */
  override async stop(): Promise<void> {
    this.thaw();
    this.signal('SIGINT');
    await super.stop();
  }
}
