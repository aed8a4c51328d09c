import { waitAtMost, type Clock } from '@troupe/actors';
import { TURN_WAIT_MS } from '../limits.ts';

/** In place of an answer that takes longer: ask again. */
export interface Waiting {
  readonly kind: 'waiting';
}

const WAITING: Waiting = { kind: 'waiting' };

/** What workers take as long as it takes for: another host that asks hears in time that they are at it. */
export async function inTime<T>(clock: Clock, answer: Promise<T>): Promise<T | Waiting> {
  let answered: T | Waiting = WAITING;
  await waitAtMost(
    clock,
    TURN_WAIT_MS,
    answer.then((came) => (answered = came)),
  );
  return answered;
}
