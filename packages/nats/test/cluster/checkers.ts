// What must hold of a run of several host processes, whatever befell it: functions over the ledger that all of them
// wrote, and over what was found at the end. Each gives what is wrong, a line each, and bears the number by which
// docs/guarantees.md lists it; `checkers.test.ts` shows that each refuses a history that it must refuse.

import { ofKind, type ActivityEvent, type FaultEvent, type Line, type Outcome } from './ledger.ts';
import { expectedOutput } from './workload.ts';

/** The calls that each counter has taken, in order, as found at the end. */
export type Counters = ReadonlyMap<string, readonly string[]>;
/** The log of each alarm, as found at the end. */
export type Alarms = ReadonlyMap<string, readonly string[]>;

/** A call and what its caller heard; `unknown` also if the caller died before. */
interface Heard {
  readonly call: string;
  readonly actor: string;
  readonly method: string;
  readonly outcome: Outcome;
  readonly value: unknown;
  readonly error: string | undefined;
  readonly askedAtMs: number;
  readonly endedAtMs: number;
}

function heard(lines: readonly Line[]): Heard[] {
  const answers = new Map(ofKind(lines, 'answer').map((line) => [line.call, line]));
  return ofKind(lines, 'call').map(({ call, actor, method, atMs }) => {
    const answer = answers.get(call);
    const lost = { outcome: 'unknown', value: undefined, error: 'its caller died', atMs: Infinity } as const;
    const { outcome, value, error, atMs: endedAtMs } = answer ?? lost;
    return { call, actor, method, outcome, value, error, askedAtMs: atMs, endedAtMs };
  });
}

/** I1: no two commits of an actor were made from the same revision, and revisions rise. */
export function checkI1Chain(lines: readonly Line[]): string[] {
  const complaints: string[] = [];
  const made = new Map<string, string>();
  for (const { actor, commit, expectedRevision, revision } of ofKind(lines, 'commit')) {
    if (revision <= expectedRevision)
      complaints.push(`commit ${commit} of ${actor} became ${revision} from ${expectedRevision}`);
    const from = `${actor} ${expectedRevision}`;
    const other = made.get(from);
    if (other !== undefined && other !== commit)
      complaints.push(`${commit} and ${other} of ${actor} were both made from ${expectedRevision}`);
    made.set(from, commit);
  }
  return complaints;
}

/** I1: every call that a counter has taken was asked for, and is there once. */
export function checkI1Counters(lines: readonly Line[], counters: Counters): string[] {
  const complaints: string[] = [];
  const asked = new Map(ofKind(lines, 'call').map(({ call, actor, method }) => [call, `${actor} ${method}`]));
  for (const [id, calls] of counters) {
    const seen = new Set<string>();
    for (const call of calls) {
      if (asked.get(call) !== `counter/${id} add`) complaints.push(`counter/${id} has ${call}, which nobody asked for`);
      if (seen.has(call)) complaints.push(`counter/${id} has ${call} twice`);
      seen.add(call);
    }
  }
  return complaints;
}

/** I2, I3: what was acknowledged is there, at the place that its caller was told. */
export function checkI2Acknowledged(lines: readonly Line[], counters: Counters, alarms: Alarms): string[] {
  const complaints: string[] = [];
  for (const { actor, call, method, outcome, value } of heard(lines)) {
    if (outcome !== 'done') continue;
    const id = actor.slice(actor.indexOf('/') + 1);
    if (method === 'add' && counters.get(id)?.[Number(value) - 1] !== call)
      complaints.push(`${call} of ${actor} was acknowledged as number ${String(value)}, which it is not`);
    if (method === 'set' && alarms.get(id)?.includes(`set ${call} ${String(value)}`) !== true)
      complaints.push(`${call} of ${actor} was acknowledged, and there is no such reminder`);
    if (method.startsWith('cancel ') && alarms.get(id)?.includes(method) !== true)
      complaints.push(`${call} of ${actor}, ${method}, was acknowledged and is not there`);
  }
  return complaints;
}

/** I3: what a read has shown is how the counter was at some time. */
export function checkI3Reads(lines: readonly Line[], counters: Counters): string[] {
  const complaints: string[] = [];
  for (const { actor, call, method, outcome, value } of heard(lines)) {
    if (outcome !== 'done' || method !== 'last') continue;
    const [count, last] = value as [number, string | null];
    const found = count === 0 ? null : (counters.get(actor.slice('counter/'.length))?.[count - 1] ?? null);
    if (found !== last) complaints.push(`${call} of ${actor} was shown ${last} as number ${count}, which is ${found}`);
  }
  return complaints;
}

/**
 * I4: nobody answers from what it does not own any more: an answer knows of everything that was acknowledged before its
 * call was made.
 */
