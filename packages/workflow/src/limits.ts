// Every limit of this package with its reason. Units stand in the names.

/**
 * The output, or the failure, that is told of an instance that ends. It stands in the commit of the end beside that of the
 * history, then in the outbox until it is taken, and in the state of whoever took it; those are stored whole.
 */
export const ENDING_PART_BYTES_MAX = 256 * 1024;
/** An instance id is part of a path and of keys. */
export const INSTANCE_ID_BYTES_MAX = 256;
/** A workflow, activity or event name is part of paths, keys and metrics. */
export const NAME_LENGTH_MAX = 256;
/** Input, output, event, result: one value. Larger data belongs elsewhere, with a reference in the workflow. */
export const PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;
/** The custom status is stored again with each change of the instance's state. */
export const CUSTOM_STATUS_BYTES_MAX = 64 * 1024;
/** Tags stand in an index. */
export const TAGS_MAX = 32;
export const TAG_LENGTH_MAX = 256;
/** Events of one instance that nobody has waited for yet. */
export const BUFFERED_EVENTS_MAX = 10_000;
/** Events of one execution; a loop that long is what continue-as-new is for. */
export const HISTORY_LENGTH_MAX = 1_000_000;
/** Activity bodies that run at once on a host. */
export const ACTIVITY_CONCURRENCY_DEFAULT = 256;
/** Nobody has the code: an activity or a child waits this long for a host that has. */
export const NOT_REGISTERED_WAIT_MS = 60_000;
/** A message is for people; what programs need belongs into a result. */
export const FAILURE_MESSAGE_LENGTH_MAX = 64 * 1024;
/** Stack and causes of a failure are for people; they stand in the history. */
export const FAILURE_STACK_LENGTH_MAX = 8_192;
export const FAILURE_CAUSES_MAX = 8;
/** Lines that the development guard warns of, each once. */
export const GUARD_WARNINGS_MAX = 1_000;
/** An idempotency key is kept in the record; a hash of a payload too. */
export const KEY_LENGTH_MAX = 512;
/** A root whose time is over waits for its running children, and looks again after this long. */
export const RETENTION_RETRY_MS = 60_000;
/** Entries of the history that are read at once. */
export const HISTORY_PAGE_LENGTH = 1_000;
/** History, activities and heartbeats in one message to another host: far below what a transport takes, which counts closer. */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Instances of a list page. */
export const LIST_LIMIT_DEFAULT = 50;
export const LIST_LIMIT_MAX = 1_000;
/** How long the key of a purged instance stops the same start, when it was started with a key that names no other time. */
export const TOMBSTONE_TTL_MS = 7 * 24 * 60 * 60 * 1000;
/** … which is at most this: each key takes some hundred bytes all the while. */
export const KEY_KEPT_MS_MAX = 366 * 24 * 60 * 60 * 1000;
/**
 * A tombstone stands at least this long, whatever it stops: stores refuse a late first commit of the life before by it, as
 * by those that keep no key (five minutes on JetStream).
 */
export const TOMBSTONE_STANDS_MS_MIN = 10 * 60 * 1000;
/** How often tombstones whose time is over are looked for. */
export const TOMBSTONE_SWEEP_INTERVAL_MS = 60 * 60 * 1000;

/** Pauses between attempts to hand a result to its instance: short at first, since most often it has only moved. */
export const RESULT_RETRY_MS_MIN = 50;
export const RESULT_RETRY_MS_MAX = 5_000;
/** A result that goes to another host is sent again after this long without an answer. */
export const RESULT_TIMEOUT_MS = 10_000;

/** A question to the code on another host is asked again after this long without an answer, and so often in all. */
export const SESSION_CALL_TIMEOUT_MS = 10_000;
export const SESSION_TRIES_MAX = 3;
/** Code that runs for an instance of another host is let go when nothing was asked of it for this long. */
export const HOSTED_SESSION_REST_MS = 60 * 60 * 1000;
/** Pauses before code is looked for again whose host was lost more than once in a row, and instances that could not go on. */
export const REOPEN_DELAY_MS_MIN = 500;
export const REOPEN_DELAY_MS_MAX = 30_000;

