// What the gateway asks of triggers. `Triggers` of @troupe/triggers has all of it; neither package knows the other.

/** A request to a trigger. */
export interface TriggerRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly query: URLSearchParams;
  body(): Promise<Uint8Array>;
}

/** What is answered: a problem where the status is 400 or more. */
export interface TriggerAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** How a trigger does. */
export interface TriggerView {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly lag?: number;
  readonly inFlight: number;
  readonly counts: Readonly<Record<string, number | undefined>>;
  readonly deadLetters: number;
}

/** An event that could not be handled. */
export interface DeadLetterView {
  readonly id: string;
}

/** The triggers of a host. */
export interface HttpTriggers {
  list(): Promise<readonly TriggerView[]>;
  status(name: string): Promise<TriggerView>;
  /** Whether the trigger checks by itself who sends. */
  verifies(name: string): boolean;
  receive(name: string, request: TriggerRequest): Promise<TriggerAnswer>;
  dryRun(name: string, message: { readonly raw: TriggerRawMessage }): Promise<object>;
  deadLetters(
    name: string,
    query: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
  ): Promise<{ readonly deadLetters: readonly DeadLetterView[]; readonly cursor?: string }>;
  allDeadLetters(name: string): AsyncIterable<DeadLetterView>;
  deadLetter(name: string, id: string): Promise<DeadLetterView>;
  retryDeadLetter(name: string, id: string): Promise<{ readonly outcome: string; readonly error?: Error | undefined }>;
  retryDeadLetters(name: string): Promise<{ readonly retried: number; readonly failed: number }>;
  dropDeadLetter(name: string, id: string): Promise<void>;
}

/** A message as it came. */
export interface TriggerRawMessage {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly plain: { readonly source: string; readonly id: string | undefined; readonly type: string };
}
