// The published package reads what this one writes, and the other way round. It is no judge of what is refused: it makes ids
// for events that have none, and escapes nothing in headers.

import { CloudEvent, HTTP, type CloudEventV1, type Message } from 'cloudevents';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBatch, readEvent } from '../src/cloud-event.ts';
import { writeBinary, writeStructured } from '../src/cloud-event-writer.ts';
import { encodeAttribute, readHttpHeaders } from '../src/http-message.ts';
import type { RawMessage, TriggerEvent } from '../src/trigger-event.ts';
import { attributeText, events, messageOf } from './event-kit.ts';

/** What needs no escape in a header. */
const plainText = attributeText('grapheme-ascii').filter((text) => !/["%]/.test(text) && text.trim() === text);
const plainSources = fc.constantFrom(
  '/mycontext',
  'https://example.com/a?b=c#d',
  'urn:uuid:6e8bc430',
  '1-555-123-4567',
);

/**
 * What it does its own way: an event without a time gets one, scalars as data are lost or become other ones, and bytes in
 * binary mode are read as text.
 */
const theirEvents = events(plainText, plainSources)
  .map((event) => ({ ...event, time: event.time ?? '2026-01-01T00:00:00.000Z' }))
  .filter(
    ({ data, dataSchema }) =>
      (data === undefined || (typeof data === 'object' && data !== null && !(data instanceof Uint8Array))) &&
      !dataSchema?.includes('%'),
  );

function theirs(event: TriggerEvent): CloudEventV1<unknown> {
  const { dataSchema, dataContentType, extensions, headers: _, traceparent: __, ...rest } = event;
  return new CloudEvent({
    ...rest,
    ...(dataSchema !== undefined && { dataschema: dataSchema }),
    ...(dataContentType !== undefined && { datacontenttype: dataContentType }),
    ...extensions,
  });
}

function receivedFrom({ headers, body }: Message): RawMessage {
  const sent = new Headers(Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]));
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return messageOf({ ...readHttpHeaders(sent), ...(bytes !== undefined && { body: bytes }) });
}

function essentials(event: TriggerEvent | CloudEventV1<unknown>): unknown {
  const known = ['id', 'source', 'type', 'subject', 'time', 'data'] as const;
  return Object.fromEntries(known.map((name) => [name, event[name]]));
}

test('what the package writes in structured mode is read', () => {
  fc.assert(
    fc.property(theirEvents, (event) => {
      const read = readEvent(receivedFrom(HTTP.structured(theirs(event))));
      expect(essentials(read)).toEqual(essentials(event));
      expect(read.extensions).toEqual(event.extensions);
    }),
  );
});

test('what the package writes in binary mode is read', () => {
  fc.assert(
    fc.property(theirEvents, (event) => {
      const message = HTTP.binary(theirs(event));
      const read = readEvent(receivedFrom(message));
      expect(essentials(read)).toEqual(essentials(event));
      expect(read.dataSchema).toEqual(event.dataSchema);
    }),
  );
});

test('the package reads what is written in structured mode', () => {
  fc.assert(
    fc.property(theirEvents, (event) => {
      const message = { headers: { 'content-type': 'application/cloudevents+json' }, body: writeStructured(event) };
      const read = HTTP.toEvent(message) as CloudEventV1<unknown>;
      expect(essentials(read)).toEqual(essentials(event));
      expect(read).toMatchObject(event.extensions);
    }),
  );
});

test('the package reads what is written in binary mode', () => {
  fc.assert(
    fc.property(theirEvents, (event) => {
      const { attributes, contentType, body } = writeBinary(event);
      const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
      const message = {
        headers: contentType === undefined ? headers : { ...headers, 'content-type': contentType },
        body: body.length === 0 ? undefined : Buffer.from(body).toString(),
      };
      // It parses the data of one JSON media type only.
      fc.pre(contentType === undefined || contentType.startsWith('application/json'));
      const read = HTTP.toEvent(message) as CloudEventV1<unknown>;
      expect(essentials(read)).toEqual(essentials(event));
    }),
  );
});

test('bytes and text pass both ways', () => {
  const bytes = new CloudEvent({
    id: '1',
    source: '/s',
    type: 't',
    datacontenttype: 'image/png',
    data: new Uint8Array([0, 255]),
  });
  expect(readEvent(receivedFrom(HTTP.structured(bytes))).data).toEqual(Buffer.from([0, 255]));
  const text = new CloudEvent({ id: '1', source: '/s', type: 't', datacontenttype: 'text/plain', data: 'häh' });
  expect(readEvent(receivedFrom(HTTP.structured(text))).data).toBe('häh');
  expect(readEvent(receivedFrom(HTTP.binary(text))).data).toBe('häh');
  const message = {
    headers: { 'content-type': 'application/cloudevents+json' },
    body: writeStructured(readEvent(receivedFrom(HTTP.structured(bytes)))),
  };
  expect((HTTP.toEvent(message) as CloudEventV1<unknown>).data_base64).toBe('AP8=');
});

test('the package makes an id where there is none; here that is refused', () => {
  const body = '{"specversion":"1.0","source":"/s","type":"t"}';
  const headers = { 'content-type': 'application/cloudevents+json' };
  expect((HTTP.toEvent({ headers, body }) as CloudEventV1<unknown>).id).not.toBe('');
  expect(() => readEvent(messageOf({ contentType: headers['content-type'], text: body }))).toThrow(/no id/);
  expect(readBatch(Buffer.from(`[${body}]`))[0]!.error?.message).toMatch(/no id/);
});

test('values in headers are escaped as the binding has it', () => {
  expect(encodeAttribute('Euro € 😀')).toBe('Euro%20%E2%82%AC%20%F0%9F%98%80');
  expect(encodeAttribute('100% "safe"~!')).toBe('100%25%20%22safe%22~!');
});
