// Makes the load of W12, in a process of its own: so many connections that stay open, on each of them a start, then a wait
// for the end, and again. Speaks just enough HTTP/1.1 for that: a client library would be slower than what it measures.

import { connect, type Socket } from 'node:net';

export interface HttpLoad {
  readonly port: number;
  readonly connections: number;
  readonly durationMs: number;
  readonly startPath: string;
  readonly body: string;
  /** `{id}` stands for the id that the start has answered. */
  readonly resultPath: string;
}

export interface HttpLoadResult {
  readonly totalMs: number;
  /** Of a start and its wait together. */
  readonly latenciesMs: number[];
  readonly examples: { readonly start: string; readonly result: string };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

process.on('message', (load: HttpLoad) => {
  void run(load).then((result) => process.send!(result));
});
process.on('disconnect', () => process.exit());

async function run(load: HttpLoad): Promise<HttpLoadResult> {
  const latenciesMs: number[] = [];
  const examples = { start: '', result: '' };
  const startedAt = performance.now();
  const endsAt = startedAt + load.durationMs;
  const onConnection = async (): Promise<void> => {
    const connection = await Connection.open(load.port);
    for (let beganAt = performance.now(); beganAt < endsAt; beganAt = performance.now()) {
      const start = await connection.ask('POST', load.startPath, load.body);
      if (start.status !== 202) throw new Error(`a start was answered ${start.status} ${start.body}`);
      const id = INSTANCE_ID.exec(start.body)?.[1] ?? '';
      const result = await connection.ask('GET', load.resultPath.replace('{id}', id), '');
      if (result.status !== 200) throw new Error(`a wait was answered ${result.status} ${result.body}`);
      latenciesMs.push(performance.now() - beganAt);
      examples.start = start.body;
      examples.result = result.body;
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: load.connections }, onConnection));
  return { totalMs: performance.now() - startedAt, latenciesMs, examples };
}

const INSTANCE_ID = /"instanceId":"([^"]+)"/;
const STATUS = /^HTTP\/1\.1 (\d+)/;
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i;
const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = '0\r\n\r\n';

/** One request at a time. */
class Connection {
  readonly #socket: Socket;
  #received = '';
  #answered: (answer: Answer) => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // Answers are ASCII: characters are bytes.
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#hear(chunk));
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#failed(new Error('the server has closed the connection')));
  }

  static async open(port: number): Promise<Connection> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Connection(socket);
  }

  ask(method: string, path: string, body: string): Promise<Answer> {
    const head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${this.#socket.remotePort}\r\n`;
    const bodyHead = body === '' ? '' : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
    this.#socket.write(`${head}${bodyHead}\r\n${body}`);
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
    });
  }

  #hear(chunk: string): void {
    this.#received += chunk;
    const answer = answerIn(this.#received);
    if (answer === undefined) return;
    this.#received = '';
    this.#answered(answer);
  }

  close(): void {
    this.#failed = () => {};
    this.#socket.destroy();
  }
}

/** The answer, when all of it is there. */
function answerIn(received: string): Answer | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = received.slice(0, headEnd);
  const rest = received.slice(headEnd + HEAD_END.length);
  const status = Number(STATUS.exec(head)?.[1]);
  const length = CONTENT_LENGTH.exec(head)?.[1];
  if (length !== undefined) return rest.length < Number(length) ? undefined : { status, body: rest };
  // In chunks: no line of an answer of ours is "0".
  if (!rest.endsWith(LAST_CHUNK)) return undefined;
  return { status, body: rest.split('\r\n')[1] ?? '' };
}
