import { payloadText } from '@troupe/actors';

/** An answer as JSON text, with what JSON cannot hold as `payloadText` writes it. */
export function wireJson(value: unknown): string {
  return payloadText(value) ?? 'null';
}
