// Requests to an API server of Kubernetes. `fetch` would do but for the certificate authority that nearly every cluster has of
// its own: Node's cannot be given one.

import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { Clock } from '@troupe/actors';
import { API_ERROR_BYTES_MAX, API_REQUEST_TIMEOUT_MS, LIST_PAGE_BYTES_MAX, WATCH_LINE_BYTES_MAX } from '../limits.ts';

export interface ApiAccess {
  readonly url: URL;
  /** Asked for each request: tokens of service accounts are renewed within the hour. */
  readonly token: () => Promise<string | undefined>;
  readonly ca: string | undefined;
}

/** The API server refused; `body` is what it said, a `Status` most often. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, message: string, body?: unknown) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** The versions that were asked for are gone: everything has to be listed. */
export const GONE = 410;

export class ApiServer {
  readonly #access: ApiAccess;
  readonly #clock: Clock;
  readonly #agent: HttpAgent;

  constructor(access: ApiAccess, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
    this.#agent =
      access.url.protocol === 'https:'
        ? new HttpsAgent({ keepAlive: true, ...(access.ca !== undefined && { ca: access.ca }) })
        : new HttpAgent({ keepAlive: true });
  }

  /** @throws {ApiError} */
  async json(path: string, query: URLSearchParams, signal: AbortSignal): Promise<unknown> {
    return await this.#within(API_REQUEST_TIMEOUT_MS, signal, async (limited) => {
      const response = await this.#get(path, query, limited);
      return JSON.parse((await textOf(response, LIST_PAGE_BYTES_MAX)).text) as unknown;
    });
  }

  /**
   * The lines of an answer as they come; it is ended after `timeoutMs`. `begun` is called when the server has accepted.
   *
   * @throws {ApiError}
   */
  async lines(
    path: string,
    query: URLSearchParams,
    options: {
      readonly timeoutMs: number;
      readonly signal: AbortSignal;
      readonly begun: () => void;
      readonly line: (text: string) => Promise<void>;
    },
  ): Promise<void> {
    await this.#within(options.timeoutMs, options.signal, async (limited) => {
      const response = await this.#within(
        API_REQUEST_TIMEOUT_MS,
        limited,
        async () => await this.#get(path, query, limited),
      );
      options.begun();
      for await (const line of linesOf(response)) await options.line(line);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #within<T>(timeoutMs: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const overdue = new AbortController();
    const cancel = this.#clock.setTimeout(
      () => overdue.abort(new ApiError(504, `the API server has not answered within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const both = AbortSignal.any([signal, overdue.signal]);
    try {
      return await work(both);
    } catch (error) {
      // What was aborted says only that it was.
      throw overdue.signal.aborted ? overdue.signal.reason : error;
    } finally {
      cancel();
    }
  }

  async #get(path: string, query: URLSearchParams, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, token } = this.#access;
    const bearer = await token();
    const target = new URL(`${url.pathname.replace(/\/$/, '')}${path}?${query.toString()}`, url);
    const headers = { accept: 'application/json', ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) };
    const request = target.protocol === 'https:' ? requestHttps : requestHttp;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(target, { agent: this.#agent, headers, signal }, resolve).on('error', reject).end();
    });
    if (response.statusCode === 200) return response;
    throw await refusal(response);
  }
}

/** Reads a token from a file for each request; without one there is none. */
export function tokenFrom(file: string): () => Promise<string> {
  return async () => (await readFile(file, 'utf8')).trim();
}

async function refusal(response: IncomingMessage): Promise<ApiError> {
  const { text, isWhole } = await textOf(response, API_ERROR_BYTES_MAX, true);
  let body: unknown;
  if (isWhole) {
    try {
      body = JSON.parse(text);
    } catch {
      // A proxy's page: its status says enough.
    }
  }
  const said = messageOf(body);
  return new ApiError(response.statusCode ?? 0, `${response.statusCode}${said === undefined ? '' : `: ${said}`}`, body);
}

/** What a `Status` says. */
export function messageOf(status: unknown): string | undefined {
  const message = typeof status === 'object' && status !== null && 'message' in status ? status.message : undefined;
  return typeof message === 'string' ? message.slice(0, 1_000) : undefined;
}

async function textOf(
  response: IncomingMessage,
  bytesMax: number,
  mayCut = false,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      // Leaving the loop ends the connection.
      if (mayCut) return { text: '', isWhole: false };
      throw new ApiError(200, `an answer of the API server has more than ${bytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  if (!response.complete) throw new ApiError(502, 'an answer of the API server was cut off');
  return { text: Buffer.concat(chunks).toString(), isWhole: true };
}

const NEWLINE = 10;

/** A line feed is no part of any other character in UTF-8: lines are cut as bytes and read as text when they are whole. */
async function* linesOf(response: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, end));
      const line = Buffer.concat(parts).toString().trim();
      parts = [];
      bytes = 0;
      from = end + 1;
      if (line !== '') yield line;
    }
    if (from === chunk.length) continue;
    parts.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > WATCH_LINE_BYTES_MAX)
      throw new ApiError(200, `a line of a watch has more than ${WATCH_LINE_BYTES_MAX} bytes`);
  }
  // What is left was cut off; it comes again with the next watch.
}
