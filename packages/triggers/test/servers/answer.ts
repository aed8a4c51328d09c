import { once } from 'node:events';
import { connect } from 'node:net';

const TIMEOUT_MS = 5_000;

/** The first bytes that whoever listens at a port of this machine answers to a request. */
export async function answerOf(port: number, request: Uint8Array | string): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write(request);
    const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(TIMEOUT_MS) })) as [Buffer];
    return answer;
  } finally {
    socket.destroy();
  }
}
