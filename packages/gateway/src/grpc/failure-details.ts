// Failures on the wire. What came from a worker goes to the next one as it came.

import type { Failure } from '@troupe/workflow';
import { jsonFieldsOf, textOf, wireJsonFields, wireText, type WireJson, type WireText } from './wire-value.ts';

/** TaskFailureDetails, decoded. */
export interface DecodedFailure {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stackTrace: WireText;
  readonly innerFailure: DecodedFailure | null;
  readonly isNonRetriable: boolean;
  readonly properties: Readonly<Record<string, WireJson>>;
}

export function wireFailure(failure: Failure): object {
  return {
    // Some clients show a failure only if both are there.
    errorType: failure.type === '' ? 'Error' : failure.type,
    errorMessage: failure.message === '' ? failure.type : failure.message,
    stackTrace: wireText(failure.stack),
    innerFailure: failure.cause === undefined ? undefined : wireFailure(failure.cause),
    isNonRetriable: failure.nonRetryable ?? false,
    properties: failure.properties === undefined ? undefined : wireJsonFields(failure.properties),
  };
}

export function failureFrom(details: DecodedFailure): Failure {
  const stack = textOf(details.stackTrace);
  return {
    type: details.errorType,
    message: details.errorMessage,
    ...(stack === undefined ? {} : { stack }),
    ...(details.innerFailure === null ? {} : { cause: failureFrom(details.innerFailure) }),
    ...(details.isNonRetriable ? { nonRetryable: true } : {}),
    ...(Object.keys(details.properties).length === 0 ? {} : { properties: jsonFieldsOf(details.properties) }),
  };
}
