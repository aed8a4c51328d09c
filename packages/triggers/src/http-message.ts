// CloudEvents' attributes in the headers of HTTP:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

import { EventFormatError } from './errors.ts';
import { described } from './event-data.ts';
import type { RawMessage } from './trigger-event.ts';

/** They open doors, and what comes beside an event is stored with it, and shown to whoever may read dead letters. */
const SECRET_HEADER =
  /(?:^|[-_])(?:(?:authorization|cookie|token|secret|password|credentials?|signature)(?:$|[-_])|(?:api|access|account|functions|private|shared|subscription)[-_]?key$)/;

/**
 * A request's headers: attributes, content type, and the rest without what opens doors, by its name or since it is the `proof`
 * of who sends.
 *
 * @throws {EventFormatError} for an attribute that is not escaped as section 3.1.3.2 demands
 */
export function readHttpHeaders(
  headers: Headers,
  proof?: string,
): Pick<RawMessage, 'attributes' | 'contentType' | 'headers'> {
  const isKept = (name: string): boolean =>
    name !== 'content-type' && name !== '__proto__' && name !== proof?.toLowerCase() && !SECRET_HEADER.test(name);
  const attributes: [string, string][] = [];
  const rest: [string, string][] = [];
  for (const [name, value] of headers) {
    if (name.startsWith('ce-')) attributes.push([name.slice('ce-'.length), decodeAttribute(name, value)]);
    else if (isKept(name)) rest.push([name, value]);
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
