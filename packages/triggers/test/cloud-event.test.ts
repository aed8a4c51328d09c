import { describe, expect, test } from 'vitest';
import { isBatch, readBatch, readEvent } from '../src/cloud-event.ts';
import { EventFormatError } from '../src/errors.ts';
import { ATTRIBUTES_MAX, BATCH_LENGTH_MAX, JSON_DEPTH_MAX } from '../src/limits.ts';
import type { TriggerEvent } from '../src/trigger-event.ts';
import { messageOf, structuredMessage } from './event-kit.ts';

const required = { specversion: '1.0', id: 'A234-1234-1234', source: '/mycontext', type: 'com.example.someevent' };
const common = {
  ...required,
  time: '2018-04-05T17:31:00Z',
  comexampleextension1: 'value',
  comexampleothervalue: 5,
};

/** What every example of the JSON format's section 3.2 is besides its data. */
const readCommon = {
  source: '/mycontext',
  id: 'A234-1234-1234',
  type: 'com.example.someevent',
  time: '2018-04-05T17:31:00Z',
  extensions: { comexampleextension1: 'value', comexampleothervalue: 5 },
  headers: {},
};

// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md, sections 3.2 and 4.3.
describe('examples of the JSON format', () => {
  const examples: readonly [string, object, Partial<TriggerEvent>, { type: string; body: string }][] = [
    [
      'binary data',
      { datacontenttype: 'application/vnd.apache.thrift.binary', data_base64: 'AP+A' },
      { dataContentType: 'application/vnd.apache.thrift.binary', data: Buffer.from([0, 255, 128]) },
      { type: 'application/vnd.apache.thrift.binary', body: '\u0000' },
    ],
    [
      'XML',
      { unsetextension: null, datacontenttype: 'application/xml', data: '<much wow="xml"/>' },
      { dataContentType: 'application/xml', data: '<much wow="xml"/>' },
      { type: 'application/xml', body: '<much wow="xml"/>' },
    ],
    [
      'an object',
      { subject: null, datacontenttype: 'application/json', data: { appinfoA: 'abc', appinfoB: 123, appinfoC: true } },
      { dataContentType: 'application/json', data: { appinfoA: 'abc', appinfoB: 123, appinfoC: true } },
      { type: 'application/json', body: '{ "appinfoA" : "abc", "appinfoB" : 123, "appinfoC" : true }' },
    ],
    [
      'a JSON string without a content type',
      { subject: null, data: "I'm just a string" },
      { dataContentType: 'application/json', data: "I'm just a string" },
      { type: 'application/json', body: '"I\'m just a string"' },
    ],
  ];

  test.each(examples)('%s', (_name, members, expected) => {
    expect(readEvent(structuredMessage({ ...common, ...members }))).toEqual({ ...readCommon, ...expected });
  });

  test.each(examples)('%s, in binary mode', (_name, _members, expected, { type, body }) => {
    const message = messageOf({
      contentType: type,
      body: expected.data instanceof Uint8Array ? expected.data : Buffer.from(body),
      attributes: { ...common, comexampleothervalue: '5' },
    });
    expect(readEvent(message)).toEqual({
      ...readCommon,
      extensions: { comexampleextension1: 'value', comexampleothervalue: '5' },
      ...expected,
    });
  });

  test('a batch', () => {
    const batch = JSON.stringify([
      { ...common, datacontenttype: 'application/vnd.apache.thrift.binary', data_base64: 'AP+A' },
      { ...common, id: 'C234', datacontenttype: 'application/json', data: { appinfoA: 'abc' } },
    ]);
    expect(readBatch(Buffer.from(batch), { topic: 't' })).toEqual([
      {
        index: 0,
        event: {
          ...readCommon,
          headers: { topic: 't' },
          dataContentType: 'application/vnd.apache.thrift.binary',
          data: Buffer.from([0, 255, 128]),
        },
      },
      {
        index: 1,
        event: {
          ...readCommon,
          id: 'C234',
          headers: { topic: 't' },
          dataContentType: 'application/json',
          data: { appinfoA: 'abc' },
        },
      },
    ]);
    expect(readBatch(Buffer.from('[]'))).toEqual([]);
  });
});

