import { describe, expect, test } from 'vitest';
import { readMediaType } from '../src/media-type.ts';
import { isTimestamp } from '../src/timestamp.ts';
import { asUriReference, isUri, isUriReference } from '../src/uri-reference.ts';

describe('a URI-reference', () => {
  test.each([
    'https://github.com/cloudevents',
    'mailto:cncf-wg-serverless@lists.cncf.io',
    'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66',
    '/cloudevents/spec/pull/123',
    '1-555-123-4567',
    // RFC 3986, section 1.1.2.
    'ftp://ftp.is.co.za/rfc/rfc1808.txt',
    'ldap://[2001:db8::7]/c=GB?objectClass?one',
    'news:comp.infosystems.www.servers.unix',
    'tel:+1-816-555-1212',
    'telnet://192.0.2.16:80/',
    'urn:oasis:names:specification:docbook:dtd:xml:4.1.2',
    // Section 5.4.
    'g?y#s',
    ';x',
    '../../g',
    '//g',
    'a/b:c',
    '%E2%82%AC',
    '',
  ])('is %j', (text) => {
    expect(isUriReference(text)).toBe(true);
  });

  test.each([
    '/a b',
    '/é',
    '%',
    '%zz',
    '1:2',
    ':a',
    '/a[b]',
    '#a#b',
    'http://[::1',
    'http://a:b:c/',
    'http://host:port/',
    'a\\b',
    '<a>',
    '"a"',
    'a\n',
    '`',
    '{}',
  ])('is not %j', (text) => {
    expect(isUriReference(text)).toBe(false);
    expect(isUriReference(asUriReference(text))).toBe(true);
  });

  test('with a scheme is a URI', () => {
    expect(isUri('urn:x')).toBe(true);
    expect(isUri('/x')).toBe(false);
    expect(isUri('a/b:c')).toBe(false);
  });

  test('is left as it is; other texts are escaped but for their slashes', () => {
    expect(asUriReference('/a%20b')).toBe('/a%20b');
    expect(asUriReference('mqtt/my topic/100%')).toBe('mqtt/my%20topic/100%25');
  });
});

describe('a timestamp', () => {
  test.each([
    // RFC 3339, section 5.8.
    '1985-04-12T23:20:50.52Z',
    '1996-12-19T16:39:57-08:00',
    '1990-12-31T23:59:60Z',
    '1990-12-31T15:59:60-08:00',
    '1937-01-01T12:00:27.87+00:20',
    '2024-02-29T00:00:00Z',
    '2000-02-29t00:00:00z',
    '2018-04-05T17:31:00.123456789Z',
    '0000-01-01T00:00:00-00:00',
  ])('is %j', (text) => {
    expect(isTimestamp(text)).toBe(true);
  });

  test.each([
    '',
    '2018-04-05',
    '2018-04-05 17:31:00Z',
    '2018-04-05T17:31Z',
    '2018-04-05T17:31:00',
    '2018-04-05T17:31:00.Z',
    '2018-04-05T17:31:00+0200',
    '2018-04-05T24:00:00Z',
    '2018-04-05T17:60:00Z',
    '2018-04-05T17:31:61Z',
    '2018-04-05T17:31:60Z',
    '2018-04-05T17:31:00+24:00',
    '2018-13-05T17:31:00Z',
    '2018-00-05T17:31:00Z',
    '2018-04-31T17:31:00Z',
    '2018-04-00T17:31:00Z',
    '2023-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '+2018-04-05T17:31:00Z',
    '２018-04-05T17:31:00Z',
  ])('is not %j', (text) => {
    expect(isTimestamp(text)).toBe(false);
  });
});

describe('a media type', () => {
  test.each([
    ['application/json', 'json', undefined],
    ['APPLICATION/JSON', 'json', undefined],
    ['text/json', 'json', undefined],
    ['application/vnd.x+json;v=1 ; charset="utf-8"', 'json', 'utf-8'],
    ['application/jsonp', 'bytes', undefined],
    ['application/x-ndjson', 'bytes', undefined],
    ['text/plain;charset=ISO-8859-1', 'text', 'ISO-8859-1'],
    ['text/plain;', 'text', undefined],
    ['application/xml', 'text', undefined],
    ['image/svg+xml', 'text', undefined],
    ['application/yaml', 'text', undefined],
    ['application/octet-stream', 'bytes', undefined],
  ])('%j is %s, charset %s', (text, kind, charset) => {
    expect(readMediaType(text)).toMatchObject({ kind, charset });
  });

  test.each(['', 'json', 'a/', '/b', 'a/b/c', 'a b/c', 'a/b; c', 'a/b; c="', 'a/b; c="\u0000"', 'a/b\n', 'ä/b'])(
    'is not %j',
    (text) => {
      expect(() => readMediaType(text)).toThrow(/content type is a media type/);
    },
  );
});
