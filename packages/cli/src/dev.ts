import { parseArgs } from 'node:util';
import { TroupeError } from '@troupe/actors';
import { banner } from './banner.ts';
import { UsageError } from './errors.ts';
import { serviceLogger } from './log.ts';
import { serve, type Service } from './serve.ts';
import { stopSignal } from './stop-signal.ts';

export const DEV_USAGE = `troupe dev [options]          serves workflows over HTTP on 127.0.0.1
                              (in a clone: npm start -- [options])
  --port PORT                 default 3500; 0 takes a free one
  --grpc-port PORT            accepted and ignored for now
  --data FOLDER               default .troupe
  --no-examples               without the example workflows`;

export interface DevArguments {
  readonly port: number;
  readonly grpcPort: number | undefined;
  readonly dataFolder: string;
  readonly examples: boolean;
}

/** @throws {UsageError} when the arguments make no sense */
export function parseDevArguments(args: readonly string[]): DevArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '3500' },
      'grpc-port': { type: 'string' },
      data: { type: 'string', default: '.troupe' },
      'no-examples': { type: 'boolean', default: false },
    },
  });
  if (values.data === '') throw new UsageError('--data names a folder');
  return {
    port: parsePort('--port', values.port),
    grpcPort: values['grpc-port'] === undefined ? undefined : parsePort('--grpc-port', values['grpc-port']),
    dataFolder: values.data,
    examples: !values['no-examples'],
  };
}

function parsePort(flag: string, text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`${flag} is a number from 0 to 65535, got ${JSON.stringify(text)}`);
}

/** Serves until it is told to stop; resolves with the exit code. */
export async function dev(args: readonly string[]): Promise<number> {
  const { port, grpcPort, dataFolder, examples } = parseDevArguments(args);
  // Shown to those who find the data folder locked.
  process.title = 'troupe';
  const logger = serviceLogger();
  const stopped = stopSignal();
  let service: Service;
  try {
    service = await serve({ port, dataFolder, examples, logger });
  } catch (error) {
    // Of our own errors the message says all; others are bugs, and their stack is wanted.
    console.error(error instanceof TroupeError ? `troupe: ${error.message}` : error);
    return 1;
  }
  if (grpcPort !== undefined) console.error('troupe: gRPC is not served yet; --grpc-port is ignored');
  process.stdout.write(banner(service, examples, process.stdout.isTTY && process.stdout.hasColors()));
  logger.info({ url: service.url, dataFolder: service.dataFolder }, 'serving');
  logger.info({ signal: await stopped }, 'stopping; signal again to force it');
  await service.stop();
  logger.info({}, 'stopped');
  return 0;
}
