// What a message of Kafka says, as a raw message: https://github.com/cloudevents/spec (kafka-protocol-binding).

import type { RawMessage } from '../trigger-event.ts';
import type { KafkaMessage } from './kafka-client.ts';

export function rawMessageOf(topic: string, partition: number, message: KafkaMessage, source: string): RawMessage {
  const attributes: Record<string, string> = {};
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    const text = Array.isArray(value) ? value.at(-1) : value;
    if (text === undefined) continue;
    const lowerCase = name.toLowerCase();
    if (lowerCase.startsWith('ce_')) attributes[lowerCase.slice(3)] = text.toString();
    else headers[lowerCase] = text.toString();
  }
  const contentType = headers['content-type'];
  const key = message.key?.toString();
  headers['topic'] = topic;
  headers['partition'] = String(partition);
  headers['offset'] = message.offset;
  headers['timestamp'] = message.timestamp;
  if (key !== undefined) headers['key'] = key;
  const time = new Date(Number(message.timestamp));
  return {
    body: message.value ?? new Uint8Array(),
    contentType,
    attributes,
    headers,
    plain: {
      source,
      id: `${partition}-${message.offset}`,
      type: 'kafka.message',
      ...(key !== undefined && { subject: key }),
      // Messages from before Kafka had times have -1.
      ...(time.getTime() >= 0 && { time: time.toISOString() }),
    },
  };
}
