// Every limit of this package with its reason. Units stand in the names.

/** Events of one trigger that are worked at at once on one host: enough to fill a group commit. */
export const CONCURRENCY_DEFAULT = 32;
export const CONCURRENCY_MAX = 10_000;
/** Attempts at an event before it becomes a dead letter. */
export const ATTEMPTS_DEFAULT = 5;
export const ATTEMPTS_MAX = 1_000;
/** Pauses between them: each twice as long as the one before, and up to a quarter shorter, so that many do not come at once. */
export const BACK_OFF_MS_MIN = 200;
export const BACK_OFF_MS_MAX = 30_000;
/** How often the health of the runtime is looked at while it is bad. */
export const UNHEALTHY_PAUSE_MS = 500;
/** How often a host looks whether a source that runs on one host is its own. */
export const OWNER_CHECK_INTERVAL_MS = 1_000;
/** A source that ended by a failure is opened again after this long. */
export const REOPEN_DELAY_MS_MIN = 500;
export const REOPEN_DELAY_MS_MAX = 30_000;
/** How long a list of triggers waits for an origin to say how many messages wait there. */
export const LAG_TIMEOUT_MS = 2_000;
/** How long a stop waits for the events that are worked at. */
export const STOP_GRACE_MS = 10_000;
/** How long the key of a start is kept after its instance is gone: longer than any source redelivers. */
export const DEDUP_FOR_MS_DEFAULT = 7 * 24 * 60 * 60 * 1000;
export const DEDUP_FOR_MS_MAX = 366 * 24 * 60 * 60 * 1000;
/** A name is part of paths, of durable consumers' names and of ids of actors. */
export const TRIGGER_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** Dead letters of a page. */
export const DEAD_LETTER_PAGE_DEFAULT = 50;
export const DEAD_LETTER_PAGE_MAX = 1_000;
/** A message for people. */
export const ERROR_MESSAGE_LENGTH_MAX = 8_192;
/** What the engine takes as one payload. */
export const EVENT_BYTES_MAX = 32 * 1024 * 1024;
/** Of an event that is too large, so much is kept in its dead letter: enough to see what it is. */
export const OVERSIZE_BYTES_KEPT = 64 * 1024;
/** A store or a host may be away for so long before it counts as an attempt of an event: longer than any election or takeover. */
export const RUNTIME_PATIENCE_MS = 120_000;
/** A sender over HTTP is answered within this long: common timeouts are 10 s and more. What is not settled then goes on. */
export const HTTP_ANSWER_MS = 8_000;
export const HTTP_RETRY_AFTER_S = 1;
/** As the engine has it. */
export const TAG_LENGTH_MAX = 256;

// ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** CloudEvents asks for 20; extensions that are in use have a few more. */
export const ATTRIBUTE_NAME_LENGTH_MAX = 64;
/** Attributes route and name. What is longer is data. */
export const ATTRIBUTE_LENGTH_MAX = 4_096;
export const ATTRIBUTES_MAX = 64;
/** As the gateway's: below the depth that the actors' codec refuses, and below what a recursive schema can follow. */
export const JSON_DEPTH_MAX = 400;
/** Events of one batch: each is started before the batch is acknowledged. */
export const BATCH_LENGTH_MAX = 1_000;

// ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** How far the time of a signed request may be from now, both ways: what Standard Webhooks, Stripe and Slack say. */
export const REPLAY_TOLERANCE_MS = 5 * 60 * 1000;
/** A few signatures of a hundred characters. */
export const SIGNATURE_HEADER_LENGTH_MAX = 4_096;
/** Senders that change their secret sign with two. Each costs a comparison, some of a public key. */
export const SIGNATURES_MAX = 16;
/** Keys in files are a few hundred bytes. */
export const SECRET_BYTES_MAX = 64 * 1024;

