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
/** How long a stop waits until the others have got what was taken. */
export const TRANSPORT_STOP_MS = 5_000;
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
