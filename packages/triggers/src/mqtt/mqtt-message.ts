// What a message of MQTT says, as a raw message: https://github.com/cloudevents/spec (mqtt-protocol-binding). In MQTT 5 the
// attributes of a CloudEvent are user properties without a prefix; MQTT 3.1.1 has no properties, and all its CloudEvents
// are structured.

import type { IPublishPacket } from 'mqtt';
import { STRUCTURED } from '../cloud-event.ts';
import type { RawMessage } from '../trigger-event.ts';

const ATTRIBUTE_NAME = /^[a-z0-9]+$/;

export function rawMessageOf(packet: IPublishPacket, version: 4 | 5): RawMessage {
  const body = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
  const { userProperties, contentType, responseTopic } = packet.properties ?? {};
  const properties = Object.entries(userProperties ?? {}).map(
    ([name, value]) => [name, [value].flat().join(', ')] as const,
  );
  // Other messages may have an id and a type too, which are none of CloudEvents.
  const isEvent = properties.some(([name]) => name === 'specversion');
  return {
    body,
    contentType: contentType ?? (version === 4 && isStructured(body) ? STRUCTURED : undefined),
    attributes: Object.fromEntries(isEvent ? properties.filter(([name]) => ATTRIBUTE_NAME.test(name)) : []),
    headers: {
      ...Object.fromEntries(properties.map(([name, value]) => [name.toLowerCase(), value])),
      topic: packet.topic,
      ...(packet.retain && { retain: 'true' }),
      ...(responseTopic !== undefined && { 'response-topic': responseTopic }),
    },
    plain: { source: `mqtt:${packet.topic}`, id: undefined, type: 'mqtt.message' },
  };
}

function isStructured(body: Buffer): boolean {
  if (!body.includes('"specversion"')) return false;
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && Object.hasOwn(value, 'specversion');
  } catch {
    // Not JSON, so no CloudEvent.
    return false;
  }
}
