// Wires of every kind that a host may have, for tests.

import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { connect as connectOld, type NatsConnection as OldNatsConnection } from 'nats';
import { systemClock, type Logger } from '@troupe/actors';
import { connectWire } from '../../src/connection.ts';
import type { Wire } from '../../src/wire.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly details: object;
  readonly message: string;
}

/** Keeps what it is told. */
export class KeptLog implements Logger {
  readonly lines: LogLine[] = [];

  debug(details: object, message: string): void {
    this.lines.push({ level: 'debug', details, message });
  }

  info(details: object, message: string): void {
    this.lines.push({ level: 'info', details, message });
  }

  warn(details: object, message: string): void {
    this.lines.push({ level: 'warn', details, message });
  }

  error(details: object, message: string): void {
    this.lines.push({ level: 'error', details, message });
  }

  has(level: LogLine['level'], part: string): boolean {
    return this.lines.some((line) => line.level === level && line.message.includes(part));
  }
}

export type ClientKind = 'own' | '@nats-io/transport-node' | 'nats';

export const CLIENT_KINDS: readonly ClientKind[] = ['own', '@nats-io/transport-node', 'nats'];

/** A wire and the connection below it, if that was handed in. */
export interface MadeWire {
  readonly wire: Wire;
  readonly handedIn: NatsConnection | OldNatsConnection | undefined;
  readonly log: KeptLog;
  /** Ends the connection without a word, as far as a test can. */
  kill(): Promise<void>;
  end(): Promise<void>;
}

const HANDED_IN: NodeConnectionOptions = { reconnectTimeWait: 100, reconnectJitter: 100, maxReconnectAttempts: -1 };

export async function makeWire(kind: ClientKind, options: NodeConnectionOptions): Promise<MadeWire> {
  const log = new KeptLog();
  const context = { clock: systemClock, logger: log };
  if (kind === 'own') {
    const wire = await connectWire(options, context);
    return { wire, handedIn: undefined, log, kill: () => wire.close(), end: () => wire.close() };
  }
  const handedIn =
    kind === 'nats' ? await connectOld({ ...HANDED_IN, ...options }) : await connect({ ...HANDED_IN, ...options });
  try {
    const wire = await connectWire(handedIn, context);
    return {
      wire,
      handedIn,
      log,
      kill: () => handedIn.close(),
      end: () => wire.close().then(() => handedIn.close()),
    };
  } catch (error) {
    await handedIn.close();
    throw error;
  }
}
