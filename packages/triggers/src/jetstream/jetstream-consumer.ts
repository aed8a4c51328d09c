// The durable consumer that the hosts of a trigger share: found or created, and created again when somebody deletes it.
//
// JC1 A consumer that is there is used as it is, or refused: what somebody else has set is never changed.
// JC2 One that was deleted while we read goes on after its last known floor: everything up to there was acknowledged, so
//     nothing is lost, and what comes again are duplicates. Only when the stream is another one too does it begin anew.

import type {
  Consumer,
  ConsumerConfig,
  ConsumerInfo,
  JetStreamManager,
  DeliverPolicy as DeliverPolicyName,
} from '@nats-io/jetstream';
import { SourceError } from '../errors.ts';
import { ACK_WAIT_MS_DEFAULT, JETSTREAM_ACK_PENDING_MAX } from '../limits.ts';
import type { JetStreamOptions } from '../jetstream.ts';

type Client = typeof import('@nats-io/jetstream');

export interface ConsumerNeeds extends Pick<JetStreamOptions, 'stream' | 'ackWaitMs' | 'startFrom'> {
  readonly durable: string;
  /** None: all subjects of the stream. */
  readonly filter: readonly string[];
}

const NANOS_PER_MS = 1_000_000;
/** Another host may create it, or somebody delete it, between any two requests. */
const TRIES_MAX = 5;

export class JetStreamConsumer {
  readonly #client: Client;
  readonly #needs: ConsumerNeeds;
  /** The floor that was seen last, and since when that consumer is there: both by the clock of the server. */
  #seen: { readonly created: string; readonly floor: number } | undefined;

  constructor(client: Client, needs: ConsumerNeeds) {
    this.#client = client;
    this.#needs = needs;
  }

  /**
   * Finds it, or creates it.
   *
   * @throws {SourceError} when there is one that cannot be used
   */
  async ensure(manager: JetStreamManager): Promise<{ readonly consumer: Consumer; readonly ackWaitMs: number }> {
    for (let tries = 1; ; tries++) {
      try {
        const info = (await this.info(manager)) ?? (await this.#create(manager));
        this.#check(info.config);
        this.#see(info);
        const consumer = manager.jetstream().consumers.getConsumerFromInfo(info);
        return { consumer, ackWaitMs: ackWaitMsOf(info.config) };
      } catch (error) {
        if (tries === TRIES_MAX || !this.#isAlreadyThere(error)) throw error;
      }
    }
  }

  /** Undefined when there is none. */
  async info(manager: JetStreamManager): Promise<ConsumerInfo | undefined> {
    const { JetStreamApiError, JetStreamApiCodes } = this.#client;
    try {
      const info = await manager.consumers.info(this.#needs.stream, this.#needs.durable);
      if (this.#seen?.created === info.created) this.#see(info);
      return info;
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return undefined;
      throw error;
    }
  }

  #see(info: ConsumerInfo): void {
    this.#seen = { created: info.created, floor: info.ack_floor.stream_seq };
  }

  async #create(manager: JetStreamManager): Promise<ConsumerInfo> {
    const { AckPolicy } = this.#client;
    const { stream, durable, filter, ackWaitMs = ACK_WAIT_MS_DEFAULT } = this.#needs;
    return await manager.consumers.add(stream, {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWaitMs * NANOS_PER_MS,
      max_ack_pending: JETSTREAM_ACK_PENDING_MAX,
      // How often is tried is decided here, and ends in a dead letter.
      max_deliver: -1,
      ...(filter.length === 1 && { filter_subject: filter[0]! }),
      ...(filter.length > 1 && { filter_subjects: [...filter] }),
      ...(await this.#start(manager)),
    });
  }

  async #start(manager: JetStreamManager): Promise<Partial<ConsumerConfig>> {
    const { DeliverPolicy } = this.#client;
    if (this.#seen !== undefined) {
      const { created } = await manager.streams.info(this.#needs.stream);
      const sameStream = Date.parse(created) <= Date.parse(this.#seen.created);
      if (sameStream) return startAt(DeliverPolicy.StartSequence, this.#seen.floor + 1);
    }
    const { startFrom = 'all' } = this.#needs;
    if (startFrom === 'all') return { deliver_policy: DeliverPolicy.All };
    if (startFrom === 'new') return { deliver_policy: DeliverPolicy.New };
    if ('sequence' in startFrom) return startAt(DeliverPolicy.StartSequence, startFrom.sequence);
    return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(startFrom.time).toISOString() };
  }

  #check(config: ConsumerConfig): void {
    const { AckPolicy } = this.#client;
    const { stream, durable, filter, ackWaitMs } = this.#needs;
    const found = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : []);
    const wrong: string[] = [];
    if (config.deliver_subject) wrong.push('it pushes to a subject, and a pull consumer is needed');
    if (config.ack_policy !== AckPolicy.Explicit) wrong.push(`its ack policy is ${config.ack_policy}, not explicit`);
    if ((config.max_deliver ?? -1) > 0) wrong.push(`it gives a message up after ${config.max_deliver} deliveries`);
    if ([...found].sort().join(' ') !== [...filter].sort().join(' ')) {
      wrong.push(`it filters ${subjects(found)}, not ${subjects(filter)}`);
    }
    if (ackWaitMs !== undefined && ackWaitMsOf(config) !== ackWaitMs) {
      wrong.push(`its ack wait is ${ackWaitMsOf(config)} ms, not ${ackWaitMs}`);
    }
    if (wrong.length === 0) return;
    throw new SourceError(
      `the consumer ${durable} of the stream ${stream} is not what this trigger needs: ${wrong.join('; ')}. Edit or ` +
        `delete it, or give another name as durable`,
    );
  }

  #isAlreadyThere(error: unknown): boolean {
    const { JetStreamApiError } = this.#client;
    return error instanceof JetStreamApiError && CREATED_BY_ANOTHER.has(error.code);
  }
}

/** "consumer already exists", "consumer name already in use": https://github.com/nats-io/nats-server server/errors.json. */
const CREATED_BY_ANOTHER = new Set<number>([10148, 10013]);

function startAt(policy: DeliverPolicyName, sequence: number): Partial<ConsumerConfig> {
  return { deliver_policy: policy, opt_start_seq: sequence };
}

function ackWaitMsOf(config: ConsumerConfig): number {
  return (config.ack_wait ?? ACK_WAIT_MS_DEFAULT * NANOS_PER_MS) / NANOS_PER_MS;
}

function subjects(filter: readonly string[]): string {
  return filter.length === 0 ? 'nothing' : filter.join(', ');
}
