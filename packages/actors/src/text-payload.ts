/**
 * A payload that came as text and is kept as it came: workers and clients of other languages pass text, JSON by custom and
 * not by rule. It is a payload like any other; who wants to look into it asks for its value.
 */
export class TextPayload {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** What the text says as JSON; the text itself if it is none; nothing if it is empty. */
  get value(): unknown {
    if (this.text === '') return undefined;
    try {
      return JSON.parse(this.text) as unknown;
    } catch {
      return this.text;
    }
  }

  toJSON(): unknown {
    return this.value;
  }
}

/** A payload as code of this language takes it. */
export function plainPayload(payload: unknown): unknown {
  return payload instanceof TextPayload ? payload.value : payload;
}

/** A payload as text: JSON, unless it came as text. Nothing stays nothing. */
export function payloadText(payload: unknown): string | undefined {
  if (payload === undefined) return undefined;
  if (payload instanceof TextPayload) return payload.text;
  return JSON.stringify(payload, (_, part: unknown) => (typeof part === 'bigint' ? part.toString() : part));
}
