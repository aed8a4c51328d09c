// What a turn that ended well did, taken over into the record of its actor (A2). Entries, summaries, timers and what
// becomes of its own reminder are not here: the first two are the commit pipeline's, the others the activation's.

import type { Call } from './call.ts';
import type { Clock } from './clock.ts';
import { copyPayload } from './codec.ts';
import type { ActorRecord } from './record.ts';
import type { Turn } from './turn.ts';

/** Under which a call's reply is kept. */
export function replyKey(call: Call): string {
  return `${call.method}:${call.idempotencyKey}`;
}

/** Returns whether the record is now another. `durable`: replies are kept. */
export function takeOver(record: ActorRecord, turn: Turn, durable: boolean, clock: Clock): boolean {
  const { cause } = turn;
  let changed = false;
  if (cause.kind === 'call') {
    if (cause.call.stamp !== undefined) {
      record.markTaken(cause.call.stamp, clock.nowMs());
      changed = true;
    }
    if (cause.call.idempotencyKey !== undefined && !turn.replyDropped && durable) {
      record.keepReply(replyKey(cause.call), copyPayload(turn.result), clock.nowMs());
      changed = true;
    }
  }
  if (turn.repliesInside !== undefined && durable) {
    for (const { call, result } of turn.repliesInside) {
      record.keepReply(replyKey(call), copyPayload(result), clock.nowMs());
    }
    changed = true;
  }
  if (turn.reminderChanges !== undefined) {
    changed = true;
    for (const [name, reminder] of turn.reminderChanges) {
      if (reminder === null) record.deleteReminder(name);
      else record.setReminder(reminder);
    }
  }
  if (turn.sends !== undefined) {
    changed = true;
    for (const send of turn.sends) record.addSend(send, turn.traceparent);
  }
  if (turn.work !== undefined && turn.work !== record.hasWork) {
    record.hasWork = turn.work;
    changed = true;
  }
  return changed;
}
