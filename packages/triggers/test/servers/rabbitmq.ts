// RabbitMQ, with the Erlang that runs it: a node of its own, whose name server (epmd) is its own too.
//
// Messages are on the disk when they are confirmed. Of a queue that was just declared this was seen to fail once: a test that
// kills it waits for `declared` before. A start takes seconds of a processor.

import { mkdir, readdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findServer, type ServerProgram } from '../../../../scripts/servers.mjs';
import { Child } from '../../../nats/test/integration/child.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { freePort } from '../../../nats/test/integration/free-port.ts';
import { answerOf } from './answer.ts';
import { LocalServer, type Command } from './local-server.ts';

const PROTOCOL_HEADER = Buffer.from([...Buffer.from('AMQP'), 0, 0, 9, 1]);
const METHOD_FRAME = 1;
/** NAMES_REQ of epmd: who is registered. */
const NAMES_REQUEST = Buffer.from([0, 1, 110]);

interface Ports {
  readonly amqp: number;
  readonly epmd: number;
  readonly distribution: number;
}

export class RabbitServer extends LocalServer {
  readonly #program: ServerProgram;
  readonly #ports: Ports;
  #epmd: Child | undefined;

  private constructor(program: ServerProgram, ports: Ports) {
    super('rabbitmq');
    this.#program = program;
    this.#ports = ports;
  }

  static async start(): Promise<RabbitServer> {
    const ports = { amqp: await freePort(), epmd: await freePort(), distribution: await freePort() };
    const server = new RabbitServer(await findServer('rabbitmq-server'), ports);
    try {
      await mkdir(server.#home);
      await server.#linkPlugins();
      await writeFile(`${server.#configuration}.conf`, server.#settings());
      await server.start();
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  get port(): number {
    return this.#ports.amqp;
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}`;
  }

  get #home(): string {
    return join(this.folder, 'home');
  }

  get #configuration(): string {
    return join(this.folder, 'rabbitmq');
  }

  get #plugins(): string {
    return join(this.folder, 'plugins');
  }

  /** It reads what every plugin in its folder is, at each start; of those that it comes with it needs none but itself. */
  async #linkPlugins(): Promise<void> {
    const folder = join(dirname(await realpath(this.#program.path)), '../plugins');
    await mkdir(this.#plugins);
    for (const name of await readdir(folder)) {
      if (name.startsWith('rabbit-')) await symlink(join(folder, name), join(this.#plugins, name));
    }
  }

  #settings(): string {
    // A full disk is no matter of a test.
    return `listeners.tcp.1 = 127.0.0.1:${this.#ports.amqp}
disk_free_limit.absolute = 1MB
log.console = true
log.file = false
`;
  }

  get #env(): NodeJS.ProcessEnv {
    return {
      ...this.#program.env,
      HOME: this.#home,
      ERL_CRASH_DUMP: join(this.folder, 'erl_crash.dump'),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_EPMD_PORT: `${this.#ports.epmd}`,
      RABBITMQ_CONF_ENV_FILE: join(this.folder, 'rabbitmq-env.conf'),
      RABBITMQ_CONFIG_FILE: this.#configuration,
      RABBITMQ_ADVANCED_CONFIG_FILE: join(this.folder, 'advanced.config'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.folder, 'enabled_plugins'),
      RABBITMQ_DIST_PORT: `${this.#ports.distribution}`,
      RABBITMQ_LOG_BASE: join(this.folder, 'log'),
      RABBITMQ_MNESIA_BASE: join(this.folder, 'mnesia'),
      RABBITMQ_NODENAME: 'rabbit@localhost',
      RABBITMQ_PLUGINS_DIR: this.#plugins,
      RABBITMQ_PID_FILE: join(this.folder, 'pid'),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false',
      // The script becomes the server then, and does not start it as its child.
      RUNNING_UNDER_SYSTEMD: 'true',
    };
  }

  override get pids(): number[] {
    return this.#epmd?.pid === undefined ? super.pids : [...super.pids, this.#epmd.pid];
  }

  override async start(): Promise<void> {
    await this.#startEpmd();
    await super.start();
  }

  async #startEpmd(): Promise<void> {
    if (this.#epmd?.running === true) return;
    const epmd = new Child('epmd', [], { cwd: this.folder, env: this.#env, stdio: 'ignore' });
    this.#epmd = epmd;
    const state = await eventually('epmd answers', async () => {
      if (!epmd.running) return 'ended';
      return (await answerOf(this.#ports.epmd, NAMES_REQUEST)).length > 0 && 'ready';
    });
    if (state === 'ended') throw new Error('epmd ended');
  }

  protected override command(): Command {
    return { path: this.#program.path, args: [], options: { env: this.#env } };
  }

  protected override async answers(): Promise<boolean> {
    return (await answerOf(this.port, PROTOCOL_HEADER))[0] === METHOD_FRAME;
  }

  /** Resolves when the declaration of a durable queue is in the files of its database, so that `kill` leaves it there. */
  async declared(queue: string): Promise<void> {
    await eventually(`the queue ${queue} is written`, async () => {
      const folder = join(this.folder, 'mnesia/rabbit@localhost');
      for (const name of await readdir(folder)) {
        if (!/^((LATEST|PREVIOUS)\.LOG|rabbit_durable_queue\..*)$/.test(name)) continue;
        if ((await readFile(join(folder, name))).includes(queue)) return true;
      }
      return false;
    });
  }

  override async end(): Promise<void> {
    await this.#epmd?.kill();
    await super.end();
  }
}
