// What `npm start` shows of triggers, as a newcomer would try it.

import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startService, temporaryFolder } from './harness.ts';

const EVENT = { specversion: '1.0', source: 'shop', id: '1', type: 'order', data: { item: 'book', amount: 12 } };

test(
  'an event starts an order, a file in the inbox another, each once, also over kill -9',
  { timeout: 180_000 },
  async () => {
    const folder = await temporaryFolder();
    let service = await startService(folder);
    const send = async (): Promise<unknown> => {
      const response = await fetch(`${service.url}/v1.0/triggers/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/cloudevents+json' },
        body: JSON.stringify(EVENT),
      });
      return response.json();
    };
    const orders = async (): Promise<string[]> => {
      const response = await fetch(`${service.url}/v1.0/workflows?type=order`);
      const { instances } = (await response.json()) as { instances: { instanceId: string }[] };
      return instances.map(({ instanceId }) => instanceId).sort();
    };
    const drop = (): Promise<void> => writeFile(join(folder, 'inbox', 'pen.json'), '{"item":"pen","amount":2}');

    expect(await send()).toEqual({ outcome: 'started', instanceId: 'shop=2F1' });
    expect(await send()).toEqual({ outcome: 'duplicate', instanceId: 'shop=2F1' });
    await drop();
    await expect.poll(orders).toHaveLength(2);
    const found = await orders();

    await service.kill();
    await drop();
    service = await startService(folder);
    expect(await send()).toEqual({ outcome: 'duplicate', instanceId: 'shop=2F1' });
    await expect.poll(() => readdir(join(folder, 'inbox'))).toEqual(['done', 'failed']);
    expect(await orders()).toEqual(found);

    const response = await fetch(`${service.url}/v1.0/triggers`);
    expect(((await response.json()) as { triggers: unknown[] }).triggers).toMatchObject([
      { name: 'orders', kind: 'cloudevents', state: 'running' },
      { name: 'minutely', kind: 'cron' },
      { name: 'inbox', kind: 'files', state: 'running' },
    ]);
  },
);