describe('an event is refused', () => {
  const refused: readonly [string, Record<string, unknown>, RegExp][] = [
    ['without an id', { id: undefined }, /no id/],
    ['with an id that is null', { id: null }, /no id/],
    ['with an empty id', { id: '' }, /id is a string that is not empty, got ""/],
    ['with a number as id', { id: 7 }, /id is a string that is not empty, got 7/],
    ['with a line break in its id', { id: 'a\nb' }, /id is a string without control characters/],
    ['with a NUL in its id', { id: 'a\u0000b' }, /id is a string without control/],
    ['with a C1 control in its id', { id: 'a\u0085b' }, /id is a string without control/],
    ['with a lone surrogate in its id', { id: 'a\ud800' }, /lone surrogates/],
    ['with a noncharacter in its id', { id: 'a\uffff' }, /noncharacters/],
    ['with a noncharacter of a higher plane', { id: '\u{1fffe}' }, /noncharacters/],
    ['with a very long id', { id: 'x'.repeat(5_000) }, /id has at most 4096 characters, got 5000/],
    ['without a source', { source: undefined }, /no source/],
    ['with an empty source', { source: '' }, /source is a string that is not empty/],
    ['with a space in its source', { source: '/a b' }, /source is a URI-reference, got "\/a b"/],
    ['without a type', { type: undefined }, /no type/],
    ['with an empty type', { type: '' }, /type is a string/],
    ['without a version', { specversion: undefined }, /no specversion/],
    ['of version 0.3', { specversion: '0.3' }, /specversion is "1.0".*got "0.3"/],
    ['of version 1', { specversion: 1 }, /specversion is "1.0".*got 1/],
    ['with an empty subject', { subject: '' }, /subject is a string that is not empty/],
    ['with an object as subject', { subject: {} }, /subject is a string that is not empty, got an object/],
    ['with a day that there is not', { time: '2023-02-29T00:00:00Z' }, /time is a time as in RFC 3339/],
    ['with a time without a zone', { time: '2023-02-28T00:00:00' }, /RFC 3339/],
    ['with a schema that is no URI', { dataschema: '/schema' }, /dataschema is a URI/],
    ['with a content type that is none', { datacontenttype: 'json' }, /content type is a media type/],
    ['with an upper-case attribute', { traceParent: 'x' }, /attribute's name is .* got "traceParent"/],
    ['with an underscore in an attribute', { my_ext: 'x' }, /attribute's name/],
    ['with a very long attribute name', { ['x'.repeat(65)]: 1 }, /attribute's name/],
    ['with an object as attribute', { ext: {} }, /ext is a string, a boolean or an integer.*got an object/],
    ['with a fraction as attribute', { ext: 1.5 }, /ext is .* got 1.5/],
    ['with an integer of 33 bits', { ext: 2 ** 31 }, /ext is .* got 2147483648/],
    ['with a control character in an attribute', { ext: '\u0007' }, /ext is a string without control/],
    ['with data twice', { data: 1, data_base64: 'AA==' }, /data or data_base64, not both/],
    ['with null beside bytes', { data: null, data_base64: 'AA==' }, /data or data_base64, not both/],
    ['with base64 that is none', { data_base64: 'AA=' }, /data_base64 is a string of base64/],
    ['with base64 for URLs', { data_base64: '__-_' }, /data_base64 is a string of base64/],
    ['with base64 that has bits left over', { data_base64: 'AB==' }, /data_base64 is a string of base64/],
    ['with bytes that are no string', { data_base64: [1] }, /data_base64 is a string of base64, got an array/],
    [
      'with an object as text',
      { datacontenttype: 'text/plain', data: {} },
      /of text\/plain is a string, got an object/,
    ],
    ['with a number as bytes', { datacontenttype: 'image/png', data: 1 }, /of image\/png is a string, got 1/],
    ['with half a character in its data', { data: ['\ud83d'] }, /lone surrogate at \[0\]/],
    ['with half a character as bytes', { datacontenttype: 'image/png', data: '\ud83d' }, /lone surrogate/],
    [
      'with too many attributes',
      Object.fromEntries(Array.from({ length: ATTRIBUTES_MAX }, (_, index) => [`x${index}`, 1])),
      /at most 64 attributes, got 68/,
    ],
  ];
  test.each(refused)('%s', (_name, members, message) => {
    expect(() => readEvent(structuredMessage({ ...required, ...members }))).toThrow(EventFormatError);
    expect(() => readEvent(structuredMessage({ ...required, ...members }))).toThrow(message);
  });

  const start = '{"specversion":"1.0","source":"/s","type":"t"';
  test.each([
    ['that is no object', '[]', /an event is a JSON object, got an array/],
    ['that is null', 'null', /an event is a JSON object, got null/],
    ['that is empty', '', /the event is not JSON: it is empty/],
    ['that is cut off', `${start},"id":`, /not JSON: it ends too early at line 1, column 52/],
    ['that has a comma too many', `${start},\n"id":"1",}`, /not JSON: unexpected "}" at line 2, column 10/],
    ['with two ids', `${start},"id":"1","id":"2"}`, /has "id" twice/],
    ['with two ids, one of them escaped', `${start},"id":"1","\\u0069d":"2"}`, /has "id" twice/],
    ['with a prototype', `${start},"id":"1","__proto__":{"admin":true}}`, /attribute's name/],
    [
      'with a prototype in its data',
      `${start},"id":"1","data":{"__proto__":{"admin":true}}}`,
      /"__proto__" is not allowed/,
    ],
    [
      'that is nested too deep',
      `${start},"id":"1","data":${'['.repeat(JSON_DEPTH_MAX)}${']'.repeat(JSON_DEPTH_MAX)}}`,
      /nested deeper than 400 levels/,
    ],
  ])('%s', (_name, text, message) => {
    expect(() => readEvent(structuredMessage(text))).toThrow(EventFormatError);
    expect(() => readEvent(structuredMessage(text))).toThrow(message);
  });

  test('that is not UTF-8', () => {
    const body = Buffer.concat([Buffer.from(`${start},"id":"`), Buffer.from([0xc0, 0xa0]), Buffer.from('"}')]);
    const message = messageOf({ contentType: 'application/cloudevents+json', body });
    expect(() => readEvent(message)).toThrow(/the event is not UTF-8/);
  });

  test.each([
    [
      'application/cloudevents+avro',
      /are read as application\/cloudevents\+json and .* got "application\/cloudevents\+avro"/,
    ],
    ['application/cloudevents', /are read as/],
    ['application/cloudevents+json; charset=utf-16', /is UTF-8, got charset "utf-16"/],
    ['application/cloudevents-batch+json', /a batch of events; one event is expected/],
    ['application/cloudevents+json, text/plain', /content type is a media type/],
  ])('in the format %j', (contentType, message) => {
    expect(() => readEvent(messageOf({ contentType, text: JSON.stringify(required) }))).toThrow(message);
  });
});

describe('in binary mode', () => {
  const attributes = required;

  test('a body without a content type is JSON', () => {
    expect(readEvent(messageOf({ attributes, text: '{"a":1}' }))).toMatchObject({
      data: { a: 1 },
      dataContentType: 'application/json',
    });
    expect(() => readEvent(messageOf({ attributes, text: 'hello' }))).toThrow(
      /data is not JSON: unexpected "h" at line 1/,
    );
  });

  test('an empty body is no data, whatever its content type', () => {
    for (const contentType of [undefined, 'application/json', 'text/plain', 'image/png']) {
      expect(readEvent(messageOf({ attributes, contentType })).data).toBeUndefined();
    }
  });

  test('a text is decoded by its charset', () => {
    const body = Buffer.from([0xe9]);
    const read = (contentType: string): unknown => readEvent(messageOf({ attributes, contentType, body })).data;
    expect(read('text/plain; charset="ISO-8859-1"')).toBe('é');
    expect(() => read('text/plain')).toThrow(/data is not UTF-8/);
    expect(() => read('text/plain; charset=klingon')).toThrow(/charset "klingon" is not known/);
  });

  test('the content type may be an attribute, but not another one', () => {
    const own = { ...attributes, datacontenttype: 'text/plain' };
    expect(readEvent(messageOf({ attributes: own, text: 'a' })).data).toBe('a');
    expect(readEvent(messageOf({ attributes: own, contentType: 'text/plain', text: 'a' })).data).toBe('a');
    expect(() => readEvent(messageOf({ attributes: own, contentType: 'text/html', text: 'a' }))).toThrow(
      /two content types, "text\/html" and, as its attribute, "text\/plain"/,
    );
  });

  test('attributes without a version are a broken event, not a plain message', () => {
    const { specversion: _, ...rest } = attributes;
    expect(() => readEvent(messageOf({ attributes: rest, text: '1' }))).toThrow(/but no specversion/);
  });

  test('attributes beside a structured event do not count', () => {
    const message = { ...structuredMessage(required), attributes: { ...required, id: 'other' } };
    expect(readEvent(message).id).toBe(required.id);
  });

  test('an attribute of no allowed name is refused', () => {
    for (const name of ['a-b', 'data', '__proto__', '']) {
      const own: Record<string, string> = Object.fromEntries([...Object.entries(attributes), [name, 'x']]);
      expect(() => readEvent(messageOf({ attributes: own }))).toThrow(/attribute's name/);
    }
  });
});

describe('a plain message', () => {
  const plain = { source: '/orders', id: '17', type: 'orders.created', subject: 's', time: '2026-01-01T00:00:00Z' };

  test('is what its source takes it for', () => {
    expect(readEvent(messageOf({ plain, text: '{"a":1}', headers: { topic: 'x' } }))).toEqual({
      ...plain,
      extensions: {},
      headers: { topic: 'x' },
      data: { a: 1 },
      dataContentType: 'application/json',
    });
  });

  test('without an id has the hash of its data as id, however it is written', () => {
    const idOf = (text: string): string => readEvent(messageOf({ plain: { ...plain, id: undefined }, text })).id;
    expect(idOf('{"a":1,"b":[2]}')).toMatch(/^[a-z2-7]{26}$/);
    expect(idOf('{ "b": [2.0], "a": 1e0 }')).toBe(idOf('{"a":1,"b":[2]}'));
    expect(idOf('{"a":1,"b":[3]}')).not.toBe(idOf('{"a":1,"b":[2]}'));
  });

  test('with an id, a source, a type or a time that is none is refused', () => {
    for (const wrong of [
      { id: '' },
      { id: 'a\u0000' },
      { source: '' },
      { type: '\ud800' },
      { subject: '' },
      { time: 'now' },
    ]) {
      expect(() => readEvent(messageOf({ plain: { ...plain, ...wrong }, text: '1' }))).toThrow(EventFormatError);
    }
  });

  test('with headers that cannot be stored is refused', () => {
    expect(() => readEvent(messageOf({ plain, text: '1', headers: { a: '\ud800' } }))).toThrow(
      /the headers cannot be stored/,
    );
  });
});

describe('a batch', () => {
  test('is told by its content type', () => {
    expect(isBatch(messageOf({ contentType: 'application/cloudevents-batch+json; charset=utf-8' }))).toBe(true);
    expect(isBatch(messageOf({ contentType: 'application/cloudevents+json' }))).toBe(false);
  });

  test('keeps its events when one of them is wrong', () => {
    const elements = readBatch(
      Buffer.from(JSON.stringify([required, 7, { ...required, id: '' }, { ...required, id: 'z' }])),
    );
    expect(elements.map(({ index, event }) => [index, event?.id])).toEqual([
      [0, required.id],
      [1, undefined],
      [2, undefined],
      [3, 'z'],
    ]);
    const broken = elements[2]!;
    expect(broken.error?.message).toMatch(/^event 2 of the batch: the attribute id is a string that is not empty/);
    expect(JSON.parse(Buffer.from(broken.error === undefined ? '' : broken.body).toString())).toEqual({
      ...required,
      id: '',
    });
  });

  test.each([
    ['an object', '{}', /a batch is an array of events, got an object/],
    ['cut off', '[{}', /the batch is not JSON: it ends too early/],
    [
      'too long',
      JSON.stringify(Array.from({ length: BATCH_LENGTH_MAX + 1 }, () => 1)),
      /at most 1000 events, got 1001/,
    ],
    ['one with a key twice', '[{"id":"1","id":"2"}]', /has "id" twice/],
  ])('that is %s is refused', (_name, text, message) => {
    expect(() => readBatch(Buffer.from(text))).toThrow(EventFormatError);
    expect(() => readBatch(Buffer.from(text))).toThrow(message);
  });
});

describe('the trace', () => {
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const hop = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01';

  test('of the event goes before that of the hop', () => {
    const event = { ...required, traceparent: trace };
    expect(readEvent({ ...structuredMessage(event), headers: { traceparent: hop } }).traceparent).toBe(trace);
    expect(readEvent({ ...structuredMessage(required), headers: { traceparent: hop } }).traceparent).toBe(hop);
  });

  test.each([
    '',
    'x',
    trace.toUpperCase(),
    `ff${trace.slice(2)}`,
    `00-${'0'.repeat(32)}${trace.slice(35)}`,
    `${trace}-1`,
  ])('that has no form of one is none: %j', (traceparent) => {
    const event = readEvent(structuredMessage({ ...required, traceparent }));
    expect(event.traceparent).toBeUndefined();
    expect(event.extensions['traceparent']).toBe(traceparent);
  });
});
