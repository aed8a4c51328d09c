// Messages and events for the tests of the codec.

import * as fc from 'fast-check';
import type { RawMessage, TriggerEvent } from '../src/trigger-event.ts';

export function messageOf(given: Partial<RawMessage> & { readonly text?: string }): RawMessage {
  const { text, ...rest } = given;
  return {
    body: Buffer.from(text ?? ''),
    contentType: undefined,
    attributes: {},
    headers: {},
    plain: { source: '/plain', id: undefined, type: 'plain' },
    ...rest,
  };
}

export function structuredMessage(value: unknown): RawMessage {
  return messageOf({
    contentType: 'application/cloudevents+json; charset=UTF-8',
    text: typeof value === 'string' ? value : JSON.stringify(value),
  });
}

/** A text as attributes may have it; `unit` as fast-check has it. */
export function attributeText(unit: 'grapheme' | 'grapheme-ascii' = 'grapheme'): fc.Arbitrary<string> {
  return fc
    .string({ unit, minLength: 1, maxLength: 40 })
    .filter((text) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(text));
}

export const uriReferences = fc.oneof(
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.webPath().filter((path) => path !== '' && !path.startsWith('//')),
  fc.uuid().map((uuid) => `urn:uuid:${uuid}`),
  fc.constantFrom('1-555-123-4567', 'mailto:somebody@example.com', '//host:1/x', '?q', '#f', 'a/b:c'),
);

export const timestamps = fc
  .date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString());

/** A value as it is after JSON. */
export const jsonValues = fc
  .jsonValue({ stringUnit: 'grapheme', maxDepth: 4 })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => !JSON.stringify(value).includes('__proto__'));

const dataParts: fc.Arbitrary<Pick<TriggerEvent, 'data' | 'dataContentType'>> = fc.oneof(
  fc.record({
    data: jsonValues,
    dataContentType: fc.constantFrom('application/json', 'application/vnd.x+json', 'application/json; charset=utf-8'),
  }),
  fc.record({
    // Binary mode cannot tell a text without characters from none.
    data: fc.string({ unit: 'grapheme', minLength: 1 }),
    dataContentType: fc.constantFrom('text/plain', 'text/plain; charset=UTF-8', 'application/xml', 'application/a+xml'),
  }),
  fc.record({
    data: fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    dataContentType: fc.constantFrom('application/octet-stream', 'image/png', 'application/vnd.apache.thrift.binary'),
  }),
  fc.constant({ data: undefined }),
);

const extensionNames = fc.stringMatching(/^[a-z0-9]{1,20}$/).filter(
  (name) =>
    !['specversion', 'id', 'source', 'type', 'subject', 'time', 'dataschema', 'datacontenttype', 'data'].includes(
      name,
    ) &&
    // The published package has members of these names.
    !['constructor', 'traceparent'].includes(name),
);

/** Events as the reader gives them; `text` is what their attributes have. */
export function events(
  text: fc.Arbitrary<string> = attributeText(),
  sources: fc.Arbitrary<string> = uriReferences,
): fc.Arbitrary<TriggerEvent> {
  return fc
    .tuple(
      fc.record(
        {
          source: sources,
          id: text,
          type: text,
          subject: text,
          time: timestamps,
          dataSchema: fc.webUrl(),
        },
        { requiredKeys: ['source', 'id', 'type'] },
      ),
      fc.dictionary(extensionNames, fc.oneof(text, fc.boolean(), fc.integer()), { maxKeys: 4, noNullPrototype: true }),
      dataParts,
    )
    .map(([attributes, extensions, data]) => ({ ...attributes, extensions, headers: {}, ...data }));
}
