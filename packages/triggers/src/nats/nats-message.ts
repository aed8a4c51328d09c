// What a message of NATS says, as a raw message: https://github.com/cloudevents/spec (nats-protocol-binding).

import type { MsgHdrs } from '@nats-io/transport-node';
import type { RawMessage } from '../trigger-event.ts';

const CLOUD_EVENT_PREFIX = 'ce-';

export interface NatsMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
}

/** What its headers are to a message that is no CloudEvent. */
export interface PlainName {
  readonly source: string;
  /** Unless it has a `Nats-Msg-Id`. */
  readonly id: string | undefined;
  readonly time?: string;
}

export function rawMessageOf(message: NatsMessage, plain: PlainName): RawMessage {
  const attributes: Record<string, string> = {};
  const headers: Record<string, string> = { subject: message.subject };
  for (const [key, values] of message.headers ?? []) {
    const name = key.toLowerCase();
    const value = values.join(', ');
    if (name.startsWith(CLOUD_EVENT_PREFIX)) attributes[name.slice(CLOUD_EVENT_PREFIX.length)] = decoded(value);
    else headers[name] = value;
  }
  const id = headers['nats-msg-id'];
  return {
    body: message.data,
    contentType: headers['content-type'],
    attributes,
    headers,
    plain: {
      source: plain.source,
      id: id === undefined || id === '' ? plain.id : id,
      type: message.subject,
      ...(plain.time !== undefined && { time: plain.time }),
    },
  };
}

/** Values are percent-encoded as those of HTTP headers are. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // Not encoded by the binding: it is what it is.
    return value;
  }
}
