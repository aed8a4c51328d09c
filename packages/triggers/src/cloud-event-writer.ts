// Writes events as CloudEvents 1.0: for the export of dead letters, and for senders. What `readEvent` made is read again as it
// was; the headers that came beside it are no part of it.

import { payloadText } from '@troupe/actors';
import { EventFormatError } from './errors.ts';
import { readMediaType } from './media-type.ts';
import type { TriggerEvent } from './trigger-event.ts';
import { asUriReference } from './uri-reference.ts';

/** An event as `application/cloudevents+json`. A source that is no URI-reference is escaped to be one. */
export function writeStructured(event: TriggerEvent): string {
  return payloadText(envelopeOf(event))!;
}

/** Events as `application/cloudevents-batch+json`. */
export function writeBatch(events: readonly TriggerEvent[]): string {
  return payloadText(events.map(envelopeOf))!;
}

/** An event in the binary mode: attributes without the prefix of a transport, not yet escaped as it demands. */
export interface BinaryEvent {
  readonly attributes: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
}

/** @throws {EventFormatError} for text in a charset that is not UTF-8 */
export function writeBinary(event: TriggerEvent): BinaryEvent {
  const { datacontenttype, ...attributes } = attributesOf(event);
  return {
    attributes: Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)])),
    contentType: datacontenttype === undefined ? impliedType(event.data) : String(datacontenttype),
    body: bodyOf(event),
  };
}

function impliedType(data: unknown): string | undefined {
  if (data === undefined) return undefined;
  return data instanceof Uint8Array ? 'application/octet-stream' : 'application/json';
}

function bodyOf({ data, dataContentType }: TriggerEvent): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  if (data instanceof Uint8Array) return data;
  const type = dataContentType === undefined ? undefined : readMediaType(dataContentType);
  if (type === undefined || type.kind === 'json' || typeof data !== 'string') return Buffer.from(payloadText(data)!);
  if (!/^(?:utf-?8|us-ascii)$/i.test(type.charset ?? 'utf-8'))
    throw new EventFormatError(`text is written as UTF-8, not as ${type.charset}`);
  return Buffer.from(data);
}

function envelopeOf(event: TriggerEvent): Record<string, unknown> {
  const attributes = attributesOf(event);
  const { data } = event;
  if (data === undefined) return attributes;
  return data instanceof Uint8Array ? { ...attributes, data_base64: data } : { ...attributes, data };
}

function attributesOf(event: TriggerEvent): Record<string, string | number | boolean> {
  return {
    specversion: '1.0',
    id: event.id,
    source: asUriReference(event.source),
    type: event.type,
    ...(event.subject !== undefined && { subject: event.subject }),
    ...(event.time !== undefined && { time: event.time }),
    ...(event.dataSchema !== undefined && { dataschema: event.dataSchema }),
    ...(event.dataContentType !== undefined && { datacontenttype: event.dataContentType }),
    ...event.extensions,
  };
}
