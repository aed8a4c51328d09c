// Reads what came as events: CloudEvents 1.0 in the structured, binary and batched modes, and messages that are none.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
//
// E1. The id and the source of an event are those on the wire, or none is made of it. Only a message that is no CloudEvent, and
//     whose transport gives it no id, is named by the hash of its data.
// E2. An event that two readers could read differently is refused: a key that it has twice, a content type that it has twice.
// E3. Whatever mode it came in, an event's data is decoded by its media type alone. Without one it is JSON, as the JSON
//     format has it; a source whose messages are something else says so.
// E4. What comes out can be stored. Whatever comes in, nothing but EventFormatError is thrown.

import { repeatedKey } from '@troupe/actors';
import { EventFormatError } from './errors.ts';
import { checkText, readAttributes, type EventAttributes } from './event-attributes.ts';
import { bytesOf, checkStorable, dataOf, described, jsonOf } from './event-data.ts';
import { contentId } from './event-id.ts';
import { BATCH_LENGTH_MAX } from './limits.ts';
import { readMediaType } from './media-type.ts';
import { isTimestamp } from './timestamp.ts';
import type { RawMessage, TriggerEvent } from './trigger-event.ts';

/** The media type of an event in the structured mode. */
export const STRUCTURED = 'application/cloudevents+json';
const BATCHED = 'application/cloudevents-batch+json';
const JSON_TYPE = 'application/json';

/** An event of a batch, or why it is none; `body` is then what it came as, for whoever keeps it. */
export type BatchElement = { readonly index: number } & (
  | { readonly event: TriggerEvent; readonly error?: undefined }
  | { readonly error: EventFormatError; readonly body: Uint8Array; readonly event?: undefined }
);

/**
 * The event that a message is.
 *
 * @throws {EventFormatError} when it is none and never will be
 */
export function readEvent(message: RawMessage): TriggerEvent {
  const mode = modeOf(message);
  if (mode === 'batched') throw new EventFormatError('the message is a batch of events; one event is expected');
  if (mode === 'structured') {
    const { value, text } = jsonOf(message.body, 'the event');
    checkKeys(text, 1);
    return eventOf(value, message.headers);
  }
  return mode === 'binary' ? binaryEvent(message) : plainEvent(message);
}

/** Whether a message is a batch, for {@link readBatch}. */
export function isBatch(message: RawMessage): boolean {
  return modeOf(message) === 'batched';
}

/**
 * The events of a batch in their order. One that is wrong does not spoil the others.
 *
 * @throws {EventFormatError} when the whole is no batch
 */
export function readBatch(body: Uint8Array, headers: Readonly<Record<string, string>> = {}): readonly BatchElement[] {
  const { value, text } = jsonOf(body, 'the batch');
  if (!Array.isArray(value)) throw new EventFormatError(`a batch is an array of events, got ${described(value)}`);
  if (value.length > BATCH_LENGTH_MAX)
    throw new EventFormatError(`a batch has at most ${BATCH_LENGTH_MAX} events, got ${value.length}`);
  // Which of them it is does not matter: who writes one key twice writes no JSON that can be trusted.
  checkKeys(text, 2);
  return value.map((element: unknown, index) => {
    try {
      return { index, event: eventOf(element, headers) };
    } catch (error) {
      if (!(error instanceof EventFormatError)) throw error;
      return {
        index,
        error: new EventFormatError(`event ${index} of the batch: ${error.message}`, { cause: error }),
        body: Buffer.from(JSON.stringify(element)),
      };
    }
  });
}

type Mode = 'structured' | 'batched' | 'binary' | 'plain';

/** By the content type first, as the bindings of all protocols say. */
function modeOf({ contentType, attributes }: RawMessage): Mode {
  if (contentType !== undefined && /^application\/cloudevents/i.test(contentType)) {
    const { essence, charset } = readMediaType(contentType);
    if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset))
      throw new EventFormatError(`an event in JSON is UTF-8, got charset ${described(charset)}`);
    if (essence === STRUCTURED) return 'structured';
    if (essence === BATCHED) return 'batched';
    throw new EventFormatError(`events are read as ${STRUCTURED} and ${BATCHED}, got ${described(essence)}`);
  }
  if (attributes['specversion'] !== undefined) return 'binary';
  const looksLikeOne = ['id', 'source', 'type'].every((name) => attributes[name] !== undefined);
  if (looksLikeOne) throw new EventFormatError('the event has an id, a source and a type, but no specversion');
  return 'plain';
}

