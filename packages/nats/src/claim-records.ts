// The claim records of an application in its streams: the last message of `tr.<app>.o.<partition>`, which says who holds
// the partition. Its sequence is the epoch, so that a write is conditional on the claim that it supersedes.
//
// L1  Reads are answered by the leader of the stream, never by a replica that may be behind.
// L2  A write is accepted, refused for certain, or unanswered; the last says nothing about it, now or later.

import { asError, type Claim, type HostId, type PartitionId } from '@troupe/actors';
import { isWrongSequence, json, sequenceOrError, type JetStream } from './jetstream.ts';
import { CLAIM_TIMEOUT_MS } from './limits.ts';
import { expecting } from './publication.ts';

/** Where the claims are. */
export interface ClaimNames {
  streamOf(partition: PartitionId): string;
  claim(partition: PartitionId): string;
}

export type ClaimWrite = { readonly accepted: Claim } | 'refused' | 'unanswered';

export class ClaimRecords {
  readonly #jetstream: JetStream;
  readonly #names: ClaimNames;
  /** Told why something was not answered. */
  readonly #failed: (reason: string) => void;

  constructor(jetstream: JetStream, names: ClaimNames, failed: (reason: string) => void) {
    this.#jetstream = jetstream;
    this.#names = names;
    this.#failed = failed;
  }

  /** Undefined: it could not be read. */
  async read(partition: PartitionId): Promise<Claim | undefined> {
    try {
      const found = await this.#jetstream.lastMessage(this.#names.streamOf(partition), this.#names.claim(partition));
      if (found === undefined) return { epoch: 0, holder: undefined, successor: undefined };
      return { epoch: found.sequence, ...decodeHolder(found.data) };
    } catch (error) {
      this.#failed(`the claim of partition ${partition} could not be read: ${asError(error).message}`);
      return undefined;
    }
  }

  async write(
    partition: PartitionId,
    expectedEpoch: number,
    holder: HostId | undefined,
    successor: HostId | undefined,
  ): Promise<ClaimWrite> {
    const body = json({ holder, successor });
    let reason: string;
    try {
      const { requests } = this.#jetstream;
      const subject = this.#names.claim(partition);
      const { data } = await requests.ask(subject, body, CLAIM_TIMEOUT_MS, expecting(expectedEpoch));
      const answer = sequenceOrError(data);
      if (typeof answer === 'number') return { accepted: { epoch: answer, holder, successor } };
      if (isWrongSequence(answer)) return 'refused';
      reason = `JetStream says ${answer.code} ${answer.description} (${answer.err_code})`;
    } catch (error) {
      reason = asError(error).message;
    }
    this.#failed(`the claim of partition ${partition} could not be written: ${reason}`);
    return 'unanswered';
  }
}

/** A record that nobody of ours wrote names nobody: whoever should have the partition supersedes it. */
function decodeHolder(data: Buffer): Pick<Claim, 'holder' | 'successor'> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data.toString());
  } catch {
    return { holder: undefined, successor: undefined };
  }
  const { holder, successor } = Object(parsed) as { holder?: unknown; successor?: unknown };
  return {
    holder: typeof holder === 'string' ? holder : undefined,
    successor: typeof successor === 'string' ? successor : undefined,
  };
}
