import { test } from 'vitest';
import { describeWithNats, natsServerProgram } from '../../packages/nats/test/integration/needs-server.ts';
import { expectExample } from './run-example.ts';

const TIMEOUT_MS = 120_000;

describeWithNats('13-three-hosts.ts', () => {
  test('runs to its end and prints what it should', { timeout: TIMEOUT_MS }, async () => {
    // The example finds the same one by itself.
    process.env['NATS_SERVER'] = natsServerProgram();
    await expectExample(
      '13-three-hosts.ts',
      [
        'partitions: ',
        '300 orders come in',
        'is killed, with',
        'all taken over after',
        '300 orders are completed',
        '300 charges',
      ],
      { timeoutMs: TIMEOUT_MS },
    );
  });
});
