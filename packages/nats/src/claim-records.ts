// The claim records of an application in its streams: the last message of `tr.<app>.o.<partition>`, which says who holds
// the partition. Its sequence is the epoch, so that a write is conditional on the claim that it supersedes.
//
// L1  Reads are answered by the leader of the stream, never by a replica that may be behind.
// L2  A write is accepted, refused for certain, or unanswered; the last says nothing about it, now or later.

import type { Claim, HostId, PartitionId } from '@troupe/actors';
import { CLAIM_TIMEOUT_MS } from './limits.ts';
import type { Requests } from './requests.ts';
import { WireHeaders } from './wire-headers.ts';

/** Where the claims are. */
export interface ClaimNames {
  streamOf(partition: PartitionId): string;
  claim(partition: PartitionId): string;
}

export type ClaimWrite = { readonly accepted: Claim } | 'refused' | 'unanswered';

const NO_MESSAGE_FOUND = 10037;
/** Of the second kind only newer servers with several replicas speak: another write of the same subject is under way. */
const WRONG_LAST_SEQUENCE = [10071, 10164];

interface ApiError {
  readonly code?: number;
  readonly err_code?: number;
  readonly description?: string;
}

interface ReadAnswer {
  readonly error?: ApiError;
  readonly message?: { readonly seq?: unknown; readonly data?: unknown };
}

interface WriteAnswer {
  readonly error?: ApiError;
  readonly seq?: unknown;
}

export class ClaimRecords {
  readonly #requests: Requests;
  readonly #names: ClaimNames;
  /** Told why something was not answered. */
  readonly #failed: (reason: string) => void;

  constructor(requests: Requests, names: ClaimNames, failed: (reason: string) => void) {
    this.#requests = requests;
    this.#names = names;
    this.#failed = failed;
  }

  /** Undefined: it could not be read. */
  async read(partition: PartitionId): Promise<Claim | undefined> {
    const subject = `$JS.API.STREAM.MSG.GET.${this.#names.streamOf(partition)}`;
    const answer: ReadAnswer | undefined = await this.#ask(subject, { last_by_subj: this.#names.claim(partition) });
    if (answer === undefined) return undefined;
    const { error, message } = answer;
    if (error?.err_code === NO_MESSAGE_FOUND) return { epoch: 0, holder: undefined, successor: undefined };
    const { seq, data } = message ?? {};
    if (typeof seq === 'number' && typeof data === 'string') {
      return { epoch: seq, ...decodeHolder(Buffer.from(data, 'base64')) };
    }
    this.#failed(`the claim of partition ${partition} could not be read: ${reasonOf(error)}`);
    return undefined;
  }

  async write(
    partition: PartitionId,
    expectedEpoch: number,
    holder: HostId | undefined,
    successor: HostId | undefined,
  ): Promise<ClaimWrite> {
    const headers = new WireHeaders({ 'Nats-Expected-Last-Subject-Sequence': String(expectedEpoch) });
    const answer: WriteAnswer | undefined = await this.#ask(
      this.#names.claim(partition),
      { holder, successor },
      headers,
    );
    if (answer === undefined) return 'unanswered';
    if (typeof answer.seq === 'number') return { accepted: { epoch: answer.seq, holder, successor } };
    if (WRONG_LAST_SEQUENCE.includes(answer.error?.err_code ?? 0)) return 'refused';
    this.#failed(`the claim of partition ${partition} could not be written: ${reasonOf(answer.error)}`);
    return 'unanswered';
  }

  async #ask(subject: string, body: object, headers?: WireHeaders): Promise<object | undefined> {
    try {
      const data = Buffer.from(JSON.stringify(body));
      const answer = await this.#requests.ask(subject, data, CLAIM_TIMEOUT_MS, headers);
      const parsed: unknown = JSON.parse(Buffer.from(answer.data).toString());
      if (typeof parsed === 'object' && parsed !== null) return parsed;
      this.#failed(`${subject} was answered by something that is no object`);
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
    return undefined;
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

function reasonOf(error: ApiError | undefined): string {
  return error === undefined
    ? 'the answer is not one of JetStream'
    : `${error.code} ${error.description} (${error.err_code})`;
}
