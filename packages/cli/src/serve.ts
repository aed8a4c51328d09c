import { resolve } from 'node:path';
import { consoleLogger, type Logger } from '@troupe/actors';
import { serveHttp } from '@troupe/gateway/http';
import { levelStore } from '@troupe/level';
import { startHost, type WorkflowHost } from '@troupe/workflow';
import { PortError } from './errors.ts';
import { exampleActivities, exampleWorkflows } from './examples.ts';

/** What to serve, and where. */
export interface ServeOptions {
  /** 0 takes any free one. */
  readonly port: number;
  /** Made if there is none. One process at a time may use it. */
  readonly dataFolder: string;
  /** Whether the example workflows are registered. Default true. */
  readonly examples?: boolean;
  readonly logger?: Logger;
}

/** A running service. Made by {@link serve}. */
export interface Service {
  readonly url: string;
  readonly port: number;
  /** Absolute. */
  readonly dataFolder: string;
  readonly host: WorkflowHost;
  /** Stops gracefully: no new requests, running turns finish, answers are sent, the store is closed. */
  stop(): Promise<void>;
}

/**
 * Serves workflows over HTTP on 127.0.0.1, with their state in a folder.
 *
 * @throws {StoreLockedError} when another process uses the folder
 * @throws {StoreUnavailableError} when the folder cannot be used
 * @throws {PortError} when the port cannot be used
 */
export async function serve(options: ServeOptions): Promise<Service> {
  const dataFolder = resolve(options.dataFolder);
  const logger = options.logger ?? consoleLogger;
  const examples = options.examples ?? true;
  const host = await startHost({
    store: levelStore(dataFolder),
    workflows: examples ? exampleWorkflows : [],
    activities: examples ? exampleActivities : [],
    logger,
  });
  try {
    const server = await serveHttp(host, { port: options.port, logger });
    return {
      url: server.url,
      port: server.port,
      dataFolder,
      host,
      async stop() {
        await server.stop();
        await host.stop();
      },
    };
  } catch (error) {
    await host.stop();
    throw portError(options.port, error);
  }
}

function portError(port: number, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return new PortError(port, 'another process listens on it', error);
  if (code === 'EACCES') return new PortError(port, 'this user may not listen on it', error);
  return error;
}
