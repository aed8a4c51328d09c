// Speaks as much of the protocol of NATS as a client needs to connect, and says of itself what a test wants: for servers
// of versions that nobody should have any more.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class ScriptedServer {
  version: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Every line that came over all connections. */
  readonly lines: string[] = [];

  private constructor(version: string) {
    this.version = version;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(version: string): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(version);
    scripted.#server.listen(0, '127.0.0.1');
    await once(scripted.#server, 'listening');
    return scripted;
  }

  get url(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async end(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    const info = {
      server_id: 'scripted',
      server_name: `scripted-${this.version}`,
      version: this.version,
      proto: 1,
      go: 'none',
      host: '127.0.0.1',
      port: 0,
      headers: true,
      max_payload: 1024 * 1024,
      jetstream: true,
      client_id: 1,
    };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    let rest = '';
    socket.on('data', (data) => {
      const lines = (rest + data.toString()).split('\r\n');
      rest = lines.pop()!;
      this.lines.push(...lines);
      for (const line of lines) if (line === 'PING') socket.write('PONG\r\n');
    });
  }
}
