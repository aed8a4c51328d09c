import type { Activation } from './activation.ts';
import type { PartitionId } from './address.ts';
import type { Call } from './call.ts';
import type { Clock } from './clock.ts';
import type { Codec } from './codec.ts';
import type { DueQueue } from './due-queue.ts';
import type { OutcomeUnknownError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Router } from './router.ts';
import type { Store } from './store.ts';

/** What an activation needs of its host. */
export interface ActivationRuntime {
  readonly clock: Clock;
  readonly store: Store;
  readonly codec: Codec;
  readonly logger: Logger;
  readonly router: Router;
  readonly due: DueQueue;
  /** Whether anything may be answered or begun but by host actors. Read for every answer and every turn. */
  readonly serving: boolean;
  random(): number;
  /** A string that no other call of any host returns. */
  token(): string;
  /** Of the claim under which the partition is served. */
  epochOf(partition: PartitionId): number;
  defines(type: string, method: string): boolean;
  /** The activation has grown or shrunk. */
  resized(activation: Activation): void;
  /** The actor goes away from here and the call has not begun: it is for another host, or not executed. */
  turnedAway(call: Call): void;
  /** What a read-only method had seen is lost: it may be asked again, and otherwise nobody knows. */
  readLost(call: Call, error: OutcomeUnknownError): void;
  /** The activation has ended; these calls are for the next one. */
  gone(activation: Activation, waiting: readonly Call[]): void;
}
