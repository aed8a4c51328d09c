// The invariants of an actor, as checkers of what happened: each returns what contradicts it. They bear the numbers by
// which `docs/simulation.md` lists them, and each is tried in `invariants.test.ts` with a history that it must reject.

import { PROOF_MS, type Acquisition, type AppliedWrite, type SentEnvelope, type Silence } from '../../src/testing.ts';
import { formatAddress } from '../../src/index.ts';
import { sentTo, type Log } from './actors.ts';
import type { LifeEvent, Operation, TurnEvent } from './history.ts';

/** I1: the committed revisions of an actor form one chain, each made from the one before. */
export function checkI1Chain(writes: readonly AppliedWrite[]): string[] {
  const complaints: string[] = [];
  const last = new Map<string, number>();
  const made = new Map<string, number>();
  for (const { address, commit, expectedRevision, revision } of writes) {
    const actor = formatAddress(address);
    const name = commit === undefined ? `a purge of ${actor}` : `${commit.id.writer}.${commit.id.sequence} of ${actor}`;
    // Asked for again because its answer was lost, or a copy that comes late: it changes nothing.
    if (revision !== undefined && made.get(name) === revision) continue;
    if (expectedRevision !== (last.get(actor) ?? 0))
      complaints.push(`${name} was made from ${expectedRevision}, when ${last.get(actor) ?? 0} was the last`);
    if (made.has(name) && commit !== undefined) complaints.push(`${name} was made twice`);
    last.set(actor, revision ?? 0);
    if (revision !== undefined) made.set(name, revision);
  }
  return complaints;
}

/** I1: every line of the log was asked for, and is there once; none is of a call that is known not to have done it. */
export function checkI1Log(actor: string, operations: readonly Operation[], log: Log): string[] {
  const complaints: string[] = [];
  const asked = new Map(operations.filter((operation) => operation.actor === actor).map((each) => [each.id, each]));
  const seen = new Set<number>();
  const lines = new Set<string>();
  for (const line of log) {
    const [what, first] = line.split(' ');
    if (what !== 'fire' && lines.has(line)) complaints.push(`${actor} has done ${line} twice`);
    lines.add(line);
    if (what === 'fire' || what === 'timer') continue;
    const operation = asked.get(Number(first));
    if (operation === undefined) {
      complaints.push(`nobody has asked ${actor} to ${line}`);
      continue;
    }
    if (what === 'inner') continue;
    if (operation.outcome === 'failed' || operation.outcome === 'not-executed')
      complaints.push(`${operation.id} of ${actor} is said to be ${operation.outcome}, and has done ${line}`);
    // Calls with one key take effect once.
    if (seen.has(operation.sameAs)) complaints.push(`${actor} has done ${operation.sameAs} again, as ${line}`);
    seen.add(operation.sameAs);
  }
  for (const { id, method } of asked.values()) {
    if (method === 'askSelf' && lines.has(`add ${id}`) && !lines.has(`inner ${id}`))
      complaints.push(`${actor} has done ${id} without the turn inside it`);
  }
  return complaints;
}

/** I2: what was acknowledged is in the log, at the place that the caller was told. That no zombie lied follows (I3). */
export function checkI2Acknowledged(actor: string, operations: readonly Operation[], log: Log): string[] {
  const complaints: string[] = [];
  const byKey = new Map<number, number[]>();
  for (const { id, sameAs } of operations) byKey.set(sameAs, [...(byKey.get(sameAs) ?? []), id]);
  for (const operation of operations) {
    if (operation.actor !== actor || operation.outcome !== 'done' || typeof operation.value !== 'number') continue;
    const [, id] = log[operation.value - 1]?.split(' ') ?? [];
    if (!byKey.get(operation.sameAs)!.includes(Number(id)))
      complaints.push(`${operation.id} of ${actor} was acknowledged as line ${operation.value}, which is not there`);
  }
  return complaints;
}

/** I2, for reads: what anybody was shown lasted. The log only grows, so each read is how it begins. */
export function checkI2Reads(actor: string, reads: readonly Log[], log: Log): string[] {
  return reads
    .filter((read) => read.some((line, index) => log[index] !== line))
    .map((read) => `a read of ${actor} showed ${read.join()}, which is not how ${log.join()} begins`);
}

/** I2, for calls from inside a turn: what an actor told another of its earlier turns lasted. */
export function checkI2Told(actor: string, heard: readonly string[], log: Log): string[] {
  return heard.filter((line) => !log.includes(line)).map((line) => `${actor} told others of ${line}, which is lost`);
}

/** What a host said of an actor that only counts up. */
export interface Answer {
  readonly actor: string;
  readonly hostId: string;
  readonly count: number;
  readonly atMs: number;
}

/**
 * I2, for whoever asks afterwards: what was answered holds everything that anybody had been told before it was asked.
 * Values have a `count` that only grows.
 */
