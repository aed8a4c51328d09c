// What a run under faults did, and the checkers that look for what must not have happened. Each returns complaints.

/** A call that adds its number to the log of an actor. */
export interface Operation {
  readonly id: number;
  readonly actor: string;
  outcome: 'waiting' | 'done' | 'failed' | 'unknown' | 'not-executed';
}

export interface TurnEvent {
  readonly activation: string;
  readonly kind: 'begin' | 'end';
}

/**
 * I1, I2, I10: what was acknowledged is there once, what was refused is not, and nothing else is but what is unknown.
 */
export function checkLog(operations: readonly Operation[], actor: string, log: readonly number[]): string[] {
  const complaints: string[] = [];
  const counts = new Map<number, number>();
  for (const id of log) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const operation of operations) {
    if (operation.actor !== actor) continue;
    const count = counts.get(operation.id) ?? 0;
    counts.delete(operation.id);
    if (operation.outcome === 'done' && count === 0)
      complaints.push(`operation ${operation.id} of ${actor} was acknowledged and is lost`);
    if (count > 1) complaints.push(`operation ${operation.id} of ${actor} was applied ${count} times`);
    if ((operation.outcome === 'failed' || operation.outcome === 'not-executed') && count > 0) {
      complaints.push(`operation ${operation.id} of ${actor} is ${operation.outcome} and was applied`);
    }
  }
  for (const id of counts.keys()) complaints.push(`nobody asked ${actor} for operation ${id}`);
  return complaints;
}

/** The gate: the log only grows, so what anybody was shown of it is how it begins in the end. */
export function checkReads(reads: readonly (readonly number[])[], log: readonly number[]): string[] {
  return reads
    .filter((read) => read.some((id, index) => log[index] !== id))
    .map((read) => `a read showed ${read.join()}, which is not how ${log.join()} begins`);
}

/** I12: a receiver has taken exactly what the sender's record says it sent to it, in order. */
export function checkSends(pair: string, sent: number, taken: readonly number[]): string[] {
  if (taken.length === sent && taken.every((sequence, index) => sequence === index + 1)) return [];
  return [`${pair} sent ${sent} and ${taken.join()} were taken`];
}

/** I6: turns of one activation do not overlap. */
export function checkTurns(events: readonly TurnEvent[]): string[] {
  const complaints: string[] = [];
  const running = new Set<string>();
  for (const { activation, kind } of events) {
    if (kind === 'end') running.delete(activation);
    else if (running.has(activation)) complaints.push(`a turn of ${activation} began inside another`);
    else running.add(activation);
  }
  return complaints;
}

/** I13, I14: a reminder that was acknowledged fires, every one at most once, and a cancelled one not at all. */
export function checkReminders(
  set: ReadonlyMap<number, Operation['outcome']>,
  cancelled: ReadonlySet<number>,
  fired: readonly number[],
): string[] {
  const complaints: string[] = [];
  const counts = new Map<number, number>();
  for (const id of fired) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const [id, outcome] of set) {
    const count = counts.get(id) ?? 0;
    if (count > 1) complaints.push(`reminder ${id} took effect ${count} times`);
    if (outcome === 'done' && count === 0 && !cancelled.has(id)) complaints.push(`reminder ${id} never fired`);
    if (outcome === 'not-executed' && count > 0) complaints.push(`reminder ${id} was not set and fired`);
  }
  return complaints;
}
