// Every limit of this package with its reason. Units stand in the names.

/** Addresses hash to this many partitions: enough to spread over dozens of hosts, few enough to scan at start. */
export const PARTITION_COUNT_DEFAULT = 256;
/** A type is part of every key and of every subject. */
export const ACTOR_TYPE_LENGTH_MAX = 128;
/** Twice what any workflow id may have, so that composed ids (parent and child) fit. */
export const ACTOR_ID_BYTES_MAX = 512;
/** A record keeps the ids of its last commits, so that a writer whose answer got lost can learn what happened. */
export const COMMIT_IDS_KEPT = 16;
/** State plus entries of one commit: larger ones stall the store for everybody. */
export const COMMIT_BYTES_MAX = 64 * 1024 * 1024;
/** Once that many bytes of entries wait for the store, turns wait too: else many large ones would not fit one commit. */
export const BUNDLE_BYTES_MAX = 16 * 1024 * 1024;
/** Calls and sends that wait for their turn on one actor; the next one is told to try again later. */
export const MAILBOX_LENGTH_MAX = 100_000;
/** Turns of one activation that run in one go before I/O gets a chance. */
export const TURNS_PER_ROUND_MAX = 512;
/** Replies kept to answer a repeated idempotency key, per actor, and for how long. */
export const IDEMPOTENCY_KEYS_MAX = 1_000;
export const IDEMPOTENCY_KEY_TTL_MS = 24 * 60 * 60 * 1000;
export const IDEMPOTENCY_KEY_LENGTH_MAX = 512;
/** Actors that a chain of calls may pass through: a longer one is a loop that grows. */
export const CALL_CHAIN_LENGTH_MAX = 64;
/** A call that names no deadline of its own gives up after this long. */
export const CALL_TIMEOUT_MS_DEFAULT = 30_000;
/** Durable sends of one actor that are not yet acknowledged. */
export const OUTBOX_LENGTH_MAX = 100_000;
/**
 * A delivery of a durable send begins no later than this after the last commit of its sender was sealed: a process that
 * stood still in between may have lost the sender to another owner.
 */
export const SEND_BEGIN_MS_MAX = CALL_TIMEOUT_MS_DEFAULT;
/**
 * A receiver remembers the last number of a sender for this long after that has nothing left to send: longer than it
 * takes until a delivery begins (`SEND_BEGIN_MS_MAX`) and ends (`CALL_TIMEOUT_MS_DEFAULT`) that a former owner of the
 * sender begins before it learns that it is one, by as much as clocks may be wrong.
 */
export const SEND_MARK_LINGER_MS = 3 * CALL_TIMEOUT_MS_DEFAULT;
/** And for this long when the sender never said so (its host crashed between): a few bytes for each such sender. */
export const SEND_MARK_TTL_MS = 7 * 24 * 60 * 60 * 1000;
/** Reminders of one actor. */
export const REMINDERS_MAX = 100_000;
/** Nesting of a payload; deeper ones come from accidents and would overflow the stack of other readers. */
export const PAYLOAD_DEPTH_MAX = 500;
/** Snapshot of a journal actor after this many entries, so that activation replays few. */
export const JOURNAL_SNAPSHOT_ENTRIES = 100;
/**
 * The activation cache: count and estimated bytes. Idle ones beyond it are deactivated, the least recently used first.
 */
export const ACTIVATION_COUNT_MAX_DEFAULT = 200_000;
export const ACTIVATION_BYTES_MAX_DEFAULT = 512 * 1024 * 1024;
/** What an activation costs beside its state. */
export const ACTIVATION_OVERHEAD_BYTES = 1_000;
/** An actor without a message for this long is deactivated. */
export const IDLE_TIMEOUT_MS_DEFAULT = 10 * 60 * 1000;
/** How far ahead due entries are held in memory, and how often the store is asked for more. */
export const DUE_HORIZON_MS = 5 * 60 * 1000;
export const DUE_SCAN_INTERVAL_MS = 2 * 60 * 1000;
export const DUE_PAGE_LENGTH = 1_000;
/** Wake-ups of actors that are not active: a token bucket, so that a restart is no stampede. */
export const WAKE_PER_SECOND = 5_000;
export const WAKE_BURST = 1_000;
/** What a host that is gone may have sent before it went comes within this. */
export const GONE_GRACE_MS = 1_000;
/** An answer that was not delivered is sent again after this long: a client whose server died connects in less. */
export const REPLY_AGAIN_MS = 250;
/** A wake-up that comes due while the host may not serve is tried again after this long. */
export const WAKE_AGAIN_MS = 250;
/**
 * Attempts to commit one bundle before the activation is given up: about three seconds of a store that does not answer.
 */
export const COMMIT_ATTEMPTS_MAX = 6;
/** Back-off of a failing reminder: doubled from the first to the last of these. */
export const REMINDER_RETRY_MS_MIN = 1_000;
export const REMINDER_RETRY_MS_MAX = 5 * 60 * 1000;
/** Failed deliveries of one durable send between two warnings in the log. */
export const SEND_FAILURES_PER_WARNING = 10;
/** Back-off between attempts to deliver a durable send or to move on after a store failure. */
export const RETRY_DELAY_MS_MIN = 50;
export const RETRY_DELAY_MS_MAX = 10_000;
/**
 * An actor whose activation was lost is looked at again after this long, doubled while its activations achieve nothing.
 */
export const LOOK_AGAIN_MS_MIN = 1_000;
export const LOOK_AGAIN_MS_MAX = 60_000;
/** A partition that goes to another host waits this long for running turns. */
export const DRAIN_GRACE_MS = 10_000;
/** A graceful stop waits this long for running turns. */
export const STOP_GRACE_MS_DEFAULT = 10_000;
