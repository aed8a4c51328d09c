import metadata from '@dapr/dapr/proto/dapr/proto/runtime/v1/metadata_pb.js';
import workflow from '@dapr/dapr/proto/dapr/proto/runtime/v1/workflow_pb.js';
import { expect, test } from 'vitest';
import { comparePublished } from './conformance.ts';

test("our messages are those of Dapr's own service", () => {
  const classes = Object.entries(workflow as Record<string, unknown>).filter(([name]) => /Workflow(Re|$)/.test(name));
  const compared = comparePublished(Object.fromEntries(classes), 'base');
  expect(compared).toHaveLength(9);
});

test('the answer to what clients ask first is read by the published classes', () => {
  const { GetMetadataRequest, GetMetadataResponse, ActorRuntime, ActiveActorsCount, MetadataWorkflows } =
    metadata as Record<string, unknown>;
  const classes = { GetMetadataRequest, GetMetadataResponse, ActorRuntime, ActiveActorsCount, MetadataWorkflows };
  // What is not about workflows is not told.
  const untold = [
    'registeredcomponentslist',
    'extendedmetadatamap',
    'subscriptionslist',
    'httpendpointslist',
    'appconnectionproperties',
    'enabledfeatureslist',
    'scheduler',
  ].map((field) => `GetMetadataResponse.${field}`);
  expect(comparePublished(classes, 'base', { unread: untold })).toHaveLength(5);
});
