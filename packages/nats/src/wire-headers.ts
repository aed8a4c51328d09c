/**
 * Headers of a message, encoded once. It has the only method that either client package calls on the headers that it is
 * given, so that hot paths need none of theirs.
 */
export class WireHeaders {
  readonly #bytes: Uint8Array;

  /** Names and values, or what they are encoded as. */
  constructor(headers: Readonly<Record<string, string>> | Uint8Array) {
    this.#bytes = headers instanceof Uint8Array ? headers : encode(headers);
  }

  encode(): Uint8Array {
    return this.#bytes;
  }
}

function encode(headers: Readonly<Record<string, string>>): Uint8Array {
  let text = 'NATS/1.0\r\n';
  for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`;
  return Buffer.from(`${text}\r\n`);
}
