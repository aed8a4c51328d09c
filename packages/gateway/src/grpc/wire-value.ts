// The values of the wire: text that may be absent, instants, JSON.

import { payloadText, TextPayload } from '@troupe/actors';

/** A google.protobuf.StringValue, or none. */
export type WireText = { readonly value: string } | null | undefined;

/** A google.protobuf.Timestamp as it is encoded, and kept in the details of events. */
export interface WireTime {
  readonly seconds: number;
  readonly nanos: number;
}

/** … and as it is decoded: 64 bits do not fit a number. */
export interface DecodedTime {
  readonly seconds: number | { toNumber(): number };
  readonly nanos: number;
}

/** The largest distance from the epoch that a Date has. */
const TIME_MS_MAX = 8.64e15;

export function wireText(text: string | undefined): WireText {
  return text === undefined ? undefined : { value: text };
}

export function textOf(text: WireText): string | undefined {
  return text?.value;
}

/** A payload on the wire; nothing stays nothing. */
export function wirePayload(payload: unknown): WireText {
  return wireText(payloadText(payload));
}

/** A payload off the wire, kept as it came. */
export function payloadOf(text: WireText): TextPayload | undefined {
  return text === undefined || text === null ? undefined : new TextPayload(text.value);
}

export function wireTime(timeMs: number): WireTime {
  const seconds = Math.floor(timeMs / 1000);
  return { seconds, nanos: Math.round((timeMs - seconds * 1000) * 1_000_000) };
}

export function wireDate(date: Date | undefined): WireTime | undefined {
  return date === undefined ? undefined : wireTime(date.getTime());
}

/** As plain data, to the nanosecond. */
export function plainTime(time: DecodedTime): WireTime {
  const { seconds, nanos } = time;
  return { seconds: typeof seconds === 'number' ? seconds : seconds.toNumber(), nanos };
}

/** The first millisecond that is not before it. */
export function timeMsFrom(time: DecodedTime): number {
  const { seconds, nanos } = plainTime(time);
  return Math.min(Math.max(seconds * 1000 + Math.ceil(nanos / 1_000_000), -TIME_MS_MAX), TIME_MS_MAX);
}

export function dateOf(time: DecodedTime | null | undefined): Date | undefined {
  return time === null || time === undefined ? undefined : new Date(timeMsFrom(time));
}

/** A google.protobuf.Value as it is encoded and decoded. */
export interface WireJson {
  readonly kind?: string;
  readonly nullValue?: number;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: { readonly fields?: Readonly<Record<string, WireJson>> } | null;
  readonly listValue?: { readonly values?: readonly WireJson[] } | null;
}

/** JSON on the wire. What JSON cannot hold becomes text. */
export function wireJsonValue(value: unknown): WireJson {
  switch (typeof value) {
    case 'number':
      return { numberValue: value };
    case 'string':
      return { stringValue: value };
    case 'boolean':
      return { boolValue: value };
    case 'object':
      if (value === null) break;
      if (Array.isArray(value)) return { listValue: { values: value.map(wireJsonValue) } };
      return { structValue: { fields: wireJsonFields(value as Readonly<Record<string, unknown>>) } };
    case 'undefined':
      break;
    default:
      return { stringValue: String(value) };
  }
  return { nullValue: 0 };
}

export function wireJsonFields(value: Readonly<Record<string, unknown>>): Record<string, WireJson> {
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, wireJsonValue(part)]));
}

export function jsonValueOf(value: WireJson): unknown {
  switch (value.kind) {
    case 'numberValue':
      return value.numberValue;
    case 'stringValue':
      return value.stringValue;
    case 'boolValue':
      return value.boolValue;
    case 'structValue':
      return jsonFieldsOf(value.structValue?.fields ?? {});
    case 'listValue':
      return (value.listValue?.values ?? []).map(jsonValueOf);
    default:
      return null;
  }
}

export function jsonFieldsOf(fields: Readonly<Record<string, WireJson>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, part]) => [name, jsonValueOf(part)]));
}

/** The fields that say something: an empty text, list or map and 0 are what the wire says when nothing was said. */
export function said(fields: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const entries = Object.entries(fields).filter(([, value]) => !isSilent(value));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function isSilent(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return true;
  if (typeof value !== 'object') return false;
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
}