export function checkI2Fresh(operations: readonly Operation[]): string[] {
  const complaints: string[] = [];
  const countOf = ({ value }: Operation): number => (value as { readonly count: number }).count;
  const told = operations.filter(({ outcome, value }) => outcome === 'done' && typeof value === 'object');
  for (const later of told) {
    for (const earlier of told) {
      if (earlier.actor !== later.actor || earlier.endedAtMs >= later.askedAtMs || countOf(earlier) <= countOf(later))
        continue;
      complaints.push(
        `${later.method} ${later.id} of ${later.actor} was told ${countOf(later)}, ` +
          `after ${earlier.method} ${earlier.id} had been told ${countOf(earlier)}`,
      );
    }
  }
  return complaints;
}

/** An accepted commit, and the epoch in the record that it wrote. */
export interface EpochWrite {
  readonly actor: string;
  readonly atMs: number;
  /** 0: it says none. */
  readonly epoch: number;
}

/** I3: what a host answers under an epoch stands in a record that was written under it, or a later one, by then. */
export function checkI3Touched(
  answers: readonly Answer[],
  acquisitions: readonly Acquisition[],
  writes: readonly EpochWrite[],
  partitionOf: (actor: string) => number,
): string[] {
  const complaints: string[] = [];
  for (const { actor, hostId, atMs, count } of answers) {
    const partition = partitionOf(actor);
    const epoch = acquisitions.findLast(
      (each) => each.hostId === hostId && each.partition === partition && each.atMs < atMs,
    )?.epoch;
    // Within one millisecond it may have been before. Without a record there is nothing to touch.
    if (epoch === undefined || count === 0) continue;
    if (!writes.some((write) => write.actor === actor && write.atMs <= atMs && write.epoch >= epoch))
      complaints.push(`${hostId} answered for ${actor} in epoch ${epoch}, before it was written in that`);
  }
  return complaints;
}

/** I4: no host answers later than the window after the last proof of its claims. */
export function checkI4Silent(answers: readonly Answer[], silences: readonly Silence[]): string[] {
  return answers.flatMap(({ actor, atMs, hostId }) => {
    const silence = silences.find(
      (each) => each.hostId === hostId && each.fromMs + PROOF_MS < atMs && atMs < each.toMs,
    );
    return silence === undefined
      ? []
      : [`${hostId} answered for ${actor} ${atMs - silence.fromMs} ms after the last proof of its claims`];
  });
}

/** Calls to host actors are answered by the host that they name. */
export function checkReached(operations: readonly Operation[]): string[] {
  return operations
    .filter(
      ({ actor, outcome, value }) =>
        actor.startsWith('desk/') && outcome === 'done' && actor !== `desk/${String(value)}`,
    )
    .map(({ actor, id, value }) => `${id} of ${actor} was answered by ${String(value)}`);
}

/** I6: turns of one activation do not overlap, but for reads; a nested turn is inside another. */
export function checkI6Turns(turns: readonly TurnEvent[]): string[] {
  const complaints: string[] = [];
  const running = new Map<string, number>();
  for (const { activation, kind, sort } of turns) {
    if (sort === 'read') continue;
    const count = running.get(activation) ?? 0;
    if (kind === 'end') {
      // The turn around a nested one is the last to end.
      running.set(activation, count - 1);
      continue;
    }
    if (sort === 'turn' && count > 0) complaints.push(`a turn of ${activation} began inside another`);
    if (sort === 'nested' && count === 0) complaints.push(`a nested turn of ${activation} began outside of any`);
    running.set(activation, count + 1);
  }
  return complaints;
}

/** I7: one load at a time, then `onActivate` once, and no turn before it has ended well. */
export function checkI7OneActivation(life: readonly LifeEvent[]): string[] {
  const complaints: string[] = [];
  const phases = new Map<string, 'gone' | 'loading' | 'loaded' | 'activating' | 'active'>();
  for (const { actor, host, kind } of life) {
    const place = `${actor}@${host}`;
    const phase = phases.get(place) ?? 'gone';
    const expect = (...allowed: (typeof phase)[]): void => {
      if (!allowed.includes(phase)) complaints.push(`${kind} of ${place} while it is ${phase}`);
    };
    switch (kind) {
      case 'load-begins':
        expect('gone');
        phases.set(place, 'loading');
        break;
      case 'load-ends':
        expect('loading');
        phases.set(place, 'loaded');
        break;
      case 'activate-begins':
        expect('loaded');
        phases.set(place, 'activating');
        break;
      case 'activate-ends':
        expect('activating');
        phases.set(place, 'active');
        break;
      case 'turn-begins':
        expect('active');
        break;
      case 'load-fails':
      case 'activate-fails':
      case 'deactivate-ends':
        phases.set(place, 'gone');
        break;
      case 'deactivate-begins':
      case 'turn-ends':
    }
  }
  return complaints;
}

/** I8: while an activation deactivates no other of its actor loads or has a turn, on any host. */
export function checkI8DeactivateFirst(life: readonly LifeEvent[]): string[] {
  const complaints: string[] = [];
  const deactivating = new Map<string, string>();
  for (const { actor, host, kind } of life) {
    if (kind === 'deactivate-begins') deactivating.set(actor, host);
    else if (kind === 'deactivate-ends') deactivating.delete(actor);
    else if (deactivating.has(actor) && (kind === 'load-begins' || kind === 'turn-begins'))
      complaints.push(`${kind} of ${actor} on ${host} before it was deactivated on ${deactivating.get(actor)}`);
  }
  return complaints;
}

