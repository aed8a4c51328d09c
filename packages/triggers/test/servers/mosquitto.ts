// Mosquitto, an MQTT broker.
//
// It acknowledges what it has not written: what came after the last `save` is lost by `kill`. `stop` and `restart` lose nothing.

import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findServer, type ServerProgram } from '../../../../scripts/servers.mjs';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { freePort } from '../../../nats/test/integration/free-port.ts';
import { answerOf } from './answer.ts';
import { LocalServer, type Command } from './local-server.ts';

/** CONNECT of MQTT 3.1.1: a new session, no keep-alive, the client named by the server. */
const CONNECT = Buffer.from([0x10, 12, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 0, 0, 0]);
const CONNACK = 0x20;

export class MosquittoServer extends LocalServer {
  readonly port: number;
  readonly #program: ServerProgram;

  private constructor(program: ServerProgram, port: number) {
    super('mosquitto');
    this.#program = program;
    this.port = port;
  }

  static async start(): Promise<MosquittoServer> {
    const server = new MosquittoServer(await findServer('mosquitto'), await freePort());
    try {
      await writeFile(server.#configurationFile, server.#configuration());
      await server.start();
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  get #configurationFile(): string {
    return join(this.folder, 'mosquitto.conf');
  }

  get #database(): string {
    return join(this.folder, 'mosquitto.db');
  }

  #configuration(): string {
    // Started by root it would become a user who may not be there. A session keeps all that is published meanwhile.
    return `listener ${this.port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location ${this.folder}/
max_queued_messages 0
set_tcp_nodelay true
log_dest stdout
`;
  }

  protected override command(): Command {
    return { path: this.#program.path, args: ['-c', this.#configurationFile], options: { env: this.#program.env } };
  }

  protected override async answers(): Promise<boolean> {
    return (await answerOf(this.port, CONNECT))[0] === CONNACK;
  }

  /** Has it write its sessions, their messages and the retained ones; resolves when that is done. */
  async save(): Promise<void> {
    const before = await this.#saved();
    this.signal('SIGUSR1');
    await eventually('mosquitto has saved', async () => {
      const now = await this.#saved();
      return now !== undefined && now !== before;
    });
  }

  /** Tells one saved database from the next, which is renamed over it. */
  async #saved(): Promise<number | undefined> {
    return await stat(this.#database).then(
      ({ ino }) => ino,
      () => undefined,
    );
  }
}
