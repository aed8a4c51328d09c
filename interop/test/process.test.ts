// The service as people start it, with workers and clients of each SDK, killed and stopped.

import { describe, expect, onTestFinished, test } from 'vitest';
import { startService, temporaryFolder, type ServiceProcess } from '../../packages/cli/test/integration/harness.ts';
import { eventually } from '../../packages/nats/test/integration/eventually.ts';
import { freePort } from '../../packages/nats/test/integration/free-port.ts';
import { SdkError, SdkProcess, SDKS, type Sdk } from './sdk-process.ts';

/** More for `npm run chaos`. */
const rounds = Number(process.env['TROUPE_ROUNDS'] ?? 1);
const ACKNOWLEDGED_COUNT = 60;
/** Each starts one instance after another, so that this many starts are under way when the service is killed. */
const STARTER_COUNT = 10;

class Site {
  readonly #folder: string;
  readonly #ports: { readonly http: number; readonly grpc: number };

  private constructor(folder: string, ports: { readonly http: number; readonly grpc: number }) {
    this.#folder = folder;
    this.#ports = ports;
  }

  static async prepare(): Promise<Site> {
    return new Site(await temporaryFolder(), { http: await freePort(), grpc: await freePort() });
  }

  start(): Promise<ServiceProcess> {
    const { http, grpc } = this.#ports;
    return startService(this.#folder, '--no-examples', '--port', String(http), '--grpc-port', String(grpc));
  }

  async peer(sdk: Sdk): Promise<SdkProcess> {
    const peer = await SdkProcess.start(sdk, `127.0.0.1:${this.#ports.grpc}`);
    onTestFinished(() => peer.kill());
    return peer;
  }
}

/** Every third waits for an event, the others run through. */
const waits = (number: number): boolean => number % 3 === 0;
const outputOf = (number: number): string =>
  waits(number) ? '["go on"]' : JSON.stringify(Array.from({ length: 11 }, (_, step) => number + step));

/** Starts instances until enough are acknowledged, and kills the service that very moment. */
async function startAndKill(client: SdkProcess, service: ServiceProcess): Promise<ReadonlyMap<string, number>> {
  const acknowledged = new Map<string, number>();
  let count = 1;
  let killed: Promise<void> | undefined;
  async function starter(): Promise<void> {
    while (killed === undefined) {
      const number = count++;
      try {
        const id = waits(number)
          ? await client.ask.start('eventsInTurn', ['go'])
          : await client.ask.start('sequence', number);
        acknowledged.set(id, number);
        if (acknowledged.size === ACKNOWLEDGED_COUNT) killed = service.kill();
      } catch (error) {
        // The connection broke: nobody knows.
        if (!(error instanceof SdkError)) throw error;
      }
    }
  }
  await Promise.all(Array.from({ length: STARTER_COUNT }, starter));
  await killed;
  return acknowledged;
}

describe.each(SDKS)('a service with a worker of %s', (sdk) => {
  test(
    'has lost nothing of what it acknowledged when it is killed and started again',
    { timeout: 60_000 + rounds * 60_000 },
    async () => {
      const site = await Site.prepare();
      let service = await site.start();
      let worker = await site.peer(sdk);
      await worker.ask.work();
      for (let round = 0; round < rounds; round++) {
        const client = await site.peer(sdk);
        const acknowledged = await startAndKill(client, service);
        service = await site.start();
        // This one never comes back when its stream has ended with an error.
        if (sdk === 'dapr') {
          await worker.kill();
          worker = await site.peer(sdk);
          await worker.ask.work();
        }
        await eventually('the client is connected again', () => client.ask.state('anybody').then(() => true));
        const ends = Array.from(acknowledged, async ([id, number]) => {
          if (waits(number)) await client.ask.raise(id, 'go', 'go on');
          const state = await client.ask.ended(id);
          expect(state, String(number)).toMatchObject({ status: 'COMPLETED', output: outputOf(number) });
        });
        await Promise.all(ends);
        await client.kill();
      }
    },
  );

  test('lets it go in order when it is stopped, and has it back when it is started again', async () => {
    const site = await Site.prepare();
    const service = await site.start();
    const peer = await site.peer(sdk);
    await peer.ask.work();
    const id = await peer.ask.start('eventsInTurn', ['go']);
    expect(await peer.ask.started(id)).toMatchObject({ status: 'RUNNING' });
    service.signal('SIGTERM');
    expect(await service.exited).toMatchObject({ code: 0 });
    await site.start();
    await eventually('the client is connected again', () => peer.ask.state(id));
    await peer.ask.raise(id, 'go', 'after');
    expect(await peer.ask.ended(id)).toMatchObject({ status: 'COMPLETED', output: '["after"]' });
  });
});