export function checkI4Fresh(lines: readonly Line[]): string[] {
  const complaints: string[] = [];
  const byActor = new Map<string, { atMs: number; begins: boolean; call: string; count: number }[]>();
  for (const { actor, askedAtMs, call, endedAtMs, method, outcome, value } of heard(lines)) {
    if (outcome !== 'done' || (method !== 'add' && method !== 'last')) continue;
    const count = method === 'add' ? (value as number) : (value as [number, string | null])[0];
    const events = byActor.get(actor) ?? [];
    events.push({ atMs: askedAtMs, begins: true, call, count }, { atMs: endedAtMs, begins: false, call, count });
    byActor.set(actor, events);
  }
  for (const [actor, events] of byActor) {
    // In one millisecond nobody knows which came first: calls that begin are taken to be the earlier.
    events.sort((a, b) => a.atMs - b.atMs || Number(b.begins) - Number(a.begins));
    const known = new Map<string, number>();
    let most = 0;
    for (const { begins, call, count } of events) {
      if (begins) known.set(call, most);
      else {
        const least = known.get(call)!;
        if (count < least)
          complaints.push(`${call} was shown ${actor} at ${count}, which had been told to be at ${least}`);
        most = Math.max(most, count);
      }
    }
  }
  return complaints;
}

/**
 * I5: an epoch of a partition is one host's, and later claims have higher epochs. A host may take up again what it has
 * drained and not given away: nobody else had it meanwhile.
 */
export function checkI5Epochs(lines: readonly Line[]): string[] {
  const complaints: string[] = [];
  const holders = new Map<string, string>();
  const own = new Map<string, number>();
  const last = new Map<number, string>();
  for (const { by, epoch, event, partition } of ofKind(lines, 'claim')) {
    if (event !== 'acquired') continue;
    const claim = `partition ${partition} in epoch ${epoch}`;
    const holder = holders.get(claim) ?? by;
    if (holder !== by) complaints.push(`${by} and ${holder} have acquired ${claim}`);
    holders.set(claim, holder);
    const before = own.get(`${by} ${partition}`) ?? 0;
    if (epoch < before || (epoch === before && last.get(partition) !== by))
      complaints.push(`${by} has acquired ${claim} after epoch ${before}`);
    own.set(`${by} ${partition}`, epoch);
    last.set(partition, by);
  }
  return complaints;
}

/** I9: of the calls that were made meanwhile all succeeded. */
export function checkI9NoneLost(lines: readonly Line[], fromMs: number, toMs: number): string[] {
  return heard(lines)
    .filter(({ askedAtMs, outcome }) => askedAtMs >= fromMs && askedAtMs <= toMs && outcome !== 'done')
    .map(({ actor, call, error, method, outcome }) => `${call}, ${method} of ${actor}, is ${outcome}: ${error}`);
}

/** I10: of a call that was not executed no turn began, and nothing of it is there. */
export function checkI10Truthful(lines: readonly Line[], counters: Counters): string[] {
  const begun = new Set(ofKind(lines, 'turn').map(({ call }) => call));
  const taken = new Set([...counters.values()].flat());
  return heard(lines)
    .filter(({ call, outcome }) => outcome === 'not-executed' && (begun.has(call) || taken.has(call)))
    .map(({ actor, call }) => `${call} of ${actor} is said not to be executed, and its turn began`);
}

/** After the last change a call is answered within this. */
export const CONVERGED_MS_MAX = 5_000;

/** I11: after the last change every call succeeds, in time. */
export function checkI11Converged(lines: readonly Line[], fromMs: number): string[] {
  const complaints: string[] = [];
  for (const { actor, askedAtMs, call, endedAtMs, error, outcome } of heard(lines)) {
    if (askedAtMs < fromMs) continue;
    if (outcome !== 'done')
      complaints.push(`${call} of ${actor} is ${outcome} ${askedAtMs - fromMs} ms after the last change: ${error}`);
    else if (endedAtMs - askedAtMs > CONVERGED_MS_MAX)
      complaints.push(`${call} of ${actor} took ${endedAtMs - askedAtMs} ms, after the last change`);
  }
  return complaints;
}

/** A reminder fires this soon after it is due where nothing goes wrong … */
export const REMINDER_LATE_MS_MAX = 1_000;
/** … and this much later where a fault was in its way: the longest detection (frozen), takeover and an election. */
export const REMINDER_DISTURBED_MS_MAX = 40_000;

