// Bodies, read within a size and a time. On Node they are read from the message itself: that is the only place where an
// endless body can be left unread.

import type { IncomingMessage } from 'node:http';
import { jsonDepth, jsonErrorPosition, TextPayload } from '@troupe/actors';
import { badRequest, Problem } from './problem.ts';
import { JSON_DEPTH_MAX } from './limits.ts';

/** How much body is read, and for how long. */
export interface BodyLimits {
  readonly bodyBytesMax: number;
  readonly bodyTimeoutMs: number;
}

const EMPTY = new Uint8Array(0);

/**
 * The raw bytes of a request's body; empty when there is none.
 *
 * @throws {Problem} 413, 408, 415, or 400 when the client gave up
 */
export async function readBody(
  request: Request,
  incoming: IncomingMessage | undefined,
  limits: BodyLimits,
): Promise<Uint8Array> {
  const encoding = request.headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw new Problem(415, 'ENCODING_UNSUPPORTED', {
      message: `the content encoding ${JSON.stringify(encoding)} is not read`,
      hint: 'Send the body uncompressed.',
      closes: true,
    });
  }
  const length = request.headers.get('content-length');
  if (length !== null && Number(length) > limits.bodyBytesMax) throw tooLarge(limits);
  if (incoming === undefined) return request.body === null ? EMPTY : readStream(request.body, limits);
  if (incoming.headers['transfer-encoding'] === undefined && (length === null || Number(length) === 0)) return EMPTY;
  // A body parser in front has read it: what it made of the body must do.
  if (incoming.readableDidRead || incoming.readableEnded) return parsedBody(incoming, request, limits);
  return readIncoming(incoming, limits);
}

function readIncoming(incoming: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (problem?: Problem): void => {
      clearTimeout(timer);
      incoming.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (problem === undefined) resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      else {
        incoming.pause();
        reject(problem);
      }
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limits.bodyBytesMax) settle(tooLarge(limits));
      else chunks.push(chunk);
    };
    const onEnd = (): void => settle();
    const onClose = (): void =>
      settle(badRequest('BODY_INCOMPLETE', 'the connection closed before the body was complete'));
    const timer = setTimeout(() => settle(tooSlow(limits)), limits.bodyTimeoutMs);
    incoming.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

async function parsedBody(incoming: IncomingMessage, request: Request, limits: BodyLimits): Promise<Uint8Array> {
  const parsed = (incoming as { body?: unknown }).body;
  if (parsed instanceof Uint8Array) return parsed;
  const text = typeof parsed === 'string' ? parsed : parsed === undefined ? undefined : JSON.stringify(parsed);
  // Middleware of a Hono application may have read it through the Request.
  if (text === undefined && !request.bodyUsed) return request.body === null ? EMPTY : readStream(request.body, limits);
  if (text === undefined)
    throw new TypeError('the body was read before the gateway saw it: mount the gateway before body parsers');
  return Buffer.from(text);
}

async function readStream(stream: ReadableStream<Uint8Array>, limits: BodyLimits): Promise<Uint8Array> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(tooSlow(limits)), limits.bodyTimeoutMs);
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return Buffer.concat(chunks);
      size += value.byteLength;
      if (size > limits.bodyBytesMax) throw tooLarge(limits);
      chunks.push(value);
    }
  } catch (error) {
    // The rest is of no use; a stream that cannot be cancelled is not our concern.
    reader.cancel(error).catch(() => {});
    throw error instanceof Problem ? error : badRequest('BODY_INCOMPLETE', 'the body could not be read to its end');
  } finally {
    clearTimeout(timer);
  }
}

function tooLarge({ bodyBytesMax }: BodyLimits): Problem {
  return new Problem(413, 'BODY_TOO_LARGE', {
    message: `the body is larger than ${bodyBytesMax} bytes`,
    hint: 'Keep large data elsewhere and send a reference, or raise bodyBytesMax.',
    closes: true,
  });
}

function tooSlow({ bodyTimeoutMs }: BodyLimits): Problem {
  return new Problem(408, 'BODY_TIMEOUT', {
    message: `the body was not complete after ${bodyTimeoutMs} ms`,
    closes: true,
  });
}

/**
 * A body as text.
 *
 * @throws {Problem} 400 when it is not UTF-8
 */
export function bodyText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // A fatal decoder throws for nothing but this.
    throw badRequest('BODY_INVALID', 'the body is not UTF-8', 'Send JSON in UTF-8.');
  }
}

/**
 * A body as the JSON value that it holds; undefined when it is empty.
 *
 * @throws {Problem} 400 with the position of what is wrong
 */
export function bodyJson(bytes: Uint8Array): unknown {
  const text = bodyText(bytes);
  if (text.trim() === '') return undefined;
  try {
    return checkedParse(text);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const position = jsonErrorPosition(text);
    const found =
      position.offset >= text.length
        ? 'the text ends too early'
        : `unexpected ${JSON.stringify(text[position.offset])}`;
    throw badRequest(
      'JSON_INVALID',
      `the body is not JSON: ${found} at line ${position.line}, column ${position.column}`,
      'Send one JSON value, or no body.',
      {
        position,
      },
    );
  }
}

/** A body as the text that it is, JSON or not; undefined when it is empty. Dapr's clients send both. */
export function bodyTextPayload(bytes: Uint8Array): TextPayload | undefined {
  const text = bodyText(bytes);
  return text === '' ? undefined : new TextPayload(text);
}

function checkedParse(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (typeof value === 'object' && jsonDepth(text) > JSON_DEPTH_MAX) {
    throw badRequest('JSON_TOO_DEEP', `the body is nested deeper than ${JSON_DEPTH_MAX} levels`, 'Send flatter data.');
  }
  return value;
}
