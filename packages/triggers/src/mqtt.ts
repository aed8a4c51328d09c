// The public surface of @troupe/triggers/mqtt.

import type { IClientOptions } from 'mqtt';
import { SESSION_EXPIRY_MS_MAX } from './limits.ts';
import { MqttReader } from './mqtt/mqtt-reader.ts';
import type { Source } from './source.ts';

/** Which topic of an MQTT broker starts workflows. */
export interface MqttOptions {
  /** As `mqtt://host:1883`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  /** A topic filter: with `+` and `#` if need be. */
  readonly topic: string;
  /**
   * A group that the broker shares the messages among (`$share`), so that every host reads. Each host needs a `clientId` of
   * its own then. Default: one host reads, and another one takes its session over when it fails.
   */
  readonly shared?: string;
  /**
   * The name of the session that the broker keeps messages in. It must be the same after a restart. Default, when one host
   * reads, `troupe-<app>-<trigger>`.
   */
  readonly clientId?: string;
  /** 5, or 4 which is MQTT 3.1.1. Default 5. */
  readonly version?: 4 | 5;
  readonly username?: string;
  readonly password?: string;
  /** How long the broker of MQTT 5 keeps the session, and what it collects, while no host is there. Default 7 days. */
  readonly sessionExpiryMs?: number;
  /** Passed through to the client's `connect`: TLS, keep-alive and so on. */
  readonly options?: Omit<IClientOptions, keyof typeof OWN>;
}

/** Options of the client that decide whether messages are lost. */
const OWN = {
  clean: true,
  clientId: true,
  customHandleAcks: true,
  incomingStore: true,
  manualConnect: true,
  password: true,
  properties: true,
  protocolVersion: true,
  reconnectPeriod: true,
  resubscribe: true,
  username: true,
} as const;

const PROTOCOLS = new Set(['mqtt:', 'mqtts:', 'ws:', 'wss:']);

/**
 * Messages of an MQTT topic, each acknowledged after it was settled, from a session that outlives connections and hosts.
 *
 * @throws {TypeError} when an option is none that can be
 */
export function mqtt(options: MqttOptions): Source {
  const { url, topic, shared, clientId, version, sessionExpiryMs } = options;
  if (!URL.canParse(url) || !PROTOCOLS.has(new URL(url).protocol)) {
    throw new TypeError('mqtt(): url is one as mqtt://host:1883, mqtts://, ws:// or wss://');
  }
  if (typeof topic !== 'string' || topic === '' || topic.startsWith('$share/')) {
    throw new TypeError(
      "mqtt(): topic is a topic filter as orders/+; a shared one is { topic: 'orders/+', shared: 'group' }",
    );
  }
  if (shared !== undefined) {
    if (typeof shared !== 'string' || !/^[^/+#\s]+$/.test(shared)) {
      throw new TypeError(`mqtt(): shared is the name of a group without / + # and spaces, got ${String(shared)}`);
    }
    // Two of one name would end each other's connection, and one of a new name after each restart would leave its messages.
    if (clientId === undefined) {
      throw new TypeError(
        'mqtt(): with shared, each host needs a clientId of its own that is the same after a restart',
      );
    }
  }
  if (clientId !== undefined && (typeof clientId !== 'string' || clientId === '')) {
    throw new TypeError(`mqtt(): clientId is a name, got ${String(clientId)}`);
  }
  if (version !== undefined && version !== 4 && version !== 5) {
    throw new TypeError(`mqtt(): version is 5, or 4 for MQTT 3.1.1, got ${String(version)}`);
  }
  if (
    sessionExpiryMs !== undefined &&
    !(Number.isFinite(sessionExpiryMs) && sessionExpiryMs >= 1_000 && sessionExpiryMs <= SESSION_EXPIRY_MS_MAX)
  ) {
    throw new TypeError(
      `mqtt(): sessionExpiryMs is from 1,000 to ${SESSION_EXPIRY_MS_MAX}, got ${String(sessionExpiryMs)}`,
    );
  }
  return {
    kind: 'mqtt',
    runsOn: shared === undefined ? 'one-host' : 'every-host',
    open: (context) => MqttReader.open(options, context),
  };
}
