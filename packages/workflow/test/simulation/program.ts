// Random workflows: a program is data, drawn under a seed, and one workflow carries out whatever program it is given.

import type { SeededRandom } from '@troupe/actors/testing';
import { EventTimeoutError, workflow, type WorkflowContext } from '../../src/index.ts';

export type Op =
  | { readonly op: 'activity'; readonly takesMs: number; readonly failures: number; readonly attempts: number }
  | { readonly op: 'leave'; readonly takesMs: number }
  | { readonly op: 'step' }
  | { readonly op: 'timer'; readonly ms: number }
  | { readonly op: 'event'; readonly name: string; readonly timeoutMs: number | undefined }
  | { readonly op: 'child'; readonly programs: readonly Program[]; readonly detached: boolean }
  | { readonly op: 'all' | 'race' | 'settled'; readonly branches: readonly Program[] }
  | { readonly op: 'status' }
  | { readonly op: 'send'; readonly to: string; readonly name: string }
  | { readonly op: 'fail' };

/** What is done one after the other. */
export type Program = readonly Op[];

/** One program for each execution: after all but the last it continues as new. */
export interface Input {
  readonly programs: readonly Program[];
}

/** What an activity is asked to do. */
export interface Job {
  readonly takesMs: number;
  /** Attempts that fail first. */
  readonly failures: number;
}

export const EVENT_NAMES = ['a', 'b', 'C'];

/** Carries out the programs of its input. */
export const interpreter = workflow('interpreter', async (ctx, input: Input) => {
  const output = await carriedOut(ctx, input.programs[0] ?? []);
  if (input.programs.length > 1) ctx.continueAsNew({ programs: input.programs.slice(1) });
  return { instanceId: ctx.instanceId, executionId: ctx.executionId, output };
});

async function carriedOut(ctx: WorkflowContext, program: Program): Promise<unknown[]> {
  const out: unknown[] = [];
  for (const op of program) out.push(await result(ctx, op));
  return out;
}

async function result(ctx: WorkflowContext, op: Op): Promise<unknown> {
  switch (op.op) {
    case 'activity': {
      const retry = { maxAttempts: op.attempts, initialIntervalMs: 300, backoff: 2, jitter: 0.2 };
      const job: Job = { takesMs: op.takesMs, failures: op.failures };
      return ctx.callActivity('work', job, { retry }).catch(nameOf);
    }
    case 'leave':
      void ctx.callActivity('work', { takesMs: op.takesMs, failures: 0 } satisfies Job);
      return 'left behind';
    case 'step':
      return ctx.step('step', () => ctx.executionId, { undo: () => undefined });
    case 'timer':
      return ctx.createTimer(op.ms);
    case 'event':
      return ctx
        .waitForExternalEvent(op.name, op.timeoutMs === undefined ? {} : { timeoutMs: op.timeoutMs })
        .catch((error: unknown) => {
          if (error instanceof EventTimeoutError) return 'too late';
          throw error;
        });
    case 'child':
      return op.detached
        ? ctx.callChildWorkflow(interpreter, { programs: op.programs }, { detached: true })
        : ctx.callChildWorkflow(interpreter, { programs: op.programs }).catch(nameOf);
    case 'all':
      return Promise.all(op.branches.map((branch) => carriedOut(ctx, branch)));
    case 'race':
      return Promise.race(op.branches.map((branch) => carriedOut(ctx, branch)));
    case 'settled':
      return Promise.allSettled(op.branches.map((branch) => carriedOut(ctx, branch))).then((all) =>
        all.map(({ status }) => status),
      );
    case 'status':
      ctx.setCustomStatus(ctx.uuid());
      return ctx.now();
    case 'send':
      ctx.raiseEvent(op.to, op.name, `from ${ctx.executionId}`);
      return ctx.random();
    case 'fail':
      throw new RangeError('as the program says');
  }
}

const nameOf = (error: Error): string => error.name;

/** Draws the input of a workflow. */
export function randomInput(random: SeededRandom, instanceIds: readonly string[]): Input {
  const programs = Array.from({ length: random.chance(0.3) ? random.integer(2, 3) : 1 }, () =>
    randomProgram(random, instanceIds, 2),
  );
  return { programs };
}

function randomProgram(random: SeededRandom, instanceIds: readonly string[], depth: number): Program {
  return Array.from({ length: random.integer(1, depth + 1) }, () => randomOp(random, instanceIds, depth));
}

function randomOp(random: SeededRandom, instanceIds: readonly string[], depth: number): Op {
  const takesMs = random.pick([0, 0, 5, 400, 3_000]);
  const program = (): Program => randomProgram(random, instanceIds, depth - 1);
  switch (random.integer(depth > 0 ? 0 : 4, 16)) {
    case 0:
    case 1:
      return {
        op: random.pick(['all', 'race', 'settled'] as const),
        branches: Array.from({ length: random.integer(2, 4) }, program),
      };
    case 2:
    case 3:
      return {
        op: 'child',
        programs: random.chance(0.2) ? [program(), program()] : [program()],
        detached: random.chance(0.2),
      };
    case 4:
      return { op: 'timer', ms: random.pick([-1_000, 0, 10, 1_000, 8_000]) };
    case 5:
    case 6:
      return {
        op: 'event',
        name: random.pick(EVENT_NAMES).toLowerCase(),
        timeoutMs: random.pick([undefined, 0, 500, 5_000]),
      };
    case 7:
      return { op: 'step' };
    case 8:
      return { op: 'status' };
    case 9:
      return { op: 'send', to: random.pick(instanceIds), name: random.pick(EVENT_NAMES) };
    case 10:
      return { op: 'leave', takesMs };
    case 11:
      return random.chance(0.3) ? { op: 'fail' } : { op: 'leave', takesMs };
    case 12: {
      const attempts = random.integer(1, 4);
      return { op: 'activity', takesMs, failures: random.integer(1, 4), attempts };
    }
    default:
      return { op: 'activity', takesMs, failures: 0, attempts: 1 };
  }
}
