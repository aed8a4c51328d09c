import { once } from 'node:events';
import { connect } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { LimitError, NotExecutedError, OutcomeUnknownError, PayloadError, StoreUnavailableError } from '@troupe/actors';
import {
  AlreadyExistsError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotFoundError,
  NotRegisteredError,
  ValidationError,
} from '@troupe/workflow';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../../src/grpc/grpc-failure.ts';
import { serveGrpc } from '../../src/grpc.ts';
import { TestLogger } from '../harness.ts';
import { failing, GrpcBench, type Loose, type Peer } from './harness.ts';

const start = (peer: Peer, fields: object): Promise<Loose> =>
  peer.call('StartInstance', 'CreateInstanceRequest', { name: 'echo', ...fields }, 'CreateInstanceResponse');
const get = (peer: Peer, instanceId: string): Promise<Loose> =>
  peer.call('GetInstance', 'GetInstanceRequest', { instanceId }, 'GetInstanceResponse');
const hello = (peer: Peer): Promise<Buffer> => peer.raw('Hello', Buffer.alloc(0));

describe('a caller', () => {
  test('shows a token that is known, in one header or the other', async () => {
    await using bench = await GrpcBench.start({ token: 'secret' });
    expect((await failing(hello(bench.peer()))).code).toBe(status.UNAUTHENTICATED);
    const wrong = bench.peer('base', { headers: { 'dapr-api-token': 'guess' } });
    expect((await failing(hello(wrong))).code).toBe(status.UNAUTHENTICATED);
    const stream = wrong.stream('GetWorkItems', 'GetWorkItemsRequest', {}, 'WorkItem');
    expect(await stream.ended).toBe(status.UNAUTHENTICATED);
    for (const headers of [{ 'dapr-api-token': 'secret' }, { authorization: 'Bearer secret' }])
      await hello(bench.peer('base', { headers }));
  });

  test('may do what its scopes name', async () => {
    const token = (['read', 'operate', 'start'] as const).map((scope) => ({ token: scope, scopes: [scope] }));
    await using bench = await GrpcBench.start({ token });
    const [read, operate, starts] = token.map(({ token: shown }) =>
      bench.peer('base', { headers: { 'dapr-api-token': shown } }),
    ) as [Peer, Peer, Peer];
    const refused = async (call: Promise<unknown>): Promise<void> =>
      expect((await failing(call)).code).toBe(status.PERMISSION_DENIED);
    for (const peer of [read, operate, starts]) await hello(peer);
    await refused(start(read, {}));
    await refused(start(operate, {}));
    const { instanceId } = await start(starts, {});
    await refused(get(starts, instanceId));
    await refused(get(operate, instanceId));
    expect((await get(read, instanceId)).exists).toBe(true);
    await refused(read.call('TerminateInstance', 'TerminateRequest', { instanceId }, 'TerminateResponse'));
    await operate.call('TerminateInstance', 'TerminateRequest', { instanceId }, 'TerminateResponse');
    const stream = read.stream('GetWorkItems', 'GetWorkItemsRequest', {}, 'WorkItem');
    expect(await stream.ended).toBe(status.PERMISSION_DENIED);
  });

  test('may be known to the host by other means', async () => {
    const seen: string[] = [];
    await using bench = await GrpcBench.start({
      authenticate: (request) => {
        seen.push(new URL(request.url).pathname);
        return request.headers.get('x-who') === 'me' ? { scopes: ['read'] } : undefined;
      },
    });
    expect((await failing(hello(bench.peer()))).code).toBe(status.UNAUTHENTICATED);
    const me = bench.peer('base', { headers: { 'x-who': 'me' } });
    expect(await get(me, 'nobody')).toEqual({});
    expect((await failing(start(me, {}))).code).toBe(status.PERMISSION_DENIED);
    expect(seen).toContain('/TaskHubSidecarService/GetInstance');
  });

  test('that is far away needs auth to be let in at all', async () => {
    await using bench = await GrpcBench.start();
    await expect(serveGrpc(bench.host, { port: 0, hostname: '0.0.0.0' })).rejects.toThrow(TypeError);
    await using open = await serveGrpc(bench.host, { port: 0, hostname: '0.0.0.0', token: 'x' });
    expect(open.port).toBeGreaterThan(0);
    await expect(serveGrpc(bench.host, { port: 0, token: '' })).rejects.toThrow(TypeError);
    await expect(serveGrpc(bench.host, { port: 0, messageBytesMax: 0 })).rejects.toThrow(TypeError);
    await expect(serveGrpc(bench.host, { port: open.port, hostname: '0.0.0.0', token: 'x' })).rejects.toThrow();
  });
});

