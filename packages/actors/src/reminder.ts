// The reminders of one activation from the moment they are due: which of them wait for their turn or have it, what
// becomes of them after it, and when the host is to look again. Made when the actor has a first one.
// The record keeps them, the mailbox orders their turns, and when time has come is for the host's queue to say.
//
// R1  An occurrence is taken once: until its turn has ended it is not due again.
// R2  A reminder that was moved or cancelled while it waited does not fire; told apart by identity, never by name
//     alone.
// R3  A turn that fails leaves its occurrence, to be tried again after a growing delay.

import type { Activation } from './activation.ts';
import { formatAddress } from './address.ts';
import { REMINDER_RETRY_MS_MAX, REMINDER_RETRY_MS_MIN } from './limits.ts';
import type { Reminder } from './record.ts';
import type { Turn } from './turn.ts';

/** The reminders of one activation. */
export class Reminders {
  readonly #activation: Activation;
  /** Those that wait in the mailbox or run, as they were when they were taken. */
  #firing: Map<string, Reminder> | undefined;
  #dueNoted = false;

  constructor(activation: Activation) {
    this.#activation = activation;
  }

  /** Takes those that are due, oldest first. Each is to have its turn. */
  takeDue(): readonly Reminder[] {
    const nowMs = this.#activation.runtime.clock.nowMs();
    const due: Reminder[] = [];
    for (const reminder of this.#activation.record.reminders.values()) {
      if (reminder.dueAtMs <= nowMs && this.#firing?.get(reminder.name) !== reminder) due.push(reminder);
    }
    due.sort((a, b) => a.dueAtMs - b.dueAtMs);
    for (const reminder of due) (this.#firing ??= new Map()).set(reminder.name, reminder);
    return due;
  }

  /** Whether one that was taken is still to fire, now that its turn has come. */
  holds(reminder: Reminder): boolean {
    if (this.#activation.record.reminders.get(reminder.name) === reminder) return true;
    this.#forget(reminder);
    return false;
  }

  /** Its turn ended well. What the turn itself did to it comes before what its period says. */
  fired(reminder: Reminder, turn: Turn): void {
    this.#forget(reminder);
    if (turn.reminderChanges?.has(reminder.name) === true) return;
    const { record, runtime } = this.#activation;
    if (reminder.periodMs === undefined) {
      record.deleteReminder(reminder.name);
      return;
    }
    const missed = Math.max(0, Math.floor((runtime.clock.nowMs() - reminder.dueAtMs) / reminder.periodMs));
    record.setReminder({
      ...reminder,
      dueAtMs: reminder.dueAtMs + (missed + 1) * reminder.periodMs,
      failedAttempts: 0,
    });
  }

  /** Its turn failed. */
  failed(reminder: Reminder, error: unknown): void {
    const { address, record, runtime } = this.#activation;
    const failedAttempts = reminder.failedAttempts + 1;
    const delayMs = Math.min(REMINDER_RETRY_MS_MIN * 2 ** Math.min(failedAttempts - 1, 20), REMINDER_RETRY_MS_MAX);
    runtime.logger.error(
      { actor: formatAddress(address), reminder: reminder.name, err: error, retryInMs: delayMs },
      'a reminder failed',
    );
    this.#forget(reminder);
    record.setReminder({ ...reminder, dueAtMs: runtime.clock.nowMs() + delayMs, failedAttempts });
  }

  #forget(reminder: Reminder): void {
    if (this.#firing?.get(reminder.name) === reminder) this.#firing.delete(reminder.name);
  }

  /** None of those that were taken will have its turn here: they are due for the next activation. */
  letGo(): void {
    this.#firing = undefined;
  }

  /** Tells the host when to look at the actor again. */
  noteDue(): void {
    const { address, record, runtime } = this.#activation;
    const dueAtMs = record.reminderDueAtMs(this.#firing);
    if (dueAtMs === null && !this.#dueNoted) return;
    this.#dueNoted = dueAtMs !== null;
    runtime.due.set(address, dueAtMs);
  }
}
