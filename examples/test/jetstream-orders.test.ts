import { test } from 'vitest';
import { describeWithNats, natsServerProgram } from '../../packages/nats/test/integration/needs-server.ts';
import { expectExample } from './run-example.ts';

const TIMEOUT_MS = 120_000;

describeWithNats('16-jetstream-orders.ts', () => {
  test('runs to its end and prints what it should', { timeout: TIMEOUT_MS }, async () => {
    // The example finds the same one by itself.
    process.env['NATS_SERVER'] = natsServerProgram();
    await expectExample(
      '16-jetstream-orders.ts',
      [
        'started order-1',
        'the host is killed (SIGKILL)',
        'the stream waits for 1 acknowledgement',
        'of two messages 1 started a workflow, 1 was a duplicate',
        'a book is shipped',
        'the host ended with 0',
      ],
      { timeoutMs: TIMEOUT_MS },
    );
  });
});
