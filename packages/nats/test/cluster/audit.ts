// The end of a fault test: what everybody wrote, what is found of every actor and every instance, and what of it must not
// be.

import {
  checkI10Truthful,
  checkI11Converged,
  checkI13Fired,
  checkI14Once,
  checkI16Activities,
  checkI17Completed,
  checkI1Chain,
  checkI1Counters,
  checkI2Acknowledged,
  checkI3Reads,
  checkI4Fresh,
  checkI5Epochs,
  type Alarms,
  type Counters,
  type FoundInstance,
} from './checkers.ts';
import type { HostQuestions } from './host-questions.ts';
import { ofKind, type Line } from './ledger.ts';

/** Instances whose state is asked for in one question. */
const PAGE = 500;

type Asked = {
  readonly [K in 'counter' | 'alarm' | 'instances' | 'unfinished']: (
    ...args: Parameters<HostQuestions[K]>
  ) => ReturnType<HostQuestions[K]>;
};

export interface Findings {
  readonly counters: Counters;
  readonly alarms: Alarms;
  readonly instances: ReadonlyMap<string, FoundInstance | undefined>;
  /** Instances that have not ended, as lists show them. */
  readonly unfinished: readonly string[];
}

/** Looks at everything that the ledger speaks of, by way of one host. */
export async function find(host: Asked, lines: readonly Line[]): Promise<Findings> {
  const actors = new Set(ofKind(lines, 'call').map(({ actor }) => actor));
  const ids = (type: string): string[] =>
    [...actors].filter((actor) => actor.startsWith(`${type}/`)).map((actor) => actor.slice(type.length + 1));
  const counters = new Map<string, readonly string[]>();
  for (const id of ids('counter')) counters.set(id, await host.counter(id));
  const alarms = new Map<string, readonly string[]>();
  for (const id of ids('alarm')) alarms.set(id, await host.alarm(id));
  const instances = new Map<string, FoundInstance | undefined>();
  const asked = [...new Set(ofKind(lines, 'instance').map(({ instanceId }) => instanceId))];
  for (let from = 0; from < asked.length; from += PAGE) {
    const some = asked.slice(from, from + PAGE);
    const found = await host.instances(some);
    for (const [index, id] of some.entries()) instances.set(id, found[index] ?? undefined);
  }
  return { counters, alarms, instances, unfinished: await host.unfinished() };
}

/** The invariants that are broken, each with what says so. Empty: all is well. */
export function broken(
  lines: readonly Line[],
  { alarms, counters, instances, unfinished }: Findings,
  quietFromMs: number,
): Record<string, readonly string[]> {
  const checks: Record<string, readonly string[]> = {
    'I1 linear state': [...checkI1Chain(lines), ...checkI1Counters(lines, counters)],
    'I2 no acknowledged write is lost': checkI2Acknowledged(lines, counters, alarms),
    'I3 a zombie changes nothing': checkI3Reads(lines, counters),
    'I4 a zombie stops itself': checkI4Fresh(lines),
    'I5 one holder for each epoch': checkI5Epochs(lines),
    'I10 outcomes are truthful': checkI10Truthful(lines, counters),
    'I11 routing converges': checkI11Converged(lines, quietFromMs),
    'I13 reminders fire': checkI13Fired(lines, alarms),
    'I14 an occurrence takes effect once': checkI14Once(alarms),
    'I16 activities': checkI16Activities(lines),
    'I17 no lost wake-up': [
      ...checkI17Completed(lines, instances),
      ...unfinished.map((instance) => `${instance} is listed after the quiet`),
    ],
  };
  return Object.fromEntries(Object.entries(checks).filter(([, complaints]) => complaints.length > 0));
}
