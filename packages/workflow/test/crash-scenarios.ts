// Varied workflows for tests that crash them: each with what is done to it from outside, and what it must end with.

import {
  EventTimeoutError,
  NonRetryableError,
  workflow,
  type AnyWorkflow,
  type TerminateOptions,
  type WorkflowClient,
} from '../src/index.ts';
import type { CrashScenario } from '../src/testing.ts';

export interface Scenario extends Pick<CrashScenario, 'workflows' | 'script' | 'instanceIds'> {
  readonly title: string;
  /** What each instance must end with, without a crash and with any. */
  readonly ends: Readonly<Record<string, object>>;
}

// ── What is done from outside, in a way that can be repeated ─────────────────────────────────────────────────────────

type Act = (workflows: WorkflowClient) => Promise<unknown>;

const start =
  (definition: AnyWorkflow, input?: unknown, instanceId = 'w'): Act =>
  (workflows) =>
    workflows.start(definition, { instanceId, input, ifExists: 'attach' });
const raise =
  (name: string, payload: unknown, idempotencyKey = `${name} ${String(payload)}`): Act =>
  (workflows) =>
    workflows.raiseEvent('w', name, payload, { idempotencyKey });
const suspend =
  (idempotencyKey: string): Act =>
  (workflows) =>
    workflows.suspend('w', { idempotencyKey });
const resume =
  (idempotencyKey: string): Act =>
  (workflows) =>
    workflows.resume('w', { idempotencyKey });
const terminate =
  (options: TerminateOptions): Act =>
  (workflows) =>
    workflows.terminate('w', { ...options, idempotencyKey: 'terminate' });

// ── Activities ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Each attempt of a flaky activity fails but the third: by its number, which a crash does not change. */
export const fakes: NonNullable<CrashScenario['fakes']> = {
  job: (input) => ({ did: input }),
  flaky: (_, { attempt }) => {
    if (attempt < 3) throw new Error(`attempt ${attempt}`);
    return 'at last';
  },
  bad: (input) => {
    throw new RangeError(`bad ${String(input)}`);
  },
  hopeless: () => {
    throw new NonRetryableError('hopeless');
  },
};

const RETRY = { maxAttempts: 5, initialIntervalMs: 1_000, backoff: 3, jitter: 0 };
const named = (error: Error): string => error.name;
const caused = (error: unknown): string => (error as { failure: { message: string } }).failure.message;

// ── The workflows ────────────────────────────────────────────────────────────────────────────────────────────────────

const sequence = workflow('sequence', async (ctx, name: string) => {
  const out: unknown[] = [];
  for (let index = 0; index < 3; index++) out.push(await ctx.callActivity('job', `${name}${index}`));
  out.push(await ctx.callActivity('flaky', undefined, { retry: RETRY }));
  out.push(await ctx.callActivity('hopeless', undefined, { retry: RETRY }).catch(caused));
  out.push(await ctx.callActivity('bad', 1, { retry: { ...RETRY, maxAttempts: 2 } }).catch(caused));
  return out;
});

const fan = workflow('fan', async (ctx) => {
  const branches = [1, 2, 3, 4, 5].map(async (n) => {
    await ctx.callActivity('job', n);
    if (n % 2 === 0) await ctx.callActivity('flaky', n, { retry: RETRY });
    return ctx.callActivity('job', -n);
  });
  return [await Promise.all(branches), await ctx.step('sum', () => 15)];
});

const races = workflow('races', async (ctx) => {
  const hour = ctx.createTimer(3_600_000).then(() => 'an hour');
  const first = await Promise.race([hour, ctx.callActivity('job', 'quick'), ctx.waitForExternalEvent('never')]);
  const any = await Promise.any([ctx.callActivity('bad', 'a'), ctx.callActivity('job', 'b'), ctx.createTimer(5_000)]);
  const none = await Promise.any([ctx.callActivity('bad', 'c'), ctx.callActivity('bad', 'd')]).catch(named);
  const all = await Promise.allSettled([ctx.callActivity('bad', 'e'), ctx.callActivity('job', 'f'), hour]);
  void ctx.callActivity('job', 'left behind');
  return [first, any, none, all.map(({ status }) => status)];
});

const events = workflow('events', async (ctx) => {
  const timed = (name: string, timeoutMs: number) =>
    ctx.waitForExternalEvent(name, { timeoutMs }).catch((error: unknown) => {
      if (error instanceof EventTimeoutError) return 'too late';
      throw error;
    });
  const seen = [await timed('a', 1_000), await ctx.waitForExternalEvent('a'), await timed('b', 3_600_000)];
  seen.push(await timed('c', 0), await ctx.callActivity('job', 'between'), await timed('a', 1_000));
  return [...seen, await timed('c', 1_000)];
});

