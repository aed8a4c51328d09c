// What a message of AMQP 0-9-1 says, as a raw message. The binding of CloudEvents is for AMQP 1.0; what it calls
// application properties are headers here, as RabbitMQ converts them: https://github.com/cloudevents/spec (amqp-protocol-binding).

import type { ConsumeMessage } from 'amqplib';
import type { RawMessage } from '../trigger-event.ts';

const CLOUD_EVENT_PREFIX = /^cloudevents[:_]/i;

/** @param source what a plain message comes from; without it its application, or the queue */
export function rawMessageOf(message: ConsumeMessage, queue: string, source: string | undefined): RawMessage {
  const { properties, fields } = message;
  const attributes: Record<string, string> = {};
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(properties.headers ?? {})) {
    const text = headerText(value);
    if (text === undefined) continue;
    if (CLOUD_EVENT_PREFIX.test(name)) attributes[name.replace(CLOUD_EVENT_PREFIX, '').toLowerCase()] = text;
    else headers[name.toLowerCase()] = text;
  }
  headers['exchange'] = fields.exchange;
  headers['routing-key'] = fields.routingKey;
  headers['redelivered'] = String(fields.redelivered);
  const correlationId = textOf(properties.correlationId);
  if (correlationId !== undefined) headers['correlation-id'] = correlationId;
  const replyTo = textOf(properties.replyTo);
  if (replyTo !== undefined) headers['reply-to'] = replyTo;
  const time = timeOf(properties.timestamp);
  return {
    body: message.content,
    contentType: textOf(properties.contentType),
    attributes,
    headers,
    plain: {
      source: source ?? textOf(properties.appId) ?? `amqp:${queue}`,
      id: textOf(properties.messageId),
      type: textOf(properties.type) ?? (fields.routingKey || 'amqp.message'),
      ...(time !== undefined && { time }),
    },
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Seconds, which is all that AMQP has. */
function timeOf(timestamp: unknown): string | undefined {
  if (typeof timestamp !== 'number') return undefined;
  const time = new Date(timestamp * 1000);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

function headerText(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null) return undefined;
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  // How the client gives types that JavaScript has not.
  const typed = value as { readonly '!'?: unknown; readonly value?: unknown };
  if (typed['!'] === 'timestamp') return timeOf(typed.value);
  if (typed['!'] !== undefined && typeof typed.value !== 'object') return headerText(typed.value);
  return JSON.stringify(value);
}
