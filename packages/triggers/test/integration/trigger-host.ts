// A host with one trigger in a process of its own. Told what to be by its argument (TriggerHostSettings), asked by messages
// (TriggerHostQuestions), stopped by SIGTERM; what happens to it otherwise happens from outside, or by KILL_AFTER.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@troupe/actors';
import { levelStore } from '@troupe/level';
import { nats } from '@troupe/nats';
import { activity, startHost, workflow } from '@troupe/workflow';
import {
  raiseEvent,
  start,
  trigger,
  Triggers,
  TryLaterError,
  type Action,
  type TriggerEvent,
  type TriggerOptions,
} from '../../src/index.ts';
import type { ChildSource } from './child-source.ts';
import { evidenceOf, type TakenInput } from './evidence.ts';
import { ObservedSource } from './observed-source.ts';
import { ShiftedClock } from './shifted-clock.ts';
import { TriggerHostQuestions } from './trigger-host-questions.ts';
import { KILL_AFTER, type Question, type Reply, type Rule, type TriggerHostSettings } from './trigger-host-settings.ts';
import { serveTriggers } from './trigger-server.ts';

const STOP_GRACE_MS = 20_000;
/** Between attempts: many are to be seen in a short test. */
const BACK_OFF = { initialMs: 20, maxMs: 100 };

const settings = JSON.parse(process.argv[2]!) as TriggerHostSettings;
const { attemptsMax, by, concurrency, folder, kind, options, store, trigger: name, valueAt } = settings;
const { attempts, runs, settled } = evidenceOf(folder, by);

const logged = (level: string) => (details: object, message: string) => {
  const text = JSON.stringify(details, (_, value: unknown) => (value instanceof Error ? String(value.stack) : value));
  appendFileSync(join(folder, `${by}.log`), `${new Date().toISOString()} ${level} ${message} ${text}\n`);
};
const logger: Logger = { debug: () => {}, info: logged('info'), warn: logged('warn'), error: logged('error') };

// Nobody is left to ask or to stop it.
process.on('disconnect', () => process.exit(1));
// With the reason in the log, as a supervisor would have it.
process.on('uncaughtExceptionMonitor', (err) => logged('fatal')({ err }, 'uncaught'));

const note = activity('note', ({ idempotencyKey, instanceId, traceparent }, input: TakenInput) => {
  // `<instance>/<execution>/<sequence>`, and an instance id may have slashes.
  const executionId = idempotencyKey.split('/').at(-2)!;
  runs.append({ instanceId, executionId, input, traceparent });
});
const take = workflow('take', async (ctx, input: TakenInput) => {
  await ctx.callActivity(note, input);
  return input;
});
const relay = workflow('relay', async (_, input: unknown) => input);
const awaitGo = workflow('await-go', async (ctx) => await ctx.waitForExternalEvent('go'));

function valueOf(event: TriggerEvent): unknown {
  return valueAt.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], event);
}

const taken = (event: TriggerEvent): TakenInput => ({ source: event.source, id: event.id, value: valueOf(event) });

function later({ id, source }: TriggerEvent): never {
  attempts.append({ source, id });
  throw new TryLaterError('not now');
}

const RULES: Record<Rule, Pick<TriggerOptions, 'do' | 'schema'>> = {
  start: { do: start(take, { input: taken }) },
  refuse: {
    do: start(take, { input: taken }),
    schema: { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'refused' }] }) } },
  },
  'try-later': { do: start(take, { input: later }) },
  raise: { do: raiseEvent({ instanceId: () => 'the-one', eventName: 'go', payload: taken }) satisfies Action },
};

const clock = new ShiftedClock(settings.clockShiftMs);
const { default: childSource } = (await import(`./child-sources/${kind}.ts`)) as { default: ChildSource };
const killAfter = process.env[KILL_AFTER];
const source = new ObservedSource(
  childSource(options as never),
  clock,
  by,
  settled,
  killAfter === undefined ? undefined : Number(killAfter),
);

const triggers = new Triggers();
trigger(triggers, name, source, {
  ...RULES[settings.rule],
  retry: { maxAttempts: attemptsMax, ...BACK_OFF },
  concurrency,
});
const host = await startHost({
  ...('level' in store
    ? { store: levelStore(store.level) }
    : { cluster: nats({ servers: [...store.nats], replicas: 1 }) }),
  app: 'test',
  logger,
  workflows: [take, relay, awaitGo],
  activities: [note],
  actors: triggers.actors,
  endings: triggers.endings,
});
const server = await serveTriggers(triggers);
await triggers.start(host);

const questions = new TriggerHostQuestions(host, triggers, name, source, server.url, clock);
const reply = (answer: Reply): void => void process.send!(answer);
process.on('message', ({ args, number, question }: Question) => {
  const method = questions[question as keyof TriggerHostQuestions] as (...args: readonly unknown[]) => unknown;
  Promise.resolve()
    .then(() => method.apply(questions, [...args]))
    .then(
      (value) => reply({ number, ...(value === undefined ? {} : { value }) }),
      (error: unknown) => reply({ number, error: String(error) }),
    );
});

process.once('SIGTERM', () => {
  void (async () => {
    await triggers.stop({ graceMs: STOP_GRACE_MS });
    await server.close();
    await host.stop({ graceMs: STOP_GRACE_MS });
    process.exit(0);
  })();
});

process.send!({ ready: true });
