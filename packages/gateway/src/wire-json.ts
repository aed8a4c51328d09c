/**
 * A value as JSON text. What JSON cannot hold is written as the nearest thing that it can: a bigint as a string of digits,
 * bytes as base64, a date as RFC 3339, NaN and the infinities as null.
 */
export function wireJson(value: unknown): string {
  return JSON.stringify(value, replacePart) ?? 'null';
}

/** The same for one value that may be absent. */
export function optionalWireJson(value: unknown): string | undefined {
  return value === undefined ? undefined : wireJson(value);
}

// `this` is the holder: `value` has been through toJSON already, which Buffers have and we do not want.
function replacePart(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const part = this[key];
  if (typeof part === 'bigint') return part.toString();
  if (part instanceof Uint8Array) return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64');
  return value;
}
