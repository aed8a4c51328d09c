/**
 * A value of JSON as the one text that RFC 8785 has for it: keys in the order of their UTF-16 units, numbers and strings as
 * ECMAScript writes them, no spaces. It is not for values of other kinds.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, part]) => `${JSON.stringify(key)}:${canonicalJson(part)}`).join(',')}}`;
}
