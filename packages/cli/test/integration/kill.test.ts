import { expect, test } from 'vitest';
import { rounds, startService, temporaryFolder, type ServiceProcess } from './harness.ts';

const ACKNOWLEDGED_COUNT = 200;
/** Each starts one instance after another, so that this many starts are under way when the service is killed. */
const CLIENT_COUNT = 40;

interface Attempts {
  readonly acknowledged: readonly string[];
  readonly unknown: readonly string[];
}

/** Every fourth waits for a person, the others run through. */
function pathOf(round: number, number: number): string {
  return `${number % 4 === 0 ? 'order' : 'hello'}/r${round}-${number}`;
}

/** Starts instances until enough are acknowledged, and kills the service that very moment. */
async function startAndKill(service: ServiceProcess, round: number): Promise<Attempts> {
  const acknowledged: string[] = [];
  const unknown: string[] = [];
  let count = 0;
  let killed: Promise<void> | undefined;
  async function client(): Promise<void> {
    while (killed === undefined) {
      const path = pathOf(round, count++);
      try {
        const answer = await service.post(
          `${path}/start`,
          path.startsWith('order') ? { item: 'book', amount: 1 } : path,
        );
        expect(answer).toMatchObject({ status: 202 });
        acknowledged.push(path);
        if (acknowledged.length === ACKNOWLEDGED_COUNT) killed = service.kill();
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        // The connection broke.
        unknown.push(path);
      }
    }
  }
  await Promise.all(Array.from({ length: CLIENT_COUNT }, client));
  await killed;
  return { acknowledged, unknown };
}

async function finish(service: ServiceProcess, path: string): Promise<void> {
  if (path.startsWith('order')) {
    expect(await service.post(`${path}/raiseEvent/approved`, { by: 'Ada' }), path).toMatchObject({ status: 202 });
    expect(await service.end(path)).toMatchObject({ runtimeStatus: 'COMPLETED', output: { by: 'Ada' } });
  } else {
    const words = ['Hello', 'Bonjour', 'Hola'];
    const output = words.map((word) => `${word}, ${path}!`);
    expect(await service.end(path)).toMatchObject({ runtimeStatus: 'COMPLETED', output });
  }
}

test(
  'what was acknowledged before a kill -9 of the whole process group is completed after a restart',
  { timeout: 60_000 + rounds * 30_000 },
  async () => {
    const folder = await temporaryFolder();
    for (let round = 1; round <= rounds; round++) {
      const service = await startService(folder);
      const { acknowledged, unknown } = await startAndKill(service, round);
      expect(acknowledged.length).toBeGreaterThanOrEqual(ACKNOWLEDGED_COUNT);

      const next = await startService(folder);
      await Promise.all(acknowledged.map((path) => finish(next, path)));
      // Those that nobody acknowledged were started or not, and nothing between.
      await Promise.all(
        unknown.map(async (path) => {
          if ((await next.get(path)).status !== 404) await finish(next, path);
        }),
      );
      await next.kill();
    }
  },
);

test(
  'a service that is killed again and again while it recovers loses nothing',
  { timeout: 60_000 + rounds * 10_000 },
  async () => {
    const folder = await temporaryFolder();
    const { acknowledged } = await startAndKill(await startService(folder), 0);
    for (let round = 1; round <= rounds; round++) {
      // At another moment each time: before it is ready, and after.
      const service = startService(folder).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 300 + 100 * (round % 10)));
      await (await service)?.kill();
    }
    const service = await startService(folder);
    await Promise.all(acknowledged.map((path) => finish(service, path)));
  },
);
