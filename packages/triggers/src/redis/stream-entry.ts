// What an entry of a stream says, as a raw message. CloudEvents have no binding to Redis: it is Kafka's here, with fields
// for headers. `ce_specversion`, `ce_id` … are attributes, `content-type` is the type of the field `data`.

import type { RawMessage } from '../trigger-event.ts';

/** An entry as Redis gives it; without fields it was deleted while it was pending. */
export interface StreamEntry {
  readonly id: string;
  /** Name, value, name, value … */
  readonly fields: readonly Buffer[] | null;
}

/** Entries in an answer to XREADGROUP, XCLAIM or XAUTOCLAIM. */
export function entriesOf(answer: unknown): StreamEntry[] {
  return (answer as readonly (readonly [Buffer, readonly Buffer[] | null] | null)[]).flatMap((entry) =>
    // Before Redis 7 XAUTOCLAIM answers null for an entry that is gone.
    entry === null ? [] : [{ id: entry[0].toString(), fields: entry[1] }],
  );
}

export function rawMessageOf(id: string, fields: readonly Buffer[], stream: string, source: string): RawMessage {
  const attributes: Record<string, string> = {};
  const headers: Record<string, string> = {};
  const all: Record<string, string> = {};
  let data: Buffer | undefined;
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = fields[at]!.toString();
    const value = fields[at + 1]!;
    all[name] = value.toString();
    if (name === 'data') data = value;
    else if (name.startsWith('ce_')) attributes[name.slice(3).toLowerCase()] = value.toString();
    else headers[name.toLowerCase()] = value.toString();
  }
  const contentType = headers['content-type'];
  headers['stream'] = stream;
  const time = new Date(Number(id.split('-')[0]));
  return {
    body: data ?? Buffer.from(JSON.stringify(all)),
    contentType: data === undefined ? 'application/json' : contentType,
    attributes,
    headers,
    plain: {
      source,
      id,
      type: 'redis.message',
      // Ids that were chosen by hand are no times.
      ...(time.getTime() > 0 && { time: time.toISOString() }),
    },
  };
}
