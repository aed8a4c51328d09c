// Every limit of this package with its reason. Units stand in the names.

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