const leaf = workflow('leaf', async (ctx, n: number) => {
  await ctx.createTimer(1_000);
  if (n === 2) throw new RangeError('two');
  return ctx.callActivity('job', n);
});
const branch = workflow('branch', async (ctx, n: number) => {
  const kids = await Promise.allSettled([n, n + 1].map((each) => ctx.callChildWorkflow(leaf, each)));
  return kids.map(({ status }) => status);
});
const root = workflow('root', async (ctx) => {
  const detached = await ctx.callChildWorkflow(leaf, 7, { instanceId: 'detached', detached: true });
  const taken = await ctx.callChildWorkflow(leaf, 8, { instanceId: 'detached' }).catch(caused);
  return [detached, taken, await Promise.all([ctx.callChildWorkflow(branch, 1), ctx.callChildWorkflow(branch, 3)])];
});

const eternal = workflow('eternal', async (ctx, sums: { n: number; m: number }) => {
  const both = await Promise.all([ctx.waitForExternalEvent<number>('n'), ctx.waitForExternalEvent<number>('M')]);
  await Promise.all([ctx.callActivity('job', both), ctx.createTimer(1_000)]);
  ctx.setCustomStatus(both);
  const next = { n: sums.n * 10 + both[0], m: sums.m * 10 + both[1] };
  if (next.n >= 100) return next;
  ctx.continueAsNew(next);
  return undefined;
});

const saga = workflow('saga', async (ctx, mode: 'fails' | 'is stopped') => {
  for (const name of ['a', 'b', 'c']) await ctx.step(name, () => name, { undo: () => undefined });
  ctx.setCustomStatus('done so far: a, b, c');
  if (mode === 'fails') await ctx.callActivity('bad', mode);
  return ctx.waitForExternalEvent('never');
});

const paused = workflow('paused', async (ctx) => {
  const fired = ctx.createTimer(60_000).then(() => 'fired');
  const flaky = ctx.callActivity('flaky', 1, { retry: RETRY });
  const names = [await ctx.waitForExternalEvent('e'), await ctx.waitForExternalEvent('e')];
  return [names, await fired, await flaky, await ctx.callActivity('job', 'after')];
});

const timers = workflow('timers', async (ctx) => {
  const begun = ctx.now().getTime();
  await ctx.createTimer(0);
  await ctx.createTimer(new Date(begun - 86_400_000));
  const soon = [3, 1, 2].map((n) => ctx.createTimer(n * 1_000).then(() => n));
  const order: number[] = [];
  for (const timer of soon) void timer.then((n) => order.push(n));
  await Promise.all(soon);
  await ctx.createTimer(new Date(begun + 86_400_000));
  return order;
});

const inline = workflow('inline', async (ctx) => {
  const text = await ctx.step('read', () => 'abc');
  ctx.setCustomStatus({ read: text.length });
  const key = await ctx.step('key', () => ({ date: new Date(0), bytes: new Uint8Array([1, 2]) }));
  ctx.raiseEvent('listener', 'heard', { text });
  ctx.raiseEvent('listener', 'heard', { text: text + text });
  ctx.setCustomStatus({ told: 2 });
  return [text, key, ctx.uuid().length];
});
const listener = workflow('listener', async (ctx) => [
  await ctx.waitForExternalEvent('heard'),
  await ctx.waitForExternalEvent('heard'),
]);

/** Gives out `free` permits, one after the other, to whoever asks; begins anew with each. */
const coordinator = workflow('coordinator', async (ctx, state: { free: number; served: string[] }) => {
  if (state.served.length === 3) return state.served;
  const asks = await ctx.waitForExternalEvent<string>('ask');
  ctx.raiseEvent(asks, 'permit', state.free);
  await ctx.waitForExternalEvent('release');
  ctx.continueAsNew({ free: state.free, served: [...state.served, asks] });
  return [];
});
const worker = workflow('worker', async (ctx, name: string) => {
  ctx.raiseEvent('w', 'ask', ctx.instanceId);
  await ctx.waitForExternalEvent('permit');
  const did = await ctx.callActivity('job', name);
  ctx.raiseEvent('w', 'release', name);
  return did;
});

const generated = workflow('generated', function* (ctx): Generator<unknown, unknown, never> {
  const first: unknown = yield ctx.callActivity('job', 1);
  const both: unknown = yield Promise.all([ctx.callActivity('job', 2), ctx.createTimer(1_000)]);
  try {
    yield ctx.callActivity('bad', 3);
  } catch (error) {
    return [first, both, caused(error)];
  }
  return undefined;
});
const generatedToo = workflow('generatedToo', async function* (ctx): AsyncGenerator<unknown, unknown, never> {
  const event: unknown = yield ctx.waitForExternalEvent('go');
  return [event, (yield ctx.callChildWorkflow(generated, undefined)) as unknown];
});

// ── The scenarios ────────────────────────────────────────────────────────────────────────────────────────────────────

const completed = (output: unknown) => ({ status: 'completed', output });
const did = (input: unknown) => ({ did: input });

