/** A server's program, and the environment that it and what lies beside it run in. */
export interface ServerProgram {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
}

export type ServerName = 'nats-server' | 'mosquitto' | 'redis-server' | 'rabbitmq-server' | 'postgres' | 'kcat';

export const SERVER_NAMES: readonly ServerName[];

/** The environment variable that names the program, or its folder. */
export function variableOf(name: ServerName): string;

/** What to tell a person who has none. */
export function howToInstall(name: ServerName): string;

/**
 * The path of a server's program that can be used, and the environment that it runs in.
 *
 * @throws {Error} that says what was tried and how to install one, when there is none
 */
export function findServer(name: ServerName): Promise<ServerProgram>;
