// What is said to entities and what they say, on the wire. Only Microsoft's fork has them.

import { InstanceIdError } from '@troupe/workflow';
import {
  asReceivedFromEntity,
  asSentToEntity,
  entityIdOf,
  type EntityMessageSent,
  type HistoryEvent,
} from '@troupe/workflow/worker';
import { wireFailure } from './failure-details.ts';
import { textOf, timeMsFrom, wireText, wireTime, type DecodedTime, type WireText } from './wire-value.ts';

/** EntityOperationSignaledEvent and EntityOperationCalledEvent. */
interface DecodedOperation {
  readonly requestId: string;
  readonly operation: string;
  readonly scheduledTime: DecodedTime | null;
  readonly input: WireText;
  readonly targetInstanceId: WireText;
}

/** SendEntityMessageAction. */
export interface DecodedEntityMessage {
  readonly EntityMessageType?: string;
  readonly entityOperationSignaled: DecodedOperation | null;
  readonly entityOperationCalled: DecodedOperation | null;
  readonly entityLockRequested: { readonly criticalSectionId: string; readonly lockSet: readonly string[] } | null;
  readonly entityUnlockSent: { readonly criticalSectionId: string; readonly targetInstanceId: WireText } | null;
}

/**
 * What a worker's code says to an entity. Undefined: nothing that is known here.
 *
 * @throws {InstanceIdError} when it is said to what can be no entity
 */
export function sentToEntity(message: DecodedEntityMessage): EntityMessageSent | undefined {
  const kind = message.EntityMessageType;
  switch (kind) {
    case 'entityOperationSignaled':
    case 'entityOperationCalled': {
      const { requestId, operation, scheduledTime, input, targetInstanceId } = message[kind]!;
      const entityId = entityIdOf(textOf(targetInstanceId) ?? '');
      const scheduledAtMs = scheduledTime === null ? undefined : timeMsFrom(scheduledTime);
      return { kind, body: { entityId, requestId, operation, input: textOf(input), scheduledAtMs } };
    }
    case 'entityLockRequested': {
      const { criticalSectionId: sectionId, lockSet } = message[kind]!;
      if (lockSet.length === 0) throw new InstanceIdError('a lock is asked for, and of no entity');
      return { kind, body: { sectionId, entityIds: lockSet.map(entityIdOf) } };
    }
    case 'entityUnlockSent': {
      const { criticalSectionId: sectionId, targetInstanceId } = message[kind]!;
      return { kind, body: { sectionId, entityId: entityIdOf(textOf(targetInstanceId) ?? '') } };
    }
    default:
      return undefined;
  }
}

/** The event of a history, if it is about an entity. */
export function wireEntityEvent(
  event: HistoryEvent & { readonly type: 'MessageSent' | 'MessageReceived' },
  { instanceId, executionId }: { readonly instanceId: string; readonly executionId: string },
): object | undefined {
  return event.type === 'MessageSent' ? sentEvent(event, instanceId, executionId) : receivedEvent(event);
}

function sentEvent(
  event: HistoryEvent & { readonly type: 'MessageSent' },
  instanceId: string,
  executionId: string,
): object | undefined {
  const sent = asSentToEntity(event);
  switch (sent?.kind) {
    case 'entityOperationSignaled':
    case 'entityOperationCalled': {
      const { entityId, requestId, operation, input, scheduledAtMs } = sent.body;
      const caller =
        sent.kind === 'entityOperationCalled'
          ? { parentInstanceId: wireText(instanceId), parentExecutionId: wireText(executionId) }
          : {};
      return {
        [sent.kind]: {
          requestId,
          operation,
          input: wireText(input),
          scheduledTime: scheduledAtMs === undefined ? undefined : wireTime(scheduledAtMs),
          targetInstanceId: wireText(entityId),
          ...caller,
        },
      };
    }
    case 'entityLockRequested': {
      const { sectionId, entityIds } = sent.body;
      const parentInstanceId = wireText(instanceId);
      return { entityLockRequested: { criticalSectionId: sectionId, lockSet: entityIds, parentInstanceId } };
    }
    case 'entityUnlockSent': {
      const { sectionId, entityId } = sent.body;
      const [parentInstanceId, targetInstanceId] = [wireText(instanceId), wireText(entityId)];
      return { entityUnlockSent: { criticalSectionId: sectionId, parentInstanceId, targetInstanceId } };
    }
    case undefined:
      return undefined;
  }
}

function receivedEvent(event: HistoryEvent & { readonly type: 'MessageReceived' }): object | undefined {
  const received = asReceivedFromEntity(event);
  switch (received?.kind) {
    case 'entityOperationCompleted': {
      const { requestId, output } = received.body;
      return { entityOperationCompleted: { requestId, output: wireText(output) } };
    }
    case 'entityOperationFailed': {
      const { requestId, failure } = received.body;
      return { entityOperationFailed: { requestId, failureDetails: wireFailure(failure) } };
    }
    case 'entityLockGranted':
      return { entityLockGranted: { criticalSectionId: received.body.sectionId } };
    case undefined:
      return undefined;
  }
}
