import { type ActorHost, type CallReceiver, type Clock, type Logger } from '@troupe/actors';
import type { ActivityResult, ActivityTask } from './activity-runner.ts';
import { isOutOfReach } from './errors.ts';
import { failureOf } from './failure.ts';
import { RESULT_RETRY_MS_MAX, RESULT_RETRY_MS_MIN, RESULT_TIMEOUT_MS } from './limits.ts';
import type { WorkflowActor } from './workflow-actor.ts';

/** What a delivery needs of its host. */
export interface DeliveryServices {
  readonly host: ActorHost;
  readonly actor: () => WorkflowActor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Instances may be on other hosts, also when none is there just now. */
  readonly shared: boolean;
  /** The instance has it, had no use for it, or cannot be told. */
  delivered(task: DeliveredTask): void;
}

/** What there is to know of the attempt. */
export type DeliveredTask = Pick<
  ActivityTask,
  'instanceId' | 'executionId' | 'sequence' | 'attempt' | 'name' | 'traceparent'
>;

/** Hands the result of an attempt to its instance until that has it, or is gone. */
export class ActivityDelivery implements CallReceiver {
  readonly #services: DeliveryServices;
  readonly #task: DeliveredTask;
  #result: ActivityResult;
  #failures = 0;

  constructor(services: DeliveryServices, task: DeliveredTask, result: ActivityResult) {
    this.#services = services;
    this.#task = task;
    this.#result = result;
  }

  send(): void {
    const { host, actor } = this.#services;
    const { instanceId, executionId, sequence, attempt, traceparent } = this.#task;
    host.post(actor(), instanceId, 'activityEnded', [executionId, sequence, attempt, this.#result], this, {
      // Between hosts an answer may get lost: the result is sent again, and taken once.
      timeoutMs: this.#services.shared ? RESULT_TIMEOUT_MS : Infinity,
      traceparent,
    });
  }

  resolve(): void {
    this.#services.delivered(this.#task);
  }

  reject(error: unknown): void {
    const { clock, host, logger } = this.#services;
    if (isOutOfReach(error)) {
      if (host.status().stopping) {
        this.#services.delivered(this.#task);
        return;
      }
      const delayMs = Math.min(RESULT_RETRY_MS_MIN * 2 ** this.#failures++, RESULT_RETRY_MS_MAX);
      clock.setTimeout(() => this.send(), delayMs);
    } else if (this.#result.ok) {
      // It cannot travel or be stored: that is how the activity ends.
      this.#result = { ok: false, failure: failureOf(error), retryable: false, heartbeat: undefined };
      this.#failures = 0;
      this.send();
    } else {
      const { instanceId, name } = this.#task;
      logger.error({ instanceId, activity: name, err: error }, 'the failure of an activity was refused');
      this.#services.delivered(this.#task);
    }
  }
}