/** I13: every reminder that is set and not cancelled has fired, in time unless there was a fault in its way. */
export function checkI13Fired(
  lines: readonly Line[],
  alarms: Alarms,
  disturbedMs = REMINDER_DISTURBED_MS_MAX,
): string[] {
  const complaints: string[] = [];
  const faults = ofKind(lines, 'fault');
  for (const [id, log] of alarms) {
    const due = new Map<string, number>();
    for (const line of log) {
      const [what, name, at] = line.split(' ') as [string, string, string | undefined];
      if (what === 'set') due.set(name, Number(at));
      else if (what === 'cancel') due.delete(name);
      else {
        const dueAtMs = due.get(name);
        due.delete(name);
        if (dueAtMs === undefined) continue;
        const lateMs = Number(at) - dueAtMs;
        // A fault of before may still be under repair.
        const disturbed = within(faults, dueAtMs - disturbedMs, Number(at)).length > 0;
        const latestMs = REMINDER_LATE_MS_MAX + (disturbed ? disturbedMs : 0);
        if (lateMs > latestMs) complaints.push(`${name} of alarm/${id} fired ${lateMs} ms late`);
      }
    }
    for (const name of due.keys()) complaints.push(`${name} of alarm/${id} never fired`);
  }
  return complaints;
}

/** I14: an occurrence takes effect once, and never after the cancel. */
export function checkI14Once(alarms: Alarms): string[] {
  const complaints: string[] = [];
  for (const [id, log] of alarms) {
    const states = new Map<string, string>();
    for (const line of log) {
      const [what, name] = line.split(' ') as [string, string];
      const before = states.get(name);
      if (what === 'fire' && before !== 'set')
        complaints.push(`${name} of alarm/${id} fired when it was ${before ?? 'not there'}`);
      // A cancel of what has fired does nothing.
      if (what !== 'cancel' || before === 'set') states.set(name, what);
    }
  }
  return complaints;
}

/** How often the body of each activity's attempt began, where it is more than once. */
export interface Repeated {
  readonly key: string;
  readonly instanceId: string;
  readonly arrivals: number;
  /** Faults between the first arrival, or a while before it, and the last one. */
  readonly faults: number;
}

/** What a fault does may show this much later: a frozen host is taken for dead after 15 s. */
export const FAULT_SHOWS_MS_MAX = 30_000;

export function repeatedActivities(lines: readonly Line[]): Repeated[] {
  const arrivals = new Map<string, Line<ActivityEvent>[]>();
  for (const line of ofKind(lines, 'activity')) {
    const key = `${line.key} attempt ${line.attempt}`;
    const known = arrivals.get(key);
    if (known === undefined) arrivals.set(key, [line]);
    else known.push(line);
  }
  const faults = ofKind(lines, 'fault');
  return [...arrivals]
    .filter(([, seen]) => seen.length > 1)
    .map(([key, seen]) => ({
      key,
      instanceId: seen[0]!.instanceId,
      arrivals: seen.length,
      faults: within(faults, seen[0]!.atMs - FAULT_SHOWS_MS_MAX, seen.at(-1)!.atMs).length,
    }));
}

/** I16: an activity's attempt begins at most once more for each fault in its window; without faults, once. */
export function checkI16Activities(lines: readonly Line[]): string[] {
  return repeatedActivities(lines)
    .filter(({ arrivals, faults }) => arrivals > 1 + faults)
    .map(({ arrivals, faults, key }) => `${key} began ${arrivals} times, with ${faults} faults in its window`);
}

/** An instance as it was found at the end; undefined: there is none. */
export interface FoundInstance {
  readonly status: string;
  readonly output: unknown;
}

/** I17: after the quiet every instance that is there has completed, with its output; those acknowledged are there. */
export function checkI17Completed(
  lines: readonly Line[],
  found: ReadonlyMap<string, FoundInstance | undefined>,
): string[] {
  const complaints: string[] = [];
  const acknowledged = new Set<string>();
  const asked = new Set<string>();
  for (const { event, instanceId, output, status } of ofKind(lines, 'instance')) {
    asked.add(instanceId);
    if (event !== 'starting') acknowledged.add(instanceId);
    const end = found.get(instanceId);
    if (event === 'ended' && end !== undefined && (end.status !== status || end.output !== output))
      complaints.push(`${instanceId} was told to be ${status} (${String(output)}) and is ${end.status}`);
  }
  for (const instanceId of asked) {
    const end = found.get(instanceId);
    const expected = expectedOutput(Number(instanceId.slice(instanceId.lastIndexOf('.') + 1)));
    if (end === undefined) {
      if (acknowledged.has(instanceId)) complaints.push(`${instanceId} was acknowledged and is not there`);
    } else if (end.status !== 'completed') complaints.push(`${instanceId} is ${end.status} after the quiet`);
    else if (end.output !== expected)
      complaints.push(`${instanceId} gave ${String(end.output)} instead of ${expected}`);
  }
  return complaints;
}

