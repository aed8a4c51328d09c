// The few requests of the JetStream API that the store needs, as JSON over plain requests: the helpers of the client packages
// differ from each other and cost several times as much.

import { StoreUnavailableError } from '@troupe/actors';
import { READ_TIMEOUT_MS, WRITE_TIMEOUT_MS } from './limits.ts';
import type { Requests } from './requests.ts';
import type { WireMessage } from './wire.ts';

/** Numbers of errors that mean something to the store. */
export const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;
const NO_MESSAGE_FOUND = 10037;
const NO_MESSAGE_TO_DELETE = 10057;
const SEQUENCE_NOT_FOUND = 10043;
const NO_CONSUMER = 10014;
const WRONG_LAST_SEQUENCE = 10071;
const WRONG_LAST_SEQUENCE_CONSTANT = 10164;

/** What the server answers instead of a result. */
export interface ApiError {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

/** A request that the server refused. */
export class JetStreamError extends StoreUnavailableError {
  readonly errorCode: number;

  constructor(what: string, { code, err_code, description }: ApiError) {
    super(`${what}: JetStream says ${code} ${description} (${err_code})`, { wroteNothing: true });
    this.errorCode = err_code;
  }
}

/** A message of a stream. */
export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly data: Buffer;
  header(name: string): string | undefined;
}

export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly storage: 'file' | 'memory';
  readonly num_replicas: number;
  readonly max_msgs_per_subject: number;
  readonly discard: 'old' | 'new';
  readonly [other: string]: unknown;
}

export interface StreamInfo {
  readonly config: StreamConfig;
  readonly state: { readonly messages: number; readonly last_seq: number };
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly unknown[] };
}

/** The sequence in the acknowledgement of a publish, or the error in its place. */
export function sequenceOrError(data: Uint8Array): number | ApiError {
  // {"stream":"TROUPE_app_0","seq":123…
  if (data[2] === 0x73) {
    let at = 11;
    while (at < data.length && data[at] !== 0x22) at++;
    at += 8;
    if (data[at - 1] === 0x3a) {
      let sequence = 0;
      for (let digit = data[at]! - 48; digit >= 0 && digit <= 9; digit = data[++at]! - 48) {
        sequence = sequence * 10 + digit;
      }
      if (sequence > 0) return sequence;
    }
  }
  return slowly(data) ?? { code: 0, err_code: 0, description: 'an answer without a sequence' };
}

/** Undefined: it is no answer of JetStream. Whoever listens on the subject may have been faster, and decides nothing. */
function slowly(data: Uint8Array): number | ApiError | undefined {
  let answer: { readonly seq?: unknown; readonly error?: Partial<Record<keyof ApiError, unknown>> | null };
  try {
    answer = Object(parseJson(data)) as typeof answer;
  } catch {
    return undefined;
  }
  const { error, seq } = answer;
  if (typeof error?.code === 'number') {
    const { code, err_code, description } = error;
    return { code, err_code: typeof err_code === 'number' ? err_code : 0, description: String(description) };
  }
  return Number.isSafeInteger(seq) && (seq as number) > 0 ? (seq as number) : undefined;
}

/** Whether the error says that the subject is not at the expected sequence. */
export function isWrongSequence(error: ApiError): boolean {
  return error.err_code === WRONG_LAST_SEQUENCE || error.err_code === WRONG_LAST_SEQUENCE_CONSTANT;
}

export class JetStream {
  readonly requests: Requests;

  constructor(requests: Requests) {
    this.requests = requests;
  }