/** A turn of code on a worker takes as long as it takes: another host says after this long that it is still at it. */
export const TURN_WAIT_MS = SESSION_CALL_TIMEOUT_MS / 2;
/** A host that could not be told of this one's workers is told again after this long. */
export const TELL_WORKERS_AGAIN_MS = 1_000;
export const TELL_WORKERS_TIMEOUT_MS = 5_000;
/** Hosts that are no members and whose workers are remembered: most never come back. */
export const ABSENT_HOSTS_MAX = 256;
/** What one turn of code on a worker may ask for: it goes into one commit, and each timer is a reminder. */
export const TURN_COMMANDS_MAX = 50_000;
export const TURN_BYTES_MAX = 24 * 1024 * 1024;
/** What one turn brings, unless a single event is larger: it is one message, and goes into the same commit. */
export const TURN_EVENTS_MAX = 2_000;
export const TURN_EVENTS_BYTES_MAX = 8 * 1024 * 1024;
/** Instances that wait for workers go on in groups of so many, so that the first do not wait for the last. */
export const AWAITING_WORKERS_BATCH = 64;

/** How often a host tells the owners of instances which of their activities it holds. */
export const BEAT_INTERVAL_MS = 5_000;
/** An activity on another host is given up after this long without a beat: three of them, and a little for the way. */
export const BEAT_SILENCE_MS = 3 * BEAT_INTERVAL_MS + 1_000;
/** Activities that go to another host in one message. */
export const RUN_BATCH_LENGTH = 256;
/** How long what a host said of its free slots is held true. */
export const FREE_SLOTS_TTL_MS = 1_000;
/** A host that took over asks the others for what they still run this long; then it begins it again. */
export const HELD_TIMEOUT_MS = 2_000;
/** An activity that no host took is offered again after this long. */
export const OFFER_AGAIN_MS = 1_000;
/** Changes of placement come together; instances that wait for code are looked at when it has been quiet for this long. */
export const LOOK_AGAIN_DELAY_MS = 1_000;
/** … or for this long when workers came: somebody is there who waits for it. */
export const LOOK_FOR_WORKERS_DELAY_MS = 50;
/**
 * … and now and then all the same: an owner may have loaded an instance before a former one, which did not know that it was
 * one, let it wait.
 */
export const LOOK_INTERVAL_MS = 2 * 60 * 1000;
/** They are looked at after this long once more, if some of them could not be looked at. */
export const LOOK_AFTER_FAILURE_MS = 10_000;
/** A wait for the end of an instance on another host is asked for anew after this long. */
export const END_WAIT_MS = 60_000;
/** … and after this long when the instance could not be reached: it is on its way to another host. */
export const WAIT_PAUSE_MS = 20;

/** A turn that a worker was sent is given out again after this long: the code of a turn only decides, which takes no time. */
export const TURN_LEASE_MS = 60_000;
/** … an activity: it may take long, and one that still runs would run twice. But some workers drop items in silence. */
export const ACTIVITY_LEASE_MS = 30 * 60 * 1000;
/** … a batch of operations of an entity: they run one after the other, and while they do the entity does nothing else. */
export const ENTITY_LEASE_MS = 10 * 60 * 1000;
/** The lease of an item doubles each time that it runs out, up to so many times its first: it may just need longer. */
export const LEASE_GROWTH_MAX = 16;
/** Pauses before an item that a worker would not have is given out again: it may be the only one. */
export const ABANDON_DELAY_MS_MIN = 1_000;
export const ABANDON_DELAY_MS_MAX = 30_000;
/** An item waits this long for another worker than the one that failed it. Then that one gets it too, if it is free. */
export const RATHER_ANOTHER_MS = 10_000;
/** Of the items that a worker takes at once, a share that is left to each other kind: an eighth, and so many at most. */
export const LEFT_TO_OTHER_KIND_MAX = 8;
/** Executions whose history a worker of this host is known to remember; some hundred bytes each. */
export const KEPT_HISTORIES_MAX = 10_000;
/** Alarms of the worker pool are rounded up to this, so that they share timeouts. */
export const ALARM_GRAIN_MS = 250;

/** Operations of an entity that a worker is given at once: all that were done are lost if one of them takes the worker down. */
export const ENTITY_BATCH_LENGTH = 256;
/** Signals from outside that an entity has not run yet. */
export const ENTITY_BACKLOG_MAX = 10_000;
/** A batch that another host had done, and that its owner may ask for again, is kept for so long. */
export const ENTITY_BATCH_KEPT_MS = 60_000;
/** Entities that are looked at for one answer, whether they are of use to it or not: then the rest is asked for. */
export const ENTITY_PAGE_LENGTH = 100;
export const ENTITY_PAGE_LENGTH_MAX = 1_000;
