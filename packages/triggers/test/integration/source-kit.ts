// What the suite of sources (source-suite.ts) must be told of a kind: how its server is run, how events come to be, and how
// the source is opened in the process of the host.
//
// A kind has three files here: `<kind>.test.ts` calls `sourceSuite(kit)`; `child-sources/<kind>.ts` makes the source in the
// host's process, from what is plain data in `Origin.options`; and the class that runs its server is in `../servers`.

import type { FoundEnding } from './trigger-host-settings.ts';

/** A kind of source. */
export interface SourceKit<S extends OriginServer = OriginServer> {
  /** As {@link Source.kind}; names the file of `child-sources`. */
  readonly kind: string;
  /** What the readers on several hosts do: see {@link Source.runsOn}. */
  readonly runsOn: 'every-host' | 'one-host';
  /**
   * The origin keeps an event until it is settled, whatever becomes of the hosts. Without (core NATS) events are published
   * only while a host is ready, and no host is killed. Default true.
   */
  readonly durable?: boolean;
  /** Messages can carry a trace context (`PublishOptions.traceparent`). Default true. */
  readonly trace?: boolean;
  /** Messages have any size (`PublishOptions.paddingBytes`). Default true. */
  readonly padding?: boolean;
  /** An event is handed over when the one before it is settled. Default false. */
  readonly oneByOne?: boolean;
  /**
   * Path to the number in an event, or to whatever else tells the events apart: `Published.value`. Default `data.number`.
   */
  readonly valueAt?: string;
  /** Runs the server, once for all tests. What needs none gives an object with `end` alone. */
  server(): Promise<S>;
  /** A place of its own for each test: a stream, a queue, a folder. `name` is unique: a trigger's name. */
  origin(server: S, name: string): Promise<Origin>;
}

/** The server that the events come from. */
export interface OriginServer {
  /** SIGKILL and start again on the same port and folder; absent where there is nothing to restart. */
  restart?(): Promise<void>;
  end(): Promise<void>;
}

/** Where the events of one test come from. */
export interface Origin {
  /** Plain data for `child-sources/<kind>.ts`. */
  readonly options: unknown;
  /**
   * Publishes one event for each number; resolves when the origin has all of them, with how each is named, in their order.
   * The data of the event is `{ number, text? }` where the kind lets it. Hosts may be killed, started and not there at all
   * meanwhile: whoever needs one asks `hosts`.
   */
  publish(numbers: readonly number[], hosts: OriginHosts, options?: PublishOptions): Promise<readonly Published[]>;
  /**
   * The same events as were published under these numbers before, once more. Absent where an event cannot come twice.
   */
  publishAgain?(numbers: readonly number[], hosts: OriginHosts): Promise<void>;
  /** Events that the origin still has to be told of: 0 when all is acknowledged. Undefined where it keeps no account. */
  unacknowledged(): Promise<number | undefined>;
  /** Called when the hosts have gone. */
  end?(): Promise<void>;
}

export interface PublishOptions {
  /** https://www.w3.org/TR/trace-context/ */
  readonly traceparent?: string;
  /** Length of a `text` beside the number. */
  readonly paddingBytes?: number;
}

/** An event as the rule sees it. */
export interface Published {
  readonly source: string;
  readonly id: string;
  /** What is found at {@link SourceKit.valueAt}. */
  readonly value: unknown;
}

/** What a kind can ask of the hosts. All wait for one that is ready. */
export interface OriginHosts {
  /** Where a host takes HTTP requests for its triggers: `<url>/triggers/<name>`. Another one after each life of the host. */
  url(): Promise<string>;
  /** Starts `relay` (it returns its input), or another workflow of the child, for events that are endings. */
  start(workflow: string, instanceId: string, input: unknown): Promise<void>;
  /** What names the ending of an instance; waits for it. */
  ended(instanceId: string): Promise<FoundEnding>;
  /** Actors of the hosts that run, instances and endings that wait among them, that have something to do within minutes. */
  outstanding(): Promise<number>;
  /** Puts the clock of the source forward (or back) on all hosts, in this life and those to come. */
  shiftClock(byMs: number): Promise<void>;
  /** A source has done all that its clock asks for, and waits for a time. */
  resting(): Promise<void>;
  /** A trigger is open. */
  ready(): Promise<void>;
}