describe('a message', () => {
  test('of several MiB goes through, both ways', async () => {
    await using bench = await GrpcBench.start();
    const peer = bench.peer();
    const input = { value: JSON.stringify('x'.repeat(6 * 1024 * 1024)) };
    await start(peer, { instanceId: 'large', input });
    const asked = { instanceId: 'large', getInputsAndOutputs: true };
    const found = await peer.call('WaitForInstanceCompletion', 'GetInstanceRequest', asked, 'GetInstanceResponse');
    expect(found.orchestrationState.input.value).toBe(input.value);
  });

  test('that is larger than the limit is refused', async () => {
    await using bench = await GrpcBench.start({ messageBytesMax: 1000 });
    const peer = bench.peer();
    const input = { value: JSON.stringify('x'.repeat(2000)) };
    expect((await failing(start(peer, { input }))).code).toBe(status.RESOURCE_EXHAUSTED);
  });

  test('that a worker could not be sent fails its workflow', async () => {
    await using bench = await GrpcBench.start({ messageBytesMax: 1000 });
    const peer = bench.peer();
    peer.stream('GetWorkItems', 'GetWorkItemsRequest', {}, 'WorkItem');
    await start(peer, { instanceId: 'i', name: 'remote', input: { value: 'x'.repeat(950) } });
    const asked = { instanceId: 'i', getInputsAndOutputs: false };
    const found = await peer.call('WaitForInstanceCompletion', 'GetInstanceRequest', asked, 'GetInstanceResponse');
    expect(found.orchestrationState.orchestrationStatus).toBe(3);
    expect((await bench.host.workflows.get('i'))?.failure?.type).toBe('MessageTooLargeError');
  });
});

test('pings are answered, however many', async () => {
  await using bench = await GrpcBench.start();
  const session = connect(`http://127.0.0.1:${bench.server.port}`);
  await once(session, 'connect');
  let goneAway = false;
  session.on('goaway', () => (goneAway = true));
  for (let count = 0; count < 200; count++)
    await new Promise<void>((resolve, reject) => session.ping((error) => (error === null ? resolve() : reject(error))));
  expect(goneAway).toBe(false);
  session.close();
});

describe('a stop', () => {
  test('lets workers go without an error, and answers waits', async () => {
    await using bench = await GrpcBench.start();
    const worker = bench.peer('dapr', { userAgent: 'dapr-js-sdk/workflow' });
    const stream = worker.stream('GetWorkItems', 'GetWorkItemsRequest', {}, 'WorkItem');
    const client = bench.peer();
    await start(client, { instanceId: 'w', name: 'waiter' });
    await start(client, { instanceId: 'r', name: 'remote' });
    await stream.next();
    const wait = { instanceId: 'w' };
    const waiting = failing(
      client.call('WaitForInstanceCompletion', 'GetInstanceRequest', wait, 'GetInstanceResponse'),
    );
    const health = client.stream('/grpc.health.v1.Health/Watch', 'HealthCheckRequest', {}, 'HealthCheckResponse');
    expect(await health.next()).toEqual({ status: 1 });
    await hello(client);
    const stopped = bench.server.stop();
    expect(await stream.ended).toBe(status.OK);
    expect((await waiting).code).toBe(status.UNAVAILABLE);
    expect(await health.next()).toEqual({ status: 2 });
    expect(await health.ended).toBe(status.OK);
    await stopped;
    expect((await failing(hello(bench.peer()))).code).toBe(status.UNAVAILABLE);
    // The host goes on, and nothing is held by a worker any more.
    expect(bench.host.workers.connected).toBe(0);
    expect((await bench.host.workflows.get('r'))?.runtimeStatus).not.toBe('failed');
  });
});

describe('health', () => {
  test('is told of the services that are served', async () => {
    await using bench = await GrpcBench.start({ token: 'secret' });
    const peer = bench.peer();
    const check = (service: string): Promise<Loose> =>
      peer.call('/grpc.health.v1.Health/Check', 'HealthCheckRequest', { service }, 'HealthCheckResponse');
    expect(await check('')).toEqual({ status: 1 });
    expect(await check('TaskHubSidecarService')).toEqual({ status: 1 });
    expect((await failing(check('other'))).code).toBe(status.NOT_FOUND);
    const watch = peer.stream(
      '/grpc.health.v1.Health/Watch',
      'HealthCheckRequest',
      { service: 'other' },
      'HealthCheckResponse',
    );
    expect(await watch.next()).toEqual({ status: 3 });
    watch.cancel();
  });
});

