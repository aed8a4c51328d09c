// CloudEvents' attributes in the headers of HTTP:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

import { EventFormatError } from './errors.ts';
import { described } from './event-data.ts';
import type { RawMessage } from './trigger-event.ts';

/** They open doors, and what comes beside an event is stored with it. */
const SECRET_HEADERS = new Set(['authorization', 'proxy-authorization', 'cookie', 'dapr-api-token']);

/**
 * A request's headers: attributes, content type, and the rest without what opens doors.
 *
 * @throws {EventFormatError} for an attribute that is not escaped as section 3.1.3.2 demands
 */
export function readHttpHeaders(headers: Headers): Pick<RawMessage, 'attributes' | 'contentType' | 'headers'> {
  const attributes: [string, string][] = [];
  const rest: [string, string][] = [];
  for (const [name, value] of headers) {
    if (name.startsWith('ce-')) attributes.push([name.slice('ce-'.length), decodeAttribute(name, value)]);
    else if (name !== 'content-type' && name !== '__proto__' && !SECRET_HEADERS.has(name)) rest.push([name, value]);
  }
  return {
    attributes: Object.fromEntries(attributes),
    contentType: headers.get('content-type') ?? undefined,
    headers: Object.fromEntries(rest),
  };
}

function decodeAttribute(name: string, value: string): string {
  if (!/^[\t\x20-\x7e]*$/.test(value)) throw badHeader(name, 'printable ASCII', value);
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1];
  try {
    return decodeURIComponent(quoted === undefined ? value : quoted.replace(/\\(.)/g, '$1'));
  } catch {
    // It throws for nothing but this.
    throw badHeader(name, 'percent-encoded UTF-8', value);
  }
}

function badHeader(name: string, expected: string, got: string): EventFormatError {
  return new EventFormatError(`the header ${name} is ${expected}, got ${described(got)}`);
}

/** An attribute as the value of a header. */
export function encodeAttribute(value: string): string {
  return value.toWellFormed().replace(/[^!#$&-~]/gu, (char) => encodeURIComponent(char));
}
