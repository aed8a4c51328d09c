// The way between one client and its server: a TCP proxy that can be cut, also one way only, slowed down and reset.

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { Transform, type TransformCallback } from 'node:stream';

export type Direction = 'both' | 'toServer' | 'toClient';

/** What passes through; held back while its direction is cut. */
class Pipe extends Transform {
  readonly #link: { readonly delayMs: number };
  readonly #cut: () => boolean;
  #waiting: (() => void) | undefined;

  constructor(link: { readonly delayMs: number }, cut: () => boolean) {
    super();
    this.#link = link;
    this.#cut = cut;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const pass = (): void => {
      if (this.destroyed) return;
      if (this.#cut()) {
        this.#waiting = pass;
        return;
      }
      done(null, chunk);
    };
    if (this.#link.delayMs > 0) setTimeout(pass, this.#link.delayMs).unref();
    else pass();
  }

  healed(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: readonly Pipe[];
}

export class Link {
  readonly #server: Server;
  readonly #target: number;
  readonly #connections = new Set<Connection>();
  #cutToServer = false;
  #cutToClient = false;
  #delayMs = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** A link to a port of this machine. */
  static async to(port: number): Promise<Link> {
    const link = new Link(port);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  /** Nothing passes any more, in both directions or one, and nobody is told. New connections are accepted and silent. */
  cut(direction: Direction = 'both'): void {
    if (direction !== 'toClient') this.#cutToServer = true;
    if (direction !== 'toServer') this.#cutToClient = true;
  }

  /** What was held back passes, and whatever comes. Without delay. */
  heal(): void {
    this.#cutToServer = false;
    this.#cutToClient = false;
    this.#delayMs = 0;
    for (const { pipes } of this.#connections) for (const pipe of pipes) pipe.healed();
  }

  /** Each piece is late by so much, one after the other: this also makes the way narrow. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Ends all connections with a reset; new ones are let through. */
  reset(): void {
    for (const { client, server } of this.#connections) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  async close(): Promise<void> {
    this.#server.close();
    this.reset();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const toServer = new Pipe(this, () => this.#cutToServer);
    const toClient = new Pipe(this, () => this.#cutToClient);
    const connection: Connection = { client, server, pipes: [toServer, toClient] };
    this.#connections.add(connection);
    client.pipe(toServer).pipe(server);
    server.pipe(toClient).pipe(client);
    const end = (): void => {
      this.#connections.delete(connection);
      for (const part of [client, server, toServer, toClient]) part.destroy();
    };
    for (const part of [client, server]) {
      part.setNoDelay(true);
      // A reset, or nobody who listens: the other side sees the end of its connection.
      part.once('error', end);
      part.once('close', end);
    }
  }
}
