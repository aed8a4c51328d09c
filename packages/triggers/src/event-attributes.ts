// The attributes of an event by the rules of https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, section
// "Context Attributes". An event without an id or a source is refused: an id that is made up would be a new event each time
// that it comes.

import { EventFormatError } from './errors.ts';
import { described } from './event-data.ts';
import { ATTRIBUTE_LENGTH_MAX, ATTRIBUTE_NAME_LENGTH_MAX, ATTRIBUTES_MAX } from './limits.ts';
import { readMediaType } from './media-type.ts';
import { isTimestamp } from './timestamp.ts';
import type { TriggerEvent } from './trigger-event.ts';
import { isUri, isUriReference } from './uri-reference.ts';

/** What an event is besides its data and what came beside it. */
export type EventAttributes = Omit<TriggerEvent, 'data' | 'headers' | 'traceparent'>;

const KNOWN = new Set(['specversion', 'id', 'source', 'type', 'subject', 'time', 'dataschema', 'datacontenttype']);

/**
 * The attributes of a CloudEvent. Those that are null are not there.
 *
 * @throws {EventFormatError} naming the attribute, what it should be and what it is
 */
export function readAttributes(given: Readonly<Record<string, unknown>>): EventAttributes {
  const entries = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  if (entries.length > ATTRIBUTES_MAX)
    throw new EventFormatError(`an event has at most ${ATTRIBUTES_MAX} attributes, got ${entries.length}`);
  const attributes = new Map<string, unknown>(entries);
  checkVersion(attributes.get('specversion'));
  const source = required(attributes, 'source');
  if (!isUriReference(source)) throw wrong('source', 'a URI-reference', source);
  const id = required(attributes, 'id');
  const type = required(attributes, 'type');
  const subject = optional(attributes, 'subject');
  const time = optional(attributes, 'time');
  if (time !== undefined && !isTimestamp(time)) throw wrong('time', 'a time as in RFC 3339', time);
  const dataSchema = optional(attributes, 'dataschema');
  if (dataSchema !== undefined && !isUri(dataSchema)) throw wrong('dataschema', 'a URI', dataSchema);
  const dataContentType = optional(attributes, 'datacontenttype');
  if (dataContentType !== undefined) readMediaType(dataContentType);
  return {
    source,
    id,
    type,
    ...(subject !== undefined && { subject }),
    ...(time !== undefined && { time }),
    ...(dataSchema !== undefined && { dataSchema }),
    ...(dataContentType !== undefined && { dataContentType }),
    extensions: extensionsOf(attributes),
  };
}

/**
 * A string that can be an attribute: not empty, and without control characters, noncharacters and lone surrogates.
 *
 * @throws {EventFormatError}
 */
export function checkText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') throw wrong(name, 'a string that is not empty', value);
  checkCharacters(name, value);
}

const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

function checkCharacters(name: string, value: string): void {
  if (value.length > ATTRIBUTE_LENGTH_MAX) {
    throw new EventFormatError(
      `the attribute ${name} has at most ${ATTRIBUTE_LENGTH_MAX} characters, got ${value.length}`,
    );
  }
  if (FORBIDDEN.test(value))
    throw wrong(name, 'a string without control characters, noncharacters and lone surrogates', value);
}

function checkVersion(version: unknown): void {
  if (version === '1.0') return;
  throw version === undefined
    ? new EventFormatError('the event has no specversion; "1.0" is expected')
    : wrong('specversion', '"1.0", the version of CloudEvents that is read', version);
}

function required(attributes: ReadonlyMap<string, unknown>, name: string): string {
  const value = attributes.get(name);
  if (value === undefined) throw new EventFormatError(`the event has no ${name}, which every event has`);
  checkText(name, value);
  return value;
}

function optional(attributes: ReadonlyMap<string, unknown>, name: string): string | undefined {
  const value = attributes.get(name);
  if (value !== undefined) checkText(name, value);
  return value;
}

function extensionsOf(attributes: ReadonlyMap<string, unknown>): Record<string, string | number | boolean> {
  const extensions: Record<string, string | number | boolean> = {};
  for (const [name, value] of attributes) {
    if (KNOWN.has(name)) continue;
    if (!/^[a-z0-9]+$/.test(name) || name.length > ATTRIBUTE_NAME_LENGTH_MAX || name === 'data') {
      throw new EventFormatError(
        `an attribute's name is 1 to ${ATTRIBUTE_NAME_LENGTH_MAX} of a-z and 0-9, and not "data"; got ${described(name)}`,
      );
    }
    extensions[name] = extensionValue(name, value);
  }
  return extensions;
}

function extensionValue(name: string, value: unknown): string | number | boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    checkCharacters(name, value);
    return value;
  }
  // An integer of 32 bits; the sign of -0 says nothing.
  if (typeof value === 'number' && (value | 0) === value) return value | 0;
  throw wrong(name, 'a string, a boolean or an integer of 32 bits', value);
}

function wrong(name: string, expected: string, got: unknown): EventFormatError {
  return new EventFormatError(`the attribute ${name} is ${expected}, got ${described(got)}`);
}
