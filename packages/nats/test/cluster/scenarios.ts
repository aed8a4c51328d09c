// One kind of trouble at a time, under load: each scenario gives a check of its own beside what the audit finds, for the end:
// calls may still be out when it is over.

import { setTimeout as sleep } from 'node:timers/promises';
import { checkI19NoEviction, checkI9NoneLost, ownersOf, checkI20Moves } from './checkers.ts';
import type { Line } from './ledger.ts';
import type { Stage } from './stage.ts';

export type Broken = Readonly<Record<string, readonly string[]>>;

export type Check = (lines: readonly Line[]) => Broken;

/** Longer than it takes to be taken for dead. */
const FROZEN_MS = 20_000;
const AWAY_MS = 30_000;

/** Every host is stopped gracefully and started again, one after the other: no call fails. */
export async function rollingRestart(stage: Stage): Promise<Check> {
  const fromMs = Date.now();
  for (const host of stage.hosts.hosts) {
    await host.restart();
    await stage.startLoad(host);
    await stage.hosts.waitForBalance();
    await stage.waitForProgress();
  }
  const toMs = Date.now();
  return (lines) => complaints('I9 a graceful stop loses no call', checkI9NoneLost(lines, fromMs, toMs));
}

/** A host stands still for longer than it takes to be taken for dead, and goes on. */
export async function freeze(stage: Stage): Promise<Check> {
  const [host] = stage.hosts.hosts;
  host!.freeze();
  await sleep(FROZEN_MS);
  host!.thaw();
  await stage.waitForProgress();
  return () => ({});
}

/** Hosts are killed and started again, one after the other; the times are in the verdict. */
export async function kills(stage: Stage, count: number): Promise<Check> {
  const wrong: string[] = [];
  for (let kill = 0; kill < count; kill++) {
    const host = stage.hosts.hosts[kill % stage.hosts.hosts.length]!;
    const before = ownersOf(stage.hosts.lines());
    await host.kill();
    await stage.hosts.waitForBalance();
    wrong.push(...checkI20Moves(before, ownersOf(stage.hosts.lines())));
    await host.start();
    await stage.startLoad(host);
    await stage.hosts.waitForBalance();
    await stage.waitForProgress();
  }
  return () => complaints('I20 bounded disturbance', wrong);
}

/** Every server is gone for a while, and comes back with what it had: nothing changes hands. */
export async function serversAway(stage: Stage, awayMs = AWAY_MS): Promise<Check> {
  const { servers } = stage.servers;
  const fromMs = Date.now();
  for (const { name } of servers) {
    stage.hosts.faults.write({ kind: 'fault', fault: 'kill-server', event: 'begin', target: name });
  }
  await Promise.all(servers.map((server) => server.kill()));
  await sleep(awayMs);
  await Promise.all(servers.map((server) => server.start()));
  for (const { name } of servers) {
    stage.hosts.faults.write({ kind: 'fault', fault: 'kill-server', event: 'end', target: name });
  }
  await stage.waitForProgress();
  await stage.hosts.waitForBalance();
  const toMs = Date.now();
  return (lines) => complaints('I19 no mass eviction', checkI19NoEviction(lines, fromMs, toMs));
}

/** The server that leads the stream is killed: another one leads, and nothing changes hands. */
export async function leaderKilled(stage: Stage): Promise<Check> {
  const fromMs = Date.now();
  const leader = await stage.servers.waitForLeader('TROUPE_test_0');
  const fault = { kind: 'fault', fault: 'kill-server', target: leader.name } as const;
  stage.hosts.faults.write({ ...fault, event: 'begin' });
  await leader.kill();
  await stage.waitForProgress();
  await leader.start();
  stage.hosts.faults.write({ ...fault, event: 'end' });
  await stage.hosts.waitForBalance();
  const toMs = Date.now();
  return (lines) => complaints('I19 no mass eviction', checkI19NoEviction(lines, fromMs, toMs));
}

function complaints(invariant: string, found: readonly string[]): Broken {
  return found.length > 0 ? { [invariant]: found } : {};
}
