// The public surface of @troupe/triggers/nats.

import { checkServers, type NatsServerOptions } from './nats/nats-link.ts';
import { NatsReader } from './nats/nats-reader.ts';
import type { Source } from './source.ts';

export type { NatsServerOptions } from './nats/nats-link.ts';
export type { NatsReply } from './nats/nats-reader.ts';

/** Which subject of core NATS starts workflows. */
export interface NatsOptions extends NatsServerOptions {
  /** With wildcards if need be. */
  readonly subject: string;
  /** The queue group that all hosts are in: each message comes to one of them. Default `troupe-<app>-<trigger>`. */
  readonly queue?: string;
}

/**
 * Messages of a subject of core NATS, which keeps nothing: what is published while no host listens is gone. For events that
 * may not be lost use `jetstream(…)`, or requests that are asked again until they are answered.
 *
 * @throws {TypeError} when an option is none that can be
 */
export function nats(options: NatsOptions): Source {
  checkServers(options, 'nats()');
  checkSubject('subject', options.subject);
  if (options.queue !== undefined) checkSubject('queue', options.queue);
  return { kind: 'nats', runsOn: 'every-host', open: (context) => NatsReader.open(options, context) };
}

function checkSubject(what: string, value: unknown): void {
  if (typeof value === 'string' && value !== '' && !/\s/.test(value)) return;
  throw new TypeError(`nats(): ${what} is a name without spaces, got ${String(value)}`);
}
