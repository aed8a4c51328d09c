import { expect, test } from 'vitest';
import { dialectOfCall, dialectOfStream, knowsStalled, type DecodedGetWorkItems } from '../../src/grpc/dialect.ts';
import { codecOf } from '../../src/grpc/schema.ts';

const signs = (userAgent: string, namesTaskHub = false) => ({ userAgent, namesTaskHub });

function request(fields: object): DecodedGetWorkItems {
  const codec = codecOf('base');
  return codec.decode('GetWorkItemsRequest', codec.encode('GetWorkItemsRequest', fields));
}

test.each([
  ['a capability of Dapr', { statefulCapabilities: [2] }, 'durabletask-js', 'dapr'],
  ['a limit of entities', { maxConcurrentEntityWorkItems: 1 }, 'grpc-python/1.60', 'microsoft'],
  ['a limit that nobody else names', { maxConcurrentActivityWorkItems: 1 }, 'grpc-go/1.60', 'microsoft'],
  ['its name, whatever it limits', { maxConcurrentActivityWorkItems: 1 }, 'dapr-sdk-python', 'dapr'],
  ['nothing, of Python workers of before the fork', { maxConcurrentActivityWorkItems: 1 }, 'grpc-python/1.60', 'base'],
  ['a capability of Microsoft', { capabilities: [1] }, '', 'microsoft'],
  ['filters that name nothing', { workItemFilters: {} }, '', 'microsoft'],
  ["the name of Dapr's JavaScript SDK", {}, 'dapr-js-sdk/workflow grpc-node-js/1.14', 'dapr'],
  ['the name that two JavaScript SDKs have', {}, 'durabletask-js grpc-node-js/1.14', 'microsoft'],
  ['a bare Python client that asks for nothing', {}, 'grpc-python/1.60', 'dapr'],
  ['a bare Java client that asks for nothing', {}, 'grpc-java-netty/1.60', 'dapr'],
  ['a bare Go client', {}, 'grpc-go/1.60', 'base'],
])('a stream is told by %s', (_what, fields, userAgent, dialect) => {
  expect(dialectOfStream(request(fields), signs(userAgent))).toBe(dialect);
});

test('a call is told by its name before that of its caller', () => {
  expect(dialectOfCall('QueryInstances', signs('dapr-sdk-go'))).toBe('microsoft');
  expect(dialectOfCall('ListInstanceIDs', signs('durabletask-js'))).toBe('dapr');
  expect(dialectOfCall('StartInstance', signs('dapr-sdk-go'))).toBe('dapr');
  expect(dialectOfCall('StartInstance', signs('grpc-python/1.60'))).toBe('base');
  expect(dialectOfCall('StartInstance', signs('grpc-python/1.60', true))).toBe('microsoft');
});

test('only clients that have a word for stalled instances are told of them', () => {
  expect(knowsStalled('dapr', signs('dapr-sdk-go'))).toBe(true);
  expect(knowsStalled('dapr', signs('dapr-js-sdk/workflow grpc-node-js/1.14'))).toBe(false);
  expect(knowsStalled('microsoft', signs('durabletask-dotnet'))).toBe(false);
});
