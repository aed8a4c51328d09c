import { describe, expect, test } from 'vitest';
import { EventFormatError } from '../src/errors.ts';
import { readHttpHeaders } from '../src/http-message.ts';

// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md, section 3.1.3.2.
describe('the value of an attribute', () => {
  const decoded = (value: string): string | undefined =>
    readHttpHeaders(new Headers({ 'ce-x': value })).attributes['x'];

  test.each([
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['%65%75', 'eu'],
    ['%e2%82%ac', '€'],
    ['%2525', '%25'],
    ['a b', 'a b'],
    ['"a \\"b\\" \\\\ %25"', 'a "b" \\ %'],
    ['"', '"'],
    ['a"b"', 'a"b"'],
    ['', ''],
  ])('%j is %j', (value, expected) => {
    expect(decoded(value)).toBe(expected);
  });

  test.each(['%C0%A0', '%', '%4', '%zz', '100%', '%ED%A0%80', '%F0%9F%98', 'é'])('%j is refused', (value) => {
    expect(() => decoded(value)).toThrow(EventFormatError);
    expect(() => decoded(value)).toThrow(/the header ce-x is /);
  });
});

test('headers are told from attributes, and what opens doors is left out', () => {
  const headers = new Headers({
    'CE-ID': '1',
    'Content-Type': 'text/plain',
    'X-Tenant': 'a',
    traceparent: 't',
    Authorization: 'Bearer s3cret',
    Cookie: 'session=s3cret',
    'Proxy-Authorization': 's3cret',
    'dapr-api-token': 's3cret',
    'X-Api-Key': 's3cret',
    'x-gitlab-token': 's3cret',
    'x-amz-security-token': 's3cret',
    'x-hub-signature-256': 's3cret',
    'x-functions-key': 's3cret',
    'ocp-apim-subscription-key': 's3cret',
    'x-acme-proof': 's3cret',
    'idempotency-key': 'k',
    __proto__x: 'y',
  });
  headers.set('__proto__', 'polluted');
  expect(readHttpHeaders(headers, 'X-Acme-Proof')).toEqual({
    attributes: { id: '1' },
    contentType: 'text/plain',
    headers: { 'x-tenant': 'a', 'idempotency-key': 'k', traceparent: 't', __proto__x: 'y' },
  });
  expect(readHttpHeaders(new Headers()).contentType).toBeUndefined();
});