// ── Brokers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Pauses before a source connects again, each twice as long as the one before, and up to a quarter shorter. */
export const RECONNECT_DELAY_MS_MIN = 100;
export const RECONNECT_DELAY_MS_MAX = 10_000;
/** A server that takes a connection and then says nothing is given up after this long. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** How long a broker keeps a message for the host that has it, and hears nothing of it, before another host gets it. */
export const ACK_WAIT_MS_DEFAULT = 30_000;
export const ACK_WAIT_MS_MIN = 1_000;
/** A message is said to be worked at three times in that time: one of them may be late and one lost. */
export const EXTENDS_PER_ACK_WAIT = 3;
/** Messages of one JetStream consumer that are out at all hosts together. Each fetches what it has room for: this is for 64 hosts with 1,000 each. */
export const JETSTREAM_ACK_PENDING_MAX = 64_000;
/** How long one fetch waits for messages. When it ends without any, the next one shows whether the consumer is still there. */
export const FETCH_WAIT_MS = 10_000;
/** A message that was released although the source reads on comes again after this long. */
export const RELEASED_DELAY_MS = 5_000;
/**
 * Messages that were pushed at us and wait for room. When there are more, what its broker keeps is not read, and what only
 * we have is dropped. As many bytes as a NATS server keeps for a slow reader.
 */
export const WAITING_MAX = 1_024;
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** How long an MQTT 5 broker keeps a session without a host: as long as the keys of starts, a long weekend at least. */
export const SESSION_EXPIRY_MS_DEFAULT = 7 * 24 * 60 * 60 * 1000;
/** The protocol has 32 bits for seconds, and the highest number is for ever. */
export const SESSION_EXPIRY_MS_MAX = (2 ** 32 - 2) * 1000;
/** Packet identifiers of MQTT have 16 bits. */
export const MQTT_OUT_MAX = 65_535;
/** Messages that a broker has pushed go back to it after they waited this long for room: other hosts may have some. */
export const WAIT_FOR_ROOM_MS = 10_000;
/** How long Redis waits for entries before it answers that there are none: a reader that is drained waits for that answer. */
export const REDIS_BLOCK_MS = 1_000;
/** An entry that nobody has said to be working at for this long is taken over. */
export const REDIS_IDLE_MS_DEFAULT = 60_000;
export const REDIS_IDLE_MS_MIN = 1_000;
/** Consumers with nothing pending that have not asked for so many times the idle time are removed. */
export const REDIS_GONE_AFTER_IDLE_TIMES = 5;
/** A connection to Redis over which nothing has come for this long is dead; a third of it is between two pings. */
export const REDIS_SILENCE_MS = 15_000;
/** How long Kafka waits for messages before it answers that there are none: a reader that is closed waits for that answer. */
export const KAFKA_WAIT_MS = 1_000;
/** How often a group hears from a reader that waits for room; the client sends a beat when one is due. */
export const KAFKA_HEARTBEAT_MS = 1_000;
/** A commit of offsets that failed is tried again after this long. */
export const KAFKA_COMMIT_RETRY_MS = 1_000;
/** Messages of a partition from the first that is not settled on: how far others may overtake one that is tried again and again. */
export const KAFKA_UNCOMMITTED_MAX = 10_000;
/** A member of a group is heard of ten times in this time, and a loaded host is late now and then. */
export const KAFKA_SESSION_MS_MIN = 3_000;

// ── Files, rows and objects of Kubernetes ────────────────────────────────────────────────────────────────────────────

/** One file or row: as many as may be out at once are held in memory. A larger one becomes a dead letter, unread. */
export const RECORD_BYTES_MAX = 8 * 1024 * 1024;
/** Files of one scan that are looked at; the others come up when these have gone. */
export const FILES_PER_SCAN_MAX = 10_000;
/** Files that stay where they are are remembered in the cursor, which is written whole. */
export const KEPT_FILES_MAX = 5_000;
/** A file is complete when it has not changed for this long: who writes without renaming pauses for less. */
export const SETTLE_MS_DEFAULT = 1_000;
/** How often a folder is looked at though nothing was heard of it: shared folders tell nothing. */
export const SCAN_INTERVAL_MS_DEFAULT = 10_000;
/** A burst of changes is one scan. */
export const SCAN_PAUSE_MS = 50;
/** The longest setting of any interval: a day. */
export const INTERVAL_MS_MAX = 24 * 60 * 60 * 1000;
/** How long a row is leased: after a host's end it comes again so much later. Leases of rows in work are prolonged. */
export const LEASE_MS_DEFAULT = 30_000;
export const LEASE_MS_MIN = 1_000;
/** How often a table is looked at: often when nothing tells of new rows, else for what was not told and for leases that ran out. */
export const POLL_INTERVAL_MS_DEFAULT = 1_000;
export const NOTIFIED_POLL_INTERVAL_MS_DEFAULT = 10_000;
export const POLL_INTERVAL_MS_MIN = 50;
/** Rows that one statement takes, or settles. */
export const ROWS_PER_STATEMENT_MAX = 500;
/** A server that has not answered a statement after this long is given up. */
export const STATEMENT_TIMEOUT_MS = 15_000;
/** Connections of one trigger: one listens, one takes, one settles, one prolongs. */
export const POSTGRES_CONNECTIONS_MAX = 4;
/** Rows that are counted as waiting; nobody needs to know a higher number to the last row. */
export const ROWS_COUNTED_MAX = 100_000;

