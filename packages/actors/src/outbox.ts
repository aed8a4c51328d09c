// Delivers the durable sends of one actor. For each receiver one send is under way at a time, so that they are applied
// in order and one number per sender tells the receiver what it has already taken. Made when there is a first send.
// What is to be sent stands in the record; when that is durable is for the commit pipeline to say.
//
// O1  A delivery is tried only after a commit of this activation that was asked for after the one before: one that has
//     lost the actor to another owner learns it from that commit. The receiver forgets the number only a while after
//     the outbox is empty (`SEND_MARK_LINGER_MS`), so that whatever is still on its way by then meets the number.
// O2  What a process that stood still for long hears of its commits and deliveries says nothing of what happened since:
//     a delivery begins soon after a commit was sealed (`SEND_BEGIN_MS_MAX`), or after another one.

import type { Activation } from './activation.ts';
import { formatAddress, type ActorAddress } from './address.ts';
import { unpack } from './codec.ts';
import { NotDefinedError, NotExecutedError, OutcomeUnknownError } from './errors.ts';
import { RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN, SEND_BEGIN_MS_MAX, SEND_FAILURES_PER_WARNING } from './limits.ts';
import { Mailbox } from './mailbox.ts';
import type { OutboxItem } from './record.ts';

/** Last number that a receiver with nothing more coming has acknowledged. */
type Quiet = Map<string, { readonly to: ActorAddress; readonly sequence: number }>;

export class OutboxSender {
  readonly #activation: Activation;
  readonly #queues = new Map<string, Mailbox<OutboxItem>>();
  /** Sends up to this number are in a commit that is in flight or accepted. */
  #sealedUpTo: number;
  #queuedUpTo: number;
  /** When the last commit was sealed. */
  #sealedAtMs = 0;
  /** Told to the receivers once the removal from the outbox is committed. */
  #quiet: Quiet | undefined;
  #quietSealed: Quiet | undefined;
  #stopped = false;

  /** What is in the outbox now leaves with the next commit. */
  constructor(activation: Activation) {
    this.#activation = activation;
    const { outbox, outboxSequence } = activation.record;
    // The outbox is in the order of its numbers; what is below its first one was acknowledged long ago.
    this.#queuedUpTo = outbox.size === 0 ? outboxSequence : outbox.keys().next().value! - 1;
    this.#sealedUpTo = this.#queuedUpTo;
  }

  /** Asks for the commit after which what was loaded is delivered. */
  resume(): void {
    if (this.#activation.record.outbox.size > 0) this.#activation.commits.recordChanged();
  }

  /** A commit takes the outbox as it is now. */
  sealed(): void {
    this.#sealedUpTo = this.#activation.record.outboxSequence;
    this.#sealedAtMs = this.#activation.runtime.clock.nowMs();
    if (this.#quiet !== undefined) {
      this.#quietSealed = this.#quiet;
      this.#quiet = undefined;
    }
  }

  /** That commit was accepted. */
  committed(): void {
    if (this.#queuedUpTo < this.#sealedUpTo) this.#dispatch();
    if (this.#quietSealed === undefined) return;
    const { router } = this.#activation.runtime;
    for (const [target, { to, sequence }] of this.#quietSealed) {
      if (!this.#queues.has(target)) router.forget(to, { sender: this.#sender(), sequence });
    }
    this.#quietSealed = undefined;
  }

  /** Queues what is committed and not queued yet. */
  #dispatch(): void {
    if (this.#stopped) return;
    const { outbox } = this.#activation.record;
    while (this.#queuedUpTo < this.#sealedUpTo) {
      const item = outbox.get(++this.#queuedUpTo);
      if (item === undefined) continue;
      const target = formatAddress(item.to);
      const queue = this.#queues.get(target);
      if (queue !== undefined) queue.push(item);
      else {
        this.#queues.set(target, new Mailbox());
        this.#begin(target, item, 0);
      }
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  #sender(): string {
    return `${formatAddress(this.#activation.address)}#${this.#activation.record.birth}`;
  }

  #begin(target: string, item: OutboxItem, failures: number): void {
    const { clock, serving } = this.#activation.runtime;
    if (!serving || clock.nowMs() - this.#sealedAtMs > SEND_BEGIN_MS_MAX) {
      this.#beginAfterCommit(target, item, failures);
    } else this.#deliver(target, item, failures);
  }

  #beginAfterCommit(target: string, item: OutboxItem, failures: number): void {
    this.#activation.commits.whenCommitted(() => {
      if (!this.#stopped) this.#begin(target, item, failures);
    });
  }

  #deliver(target: string, item: OutboxItem, failures: number): void {
    const { runtime } = this.#activation;
    runtime.router
      .call(item.to, item.method, unpack(item.args) as unknown[], {
        chain: [],
        stamp: { sender: this.#sender(), sequence: item.sequence },
        traceparent: item.traceparent,
      })
      .then(
        () => this.#acknowledged(target, item),
        (error: unknown) => {
          if (this.#stopped) return;
          // A host that does not know the type or method yet or any more has not taken it either.
          if (
            !(
              error instanceof NotExecutedError ||
              error instanceof OutcomeUnknownError ||
              error instanceof NotDefinedError
            )
          ) {
            // The receiver took it, threw, and has logged that: sending it again would change nothing.
            this.#acknowledged(target, item);
            return;
          }
          if ((failures + 1) % SEND_FAILURES_PER_WARNING === 0) {
            const from = formatAddress(this.#activation.address);
            runtime.logger.warn(
              { from, to: target, method: item.method, failures: failures + 1, err: error },
              'a durable send is not taken',
            );
          }
          const delayMs =
            Math.min(RETRY_DELAY_MS_MIN * 2 ** Math.min(failures, 10), RETRY_DELAY_MS_MAX) * (0.5 + runtime.random());
          runtime.clock.setTimeout(() => {
            if (!this.#stopped) this.#beginAfterCommit(target, item, failures + 1);
          }, delayMs);
        },
      );
  }

  #acknowledged(target: string, item: OutboxItem): void {
    if (this.#stopped) return;
    this.#activation.record.deleteSend(item.sequence);
    const queue = this.#queues.get(target)!;
    const next = queue.shift();
    if (next === undefined) {
      this.#queues.delete(target);
      (this.#quiet ??= new Map()).set(target, { to: item.to, sequence: item.sequence });
    } else this.#begin(target, next, 0);
    this.#activation.commits.recordChanged();
  }
}
