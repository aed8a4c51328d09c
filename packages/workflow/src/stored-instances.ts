// Instances as they are stored, for those who pass payloads on as they came.

import type { ActorHost } from '@troupe/actors';
import { decodeEvent, type HistoryEvent } from './history.ts';
import { InstanceCalls } from './instance-calls.ts';
import { HISTORY_PAGE_LENGTH } from './limits.ts';
import { isTerminal } from './status.ts';
import type { InstanceReader, StoredInstance } from './workers/worker-port.ts';
import type { WorkflowActor } from './workflow-actor.ts';

export class StoredInstances implements InstanceReader {
  readonly #calls: InstanceCalls;

  constructor(host: ActorHost, actor: WorkflowActor, shared: boolean) {
    this.#calls = new InstanceCalls(host, actor, shared);
  }

  async describe(instanceId: string): Promise<StoredInstance | undefined> {
    return this.#calls.ref(instanceId).describeStored();
  }

  async untilStarted(
    instanceId: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<StoredInstance | undefined> {
    return this.#calls.until(
      instanceId,
      'untilStartedStored',
      [],
      { signal },
      ({ metadata }) => metadata.runtimeStatus !== 'pending',
    );
  }

  async untilEnded(
    instanceId: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<StoredInstance | undefined> {
    return this.#calls.until(instanceId, 'untilEndedStored', [], { signal }, ({ metadata }) =>
      isTerminal(metadata.runtimeStatus),
    );
  }

  async events(instanceId: string, from: number, limit: number): Promise<readonly HistoryEvent[]> {
    if (!Number.isSafeInteger(from) || from < 1)
      throw new RangeError(`from is an integer of at least 1, got ${String(from)}`);
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > HISTORY_PAGE_LENGTH)
      throw new RangeError(`limit is an integer from 1 to ${HISTORY_PAGE_LENGTH}, got ${String(limit)}`);
    const entries = await this.#calls.ref(instanceId).events(from, limit);
    return entries.map((entry) => decodeEvent(entry).event);
  }
}