// ── Schedules ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Missed ticks of a cron source that are fired: those of the last day, so that a nightly job survives a night's outage … */
export const CATCH_UP_MS_DEFAULT = 24 * 60 * 60 * 1000;
/** … no fewer than those of a takeover by another host, which may not be lost, … */
export const CATCH_UP_MS_MIN = 10_000;
/** … and no more than those of a year. */
export const CATCH_UP_MS_MAX = 366 * 24 * 60 * 60 * 1000;
/** Ticks that may wait for the instance before them: they are kept in one small record. */
export const BUFFERED_TICKS_MAX = 1_000;
/** Ticks that are decided before anything else is done: each costs about 0.15 ms to find. */
export const TICKS_AT_ONCE_MAX = 100;
/** Schedules of one source: each is asked for every tick. */
export const SCHEDULES_MAX = 100;
/** How often the machine's time is looked at: a timeout does not notice that somebody set it. */
export const CLOCK_CHECK_MS = 60_000;
/** A cursor that is ahead of the machine's time by more was written under a wrong one. Less is waited for. */
export const CURSOR_AHEAD_MS_MAX = 24 * 60 * 60 * 1000;
/** A source that closes waits for so long for what it is just doing: the last save. */
export const CLOSE_GRACE_MS = 1_000;

// ── Endings ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Endings that wait on one host for a trigger to have room. The others come again: they are kept where they are. */
export const ENDINGS_WAITING_MAX = 1_000;
/** An ending that is not settled is handed over again after so long: soon after a crash, and not often while a trigger is paused. */
export const ENDING_RETRY_MS_MIN = 10_000;
export const ENDING_RETRY_MS_MAX = 5 * 60_000;
/** An ending that no trigger wants is kept for so long: another host is being replaced. */
export const ENDING_UNWANTED_MS = 60 * 60_000;
/** Objects of one page of a list: each may have more than a megabyte. */
export const LIST_PAGE_LENGTH = 100;
export const LIST_PAGE_BYTES_MAX = 256 * 1024 * 1024;
/** One line of a watch is one object; etcd takes 1.5 MiB, other stores somewhat more. */
export const WATCH_LINE_BYTES_MAX = 32 * 1024 * 1024;
/** How long the API server is asked to watch; it then ends the watch, and another begins. */
export const WATCH_TIMEOUT_S = 240;
/** A watch that goes on for so much longer hangs: what was between us has gone. */
export const WATCH_OVERDUE_MS = 30_000;
/** An answer has to begin, and a page to be complete, in this time. */
export const API_REQUEST_TIMEOUT_MS = 60_000;
/** Of an answer that is an error: enough for what it says. */
export const API_ERROR_BYTES_MAX = 64 * 1024;
/** A watch that lasted for so long was a good one. */
export const WATCH_GOOD_MS = 5_000;
/** Versions behind the first one that is not settled: if one event is tried for long, the others go on so far. */
export const VERSIONS_PENDING_MAX = 10_000;
/** A file of triggers: a thousand of them with long expressions have room. */
export const TRIGGER_FILE_BYTES_MAX = 1024 * 1024;
/** Values in it, once its aliases are followed: a few lines of them could stand for billions. */
export const TRIGGER_FILE_VALUES_MAX = 100_000;
/** The parser of YAML calls itself for each level. */
export const TRIGGER_FILE_DEPTH_MAX = 64;
/** An expression that people can still read; what it costs grows with it. */
export const EXPRESSION_LENGTH_MAX = 4_096;
export const EXPRESSION_NODES_MAX = 1_000;
/** Of an expression with loops or patterns, which can take for ever: no honest one takes a tenth of it. */
export const EXPRESSION_TIME_MS_MAX = 1_000;
/** Values that an expression makes. */
export const EXPRESSION_VALUES_MAX = 1_000_000;
