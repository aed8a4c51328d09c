// As with turns: what an entity cannot record or send fails its operations with an error that says so. If it failed the
// batch, the worker would answer the same again for ever.

import { LimitError, PayloadError } from '@troupe/actors';
import { failureOf } from '../failure.ts';
import { TURN_BYTES_MAX } from '../limits.ts';
import { checkedBytes } from '../payload.ts';
import type { EntityBatchResult } from '../workers/worker-port.ts';

/**
 * What a worker made of a batch, or that its operations have failed and done nothing.
 *
 * @param before the state that they began with
 */
export function acceptableBatch(result: EntityBatchResult, before: string | undefined): EntityBatchResult {
  try {
    check(result);
    return result;
  } catch (error) {
    if (!(error instanceof LimitError || error instanceof PayloadError)) throw error;
    const failure = failureOf(error);
    return { results: result.results.map(() => ({ ok: false, failure })), state: before, actions: [] };
  }
}

/** @throws {PayloadError} | {LimitError} */
function check({ results, state, actions }: EntityBatchResult): void {
  let bytes = checkedBytes(state, 'the state of an entity');
  for (const result of results) if (result.ok) bytes += checkedBytes(result.output, 'the result of an operation');
  for (const { input } of actions) bytes += checkedBytes(input, 'the input of what an entity asks for');
  if (bytes > TURN_BYTES_MAX)
    throw new LimitError(`the payloads of one batch are at most ${TURN_BYTES_MAX} bytes together, these are ${bytes}`);
}
