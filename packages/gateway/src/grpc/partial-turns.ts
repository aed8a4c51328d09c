// Answers that come in several messages, since one would be too large: they count when the last has come.

import type { DecodedAction, DecodedTurn } from './worker-answer.ts';

/** A message that does not go on where the one before ended. */
export class PartialTurnError extends Error {
  override readonly name = 'PartialTurnError';
}

interface Parts {
  readonly token: string;
  readonly actions: DecodedAction[];
  bytes: number;
  next: number;
}

export class PartialTurns {
  readonly #bytesMax: number;
  readonly #parts = new Map<string, Parts>();
  #bytes = 0;

  /** @param bytesMax what all parts that wait may take together */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * The answer with the actions of all its parts; undefined: there are more to come.
   *
   * @param token names the turn that is answered: what came for an earlier one does not count
   * @throws {PartialTurnError} then nothing of it is kept
   */
  take(answer: DecodedTurn, token: string, bytes: number): DecodedTurn | undefined {
    const { instanceId, isPartial, chunkIndex } = answer;
    let parts = this.#parts.get(instanceId);
    if (parts !== undefined && (parts.token !== token || chunkIndex?.value === 0)) {
      this.#forget(instanceId, parts);
      parts = undefined;
    }
    if (parts === undefined && !isPartial) {
      if (chunkIndex !== null && chunkIndex.value > 0)
        throw new PartialTurnError('the parts before the last are missing');
      return answer;
    }
    parts ??= { token, actions: [], bytes: 0, next: 0 };
    const index = chunkIndex?.value ?? parts.next;
    if (index !== parts.next || this.#bytes + bytes > this.#bytesMax) {
      this.#forget(instanceId, parts);
      throw new PartialTurnError(
        index === parts.next
          ? `the parts of answers that wait take more than ${this.#bytesMax} bytes`
          : `part ${index} of an answer came where part ${parts.next} was due`,
      );
    }
    parts.next++;
    parts.bytes += bytes;
    this.#bytes += bytes;
    parts.actions.push(...answer.actions);
    this.#parts.set(instanceId, parts);
    if (isPartial) return undefined;
    this.#forget(instanceId, parts);
    return withActions(answer, parts.actions);
  }

  #forget(instanceId: string, parts: Parts): void {
    this.#bytes -= parts.bytes;
    this.#parts.delete(instanceId);
  }
}

/** A decoded message has its defaults on its prototype: a spread would lose them. */
function withActions(answer: DecodedTurn, actions: readonly DecodedAction[]): DecodedTurn {
  return Object.create(answer, { actions: { value: actions } }) as DecodedTurn;
}