/** I19: between these times no partition has changed hands, but for those of hosts that are really dead. */
export function checkI19NoEviction(
  lines: readonly Line[],
  fromMs: number,
  toMs: number,
  dead: ReadonlySet<string> = new Set(),
): string[] {
  const complaints: string[] = [];
  const holders = new Map<number, string>();
  for (const { atMs, by, event, partition } of ofKind(lines, 'claim')) {
    const before = holders.get(partition);
    if (event === 'acquired') holders.set(partition, by);
    if (atMs < fromMs || atMs > toMs || (before !== undefined && dead.has(before))) continue;
    if (event === 'acquired' && before !== by) complaints.push(`partition ${partition} went from ${before} to ${by}`);
    else if (event !== 'acquired') complaints.push(`partition ${partition} was ${event} by ${by}`);
  }
  return complaints;
}

/** How many more partitions than needed may move when a host comes or goes. */
export const MOVES_FACTOR_MAX = 1.3;

/** I20: from one assignment to another no more partitions have moved than is bounded. */
export function checkI20Moves(before: ReadonlyMap<number, string>, after: ReadonlyMap<number, string>): string[] {
  const hosts = (owners: ReadonlyMap<number, string>): Set<string> => new Set(owners.values());
  const countMax = Math.max(hosts(before).size, hosts(after).size);
  const [left, joined] = [
    [...hosts(before)].filter((host) => !hosts(after).has(host)),
    [...hosts(after)].filter((host) => !hosts(before).has(host)),
  ];
  const changes = left.length + joined.length;
  const ideal = (changes * before.size) / countMax;
  const moved = [...before].filter(([partition, owner]) => after.get(partition) !== owner).length;
  if (moved <= ideal * MOVES_FACTOR_MAX) return [];
  return [`${moved} partitions moved where ${Math.ceil(ideal)} had to`];
}

/** Trouble of this long before a kill may still be under repair when it comes. */
const ALONE_MS = 15_000;

/**
 * For each partition that a killed host held, how long nobody had it. Infinity: nobody has taken it since.
 *
 * @param alone only of hosts that were killed when nothing else was wrong, nor became so before the takeover
 */
export function takeoverTimesMs(lines: readonly Line[], alone = false): number[] {
  const faults = ofKind(lines, 'fault');
  const isAlone = (target: string, fromMs: number, toMs: number): boolean =>
    within(faults, fromMs - ALONE_MS, Math.min(toMs, fromMs + ALONE_MS)).every((fault) => fault.target === target);
  const held = new Map<number, string>();
  const waiting = new Map<number, Line<FaultEvent>>();
  const times: number[] = [];
  for (const line of lines) {
    if (line.kind === 'fault' && line.fault === 'kill-host' && line.event === 'begin') {
      for (const [partition, by] of held) {
        if (by !== line.target) continue;
        waiting.set(partition, line);
        held.delete(partition);
      }
    } else if (line.kind === 'claim') {
      const { by, event, partition } = line;
      if (event !== 'acquired') {
        if (held.get(partition) === by) held.delete(partition);
        continue;
      }
      held.set(partition, by);
      const kill = waiting.get(partition);
      waiting.delete(partition);
      if (kill === undefined || (alone && !isAlone(kill.target, kill.atMs, line.atMs))) continue;
      times.push(line.atMs - kill.atMs);
    }
  }
  const never = [...waiting.values()].filter((kill) => !alone || isAlone(kill.target, kill.atMs, Infinity));
  return [...times, ...never.map(() => Infinity)].sort((a, b) => a - b);
}

/** What a host process holds at the end of the lines. */
export function ownersOf(lines: readonly Line[]): Map<number, string> {
  const held = new Map<number, string>();
  for (const { by, event, partition } of ofKind(lines, 'claim')) {
    if (event === 'acquired') held.set(partition, by);
    else if (event !== 'draining' && held.get(partition) === by) held.delete(partition);
  }
  return held;
}

export interface CallCounts extends Readonly<Record<Outcome, number>> {
  /** Callers that died before they heard; counted as unknown too. */
  readonly lost: number;
}

export function countCalls(lines: readonly Line[]): CallCounts {
  const counts = { done: 0, 'not-executed': 0, unknown: 0, failed: 0, lost: 0 };
  for (const { endedAtMs, outcome } of heard(lines)) {
    counts[outcome]++;
    if (endedAtMs === Infinity) counts.lost++;
  }
  return counts;
}

/** Faults that began or ended in the window. */
function within(faults: readonly Line<FaultEvent>[], fromMs: number, toMs: number): Line<FaultEvent>[] {
  return faults.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
}
