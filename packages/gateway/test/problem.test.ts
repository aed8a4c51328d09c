import { expect, test } from 'vitest';
import {
  ConflictError,
  LimitError,
  NotExecutedError,
  OutcomeUnknownError,
  PayloadError,
  StoreUnavailableError,
} from '@troupe/actors';
import {
  AlreadyExistsError,
  IdempotencyMismatchError,
  InstanceEndedError,
  InstanceIdError,
  InstanceNotEndedError,
  InstanceNotFoundError,
  NotRegisteredError,
  ValidationError,
} from '@troupe/workflow';
import { problemOf } from '../src/problem.ts';
import { TestLogger } from './harness.ts';

const address = { type: 'workflow', id: 'secret-actor' };
const rows: [Error, number, string][] = [
  [new AlreadyExistsError('a', 'w', 'running'), 409, 'ALREADY_EXISTS'],
  [new InstanceEndedError('a', 'failed'), 409, 'INSTANCE_ENDED'],
  [new InstanceNotEndedError('a', 'running'), 409, 'INSTANCE_NOT_ENDED'],
  [new InstanceNotFoundError('a'), 404, 'INSTANCE_NOT_FOUND'],
  [new NotRegisteredError('workflow', 'a', []), 404, 'NOT_REGISTERED'],
  [new ValidationError('x', []), 400, 'VALIDATION_FAILED'],
  [new PayloadError('x', '.a', 'a Map'), 400, 'PAYLOAD_INVALID'],
  [new InstanceIdError('x'), 400, 'INSTANCE_ID_INVALID'],
  [new IdempotencyMismatchError('x'), 422, 'IDEMPOTENCY_MISMATCH'],
  [new LimitError('x'), 429, 'LIMIT_REACHED'],
  [new NotExecutedError(address, 'host 7 is gone'), 503, 'NOT_EXECUTED'],
  [new StoreUnavailableError('disk /dev/x', { wroteNothing: true }), 503, 'NOT_EXECUTED'],
  [new StoreUnavailableError('disk /dev/x', { wroteNothing: false }), 504, 'OUTCOME_UNKNOWN'],
  [new OutcomeUnknownError(address, 'host 7 is gone'), 504, 'OUTCOME_UNKNOWN'],
  [new ConflictError(address, 1, 2), 500, 'INTERNAL'],
  [new TypeError('x is not a function'), 500, 'INTERNAL'],
];

test.each(rows)('%s is %i %s', async (error, status, errorCode) => {
  const logger = new TestLogger();
  const response = problemOf(error, {
    logger,
    route: '/x',
    instancePath: (name, id) => `/${name ?? '-'}/${id}`,
  }).toResponse();
  const text = await response.text();
  expect([response.status, JSON.parse(text).errorCode]).toEqual([status, errorCode]);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.has('retry-after')).toBe(status === 503 || status === 429);
  expect(logger.errors).toHaveLength(status === 500 ? 1 : 0);
  for (const internal of ['secret-actor', 'host 7', '/dev/x', 'not a function']) expect(text).not.toContain(internal);
});
