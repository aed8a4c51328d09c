// Every limit of this package with its reason. Units stand in the names.

/** While one batch is synced the next one gathers; a third would only split the same work into smaller syncs. */
export const BATCHES_IN_FLIGHT_MAX = 2;
/** A batch is closed at this size: larger ones sync no cheaper and hold their bytes twice. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** Heads of actors kept in memory (some 300 bytes each), so that a commit need not read before it writes. */
export const HEAD_COUNT_MAX = 200_000;
/** Numbers are leased durably in blocks of this size: one more synced write per million births. */
export const LEASE_LENGTH = 2 ** 20;
/** Superseded entries are deleted once there are this many, so that small steps of `keepFrom` cost no second write. */
export const TRIM_ENTRIES_MIN = 32;
/** Keys deleted by one batch of the background: bounded, so that commits never wait long behind it. */
export const REAP_KEYS_MAX = 512;
/**
 * Lives whose keys are read at the same time for one batch: one after another each would wait for the event loop, and a
 * busy process would purge faster than it deletes.
 */
export const REAP_LIVES_MAX = 64;
/** Rows of an index or runs of an actor that are read in one go before others get a chance. */
export const ROWS_PER_READ = 256;
export const READ_BYTES_MAX = 1024 * 1024;
/** Tables whose checksums are verified at start, the newest first: about a quarter of a second. */
export const VERIFY_BYTES_MAX = 256 * 1024 * 1024;
/** LevelDB's in-memory table and log: with the default of 4 MiB it rewrites tables all the time under load. */
export const WRITE_BUFFER_BYTES_DEFAULT = 32 * 1024 * 1024;
export const CACHE_BYTES_DEFAULT = 32 * 1024 * 1024;
