import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBatch, readEvent } from '../src/cloud-event.ts';
import { writeBatch, writeBinary, writeStructured } from '../src/cloud-event-writer.ts';
import { EventFormatError } from '../src/errors.ts';
import { encodeAttribute, readHttpHeaders } from '../src/http-message.ts';
import type { RawMessage, TriggerEvent } from '../src/trigger-event.ts';
import { events, messageOf, structuredMessage } from './event-kit.ts';

/** In binary mode attributes are strings. */
function withTextExtensions(event: TriggerEvent): TriggerEvent {
  const extensions = Object.fromEntries(Object.entries(event.extensions).map(([name, value]) => [name, String(value)]));
  return { ...event, extensions };
}

test('an event is read as it was written, in structured mode', () => {
  fc.assert(
    fc.property(events(), (event) => {
      expect(readEvent(structuredMessage(writeStructured(event)))).toEqual(event);
    }),
  );
});

test('an event is read as it was written, in binary mode', () => {
  fc.assert(
    fc.property(events(), (event) => {
      expect(readEvent(messageOf(writeBinary(event)))).toEqual(withTextExtensions(event));
    }),
  );
});

test('an event is read as it was written, in the headers of HTTP', () => {
  fc.assert(
    fc.property(events(), (event) => {
      const { attributes, contentType, body } = writeBinary(event);
      const headers = new Headers(
        Object.entries(attributes).map(([name, value]) => [`CE-${name}`, encodeAttribute(value)] as [string, string]),
      );
      if (contentType !== undefined) headers.set('content-type', contentType);
      expect(readEvent(messageOf({ ...readHttpHeaders(headers), body }))).toEqual(withTextExtensions(event));
    }),
  );
});

test('a batch is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(events(), { maxLength: 5 }), (list) => {
      const elements = readBatch(Buffer.from(writeBatch(list)));
      expect(elements).toEqual(list.map((event, index) => ({ index, event })));
    }),
  );
});

test('data that has a type but none on the wire gets the one that it has', () => {
  const event = { source: '/s', id: '1', type: 't', extensions: {}, headers: {} };
  expect(writeBinary({ ...event, data: { at: new Date(0), big: 1n } })).toMatchObject({
    contentType: 'application/json',
    body: Buffer.from('{"at":"1970-01-01T00:00:00.000Z","big":"1"}'),
  });
  const bytes = { ...event, data: Buffer.from([255]) };
  expect(writeBinary(bytes).contentType).toBe('application/octet-stream');
  expect(readEvent(structuredMessage(writeStructured(bytes))).data).toEqual(Buffer.from([255]));
  expect(() => writeBinary({ ...event, data: 'é', dataContentType: 'text/plain; charset=latin1' })).toThrow(
    EventFormatError,
  );
});

test('the source of a plain message is written so that it can be read', () => {
  const plain = { source: 'mqtt/my topic', id: '1', type: 't' };
  const event = readEvent(messageOf({ plain, text: '1' }));
  expect(readEvent(structuredMessage(writeStructured(event)))).toEqual({ ...event, source: 'mqtt/my%20topic' });
});

/** What is read, or that nothing but an EventFormatError was thrown. */
function readOrRefused(read: () => readonly TriggerEvent[]): readonly TriggerEvent[] {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(EventFormatError);
    return [];
  }
}

function batchEvents(body: Uint8Array): readonly TriggerEvent[] {
  return readBatch(body).flatMap(({ event }) => (event === undefined ? [] : [event]));
}

const contentTypes = fc.oneof(
  fc.constantFrom(
    undefined,
    'application/cloudevents+json',
    'application/cloudevents-batch+json',
    'application/json',
    'text/plain',
    'text/plain; charset=utf-16le',
    'image/png',
  ),
  fc.string({ unit: 'binary' }),
);

test('random messages are events or refused', () => {
  const messages: fc.Arbitrary<RawMessage> = fc.record({
    body: fc.uint8Array(),
    contentType: contentTypes,
    attributes: fc.dictionary(
      fc.oneof(fc.constantFrom('specversion', 'id', 'source', 'type', 'time', 'datacontenttype'), fc.string()),
      fc.oneof(fc.constantFrom('1.0', '/s'), fc.string({ unit: 'binary' })),
    ),
    headers: fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
    plain: fc.record({
      source: fc.string({ unit: 'binary' }),
      id: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
      type: fc.string({ unit: 'binary' }),
    }),
  });
  fc.assert(
    fc.property(messages, (message) => {
      readOrRefused(() => [readEvent(message)]);
      readOrRefused(() => batchEvents(message.body));
    }),
    { numRuns: 2_000 },
  );
});

test('what is left of a valid event after a change has its id from the wire, or is refused', () => {
  const spliced = fc.record({
    event: events(),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    removed: fc.nat(8),
    added: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.constantFrom('"', '{', '}', '[', ',', ':', 'null').map(Buffer.from),
    ),
  });
  fc.assert(
    fc.property(spliced, fc.boolean(), ({ event, at, removed, added }, batched) => {
      const whole = Buffer.from(batched ? writeBatch([event]) : writeStructured(event));
      const start = Math.floor(at * whole.length);
      const body = Buffer.concat([whole.subarray(0, start), added, whole.subarray(start + removed)]);
      const contentType = 'application/cloudevents+json';
      const read = readOrRefused(() => (batched ? batchEvents(body) : [readEvent(messageOf({ contentType, body }))]));
      for (const { id, source } of read) {
        const value: unknown = JSON.parse(body.toString());
        expect(batched ? value : [value]).toContainEqual(expect.objectContaining({ id, source }));
      }
    }),
    { numRuns: 2_000 },
  );
});
