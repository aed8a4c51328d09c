import { connect, type Socket } from 'node:net';

/** A connection that says exactly what it is told. */
export class RawSocket implements AsyncDisposable {
  readonly #socket: Socket;
  #received = '';
  closed = false;
  #onChange: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.#received += chunk;
      this.#onChange();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#onChange();
    });
  }

  static async open(port: number): Promise<RawSocket> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawSocket(socket);
  }

  /** Opens, sends everything and waits until the server hangs up or is silent. */
  static async exchange(port: number, text: string): Promise<string> {
    await using socket = await RawSocket.open(port);
    socket.send(text);
    await socket.until(() => socket.closed || socket.complete, 5_000);
    // There should be nothing more.
    await socket.until(() => socket.closed, 60);
    return socket.received;
  }

  send(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(text, 'latin1');
  }

  get received(): string {
    return this.#received;
  }

  /** A whole answer with a Content-Length, or without a body, is there. */
  get complete(): boolean {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end === -1) return false;
    const length = /content-length: (\d+)/i.exec(this.#received.slice(0, end))?.[1];
    return this.#received.length >= end + 4 + Number(length ?? 0);
  }

  /** Waits for a condition over what has come; false when the time is up. */
  until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (met: boolean): void => {
        clearTimeout(timer);
        this.#onChange = () => {};
        resolve(met);
      };
      const timer = setTimeout(() => settle(condition()), timeoutMs);
      this.#onChange = () => {
        if (condition()) settle(true);
      };
      this.#onChange();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}

/** The status codes of the answers in a text. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}
