// Every limit of this package with its reason. Units stand in the names.

import { COMMIT_BYTES_MAX } from '@troupe/actors';

/** Older servers let two writers with the same expected sequence both succeed, or lose streams when they are killed. */
export const SERVER_VERSION_MIN = '2.10.23';

/** A host whose server dies looks dead to the others until it is connected again, so it tries at once and often. */
export const RECONNECT_DELAY_MS = 100;
/** A server that does not answer is given up after two of these without an answer. */
export const PING_INTERVAL_MS = 2_000;
export const PINGS_UNANSWERED_MAX = 2;
/** A server that accepts a connection and says nothing is passed over after this long. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** How long a connection that is closed waits until the server has what was published. */
export const CLOSE_FLUSH_MS = 5_000;
/** A server that is not fit is left again after this long: another of the cluster, or the same after an upgrade, may be. */
export const UNFIT_SERVER_RETRY_MS = 2_000;
/** How long a server that has no JetStream itself may take to reach one that has. */
export const JETSTREAM_PROBE_MS = 3_000;

/** Time-outs of requests are looked at this often, all of them together: one is late by no more than twice this. */
export const REQUEST_SWEEP_MS = 100;

/** Bytes of one frame: larger ones would hold up the commits that go through the same connection. */
export const FRAME_BYTES_MAX = 256 * 1024;
/** Bytes on their way to one host that it has not acknowledged: a server cuts a reader off that is 64 MiB behind. */
export const WINDOW_BYTES = 2 * 1024 * 1024;
/** An acknowledgement is sent at the latest when that many bytes have come, so that a window never runs dry in silence. */
export const ACK_BYTES = WINDOW_BYTES / 4;
/** What is counted for each frame and each envelope beside its bytes. */
export const ENTRY_OVERHEAD_BYTES = 256;
/** What waits for one host beyond its window; the next envelope is refused. One that is alone may be larger. */
export const QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** An envelope carries a commit at most, and little beside it. */
export const ENVELOPE_BYTES_MAX = COMMIT_BYTES_MAX + 64 * 1024;
/** Parts of envelopes that are not complete, of all hosts together. */
export const PARTS_BYTES_MAX = 4 * COMMIT_BYTES_MAX;
/** Bodies up to this are copied out of the frame that they came in. */
export const BODY_COPY_BYTES_MAX = 4 * 1024;
/** Ranges of lost frames that one acknowledgement names; what is beyond them stays unknown to its sender. */
export const LOST_RANGES_MAX = 16;
/** Senders that are remembered: more than any cluster has; the one heard of first makes room. */
export const SENDERS_MAX = 4_096;
/** Acknowledgements that nothing carries are sent, and silent hosts looked at, this often. */
export const TRANSPORT_TICK_MS = 100;
/** A host that has acknowledged nothing for this many ticks is asked: everything on its way may be lost. */
export const PROBE_TICKS = 10;
/** Parts whose successor does not come are dropped after this many ticks. */
export const PARTS_TICKS_MAX = 300;
/** How long a stop waits until the others have got what was taken: one that is frozen never says so. */
export const TRANSPORT_STOP_MS = 5_000;
/** And then for the server, which may be lost without a word. */
export const TRANSPORT_FLUSH_MS = 5_000;
/** A host that nobody told to forget and that never answers is forgotten after this many probes: a minute. */
export const REFUSED_PROBES_MAX = 60;

/** How often the protocol of the cluster looks at the time: its own times are multiples of it. */
export const CLUSTER_TICK_MS = 50;
/** A probe that nobody answers; a host whose event loop is busy takes its time. */
export const PROBE_TIMEOUT_MS = 1_000;
/** A claim that is not answered in this time is asked again. */
export const CLAIM_TIMEOUT_MS = 5_000;
/** A host joins within two seconds; while a stream has no leader it takes longer. */
export const JOIN_TIMEOUT_MS = 60_000;
/** Between two lines of the log about the same trouble. */
export const LOGGED_EVERY_MS = 5_000;