describe("Dapr's own service", () => {
  test.each(['', 'Beta1', 'Alpha1'])('serves workflows under the suffix %j', async (suffix) => {
    await using bench = await GrpcBench.start();
    const peer = bench.peer();
    const dapr = (rpc: string, fields: object, response = 'google.protobuf.Empty'): Promise<Loose> =>
      peer.call(`/dapr.proto.runtime.v1.Dapr/${rpc}${suffix}`, `${rpc}Request`, fields, response);
    const of = (instanceId: string): object => ({ instanceId, workflowComponent: 'dapr' });
    const find = (instanceId: string): Promise<Loose> => dapr('GetWorkflow', of(instanceId), 'GetWorkflowResponse');
    const begin = (fields: object): Promise<Loose> =>
      dapr('StartWorkflow', { workflowComponent: 'dapr', ...fields }, 'StartWorkflowResponse');
    const input = Buffer.from('{"a":  1}');
    const { instanceId } = await begin({ workflowName: 'echo', input });
    await expect.poll(async () => (await find(instanceId)).runtimeStatus).toBe('COMPLETED');
    expect(await find(instanceId)).toMatchObject({
      instanceId,
      workflowName: 'echo',
      properties: { 'dapr.workflow.input': '{"a":  1}', 'dapr.workflow.output': '{"got":{"a":1}}' },
    });
    expect(await find('nobody')).toEqual({});
    await begin({ workflowName: 'waiter', instanceId: 'w' });
    expect((await failing(begin({ workflowName: 'waiter', instanceId: 'w' }))).code).toBe(status.ALREADY_EXISTS);
    await dapr('PauseWorkflow', of('w'));
    expect((await find('w')).runtimeStatus).toBe('SUSPENDED');
    await dapr('ResumeWorkflow', of('w'));
    await dapr('RaiseEventWorkflow', { ...of('w'), eventName: 'go', eventData: Buffer.from('5') });
    await expect.poll(async () => (await find('w')).runtimeStatus).toBe('COMPLETED');
    expect((await find('w')).properties['dapr.workflow.output']).toBe('5');
    await begin({ workflowName: 'failing', instanceId: 'f' });
    await expect.poll(async () => (await find('f')).runtimeStatus).toBe('FAILED');
    expect((await find('f')).properties).toMatchObject({ 'dapr.workflow.failure.error_type': 'RangeError' });
    const later = { 'dapr.workflow.start_time': new Date(Date.now() + 3_600_000).toISOString() };
    await begin({ workflowName: 'echo', instanceId: 'later', options: later });
    expect((await find('later')).runtimeStatus).toBe('PENDING');
    await dapr('TerminateWorkflow', of('later'));
    expect((await find('later')).runtimeStatus).toBe('TERMINATED');
    await dapr('PurgeWorkflow', of('later'));
    expect(await find('later')).toEqual({});
    expect((await failing(dapr('PurgeWorkflow', of('later')))).code).toBe(status.NOT_FOUND);
    const wrong = begin({ workflowName: 'echo', instanceId: 'not:allowed' });
    expect((await failing(wrong)).code).toBe(status.INVALID_ARGUMENT);
  });

  test('tells what it is, which its clients ask first', async () => {
    await using bench = await GrpcBench.start({ appId: 'orders' });
    const peer = bench.peer();
    peer.stream('GetWorkItems', 'GetWorkItemsRequest', {}, 'WorkItem');
    const ask = (): Promise<Loose> =>
      peer.call('/dapr.proto.runtime.v1.Dapr/GetMetadata', 'GetMetadataRequest', {}, 'GetMetadataResponse');
    await expect.poll(async () => (await ask()).workflows).toEqual({ connectedWorkers: 1 });
    expect(await ask()).toMatchObject({ id: 'orders', actorRuntime: { runtimeStatus: 2, hostReady: true } });
  });
});

describe('an error', () => {
  const address = { type: 'workflow', id: 'i' } as unknown as ConstructorParameters<typeof NotExecutedError>[0];

  test.each([
    [new AlreadyExistsError('i', 'w', 'running'), status.ALREADY_EXISTS],
    [new InstanceNotFoundError('i'), status.NOT_FOUND],
    [new InstanceEndedError('i', 'completed'), status.FAILED_PRECONDITION],
    [new NotRegisteredError('workflow', 'w', []), status.NOT_FOUND],
    [new ValidationError('it', []), status.INVALID_ARGUMENT],
    [new PayloadError('it', '', 'no'), status.INVALID_ARGUMENT],
    [new InstanceIdError('no'), status.INVALID_ARGUMENT],
    [new LimitError('too many'), status.RESOURCE_EXHAUSTED],
    [new NotExecutedError(address, 'it moved'), status.UNAVAILABLE],
    [new OutcomeUnknownError(address, 'it is lost'), status.UNKNOWN],
    [new StoreUnavailableError('disk', { wroteNothing: true }), status.UNAVAILABLE],
    [new StoreUnavailableError('disk', { wroteNothing: false }), status.UNKNOWN],
  ])('%s has its status, and tells nothing of the inside', (error, code) => {
    const logger = new TestLogger();
    const failure = failureOf(error, { logger, rpc: 'r' });
    expect(failure.code).toBe(code);
    expect(failure.message).not.toMatch(/moved|lost|disk/);
    expect(logger.errors).toEqual([]);
  });

  test('that is a bug is told by an id that stands in the log', () => {
    const logger = new TestLogger();
    const error = new TypeError('secret');
    const failure = failureOf(error, { logger, rpc: 'r' });
    expect(failure.code).toBe(status.INTERNAL);
    const details = logger.errors[0]!.details as { errorId: string };
    expect(details).toMatchObject({ error, rpc: 'r' });
    expect(failure.message).toContain(details.errorId);
    expect(failure.message).not.toContain('secret');
  });
});
