import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { consoleLogger, type Logger } from '@troupe/actors';
import type { GrpcServer } from '@troupe/gateway/grpc';
import { serveHttp, type HttpServer } from '@troupe/gateway/http';
import { levelStore } from '@troupe/level';
import { Triggers } from '@troupe/triggers';
import { startHost, type WorkflowHost, type WorkflowHostOptions } from '@troupe/workflow';
import { PortError } from './errors.ts';
import { exampleActivities, exampleTriggers, exampleWorkflows } from './examples.ts';
import type { NatsSettings } from './nats-settings.ts';

/** What to serve, where, and where its state is: in a folder, or shared with other hosts over NATS. */
export interface ServeOptions {
  /** 0 takes any free one. */
  readonly port: number;
  /** Where the SDKs of Dapr and of Durable Task are served; 0 takes any free port. Default: nowhere. */
  readonly grpcPort?: number | undefined;
  /** Made if there is none. One process at a time may use it. */
  readonly dataFolder?: string | undefined;
  /** Instead of a folder. */
  readonly nats?: NatsSettings | undefined;
  /** Applications do not see each other. Default `"default"`. */
  readonly app?: string | undefined;
  /** Whether the example workflows are registered. Default true. */
  readonly examples?: boolean;
  /** What starts and drives instances. Default: those of the examples, if these are registered. */
  readonly triggers?: Triggers | undefined;
  readonly logger?: Logger;
  /** Ends the wait for the servers. */
  readonly signal?: AbortSignal;
}

/** How a service shares its state. */
export interface SharedState {
  readonly servers: readonly string[];
  readonly serverVersion: string;
  readonly replicas: number;
}

/** A running service. Made by {@link serve}. */
export interface Service {
  readonly url: string;
  readonly port: number;
  readonly grpcPort: number | undefined;
  readonly app: string;
  /** Absolute; undefined when the state is shared. */
  readonly dataFolder: string | undefined;
  readonly shared: SharedState | undefined;
  readonly host: WorkflowHost;
  readonly triggers: Triggers;
  /** Where the example trigger looks for files. */
  readonly inbox: string | undefined;
  /** Stops gracefully: no new requests, running turns finish, answers are sent, the store is closed. */
  stop(): Promise<void>;
}

/**
 * Serves workflows over HTTP, and over gRPC if asked to, on 127.0.0.1, with their state in a folder, or shared with other
 * hosts.
 *
 * @throws {StoreLockedError} when another process uses the folder
 * @throws {StoreUnavailableError} when the folder, or the servers, cannot be used
 * @throws {LayoutMismatchError} when the state was laid out for other settings
 * @throws {NatsRefusedError} when the servers do not let us in
 * @throws {PortError} when a port cannot be used
 */
export async function serve(options: ServeOptions): Promise<Service> {
  const logger = options.logger ?? consoleLogger;
  const app = options.app ?? 'default';
  const examples = options.examples ?? true;
  const { dataFolder, shared, ...state } = await stateOf(options, logger);
  const shown = examples && options.triggers === undefined;
  const inbox = shown && dataFolder !== undefined ? join(dataFolder, 'inbox') : undefined;
  const triggers = options.triggers ?? (shown ? exampleTriggers(inbox) : new Triggers());
  const host = await startHost({
    ...state,
    actors: triggers.actors,
    endings: triggers.endings,
    app,
    workflows: examples ? exampleWorkflows : [],
    activities: examples ? exampleActivities : [],
    logger,
  });
  let server: HttpServer | undefined;
  let grpc: GrpcServer | undefined;
  try {
    server = await serveHttp(host, { port: options.port, logger, triggers }).catch(portError('--port', options.port));
    if (options.grpcPort !== undefined) {
      // Only now: a service without it starts without its packages.
      const { serveGrpc } = await import('@troupe/gateway/grpc');
      grpc = await serveGrpc(host, { port: options.grpcPort, logger }).catch(
        portError('--grpc-port', options.grpcPort),
      );
    }
    if (inbox !== undefined) await mkdir(inbox, { recursive: true });
    await triggers.start(host);
    const { url, port: httpPort } = server;
    return {
      url,
      port: httpPort,
      grpcPort: grpc?.port,
      app,
      dataFolder,
      shared,
      host,
      triggers,
      inbox,
      async stop() {
        await triggers.stop();
        await Promise.all([server?.stop(), grpc?.stop()]);
        await host.stop();
      },
    };
  } catch (error) {
    await triggers.stop();
    await server?.stop();
    await host.stop();
    throw error;
  }
}

type State = Pick<WorkflowHostOptions, 'store' | 'cluster'> & Pick<Service, 'dataFolder' | 'shared'>;

async function stateOf({ dataFolder, nats, signal }: ServeOptions, logger: Logger): Promise<State> {
  if ((dataFolder === undefined) === (nats === undefined))
    throw new TypeError('a service has either a dataFolder or nats');
  if (dataFolder !== undefined) {
    const absolute = resolve(dataFolder);
    return { store: levelStore(absolute), dataFolder: absolute, shared: undefined };
  }
  // Only now: a service on a folder starts without the client package.
  const { sharedState } = await import('./shared-state.ts');
  return { ...(await sharedState(nats!, logger, signal)), dataFolder: undefined };
}

function portError(flag: '--port' | '--grpc-port', port: number): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE') throw new PortError(port, flag, 'another process listens on it', error);
    if (code === 'EACCES') throw new PortError(port, flag, 'this user may not listen on it', error);
    throw error;
  };
}
