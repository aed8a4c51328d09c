// The acceptance of a kind: distinct events, some of them published twice, the host killed again and again in between. In the
// end there is exactly one instance of each event, started once, and the origin holds nothing back for us.
//
// Every other kill is directed: after the create of an event, before its source hears of it. The others strike whatever is
// under way.

import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '@troupe/actors/testing';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import type { Origin, OriginServer, Published, SourceKit } from './source-kit.ts';
import { TriggerHosts } from './trigger-hosts.ts';
import { verdict, type Verdict } from './verdict.ts';

export interface AcceptanceOptions {
  readonly events: number;
  readonly duplicates: number;
  readonly kills: number;
  readonly seed: number;
  /** When nothing has changed for so long, what is missing is lost. Longer than anything needs to come again. */
  readonly quietMs?: number;
}

export interface Acceptance extends Verdict {
  readonly kind: string;
  /** Events that were published twice. */
  readonly duplicates: number;
  readonly kills: number;
  /** Of the directed kills: those whose event came again. */
  readonly redelivered: number;
  readonly directed: number;
  readonly seconds: number;
}

export const QUIET_MS = 20_000;
/** How long nothing must come any more before all is judged to be there. */
const SETTLED_MS = 300;
/** Within that an origin hands over what it still has. */
const LEFT_OVER_MS = 1_500;
const DONE_TIMEOUT_MS = 300_000;

export async function acceptance<S extends OriginServer>(
  kit: SourceKit<S>,
  server: S,
  name: string,
  options: AcceptanceOptions,
): Promise<Acceptance> {
  const beganMs = performance.now();
  const random = new SeededRandom(options.seed);
  const origin = await kit.origin(server, name);
  const hosts = await TriggerHosts.prepare(1, { kind: kit.kind, trigger: name, origin, valueAt: kit.valueAt });
  try {
    const kills = (kit.durable ?? true) ? options.kills : 0;
    const duplicates = origin.publishAgain === undefined ? 0 : options.duplicates;
    const published = await publishAndKill(origin, hosts, { ...options, duplicates, kills }, random);
    const unacknowledged = await settled(origin, hosts, published.length, options.quietMs ?? QUIET_MS);
    const instances = await hosts.host.ask.instances('take');
    await stopWell(hosts);
    // Where the origin does not say what it holds, the next reader sees it.
    const left = unacknowledged ?? ((kit.durable ?? true) ? await leftOver(hosts) : undefined);
    const judged = verdict(published, instances, hosts.evidence, left);
    const seconds = (performance.now() - beganMs) / 1_000;
    return { kind: kit.kind, duplicates, kills, ...redeliveries(hosts), seconds, ...judged };
  } catch (error) {
    throw new Error(`${kit.kind}, seed ${options.seed}:\n${await hosts.host.log()}`, { cause: error });
  } finally {
    await hosts.end();
    await origin.end?.();
  }
}

/** Whether all is as promised. */
export function isClean({
  directed,
  doubled,
  events,
  instances,
  lost,
  redelivered,
  unacknowledged,
}: Acceptance): boolean {
  const exact = instances === events && lost.length === 0 && doubled.length === 0;
  return exact && (unacknowledged ?? 0) === 0 && redelivered === directed;
}

async function publishAndKill(
  origin: Origin,
  hosts: TriggerHosts,
  { duplicates, events, kills }: AcceptanceOptions,
  random: SeededRandom,
): Promise<readonly Published[]> {
  const twice = new Set<number>();
  while (twice.size < duplicates) twice.add(random.integer(0, events - 1));
  const publications: Promise<readonly Published[]>[] = [];
  /** A part of the events, then some of those that came before once more. */
  const publish = async (numbers: readonly number[], last: boolean): Promise<readonly Published[]> => {
    const published = await origin.publish(numbers, hosts);
    const again = [...twice].filter((number) => number <= numbers.at(-1)! && (last || random.chance(0.5)));
    for (const number of again) twice.delete(number);
    if (again.length > 0) await origin.publishAgain!(again, hosts);
    return published;
  };
  for (let part = 0; part <= kills; part++) {
    const from = Math.floor((events * part) / (kills + 1));
    const numbers = range(from, Math.floor((events * (part + 1)) / (kills + 1)));
    const directed = part < kills && part % 2 === 0;
    await hosts.host.start(directed ? { killAfter: random.integer(1, Math.ceil(numbers.length / 2)) } : {});
    if (!directed) await hosts.ready();
    // One part after the other: those that are published need hosts for it, in some kinds.
    const before = publications.at(-1) ?? Promise.resolve();
    const publication = before.then(() => publish(numbers, part === kills));
    // It is waited for below; a failure meanwhile is no unhandled one.
    publication.catch(() => {});
    publications.push(publication);
    if (directed) await hosts.host.ended();
    else if (part < kills) await killSomewhere(hosts, random.integer(0, Math.floor(numbers.length / 2)));
  }
  return (await Promise.all(publications)).flat();
}

/** Kills the host when it has settled so many messages in this life. */
async function killSomewhere({ evidence, host }: TriggerHosts, after: number): Promise<void> {
  await eventually(
    `${after} messages are settled`,
    () => !host.running || evidence.settled().filter(({ by }) => by === host.by).length >= after,
  );
  if (!host.running) throw new Error(`${host.by} ended by itself`);
  await host.kill();
}

/** Until all is done, or nothing changes any more. Gives what the origin still holds. */
async function settled(
  origin: Origin,
  hosts: TriggerHosts,
  events: number,
  quietMs: number,
): Promise<number | undefined> {
  const { host } = hosts;
  const endMs = performance.now() + DONE_TIMEOUT_MS;
  let state = '';
  let sinceMs = performance.now();
  for (;;) {
    const [{ all, ended }, unacknowledged, report] = await Promise.all([
      host.ask.progress('take'),
      origin.unacknowledged(),
      host.ask.report(),
    ]);
    const { directed, redelivered } = redeliveries(hosts);
    const now = JSON.stringify([all, ended, unacknowledged, report.handedOver, report.settled, redelivered]);
    if (now !== state) [state, sinceMs] = [now, performance.now()];
    const quiet = (unacknowledged ?? 0) === 0 && report.handedOver === report.settled && redelivered === directed;
    const done = quiet && all === events && ended === events;
    if (performance.now() - sinceMs > (done ? SETTLED_MS : quietMs)) return unacknowledged;
    if (performance.now() > endMs) throw new Error(`not done after ${DONE_TIMEOUT_MS} ms: ${state}`);
    await sleep(50);
  }
}

async function stopWell({ host }: TriggerHosts): Promise<void> {
  const { code } = await host.stop();
  if (code !== 0) throw new Error(`the host did not stop well:\n${await host.log()}`);
}

/** What the origin hands to one more life of the host, though all has been settled. */
async function leftOver(hosts: TriggerHosts): Promise<number> {
  await hosts.host.start();
  await hosts.ready();
  await sleep(LEFT_OVER_MS);
  const { handedOver } = await hosts.host.ask.report();
  await stopWell(hosts);
  return handedOver;
}

/** How many were created and not acknowledged when their host was killed, and how many of them came again. */
function redeliveries({ evidence }: TriggerHosts): { readonly directed: number; readonly redelivered: number } {
  const all = evidence.settled();
  const killed = all.filter((settled) => settled.killed === true);
  const again = killed.filter(({ instanceId }) =>
    all.some((settled) => settled.outcome === 'duplicate' && settled.instanceId === instanceId),
  );
  return { directed: killed.length, redelivered: again.length };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);
}