/** An unanswered write is sent again after this long. It may be accepted yet: the same bytes are sent. */
export const WRITE_TIMEOUT_MS = 5_000;
/** Requests that change nothing are asked again after this long. */
export const READ_TIMEOUT_MS = 2_500;
/** How long a read goes on asking before it says that the store is unavailable: longer than an election of a leader. */
export const READ_PATIENCE_MS = 10_000;
/** Back-off of what a server refused or did not answer: doubled from the first to the last of these. */
export const RESEND_DELAY_MS_MIN = 25;
export const RESEND_DELAY_MS_MAX = 2_000;
/** The store says that it cannot serve when nothing has worked for this long; an election takes up to nine seconds. */
export const FAILING_AFTER_MS = 5_000;
/** How often a store that cannot serve asks whether it can again. */
export const PROBE_INTERVAL_MS = 1_000;
/** A stop waits this long for writes that have begun. */
export const STOP_WRITES_MS = 10_000;
/** The first start of an application waits this long for JetStream to be ready, and for its streams to have a leader. */
export const START_PATIENCE_MS = 30_000;

/**
 * A head is written whole by every commit, so that the runs in it cost every time: four times as many bytes cost a quarter
 * of the commits. Above this they are moved to a chunk.
 */
export const TAIL_BYTES_MAX = 2 * 1024;
/** A state that is larger, and that commits leave as it is, is moved to chunks, too. */
export const SETTLED_STATE_BYTES_MAX = 4 * 1024;
/** References of one level that become one of the next: few enough to be written with every commit. */
export const CHUNK_FANOUT = 16;
/** What does not fit is cut into pieces of this size, or what the server takes if that is less. */
export const PIECE_BYTES_MAX = 768 * 1024;
/** A head with more than this is written in pieces before. */
export const HEAD_BYTES_MAX = 512 * 1024;
/** Headers of messages may have 64 KiB on servers. */
export const SUMMARY_BYTES_MAX = 48 * 1024;
/** Chunks that one read asks for at the same time. */
export const CHUNK_READS_MAX = 64;
/** Heads that were loaded and wait for the first commit: their number, for those that never come. */
export const LOADED_HEADS_MAX = 20_000;

/** Deletions under way at the same time, so that commits never wait long behind them. */
export const DELETIONS_MAX = 16;
/** An entry of the wake index that is too early is moved after this long, if its actor has not become due again. */
export const INDEX_SETTLE_MS = 3_000;
/** How often entries that wait for that are looked at. */
export const INDEX_SWEEP_MS = 1_000;
/** An entry whose commit never came is taken out after this long: its writer may stand still, and go on. */
export const STRAY_ENTRY_MS = 60 * 60 * 1000;
/** What the last page of due entries showed is remembered for as many, to find those that are not needed. */
export const SHOWN_ENTRIES_MAX = 20_000;
/** The pages of a partition come from one reading of its index for this long. */
export const DUE_READING_MS = 30_000;
/** A tombstone without a key refuses late first commits of the life before, and goes after this long. */
export const TOMBSTONE_LINGER_MS = 5 * 60 * 1000;
export const TOMBSTONE_SWEEP_MS = 30_000;

/** Messages that a reader of a stream asks for at a time. */
export const SCAN_BATCH = 4_096;
/** A reader of a stream that hears nothing for this long begins again. */
export const SCAN_SILENCE_MS = 5_000;
/** A server ends a reader that asks for nothing. */
export const SCAN_INACTIVE_MS = 15_000;
/** Readings of streams for summaries at the same time. */
export const SUMMARY_SCANS_MAX = 4;
/** Summaries are read a second time after this long, since a former owner may have written meanwhile. */
export const SUMMARY_RESCAN_MS = 20_000;
/** … and after this long when they could not be read at all. */
export const SUMMARY_AGAIN_MS = 5_000;
/** A list waits this long for the summaries of others, or for its own to be there; then it is incomplete. */
export const QUERY_PATIENCE_MS = 2_000;
/** Summaries in one block of a sorted list: an insertion moves so many. */
export const SUMMARY_BLOCK_LENGTH = 512;
/** Summaries in one answer to another host, by their size. */
export const QUERY_ANSWER_BYTES_MAX = 512 * 1024;

/** A leader that refuses a write for longer than this, although the subject is where it should be, is stuck. */
export const STUCK_AFTER_MS = 6_000;
/** A stream is not asked for another leader again before: an election takes up to nine seconds. */
export const STEPDOWN_INTERVAL_MS = 20_000;
export const STEPDOWN_TIMEOUT_MS = 5_000;