  /** @throws {JetStreamError} | {@link RequestError} */
  async createStream(config: StreamConfig): Promise<StreamInfo> {
    const what = `creating stream ${config.name}`;
    return (await this.#ask(what, `STREAM.CREATE.${config.name}`, config, WRITE_TIMEOUT_MS)) as StreamInfo;
  }

  /** Whether the error of a creation says that there is one of that name. */
  static nameIsTaken(error: unknown): boolean {
    return error instanceof JetStreamError && error.errorCode === STREAM_NAME_IN_USE;
  }

  /** Undefined when there is none. @throws {JetStreamError} | {@link RequestError} */
  async streamInfo(name: string): Promise<StreamInfo | undefined> {
    try {
      return (await this.#ask(`looking at stream ${name}`, `STREAM.INFO.${name}`, undefined)) as StreamInfo;
    } catch (error) {
      if (error instanceof JetStreamError && error.errorCode === STREAM_NOT_FOUND) return undefined;
      throw error;
    }
  }

  /** The last message of a subject as the leader has it. Never stale. */
  lastMessage(stream: string, subject: string): Promise<StoredMessage | undefined> {
    return this.#message(stream, { last_by_subj: subject });
  }

  /** A message as the leader has it. */
  messageAt(stream: string, sequence: number): Promise<StoredMessage | undefined> {
    return this.#message(stream, { seq: sequence });
  }

  /** The first message of the subjects that a filter names, as the leader has it. */
  firstMessage(stream: string, filter: string): Promise<StoredMessage | undefined> {
    return this.#message(stream, { seq: 1, next_by_subj: filter });
  }

  /** As {@link lastMessage}, from any replica: cheaper, and with several replicas maybe stale. */
  async lastMessageDirect(stream: string, subject: string): Promise<StoredMessage | undefined> {
    const request = `$JS.API.DIRECT.GET.${stream}.${subject}`;
    return directMessage(stream, await this.requests.ask(request, NOTHING, READ_TIMEOUT_MS));
  }

  /** As {@link messageAt}, from any replica: one that lags does not have it yet. */
  async messageAtDirect(stream: string, sequence: number): Promise<StoredMessage | undefined> {
    const request = `$JS.API.DIRECT.GET.${stream}`;
    return directMessage(stream, await this.requests.ask(request, json({ seq: sequence }), READ_TIMEOUT_MS));
  }

  /** Removes one message. False when it is not there (any more). */
  async deleteMessage(stream: string, sequence: number): Promise<boolean> {
    const body = Buffer.from(`{"seq":${sequence},"no_erase":true}`, 'latin1');
    const subject = `$JS.API.STREAM.MSG.DELETE.${stream}`;
    const { data } = await this.requests.ask(subject, body, WRITE_TIMEOUT_MS);
    const { error } = parseJson(data) as { error?: ApiError };
    if (error === undefined) return true;
    if ([NO_MESSAGE_TO_DELETE, NO_MESSAGE_FOUND, SEQUENCE_NOT_FOUND].includes(error.err_code)) return false;
    throw new JetStreamError(`deleting from ${stream}`, error);
  }

  /** Removes the messages of the subjects that a filter names whose sequences are below `belowSequence`. */
  async purge(stream: string, filter: string, belowSequence: number): Promise<void> {
    const body = { filter, seq: belowSequence };
    await this.#ask(`purging ${stream}`, `STREAM.PURGE.${stream}`, body, WRITE_TIMEOUT_MS);
  }

  /** Makes a consumer that lives as long as it is used; resolves with how many messages it will deliver at first. */
  async createConsumer(stream: string, name: string, config: object): Promise<number> {
    const body = { stream_name: stream, config: { name, ...config }, action: 'create' };
    const what = `reading stream ${stream}`;
    const answer = await this.#ask(what, `CONSUMER.CREATE.${stream}.${name}`, body, WRITE_TIMEOUT_MS);
    return (answer as { num_pending: number }).num_pending;
  }

  async deleteConsumer(stream: string, name: string): Promise<void> {
    try {
      await this.#ask(`reading stream ${stream}`, `CONSUMER.DELETE.${stream}.${name}`, undefined);
    } catch (error) {
      if (!(error instanceof JetStreamError && error.errorCode === NO_CONSUMER)) throw error;
    }
  }

  async #message(stream: string, which: object): Promise<StoredMessage | undefined> {
    try {
      const answer = (await this.#ask(`reading from ${stream}`, `STREAM.MSG.GET.${stream}`, which)) as {
        message: { subject: string; seq: number; hdrs?: string; data?: string };
      };
      const { subject, seq, hdrs, data } = answer.message;
      return {
        subject,
        sequence: seq,
        data: Buffer.from(data ?? '', 'base64'),
        header: (name) => (hdrs === undefined ? undefined : headerIn(Buffer.from(hdrs, 'base64').toString(), name)),
      };
    } catch (error) {
      if (error instanceof JetStreamError && error.errorCode === NO_MESSAGE_FOUND) return undefined;
      throw error;
    }
  }

  async #ask(what: string, subject: string, body: object | undefined, timeoutMs = READ_TIMEOUT_MS): Promise<object> {
    const data = body === undefined ? NOTHING : json(body);
    const message = await this.requests.ask(`$JS.API.${subject}`, data, timeoutMs);
    const answer = parseJson(message.data) as { error?: ApiError };
    if (answer.error !== undefined) throw new JetStreamError(what, answer.error);
    return answer;
  }
}

const NOTHING = new Uint8Array(0);

function directMessage(stream: string, message: WireMessage): StoredMessage | undefined {
  if (message.status === 404) return undefined;
  const sequence = Number(message.header('Nats-Sequence'));
  if (message.status !== 0 || !(sequence > 0)) {
    const description = message.header('Description') ?? 'an answer that is no message';
    throw new JetStreamError(`reading from ${stream}`, { code: message.status, err_code: 0, description });
  }
  return {
    subject: message.header('Nats-Subject') ?? '',
    sequence,
    data: asBuffer(message.data),
    header: (name) => message.header(name),
  };
}

/** The same bytes. */
export function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function headerIn(block: string, name: string): string | undefined {
  const start = block.indexOf(`\r\n${name}:`);
  if (start < 0) return undefined;
  const from = start + name.length + 3;
  return block.slice(from, block.indexOf('\r\n', from)).trim();
}

/** A value as the bytes of its JSON. */
export function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** The value of JSON that came. @throws {SyntaxError} when it is none */
export function parseJson(data: Uint8Array): unknown {
  return JSON.parse(asBuffer(data).toString());
}
