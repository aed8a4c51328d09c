// Runs every example as a person would and looks at what it prints.

import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { expectExample, folder } from './run-example.ts';

/** What must be printed, in this order; other lines may stand between. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  '01-counter.ts': ['apples 100, pears 7', 'after a restart: apples 100'],
  '02-reminder.ts': [
    'the host stops',
    'another host has started',
    'ring: Ada',
    'ring: Grace',
    'rung for Ada and Grace',
  ],
  '03-hello-sequence.ts': [
    'greeting Tokyo',
    'greeting Seattle',
    'greeting London',
    "[ 'Hello, Tokyo!', 'Hello, Seattle!', 'Hello, London!' ]",
    'WorkflowStarted',
    'WorkflowCompleted',
  ],
  '04-fan-out-fan-in.ts': ['21000 words on 20 pages'],
  '05-order-with-approval.ts': [
    'charging 12 for a book',
    'order-42 is running: waiting for approval',
    'the service restarts',
    'shipping a book',
    'shipped, approved by Ada',
  ],
  '06-phone-verification.ts': ['555-0100: verified', '555-0101: too many attempts', '555-0102: too late'],
  '07-saga-with-undo.ts': [
    'Lisbon: flight in Lisbon, hotel in Lisbon, car in Lisbon',
    'booked a hotel in Venice',
    'cancelled the hotel in Venice',
    'cancelled the flight in Venice',
    'Venice: there are no cars in Venice',
  ],
  '08-monitor.ts': ['render is not ready', 'render is ready', 'gave up on backup'],
  '09-eternal.ts': ['day 1: 6', 'day 4: 33', 'total 78 after four days', 'it is terminated'],
  '10-child-workflows.ts': [
    'https://north.example',
    'https://south.example',
    'moon failed: the moon does not answer',
    'release-1: completed',
  ],
  '11-inside-express.ts': [
    'POST /users/ada: 202 {"instanceId":"welcome-ada"}',
    'POST /users/ada: 202 {"instanceId":"welcome-ada"}',
    'GET /workflows/v1.0/workflows/welcome/welcome-ada: 200 COMPLETED',
    'a mail went to ada',
  ],
  '12-test-a-workflow.ts': [
    'with fakes: approved, charged once',
    'in no time: charged at the third attempt, paid back after three days',
    'crashes, one outcome',
    'replayed order.json: approved by Grace',
    'replayed against a change: NondeterminismError',
  ],
};

/** Have files of their own, since they need a server, or say something else than what they print. */
const ELSEWHERE = [
  '13-three-hosts.ts',
  '14-dapr-worker.ts',
  '15-dapr-worker-in-python.ts',
  '16-jetstream-orders.ts',
  '17-own-source.ts',
];

test('every example is tested', () => {
  const examples = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  expect(examples).toEqual([...Object.keys(EXPECTED), ...ELSEWHERE]);
});

test.each(Object.entries(EXPECTED))('%s runs to its end and prints what it should', async (name, lines) => {
  await expectExample(name, lines);
});
