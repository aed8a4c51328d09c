// The workload and its audit, in one process and without trouble: a run in which all is well is found to be well, and one
// in which something was taken away is not.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@troupe/actors';
import { startHost } from '@troupe/workflow';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { broken, find } from './audit.ts';
import { countCalls } from './checkers.ts';
import { HostQuestions } from './host-questions.ts';
import { Ledger, ofKind, readLedger } from './ledger.ts';
import { SHAPES, shapeOf, workload } from './workload.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-workload-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

test('a load without trouble leaves nothing to complain of, and what is taken away is missed', async () => {
  const ledger = new Ledger(folder, 'h1');
  const work = workload(ledger, {
    raise: (instanceId, name, payload, idempotencyKey) =>
      host.workflows.raiseEvent(instanceId, name, payload, { idempotencyKey }),
  });
  const host = await startHost({
    store: new MemoryStore(),
    workflows: [work.journey],
    activities: work.activities,
    actors: [work.counter, work.alarm],
  });
  await using _host = host;
  const questions = new HostQuestions(host, work, ledger, () => undefined);
  const load = { name: 'h1', callers: 4, actors: 5, pauseMs: 2, instances: 12, paceMs: 50, seed: 1 };
  await questions.startLoad(load);

  // Until every shape has come to its end a few times.
  const ended = () => ofKind(readLedger(folder), 'instance').filter(({ event }) => event === 'ended');
  const shapes = () => new Set(ended().map(({ instanceId }) => shapeOf(Number(instanceId.split('.').at(-1)))));
  await expect.poll(() => ended().length > 40 && shapes().size, { timeout: 30_000 }).toBe(SHAPES.length);
  await questions.stopLoad();
  const quietFromMs = Date.now() + 1;
  await expect.poll(() => questions.unfinished(), { timeout: 30_000 }).toEqual([]);
  const due = async () => {
    const { alarms } = await find(questions, readLedger(folder));
    return [...alarms.values()].flat().filter((line) => line.startsWith('set ')).length;
  };
  expect(await due()).toBeGreaterThan(0);
  await expect
    .poll(async () => broken(readLedger(folder), await find(questions, readLedger(folder)), quietFromMs), {
      timeout: 30_000,
    })
    .toEqual({});

  const lines = readLedger(folder);
  const counts = countCalls(lines);
  expect(counts.done).toBeGreaterThan(50);
  expect(counts).toMatchObject({ 'not-executed': 0, unknown: 0, failed: 0, lost: 0 });

  const findings = await find(questions, lines);
  const [id, calls] = [...findings.counters].find(([, taken]) => taken.length > 1)!;
  const without = { ...findings, counters: new Map([...findings.counters, [id, calls.slice(0, -1)]]) };
  expect(Object.keys(broken(lines, without, quietFromMs))).toContain('I2 no acknowledged write is lost');
  const [instanceId] = [...findings.instances].at(0)!;
  const lost = { ...findings, instances: new Map([...findings.instances, [instanceId, undefined]]) };
  expect(Object.keys(broken(lines, lost, quietFromMs))).toEqual(['I17 no lost wake-up']);
});