export const scenarios: readonly Scenario[] = [
  {
    title: 'a sequence with retries',
    workflows: [sequence],
    script: [start(sequence, 's'), '1s', '3s', '1m'],
    instanceIds: ['w'],
    ends: { w: completed([did('s0'), did('s1'), did('s2'), 'at last', 'hopeless', 'bad 1']) },
  },
  {
    title: 'a fan-out whose results come in one group, with follow-ups, retries and a step',
    workflows: [fan],
    script: [start(fan), '10s'],
    instanceIds: ['w'],
    ends: { w: completed([[-1, -2, -3, -4, -5].map(did), 15]) },
  },
  {
    title: 'race, any and allSettled with branches left behind',
    workflows: [races],
    script: [start(races), '1s', raise('never', 'heard by nobody'), '2h'],
    instanceIds: ['w'],
    ends: { w: completed([did('quick'), did('b'), 'AggregateError', ['rejected', 'fulfilled', 'fulfilled']]) },
  },
  {
    title: 'events before their waits, time-outs, and the wait after a time-out',
    workflows: [events],
    script: [start(events), raise('B', 1), '2s', raise('a', 2), raise('a', 3), '1s', '5s'],
    instanceIds: ['w'],
    ends: { w: completed(['too late', 2, 1, 'too late', did('between'), 3, 'too late']) },
  },
  {
    title: 'children on three levels, one that fails, one that is detached, one whose id is taken',
    workflows: [root, branch, leaf],
    script: [start(root), '1s', '1s'],
    instanceIds: ['w', 'detached'],
    ends: {
      w: {
        status: 'completed',
        output: [
          'detached',
          'a workflow instance "detached" exists already: leaf, running',
          [
            ['fulfilled', 'rejected'],
            ['fulfilled', 'fulfilled'],
          ],
        ],
      },
      detached: completed(did(7)),
    },
  },
  {
    title: 'continue-as-new with events of two names that are kept, an activity and a timer',
    workflows: [eternal],
    script: [
      start(eternal, { n: 0, m: 0 }),
      ...[1, 2, 3].map((n) => raise('n', n)),
      '1s',
      ...[4, 5, 6].map((m) => raise('m', m)),
      '5s',
    ],
    instanceIds: ['w'],
    ends: { w: { ...completed({ n: 123, m: 456 }), customStatus: [3, 6] } },
  },
  {
    title: 'a saga that fails',
    workflows: [saga],
    script: [start(saga, 'fails')],
    instanceIds: ['w'],
    ends: { w: { status: 'failed', customStatus: 'done so far: a, b, c' } },
  },
  {
    title: 'a saga that is terminated with its undos',
    workflows: [saga],
    script: [start(saga, 'is stopped'), terminate({ undo: true, output: 'stopped' })],
    instanceIds: ['w'],
    ends: { w: { status: 'terminated', output: 'stopped' } },
  },
  {
    title: 'terminate of a tree of three levels while its timers run',
    workflows: [root, branch, leaf],
    script: [start(root), terminate({ recursive: true, output: 'stopped' }), '5s'],
    instanceIds: ['w', 'detached'],
    ends: { w: { status: 'terminated', output: 'stopped' }, detached: completed(did(7)) },
  },
  {
    title: 'suspend and resume while an activity, a timer and events come in',
    workflows: [paused],
    script: [
      ...[start(paused), suspend('s1'), raise('e', 1), '10s', resume('r1')],
      ...[suspend('s2'), '2m', raise('e', 2), resume('r2'), '5s'],
    ],
    instanceIds: ['w'],
    ends: { w: completed([[1, 2], 'fired', 'at last', did('after')]) },
  },
  {
    title: 'timers of nothing, in the past, together, and of a day',
    workflows: [timers],
    script: [start(timers), '10s', '23h', '2h'],
    instanceIds: ['w'],
    ends: { w: completed([1, 2, 3]) },
  },
  {
    title: 'inline steps, a custom status, and events to another instance',
    workflows: [inline, listener],
    script: [start(listener, undefined, 'listener'), start(inline)],
    instanceIds: ['w', 'listener'],
    ends: {
      w: { ...completed(['abc', { date: new Date(0), bytes: Buffer.from([1, 2]) }, 36]), customStatus: { told: 2 } },
      listener: completed([{ text: 'abc' }, { text: 'abcabc' }]),
    },
  },
  {
    title: 'a coordinator that gives out permits and begins anew with each',
    workflows: [coordinator, worker],
    script: [start(coordinator, { free: 1, served: [] }), ...['a', 'b', 'c'].map((name) => start(worker, name, name))],
    instanceIds: ['w', 'a', 'b', 'c'],
    ends: {
      w: completed(['a', 'b', 'c']),
      ...Object.fromEntries(['a', 'b', 'c'].map((name) => [name, completed(did(name))])),
    },
  },
  {
    title: 'workflows as generators, one the child of the other',
    workflows: [generated, generatedToo],
    script: [start(generatedToo), raise('go', 'on'), '1s'],
    instanceIds: ['w'],
    ends: { w: completed(['on', [did(1), [did(2), undefined], 'bad 3']]) },
  },
];
