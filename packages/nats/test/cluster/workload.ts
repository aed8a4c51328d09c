// What the hosts of a fault test run: actors whose state tells everything that was done to them, and workflows whose
// output is known beforehand.

import { journalActor } from '@troupe/actors';
import { activity, event, workflow, type AnyWorkflow } from '@troupe/workflow';
import type { Ledger } from './ledger.ts';

/** Ids that one answer of {@link counter} holds at most. */
export const IDS_PAGE = 1_000;

/** What a journey is to do; `number` decides its shape and its output. */
export interface Journey {
  readonly number: number;
  /** How long its timers are; a part of the way for each. */
  readonly paceMs: number;
  /** Of a journey that continues as new: what it has come to. */
  readonly sofar?: { readonly generation: number; readonly sum: number };
}

export const SHAPES = ['sequence', 'fan-out', 'timer', 'event', 'children', 'generations'] as const;
const GENERATIONS = 3;
const WIDTH = 5;

export function shapeOf(number: number): (typeof SHAPES)[number] {
  return SHAPES[number % SHAPES.length]!;
}

/** The output of a journey, whatever befalls it. */
export function expectedOutput(number: number): number {
  switch (shapeOf(number)) {
    case 'sequence':
      return number + 3;
    case 'fan-out':
      return WIDTH * number + (WIDTH * (WIDTH + 1)) / 2;
    case 'timer':
      return number + 2;
    case 'event':
      return number + 1;
    case 'children':
      // Children of these numbers: a sequence, and one that has a timer.
      return expectedOutput(SHAPES.length * number) + expectedOutput(SHAPES.length * number + 2);
    case 'generations':
      return GENERATIONS * (number + 1);
  }
}

/** Reaches into the host from an activity. */
export interface Reach {
  raise(instanceId: string, name: string, payload: unknown, idempotencyKey: string): Promise<void>;
}

/** Actors and workflows, each of whose turns and activities is noted in the ledger. */
export function workload(ledger: Ledger, reach: Reach) {
  /** Knows every call that it has taken, in order. */
  const counter = journalActor('counter', {
    state: () => ({ ids: [] as string[] }),
    apply(state, id: string) {
      state.ids.push(id);
    },
    methods: {
      /** Gives the place that the call has got, from 1. */
      add(ctx, call: string) {
        ledger.write({ kind: 'turn', call, actor: `counter/${ctx.actorId}` });
        ctx.append(call);
        return ctx.state.ids.length;
      },
    },
    readOnly: {
      /** How many calls it has taken, and the last of them. */
      last(ctx, call: string): readonly [number, string | null] {
        ledger.write({ kind: 'turn', call, actor: `counter/${ctx.actorId}` });
        return [ctx.state.ids.length, ctx.state.ids.at(-1) ?? null];
      },
      ids: (ctx, from: number) => ctx.state.ids.slice(from, from + IDS_PAGE),
    },
  });

  /** Sets and cancels reminders, and knows when each fired: `set name due`, `cancel name`, `fire name now`. */
  const alarm = journalActor('alarm', {
    state: () => ({ log: [] as string[] }),
    apply(state, line: string) {
      state.log.push(line);
    },
    methods: {
      set(ctx, call: string, delayMs: number) {
        ledger.write({ kind: 'turn', call, actor: `alarm/${ctx.actorId}` });
        const dueAtMs = ctx.nowMs() + delayMs;
        ctx.setReminder(call, { dueAtMs });
        ctx.append(`set ${call} ${dueAtMs}`);
        return dueAtMs;
      },
      cancel(ctx, call: string, name: string) {
        ledger.write({ kind: 'turn', call, actor: `alarm/${ctx.actorId}` });
        ctx.cancelReminder(name);
        ctx.append(`cancel ${name}`);
      },
    },
    readOnly: {
      log: (ctx, from: number) => ctx.state.log.slice(from, from + IDS_PAGE),
    },
    onReminder(ctx, { name }) {
      ctx.append(`fire ${name} ${ctx.nowMs()}`);
    },
  });

  const arrive = (ctx: { idempotencyKey: string; attempt: number; instanceId: string }): void =>
    ledger.write({ kind: 'activity', key: ctx.idempotencyKey, attempt: ctx.attempt, instanceId: ctx.instanceId });

  const next = activity('next', (ctx, value: number) => {
    arrive(ctx);
    return value + 1;
  });

  /** Raises an event to its own instance, by way of whoever owns it by now. */
  const answer = activity(
    'answer',
    async (ctx, value: number) => {
      arrive(ctx);
      await reach.raise(ctx.instanceId, 'answer', value, ctx.idempotencyKey);
    },
    { retry: { maxAttempts: Infinity, initialIntervalMs: 200, maxIntervalMs: 1_000 } },
  );

  const journey: AnyWorkflow = workflow(
    'journey',
    { events: { answer: event<number>() } },
    async (ctx, { number, paceMs, sofar }: Journey): Promise<number> => {
      switch (shapeOf(number)) {
        case 'sequence': {
          let value = number;
          for (let step = 0; step < 3; step++) value = await ctx.callActivity(next, value);
          await ctx.createTimer(paceMs);
          return value;
        }
        case 'fan-out': {
          await ctx.createTimer(paceMs);
          const parts = Array.from({ length: WIDTH }, (_, index) => ctx.callActivity(next, number + index));
          return (await Promise.all(parts)).reduce((sum, part) => sum + part, 0);
        }
        case 'timer': {
          const before = await ctx.callActivity(next, number);
          await ctx.createTimer(paceMs);
          return await ctx.callActivity(next, before);
        }
        case 'event': {
          const asked = ctx.callActivity(answer, number);
          const got = await ctx.waitForExternalEvent('answer');
          await asked;
          await ctx.createTimer(paceMs);
          return await ctx.callActivity(next, got);
        }
        case 'children': {
          const numbers = [SHAPES.length * number, SHAPES.length * number + 2];
          const parts = await Promise.all(
            numbers.map((child) => ctx.callChildWorkflow<number>('journey', { number: child, paceMs })),
          );
          return parts.reduce((sum, part) => sum + part, 0);
        }
        case 'generations': {
          const { generation, sum } = sofar ?? { generation: 1, sum: 0 };
          const grown = sum + (await ctx.callActivity(next, number));
          await ctx.createTimer(paceMs / GENERATIONS);
          if (generation === GENERATIONS) return grown;
          ctx.continueAsNew({ number, paceMs, sofar: { generation: generation + 1, sum: grown } });
          return grown;
        }
      }
    },
  );

  return { counter, alarm, journey, activities: [next, answer] };
}

export type Workload = ReturnType<typeof workload>;
