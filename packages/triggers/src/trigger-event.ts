// What a source brings, as rules and workflows see it: the attributes of CloudEvents 1.0, whatever it came as.

/** One event. `source` and `id` together name it: two with the same are the same event. */
export interface TriggerEvent<T = unknown> {
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject?: string;
  /** RFC 3339. */
  readonly time?: string;
  readonly dataSchema?: string;
  readonly dataContentType?: string;
  /** Extension attributes of a CloudEvent, by their lower-case names. */
  readonly extensions: Readonly<Record<string, string | number | boolean>>;
  /** What came beside it: headers, topic, partition. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly data: T;
  /** The trace that it belongs to: https://www.w3.org/TR/trace-context/. */
  readonly traceparent?: string;
}

/** What came from a broker or over HTTP, not yet read. */
export interface RawMessage {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  /**
   * Attributes of CloudEvents' binary mode: lower-case names without the prefix of the transport (`ce-`, `ce_`,
   * `cloudEvents:`). With `specversion` among them the message is a CloudEvent.
   */
  readonly attributes: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** What a message that is no CloudEvent is taken for. Without an id the hash of its data is the id. */
  readonly plain: {
    readonly source: string;
    readonly id: string | undefined;
    readonly type: string;
    readonly subject?: string;
    readonly time?: string;
  };
}
