import { afterEach, expect, test, vi } from 'vitest';
import { actor, startActorHost, type ActorHost } from '../src/index.ts';
import { forEachSeed, NO_FAULTS, simulate, SimulationError, type SimulationReport } from '../src/testing.ts';

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  methods: { increment: (ctx) => (ctx.state.count += 1) },
});

afterEach(() => void vi.unstubAllEnvs());

/** Calls now and then, while everything goes wrong. */
function disturbedCounts(seed: number): Promise<SimulationReport> {
  return simulate({
    seed,
    start: (parts) => startActorHost({ ...parts, actors: [counter] }),
    async scenario(simulation) {
      const increment = (host: ActorHost) => host.actor(counter, `c${simulation.random.integer(0, 3)}`).increment();
      let counted = 0;
      for (let step = 0; step < 30; step++) {
        await simulation.sleep(simulation.random.integer(1, 1_000));
        simulation
          .anyHost()
          ?.ask(increment)
          .then(
            () => counted++,
            () => {},
          );
      }
      await simulation.calm();
      await simulation.sleep(40_000);
      expect(counted).toBeGreaterThan(0);
    },
  });
}

test('the same seed gives the same trace, another seed another one', async () => {
  const digests = new Set<string>();
  for (const seed of [1, 2, 3, 4, 5]) {
    const report = await disturbedCounts(seed);
    expect(await disturbedCounts(seed)).toEqual(report);
    digests.add(report.digest);
  }
  expect(digests.size).toBe(5);
});

test('everything that can go wrong does', async () => {
  const traces: string[] = [];
  for (let seed = 1; seed <= 30; seed++) {
    await simulate({
      seed,
      faults: { unfenced: true },
      start: (parts) => startActorHost({ ...parts, actors: [counter] }),
      async scenario(simulation) {
        for (let step = 0; step < 40; step++) {
          await simulation.sleep(500);
          const id = `c${step % 8}`;
          simulation
            .anyHost()
            ?.ask((host: ActorHost) => host.actor(counter, id).increment())
            .catch(() => {});
        }
        await simulation.calm();
        traces.push(...simulation.trace);
      },
    });
  }
  const trace = traces.join('\n');
  for (const line of [
    /lost \w+→\w+ call/,
    /again \w+→\w+ reply/,
    /undeliverable \w+→\w+ call/,
    /commit .* timed out/,
    /load .* timed out/,
    /commit .* is carried out late/,
    /commit .* ConflictError/,
    /pause \w+/,
    /thaw \w+/,
    /kill \w+/,
    /\w+ has drained \d/,
    /\w+ hears that it was taken for dead/,
    /the clock of \w+ jumps by -\d+ ms/,
    /the storage has no leader for \d+ ms/,
    /\w+→\w+ is cut for \d+ ms/,
    /\w+ hears nothing of placement for \d+ ms/,
  ])
    expect(trace).toMatch(line);
});

test('a seed that fails is named with the command that runs it alone, and what happened', async () => {
  vi.stubEnv('TROUPE_SEED', undefined);
  const run = (seed: number) =>
    simulate({
      seed,
      hosts: 1,
      faults: NO_FAULTS,
      start: (parts) => startActorHost({ ...parts, actors: [counter] }),
      async scenario({ hosts }) {
        const count = await hosts[0]!.ask((host) => host.actor(counter, 'c').increment());
        if (seed === 2) throw new RangeError(`counted ${count}`);
      },
    });
  const failure = await forEachSeed({ count: 3, command: 'npx vitest run this.test.ts' }, run).catch(
    (error: Error) => error,
  );
  expect(failure).toBeInstanceOf(Error);
  expect((failure as Error).cause).toBeInstanceOf(SimulationError);
  expect((failure as Error).message).toContain('counted 1');
  expect((failure as Error).message).toContain('TROUPE_SEED=2 npx vitest run this.test.ts');
  expect((failure as Error).message).toContain('commit counter/c');
});
