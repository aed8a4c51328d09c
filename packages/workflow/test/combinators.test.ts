// Native promise combinators over durable promises: every order of arrival, alone and in one group, with follow-up commands
// in the branches (the order trap): the live run, a replay of every prefix and a run that crashes after each arrival agree.

import { expect, test } from 'vitest';
import { workflow, type WorkflowContext } from '../src/index.ts';
import { replayHistory, testHost } from '../src/testing.ts';

type Names = readonly string[];
type Program = (ctx: WorkflowContext, names: Names) => Promise<unknown>;

const job = (ctx: WorkflowContext, name: string): Promise<string> => ctx.callActivity<string>('job', name);
const next = (ctx: WorkflowContext, name: string): Promise<string> => ctx.callActivity<string>('next', name);
const failed = (error: unknown): string => `failed ${(error as Error).message}`;

const programs: Record<string, Program> = {
  'all, with a follow-up in each branch': (ctx, names) =>
    Promise.all(names.map(async (name) => [await next(ctx, await job(ctx, name)), await next(ctx, name)])),
  'all that fails, and a last command': async (ctx, names) => {
    const result = await Promise.all(names.map((name, at) => job(ctx, at === 0 ? `bad ${name}` : name))).catch(failed);
    return [result, await next(ctx, 'last')];
  },
  'race, then what is left behind': async (ctx, names) => {
    const branches = names.map(async (name) => next(ctx, await job(ctx, name)));
    const first = await Promise.race(branches);
    return [first, await next(ctx, `after ${first}`), await Promise.all(branches)];
  },
  'race that loses branches for ever': async (ctx, names) => {
    const first = await Promise.race(names.map((name) => job(ctx, name)));
    return [first, await next(ctx, first), await next(ctx, 'b')];
  },
  'any, with failures': async (ctx, names) => {
    const result = await Promise.any(
      names.map(async (name, at) => next(ctx, await job(ctx, at % 2 === 0 ? `bad ${name}` : name))),
    ).catch((error: unknown) => (error as AggregateError).errors.map(failed));
    return [result, await next(ctx, 'last')];
  },
  'allSettled, with follow-ups after failures': async (ctx, names) => {
    const settled = await Promise.allSettled(
      names.map(async (name, at) => {
        const result = await job(ctx, at % 2 === 1 ? `bad ${name}` : name).catch(failed);
        return next(ctx, result);
      }),
    );
    return settled.map((one) => (one.status === 'fulfilled' ? one.value : failed(one.reason)));
  },
  nests: async (ctx, names) => {
    const log: string[] = [];
    const noted = async (name: string): Promise<string> => {
      const result = await job(ctx, name);
      log.push(result);
      return next(ctx, result);
    };
    const [first, ...rest] = names.map(noted);
    const half = Math.ceil(rest.length / 2);
    const result = await Promise.all([
      Promise.race([first!, Promise.all(rest)]),
      rest.length === 0 ? 'none' : Promise.any([Promise.all(rest.slice(0, half)), Promise.all(rest.slice(half))]),
      Promise.allSettled(rest).then(async (all) => [all.length, await next(ctx, 'settled')]),
    ]);
    return [result, log];
  },
  'chains of then and finally': (ctx, names) => {
    let done = 0;
    return Promise.all(
      names.map((name) =>
        job(ctx, name)
          .then((result) => next(ctx, `${result}!`))
          .finally(() => {
            done += 1;
            ctx.setCustomStatus(done);
          })
          .then(async (result) => [result, done, await next(ctx, `${done}`)]),
      ),
    );
  },
};

interface Outcome {
  readonly output: unknown;
  readonly history: readonly unknown[];
}

/** Lets the jobs end in this order. `crashing`: the host dies after each; `grouped`: all end at once. */
async function run(
  program: Program,
  count: number,
  order: readonly number[],
  how: 'single' | 'grouped' | 'crashing',
): Promise<Outcome> {
  const names = Array.from({ length: count }, (_, index) => `j${index}`);
  const definition = workflow('program', program);
  const gates = new Map<string, { promise: Promise<string>; open: () => void }>();
  for (const name of names) {
    for (const key of [name, `bad ${name}`]) {
      let open!: () => void;
      const promise = new Promise<string>((resolve, reject) => {
        open = () => (key.startsWith('bad') ? reject(new Error(name)) : resolve(`r-${name}`));
      });
      promise.catch(() => {});
      gates.set(key, { promise, open });
    }
  }
  const fakes = { job: (name: string) => gates.get(name)!.promise, next: (name: string) => `n-${name}` };
  let t = await testHost({ workflows: [definition], fakes });
  await t.workflows.start(definition, { instanceId: 'p', input: names });
  await t.settle();
  for (const index of order) {
    gates.get(names[index]!)!.open();
    gates.get(`bad ${names[index]!}`)!.open();
    if (how === 'grouped') continue;
    await t.settle();
    if (how === 'crashing') {
      t = await t.crash();
      await t.settle();
    }
  }
  await t.settle();
  const { output, runtimeStatus, failure } = (await t.workflows.get('p'))!;
  expect(`${runtimeStatus} ${failure?.message}`).toBe('completed undefined');
  const { events } = await t.workflows.history('p');
  const history = events.map(({ type, sequence, details }) => {
    const { failure: thrown, ...rest } = details as { failure?: { message: string } };
    return { type, sequence, ...rest, thrown: thrown?.message };
  });
  if (how === 'grouped') {
    for (let length = 1; length <= events.length; length++) {
      // A turn's commands are committed with its event: a prefix never ends between them.
      if (/Scheduled$|^WorkflowCompleted$/.test(events[length]?.type ?? '')) continue;
      await replayHistory(definition, { instanceId: 'p', events: events.slice(0, length) });
    }
  }
  await t[Symbol.asyncDispose]();
  return { output, history };
}

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, at) =>
    permutations([...items.slice(0, at), ...items.slice(at + 1)]).map((rest) => [item, ...rest]),
  );
}

for (const [name, program] of Object.entries(programs)) {
  test.each([2, 3, 4])(`${name}: %i promises in every order`, { timeout: 60_000 }, async (count) => {
    for (const order of permutations(Array.from({ length: count }, (_, index) => index))) {
      if (count <= 3) {
        const live = await run(program, count, order, 'single');
        const crashed = await run(program, count, order, 'crashing');
        expect(crashed, `crashing, order ${order.join()}`).toEqual(live);
      }
      // Arrived together they are met in the same order, but follow-ups come later: only the run itself must be replayable.
      await run(program, count, order, 'grouped');
    }
  });
}

test.each(['race, then what is left behind', 'nests'])(
  '%s: five promises that arrive in one group, in every order',
  { timeout: 60_000 },
  async (name) => {
    for (const order of permutations([0, 1, 2, 3, 4])) await run(programs[name]!, 5, order, 'grouped');
  },
);
