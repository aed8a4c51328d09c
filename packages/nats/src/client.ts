// What a connection of `@nats-io/transport-node` and one of its predecessor `nats` have in common, as far as this
// package uses it. Either can be handed in.

/** A message as either client gives it. */
export interface ClientMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string;
  readonly headers?: { readonly code: number; has(name: string): boolean; get(name: string): string };
}

export interface ClientServerInfo {
  readonly version: string;
  readonly server_name: string;
  readonly cluster?: string;
  readonly max_payload: number;
  readonly jetstream?: boolean;
}

/** The newer client says `error`, the older one a code as `data`. */
export interface ClientStatus {
  readonly type: string;
  readonly error?: unknown;
  readonly data?: unknown;
}

/** A connection of either client package. */
export interface ClientConnection {
  /** Undefined while there is no connection. */
  readonly info?: ClientServerInfo | undefined;
  publish(subject: string, data?: Uint8Array, options?: object): void;
  subscribe(
    subject: string,
    options?: { callback?: (error: Error | null, message: ClientMessage) => void },
  ): { unsubscribe(): void; drain(): Promise<void> };
  flush(): Promise<void>;
  status(): AsyncIterable<ClientStatus>;
  reconnect(): Promise<void>;
  closed(): Promise<void | Error>;
  close(): Promise<void>;
  isClosed(): boolean;
}

/** Whether it is a connection rather than options for one. */
export function isClientConnection(given: object): given is ClientConnection {
  return 'publish' in given && typeof given.publish === 'function';
}
