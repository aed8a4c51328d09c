import published from '@dapr/durabletask-js/proto/orchestrator_service_pb.js';
import { expect, test } from 'vitest';
import { comparePublished } from './conformance.ts';

test('our messages are those of the classes that Dapr published for its workers', () => {
  const compared = comparePublished(published, 'dapr', {
    // Gone from both forks since, and never sent.
    unread: ['ExecutionStartedEvent.correlationdata', 'GenericEvent.data'],
  });
  expect(compared.length).toBeGreaterThan(50);
  expect(compared).toContain('OrchestratorResponse');
});
