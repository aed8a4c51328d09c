// Every limit of this package with its reason. Units stand in the names.

/** A workflow's input is a message, not a file; hosts that need more raise it with `bodyBytesMax`. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** A body that is still arriving after this long is a broken client or a slow attack. */
export const BODY_TIMEOUT_MS = 30_000;
/** Headers are a few hundred bytes: nobody honest needs longer. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** Longer than the idle timeouts of common load balancers (60 s), so that they close first. */
export const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** How often the server looks for connections that are past their timeouts. */
export const CONNECTION_CHECK_INTERVAL_MS = 500;
/** A long poll is answered at least this often; proxies give up on silent connections. */
export const WAIT_MS_MAX = 120_000;
/** Below the depth that the actors' codec refuses, and below what a recursive schema can follow. */
export const JSON_DEPTH_MAX = 400;
/** As the draft of the Idempotency-Key header suggests, and within what an instance id may have. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;
/** Dapr's rule for ids on create. */
export const DAPR_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
/** How long a client should leave an instance or a host alone before it asks again. */
export const RETRY_AFTER_S = 1;
/** How long a stop waits for answered connections to close by themselves. */
export const CLOSE_LINGER_MS = 100;
/** Grace of a stop when none is given. */
export const STOP_GRACE_MS = 10_000;

// ── gRPC ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** As much as clients of the protocol take and send: a turn carries the whole history. */
export const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;
/** Dapr's workers of one language run 10 items, queue 100 more and drop the rest without a word. */
export const STREAM_ITEMS_MAX = 50;
/** Microsoft's workers hold a stream dead on which nothing came for 120 s. */
export const PING_INTERVAL_MS = 30_000;
/** Half a second of silence more or less is nothing to who watches a host's health. */
export const HEALTH_WATCH_INTERVAL_MS = 500;
/** History that is written in one message when it is streamed: below what clients take that were not told to take more. */
export const HISTORY_CHUNK_BYTES_MAX = 1024 * 1024;
/** Events that are read from the store at once. */
export const HISTORY_READ_LENGTH = 1_000;
/** Instances of a page when the client does not say, and at most. */
export const PAGE_LENGTH_DEFAULT = 100;
export const PAGE_LENGTH_MAX = 1_000;
/** A peer that does not answer a ping is gone: its work goes to others. Clients ping about as often. */
export const KEEP_ALIVE_PING_MS = 30_000;
export const KEEP_ALIVE_PING_TIMEOUT_MS = 20_000;
/** The text of an error travels in a header, and clients take 8 KiB of headers. */
export const DETAIL_LENGTH_MAX = 1_024;
