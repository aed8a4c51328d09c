// A mock of a Kafka cluster, the one within librdkafka that kcat starts. It holds topics, their records and what groups have
// committed, in memory, as long as it runs: nothing survives, and each life listens on a port of its own.
//
// What it lacks: topics cannot be created (they are, with four partitions, when a client first asks for them), nor listed by
// an administrator; a group takes three seconds to come together. kafkajs 2 produces, consumes and commits.

import { findServer, type ServerProgram } from '../../../../scripts/servers.mjs';
import { answerOf } from './answer.ts';
import { LocalServer, type Command } from './local-server.ts';

/** ApiVersions, version 0, of a client without a name. */
const API_VERSIONS = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);

export class KafkaServer extends LocalServer {
  readonly #program: ServerProgram;
  readonly #brokers: number;
  #bootstrap: string | undefined;

  private constructor(program: ServerProgram, brokers: number) {
    super('kafka');
    this.#program = program;
    this.#brokers = brokers;
  }

  static async start({ brokers = 1 }: { readonly brokers?: number } = {}): Promise<KafkaServer> {
    const server = new KafkaServer(await findServer('kcat'), brokers);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  /** What a client begins with: `127.0.0.1:9092`, of its first broker in this life. */
  get url(): string {
    if (this.#bootstrap === undefined) throw new Error('the Kafka cluster does not run');
    return this.#bootstrap.split(',')[0]!;
  }

  get port(): number {
    return Number(this.url.split(':')[1]);
  }

  protected override command(): Command {
    this.#bootstrap = undefined;
    // A producer that waits for its first record: the cluster is there as long as it is.
    const args = [
      '-P',
      '-b',
      '127.0.0.1:1',
      '-t',
      'kcat',
      '-X',
      `test.mock.num.brokers=${this.#brokers}`,
      '-d',
      'mock',
    ];
    return { path: this.#program.path, args, options: { env: this.#program.env }, input: 'pipe' };
  }

  protected override async answers(): Promise<boolean> {
    this.#bootstrap = /\bbootstrap\.servers=(127\.0\.0\.1:\d+\S*)/.exec(await this.log())?.[1];
    if (this.#bootstrap === undefined) return false;
    return (await answerOf(this.port, API_VERSIONS)).readInt32BE(4) === 7;
  }

  override async kill(): Promise<void> {
    await super.kill();
    this.#bootstrap = undefined;
  }

  /** The same as `kill`: there is nothing to be saved, and its producer would wait for its input. */
  override async stop(): Promise<void> {
    await this.kill();
  }
}
