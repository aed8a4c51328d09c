import published from '@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js';
import { expect, test } from 'vitest';
import { comparePublished } from './conformance.ts';

test('our messages are those of the published Microsoft classes', () => {
  const compared = comparePublished(published, 'microsoft');
  expect(compared.length).toBeGreaterThan(100);
  expect(compared).toContain('OrchestratorResponse');
});
