import { join } from 'node:path';
import { describe, test } from 'vitest';
import { findPython } from '../../scripts/python.mjs';
import { expectExample, folder } from './run-example.ts';

/** The service is built first if it has changed. */
const TIMEOUT_MS = 180_000;

// They start services of their own.
delete process.env['DAPR_GRPC_PORT'];

test('14-dapr-worker.ts runs to its end and prints what it should', { timeout: TIMEOUT_MS }, async () => {
  await expectExample(
    '14-dapr-worker.ts',
    [
      'reserving a lamp',
      'releasing the lamp',
      'lamp: "nobody approved it in time"',
      'the worker is replaced',
      'charging 12',
      'book: "shipped: the book packed, the invoice packed, a card packed; approved by Ada"',
    ],
    { timeoutMs: TIMEOUT_MS },
  );
});

/** Without it the test is skipped and counted at the end of the run (scripts/missing-servers.mjs). */
async function hasPython(): Promise<boolean> {
  try {
    await findPython(join(folder, 'python/requirements.txt'));
    return true;
  } catch (error) {
    if (process.env['TROUPE_REQUIRE_SERVERS'] === '1' || process.env['PYTHON'] !== undefined) throw error;
    return false;
  }
}

describe.skipIf(!(await hasPython()))('15-dapr-worker-in-python.ts', { tags: ['python'] }, () => {
  test('runs to its end and prints what it should', { timeout: TIMEOUT_MS }, async () => {
    await expectExample(
      '15-dapr-worker-in-python.ts',
      [
        'reserving a lamp',
        'releasing the lamp',
        'lamp: "nobody approved it in time"',
        'the bank does not answer',
        'charging 12',
        'book: "shipped: the book packed, the invoice packed, a card packed; approved by Ada"',
      ],
      // The SDK says that the bank did not answer, too.
      { timeoutMs: TIMEOUT_MS, errors: /^.* WARNING: Activity execution failed .* the bank does not answer\n$/ },
    );
  });
});
