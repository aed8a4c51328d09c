// The least that the package needs of a connection to NATS. Everything above speaks to this; `connection.ts` makes one
// of a connection of either client package.

import type { WireHeaders } from './wire-headers.ts';

/** A message as it came. `data` is the reader's to keep. */
export interface WireMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string | undefined;
  /** The status of the header line: 503 when nobody listens, 404, 408, 100 and so on; 0 for none. */
  readonly status: number;
  /** The value of a header, if there is one. */
  header(name: string): string | undefined;
}

export interface PublishOptions {
  readonly reply?: string;
  readonly headers?: WireHeaders;
}

/** What the server said when the connection was made, last. */
export interface ServerInfo {
  readonly version: string;
  readonly serverName: string;
  /** Set when the server is part of a cluster. */
  readonly cluster: string | undefined;
  /** Bytes of one message, headers included. */
  readonly payloadBytesMax: number;
  readonly jetstream: boolean;
}

export type WireStatus = 'connected' | 'disconnected' | 'closed';

/** Ends a subscription at once: what the server has sent and has not come yet is dropped. */
export interface EndSubscription {
  (): void;
  /** Ends it when everything that the server has sent has come. Resolves then, or when the connection is lost. */
  drain(): Promise<void>;
}

/** One connection. While it is disconnected, what is published waits in the client's buffer and may or may not arrive. */
export interface Wire {
  readonly info: ServerInfo;
  readonly status: WireStatus;
  /** Begins the subject of every inbox of this connection: `_INBOX.…`, no dot at its end. */
  readonly inboxPrefix: string;
  /** @throws {TypeError} when the message is larger than the server takes; {@link StoreUnavailableError} when closed */
  publish(subject: string, data: Uint8Array, options?: PublishOptions): void;
  /** Messages of one subscription come in order. The callback does not throw. Returns how to end it. */
  subscribe(subject: string, onMessage: (message: WireMessage) => void): EndSubscription;
  /** Resolves when the server has got everything that was published before. Rejects when the connection is lost. */
  flush(): Promise<void>;
  /** Told of every change of `status`, at once. Returns how to end it. */
  onStatus(listener: (status: WireStatus) => void): () => void;
  /** Sends what was published, then closes. Calling it twice is harmless. */
  close(): Promise<void>;
}
