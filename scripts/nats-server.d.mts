/** What to tell a person who has none. */
export const HOW_TO_INSTALL: string;

/**
 * The path of a nats-server that can be used.
 *
 * @throws {Error} that says what was tried and how to install one, when there is none
 */
export function findNatsServer(): Promise<string>;
