import { PAYLOAD_DEPTH_MAX } from './limits.ts';

/**
 * A payload that came as text and is kept as it came: workers and clients of other languages pass text, JSON by custom and
 * not by rule. It is a payload like any other; who wants to look into it asks for its value.
 */
export class TextPayload {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /**
   * What the text says as JSON; the text itself if it is none; nothing if it is empty. Read anew each time, and always a
   * payload: keys `__proto__` are left out, a lone surrogate becomes U+FFFD, and JSON that is nested deeper than payloads
   * are is text.
   */
  get value(): unknown {
    if (this.text === '') return undefined;
    let value: unknown;
    try {
      value = JSON.parse(this.text);
    } catch {
      // Not JSON, so it is text.
      return this.text;
    }
    return isNestedWithin(value, PAYLOAD_DEPTH_MAX) ? survivingParts(value, this.text) : this.text;
  }

  toJSON(): unknown {
    return this.value;
  }
}

/** A payload as code of this language takes it. */
export function plainPayload(payload: unknown): unknown {
  return payload instanceof TextPayload ? payload.value : payload;
}

/**
 * A payload as text: JSON, unless it came as text. Nothing stays nothing. What JSON cannot hold is written as the nearest
 * thing that it can: a bigint as a string of digits, bytes as base64, a date as RFC 3339, NaN and the infinities as null.
 */
export function payloadText(payload: unknown): string | undefined {
  return payload instanceof TextPayload ? payload.text : JSON.stringify(payload, jsonPart);
}

// `this` is the holder: `value` has been through toJSON already, which Buffers have and we do not want.
function jsonPart(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const part = this[key];
  if (typeof part === 'bigint') return part.toString();
  if (part instanceof Uint8Array) return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64');
  return value;
}

function isNestedWithin(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth < 0) return false;
  if (Array.isArray(value)) return value.every((part) => isNestedWithin(part, depth - 1));
  for (const key in value) if (!isNestedWithin((value as Record<string, unknown>)[key], depth - 1)) return false;
  return true;
}

/** Hardly any text needs it: what payloads may not have is spelt out in it, or with an escape. */
function survivingParts(value: unknown, text: string): unknown {
  return text.includes('\\u') || text.includes('__proto__') ? surviving(value) : value;
}

function surviving(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(surviving);
  const parts = Object.entries(value).filter(([key]) => key !== '__proto__');
  return Object.fromEntries(parts.map(([key, part]) => [key.toWellFormed(), surviving(part)]));
}