function binaryEvent({ body, contentType, attributes, headers }: RawMessage): TriggerEvent {
  const own = attributes['datacontenttype'];
  if (own !== undefined && contentType !== undefined && own !== contentType) {
    throw new EventFormatError(
      `the event has two content types, ${described(contentType)} and, as its attribute, ${described(own)}`,
    );
  }
  const read = readAttributes({ ...attributes, datacontenttype: contentType ?? own });
  return eventWith(read, headers, bodyData(body, read.dataContentType));
}

function plainEvent({ body, contentType, headers, plain }: RawMessage): TriggerEvent {
  const { source, type, subject, time } = plain;
  checkText('source', source);
  checkText('type', type);
  if (subject !== undefined) checkText('subject', subject);
  if (time !== undefined && !isTimestamp(time))
    throw new EventFormatError(`the time is one as in RFC 3339, got ${described(time)}`);
  const read = bodyData(body, contentType);
  const id = plain.id ?? contentId(read.data);
  checkText('id', id);
  return eventWith(
    {
      source,
      id,
      type,
      ...(subject !== undefined && { subject }),
      ...(time !== undefined && { time }),
      extensions: {},
    },
    headers,
    read,
  );
}

interface ReadData {
  readonly data: unknown;
  readonly dataContentType: string | undefined;
}

/** The data of a message whose body it is. An empty body is no data: nothing else can tell that there is none. */
function bodyData(body: Uint8Array, contentType: string | undefined): ReadData {
  if (body.length === 0) {
    if (contentType !== undefined) readMediaType(contentType);
    return { data: undefined, dataContentType: contentType };
  }
  return { data: dataOf(body, readMediaType(contentType ?? JSON_TYPE)), dataContentType: contentType ?? JSON_TYPE };
}

/** One event of the JSON format. */
function eventOf(value: unknown, headers: Readonly<Record<string, string>>): TriggerEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new EventFormatError(`an event is a JSON object, got ${described(value)}`);
  const { data, data_base64: base64, ...attributes } = value as Record<string, unknown>;
  const read = readAttributes(attributes);
  return eventWith(read, headers, memberData(data, base64 ?? undefined, read.dataContentType));
}

function memberData(data: unknown, base64: unknown, contentType: string | undefined): ReadData {
  if (base64 !== undefined) {
    if (data !== undefined) throw new EventFormatError('an event has data or data_base64, not both');
    const bytes = bytesOf(base64, 'data_base64');
    // Only `data` is JSON without a word.
    return {
      data: contentType === undefined ? bytes : dataOf(bytes, readMediaType(contentType)),
      dataContentType: contentType,
    };
  }
  if (data === undefined) return { data, dataContentType: contentType };
  const { kind } = readMediaType(contentType ?? JSON_TYPE);
  if (kind !== 'json' && typeof data !== 'string') {
    throw new EventFormatError(`the data of an event of ${contentType} is a string, got ${described(data)}`);
  }
  checkStorable(data, 'the data');
  return {
    data: kind === 'bytes' ? Buffer.from(data as string) : data,
    dataContentType: contentType ?? JSON_TYPE,
  };
}

function eventWith(
  attributes: EventAttributes,
  headers: Readonly<Record<string, string>>,
  { data, dataContentType }: ReadData,
): TriggerEvent {
  // The trace of the event itself (its extension), else that of the hop which brought it.
  const traceparent = [attributes.extensions['traceparent'], headers['traceparent']].find(isTraceparent);
  const event: TriggerEvent = {
    ...attributes,
    ...(dataContentType !== undefined && { dataContentType }),
    headers,
    data,
    ...(traceparent !== undefined && { traceparent }),
  };
  checkStorable(data, 'the data');
  checkStorable(headers, 'the headers');
  return event;
}

function isTraceparent(value: unknown): value is string {
  return (
    typeof value === 'string' && /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/.test(value)
  );
}

function checkKeys(text: string, depth: number): void {
  const key = repeatedKey(text, depth);
  if (key !== undefined) throw new EventFormatError(`the event has ${described(key)} twice`);
}
