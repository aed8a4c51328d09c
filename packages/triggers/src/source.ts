// The port of sources: what a kind of source has to do, and what it is given.
//
// S1. A source hands a message over and acknowledges it at its origin only when the settlement says so. One that is
//     released, and one that was never settled, comes again: from the origin, to this reader or another.
// S2. It fetches no more than there is room for, so that nothing is buffered without bound.
// S3. After `drain` it hands over nothing new, and still settles what is out. After `close` nothing of it is left.
// S4. It connects again by itself for as long as it is open, and says when it cannot (`failing`) and when it can again.
// S5. It never logs or reports a secret.

import type { Clock, Logger } from '@troupe/actors';
import type { EndStatus, WorkflowHost } from '@troupe/workflow';
import type { EndingInbox } from './endings/ending-inbox.ts';
import type { HttpAnswer, HttpRequest } from './http-exchange.ts';
import type { RawMessage, TriggerEvent } from './trigger-event.ts';

/** Where events come from. Made by the entry point of each kind, as `jetstream(…)`; nothing is connected yet. */
export interface Source {
  /** As in lists and metrics: `jetstream`, `cron`. */
  readonly kind: string;
  /**
   * `every-host`: readers on all hosts share the messages. `one-host`: one reader in the cluster, on the host that owns the
   * trigger's cursor; when it fails another host goes on from there.
   */
  readonly runsOn: 'every-host' | 'one-host';
  /** Of sources of endings: which they want. Known before they are opened, and the same on every host. */
  readonly listens?: (workflowName: string, status: EndStatus) => boolean;
  /** Of sources that HTTP requests are given to: whether they check by themselves who sends. */
  readonly verifies?: boolean;
  /**
   * Begins to read. Resolves at once when the origin cannot be reached yet: that is `failing`, and tried again.
   *
   * @throws {TypeError} | {@link SourceError} when it can never work: the message says what to do
   */
  open(context: SourceContext): Promise<SourceReader>;
}

/** A source that is read. */
export interface SourceReader {
  /** Takes no new messages from the origin. What was handed over may still be settled. */
  drain(): Promise<void>;
  /** Lets go of everything. What was not settled is left to the origin. */
  close(): Promise<void>;
  /** Messages that wait at the origin; undefined when it does not say. */
  lag?(): Promise<number | undefined>;
  /** Of sources that HTTP requests are given to. */
  receive?(request: HttpRequest): Promise<HttpAnswer>;
}

/** What a source is given when it is opened. */
export interface SourceContext {
  /** Name of the trigger, and of the application: for the names of durable consumers and groups. */
  readonly trigger: string;
  readonly app: string;
  readonly host: WorkflowHost;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  /** Messages that may be out at once: a prefetch. */
  readonly concurrency: number;
  /** Aborts when the trigger begins to stop, before `drain`. */
  readonly signal: AbortSignal;
  /**
   * Resolves with how many messages may be handed over now, at least one; waits while there is no room, while the runtime is
   * unhealthy and while the trigger is paused. Resolves with 0 when it stops.
   */
  room(): Promise<number>;
  /** How many messages may be handed over right now; 0 while {@link SourceContext.room} would wait. */
  free(): number;
  /** Hands a message over. Resolves when it is settled; never rejects. */
  deliver(message: SourceMessage): Promise<Settlement>;
  /** Where endings of instances come from. */
  readonly endings?: EndingInbox;
  /** Of sources that run on one host. */
  readonly cursor: SourceCursor | undefined;
  /** The origin cannot be reached or refuses us; shown until {@link SourceContext.working}. Logged once per change. */
  failing(error: unknown): void;
  working(): void;
}

/** How far a single reader has come; durable. */
export interface SourceCursor {
  /** As it was saved last, by whichever host. */
  readonly value: unknown;
  /**
   * Resolves when it is durable. Plain data, small.
   *
   * @throws {StaleReaderError} when another host reads now: stop
   */
  save(value: unknown): Promise<void>;
}

/** A message that is handed over: as it came, or read already. */
export type SourceMessage = (
  | {
      readonly raw: RawMessage;
      /** Why the source did not take it whole, as for being too large: it can never be handled. `raw.body` is what there is of it. */
      readonly refused?: Error;
      readonly event?: undefined;
    }
  | { readonly event: TriggerEvent; readonly raw?: undefined }
) & {
  /** Says at the origin that the message is still worked at. Called every `extendEveryMs` until it is settled. */
  readonly extend?: () => void | Promise<void>;
  readonly extendEveryMs?: number;
};

/** What became of an event. */
export type EventOutcome =
  | 'started'
  | 'duplicate'
  | 'raised'
  | 'terminated'
  | 'suspended'
  | 'resumed'
  | 'called'
  | 'dropped'
  | 'filtered'
  | 'dead-lettered'
  | 'released';

/** How a message was settled. */
export interface Settlement {
  /** `released`: the origin must not forget it. Everything else is to be acknowledged. */
  readonly outcome: EventOutcome;
  readonly instanceId?: string | undefined;
  /** Why it became a dead letter, or was released. */
  readonly error?: Error | undefined;
  readonly deadLetterId?: string | undefined;
}
