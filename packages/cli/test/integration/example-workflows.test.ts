import { expect, test } from 'vitest';
import { startService, temporaryFolder, type Instance, type ServiceProcess } from './harness.ts';

async function start(service: ServiceProcess, path: string, input?: unknown): Promise<void> {
  const answer = await service.post(`${path}/start`, input);
  expect(answer, path).toMatchObject({ status: 202 });
}

/** The undos that have run, in their order. */
async function undos(service: ServiceProcess, path: string): Promise<readonly string[]> {
  const answer = await service.get(`${path}/history`);
  expect(answer.status).toBe(200);
  const { events } = answer.body as { events: { type: string; details: { name?: string; kind?: string } }[] };
  return events
    .filter(({ type, details }) => type === 'ActivityScheduled' && details.kind === 'undo')
    .map(({ details }) => details.name ?? '');
}

/** The code of a phone verification, as soon as it is shown. */
async function code(service: ServiceProcess, path: string): Promise<string> {
  const { customStatus } = await service.until(path, (instance) => instance.customStatus !== undefined);
  return (customStatus as { code: string }).code;
}

function wrong(right: string): string {
  return right === '1234' ? '4321' : '1234';
}

test('hello greets three times by name, and the world without one', async () => {
  const service = await startService(await temporaryFolder());
  await start(service, 'hello/h1', 'Ada');
  await start(service, 'hello/h2');

  const ada = await service.end('hello/h1');
  expect(ada).toMatchObject({ runtimeStatus: 'COMPLETED', workflowType: 'hello' });
  expect(ada.output).toHaveLength(3);
  for (const greeting of ada.output as string[]) expect(greeting).toContain('Ada');
  expect((await service.end('hello/h2')).output).toEqual(['Hello, world!', 'Bonjour, world!', 'Hola, world!']);
});

test('an order waits for an approval and ships', async () => {
  const service = await startService(await temporaryFolder());
  await start(service, 'order/o1', { item: 'book', amount: 12 });
  const waiting = await service.until('order/o1', ({ customStatus }) =>
    JSON.stringify(customStatus ?? '').includes('waiting for approval'),
  );
  expect(waiting.runtimeStatus).toBe('RUNNING');

  expect(await service.post('order/o1/raiseEvent/approved', { by: 'Ada' })).toMatchObject({ status: 202 });
  const shipped = await service.end('order/o1');
  expect(shipped).toMatchObject({
    runtimeStatus: 'COMPLETED',
    output: { receipt: { receiptId: 'receipt-o1', amount: 12 }, by: 'Ada' },
    customStatus: { stage: 'shipped' },
  });
});

test('an approval that comes before anybody waits is kept', async () => {
  const service = await startService(await temporaryFolder());
  await start(service, 'order/o1', { item: 'book', amount: 12 });
  await service.post('order/o1/raiseEvent/approved', { by: 'Ada' });
  expect((await service.end('order/o1')).output).toMatchObject({ by: 'Ada' });
});

test('an order whose charge fails for good releases the stock and fails with the reason', async () => {
  const service = await startService(await temporaryFolder());
  await start(service, 'order/o1', { item: 'fail', amount: 12 });
  const failed = await service.end('order/o1');
  expect(failed).toMatchObject({ runtimeStatus: 'FAILED', failure: { message: 'the card was declined' } });
  expect(failed.output).toBeUndefined();
  expect(await undos(service, 'order/o1')).toEqual(['undo reserveStock']);
});

test('an order that is terminated with undo gives the money back and releases the stock', async () => {
  const service = await startService(await temporaryFolder());
  await start(service, 'order/o1', { item: 'book', amount: 12 });
  await service.until('order/o1', ({ customStatus }) =>
    JSON.stringify(customStatus ?? '').includes('waiting for approval'),
  );
  expect(await service.post('order/o1/terminate?undo=true')).toMatchObject({ status: 202 });
  expect(await service.end('order/o1')).toMatchObject({ runtimeStatus: 'TERMINATED' });
  expect(await undos(service, 'order/o1')).toEqual(['undo chargeCard', 'undo reserveStock']);
});

test('an order without an amount is refused, with the place of the mistake', async () => {
  const service = await startService(await temporaryFolder());
  const answer = await service.post('order/o1/start', { item: 'book' });
  expect(answer.status).toBe(400);
  expect(JSON.stringify(answer.body)).toContain('/amount');
  expect(await service.get('order/o1')).toMatchObject({ status: 404 });
});

test('a phone is verified by the right code, also after a wrong one', async () => {
  const service = await startService(await temporaryFolder());
  await start(service, 'phoneVerification/p1', { phone: '555-0100' });
  const right = await code(service, 'phoneVerification/p1');
  expect(right).toMatch(/^\d{4}$/);
  await service.post('phoneVerification/p1/raiseEvent/smsChallengeResponse', wrong(right));
  await service.post('phoneVerification/p1/raiseEvent/smsChallengeResponse', right);
  expect(await service.end('phoneVerification/p1')).toMatchObject({ runtimeStatus: 'COMPLETED', output: true });
});

test('a phone is not verified by three wrong codes', async () => {
  const service = await startService(await temporaryFolder());
  await start(service, 'phoneVerification/p1', { phone: '555-0100' });
  const right = await code(service, 'phoneVerification/p1');
  for (let attempt = 1; attempt <= 3; attempt++) {
    const { runtimeStatus } = (await service.get('phoneVerification/p1')).body as Instance;
    expect(runtimeStatus).toBe('RUNNING');
    await service.post('phoneVerification/p1/raiseEvent/smsChallengeResponse', wrong(right));
  }
  expect(await service.end('phoneVerification/p1')).toMatchObject({ runtimeStatus: 'COMPLETED', output: false });
});
