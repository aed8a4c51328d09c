// The names of an instance's reminders.

/** A start that was put off is due. */
export const START_REMINDER = 'start';
/** A child that was started where nobody has its code has waited long enough. */
export const CODE_REMINDER = 'code';
/** What is kept of an instance that has ended is to go. */
export const RETENTION_REMINDER = 'retention';
/** Before the number of an activity: its next attempt is due. */
export const RETRY_REMINDER = 'retry:';
/** Before the number of a timer. */
export const TIMER_REMINDER = 'timer:';
