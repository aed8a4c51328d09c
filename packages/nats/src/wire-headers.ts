/**
 * Headers of a message, encoded once. It has the only method that either client package calls on the headers that it is
 * given, so that hot paths need none of theirs.
 */
export class WireHeaders {
  readonly #bytes: Uint8Array;

  constructor(headers: Readonly<Record<string, string>>) {
    let text = 'NATS/1.0\r\n';
    for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`;
    this.#bytes = Buffer.from(`${text}\r\n`);
  }

  encode(): Uint8Array {
    return this.#bytes;
  }
}
