// The public surface of @troupe/triggers/jetstream.

import { checkServers, type NatsServerOptions } from './nats/nats-link.ts';
import { JetStreamReader } from './jetstream/jetstream-reader.ts';
import { ACK_WAIT_MS_MIN } from './limits.ts';
import type { Source } from './source.ts';

export type { NatsServerOptions } from './nats/nats-link.ts';

/** Which messages of a stream start workflows, and through which durable consumer they are shared. */
export interface JetStreamOptions extends NatsServerOptions {
  readonly stream: string;
  /** Subjects, with wildcards. Default: all of the stream. */
  readonly filter?: string | readonly string[];
  /** The durable consumer that all hosts share, created if it is not there. Default `troupe-<app>-<trigger>`. */
  readonly durable?: string;
  /** The server gives a message to another host when this one has said nothing for so long. Default 30,000. */
  readonly ackWaitMs?: number;
  /** Where a consumer that is created begins. Default `all`: with the first message that the stream still has. */
  readonly startFrom?: 'all' | 'new' | { readonly sequence: number } | { readonly time: string };
}

/** What can be part of a subject of the server's own. */
const NAME_PATTERN = /^[^\s.*>/\\]+$/;

/**
 * Messages of a JetStream stream, shared by all hosts through one durable consumer.
 *
 * @throws {TypeError} when an option is none that can be
 */
export function jetstream(options: JetStreamOptions): Source {
  checkServers(options, 'jetstream()');
  const { stream, durable, ackWaitMs, startFrom } = options;
  checkName('stream', stream);
  if (durable !== undefined) checkName('durable', durable);
  const filter = options.filter === undefined ? [] : [options.filter].flat();
  if (filter.some((subject) => typeof subject !== 'string' || subject === '' || /\s/.test(subject))) {
    throw new TypeError('jetstream(): filter is one subject as orders.*, or several');
  }
  if (ackWaitMs !== undefined && !(Number.isSafeInteger(ackWaitMs) && ackWaitMs >= ACK_WAIT_MS_MIN)) {
    throw new TypeError(
      `jetstream(): ackWaitMs is an integer of at least ${ACK_WAIT_MS_MIN}, got ${String(ackWaitMs)}`,
    );
  }
  checkStart(startFrom);
  return {
    kind: 'jetstream',
    runsOn: 'every-host',
    open: (context) => JetStreamReader.open({ ...options, filter }, context),
  };
}

function checkName(what: string, name: unknown): void {
  if (typeof name !== 'string' || !NAME_PATTERN.test(name)) {
    throw new TypeError(`jetstream(): ${what} is a name without spaces and without . * > / \\, got ${String(name)}`);
  }
}

function checkStart(startFrom: JetStreamOptions['startFrom']): void {
  if (startFrom === undefined || startFrom === 'all' || startFrom === 'new') return;
  if (typeof startFrom === 'object' && startFrom !== null) {
    if ('sequence' in startFrom && Number.isSafeInteger(startFrom.sequence) && startFrom.sequence > 0) return;
    if ('time' in startFrom && !Number.isNaN(Date.parse(startFrom.time))) return;
  }
  throw new TypeError(
    `jetstream(): startFrom is 'all', 'new', { sequence: 1 } or { time: '2026-01-31T00:00:00Z' }, got ${JSON.stringify(startFrom)}`,
  );
}