/** I10: of a call that was not executed no turn began. */
export function checkI10Truthful(operations: readonly Operation[], turns: readonly TurnEvent[]): string[] {
  const begun = new Set(turns.map(({ operation }) => operation));
  return operations
    .filter(({ id, outcome }) => outcome === 'not-executed' && begun.has(id))
    .map(({ actor, id }) => `${id} of ${actor} is said not to be executed, and its turn began`);
}

/** After the last change a call is answered within this … */
export const CONVERGED_MS_MAX = 5_000;
/** … and each attempt passes this many hosts, besides the one that it is made on. */
export const HOPS_MAX = 2;

/**
 * I11: after the last change every call succeeds in time, in few hops, if its caller asks again where it was not
 * executed: an activation from before the change may have to be lost first. `hops`: how often each call was sent.
 */
export function checkI11Converged(probes: readonly Operation[], hops: ReadonlyMap<number, number>): string[] {
  const complaints: string[] = [];
  for (const { actor, askedAtMs, attempts, endedAtMs, id, outcome } of probes) {
    if (outcome !== 'done') complaints.push(`probe ${id} of ${actor} is ${outcome}`);
    else if (endedAtMs - askedAtMs > CONVERGED_MS_MAX)
      complaints.push(`probe ${id} of ${actor} took ${endedAtMs - askedAtMs} ms`);
    const count = hops.get(id) ?? 0;
    if (count > HOPS_MAX * attempts)
      complaints.push(`probe ${id} of ${actor} took ${count} hops in ${attempts} attempts`);
  }
  return complaints;
}

/** For I11: how often each call was sent from host to host, by its operation, the first argument. */
export function hopsOf(
  sent: readonly SentEnvelope[],
  operationOf: (args: Uint8Array) => number | undefined,
): Map<number, number> {
  const hops = new Map<number, number>();
  for (const { envelope } of sent) {
    if (envelope.kind !== 'call') continue;
    const operation = operationOf(envelope.args);
    if (operation !== undefined) hops.set(operation, (hops.get(operation) ?? 0) + 1);
  }
  return hops;
}

/** I12: a receiver has taken what the sender's log says was sent to it, each once, in order. */
export function checkI12Sends(sender: string, log: Log, receiver: string, taken: readonly number[]): string[] {
  const sent = sentTo(log, receiver);
  if (taken.length === sent && taken.every((sequence, index) => sequence === index + 1)) return [];
  return [`${sender} sent ${sent} to ${receiver}, which has taken ${taken.join()}`];
}

/** A reminder that has fired is late by no more than this, once it could. */
export const REMINDER_LATE_MS_MAX = 1_000;

/** A reminder whose setting was acknowledged, with the time from which its actor had an owner for good. */
export interface SetReminder {
  readonly actor: string;
  readonly name: string;
  readonly dueAtMs: number;
  readonly ownedFromMs: number;
  /** When the commit that its turn led to was accepted; undefined: never. */
  readonly firedAtMs: number | undefined;
}

/** I13: a reminder fires within a second after it is due and its actor has an owner. */
export function checkI13InTime(reminders: readonly SetReminder[]): string[] {
  const complaints: string[] = [];
  for (const { actor, dueAtMs, firedAtMs, name, ownedFromMs } of reminders) {
    const latestMs = Math.max(dueAtMs, ownedFromMs) + REMINDER_LATE_MS_MAX;
    if (firedAtMs === undefined) complaints.push(`${name} of ${actor} never fired`);
    else if (firedAtMs > latestMs) complaints.push(`${name} of ${actor} fired ${firedAtMs - latestMs} ms too late`);
  }
  return complaints;
}

/** I13, without a bound: a reminder that is in the log as set, and was not cancelled or set again, fired. */
export function checkI13Fired(actor: string, log: Log): string[] {
  const waiting = new Set<string>();
  for (const line of log) {
    const [what, first, second] = line.split(' ');
    if (what === 'set') waiting.add(second!);
    else if (what === 'cancel') waiting.delete(second!);
    else if (what === 'fire') waiting.delete(first!);
  }
  return [...waiting].map((name) => `reminder ${name} of ${actor} never fired`);
}

/** I14: an occurrence takes effect at most once, only while its reminder is set, and not after a cancel. */
export function checkI14OncePerOccurrence(actor: string, log: Log, periodic: ReadonlySet<string>): string[] {
  const complaints: string[] = [];
  const set = new Set<string>();
  const fired = new Set<string>();
  for (const line of log) {
    const [what, first, second] = line.split(' ');
    if (what === 'set') set.add(second!);
    else if (what === 'cancel') set.delete(second!);
    else if (what === 'fire') {
      if (fired.has(line)) complaints.push(`an occurrence of ${actor} took effect twice: ${line}`);
      else if (!set.has(first!)) complaints.push(`a reminder of ${actor} fired that was not set: ${line}`);
      fired.add(line);
      if (!periodic.has(first!)) set.delete(first!);
    }
  }
  return complaints;
}
