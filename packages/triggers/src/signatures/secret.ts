import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { SecretError } from '../errors.ts';
import { SECRET_BYTES_MAX } from '../limits.ts';

const SHOWN = '[secret]';

/** A text that nobody gets to see by accident: printed, logged or as JSON it is `[secret]`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Not for messages. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/** Where a secret is found: an environment variable, a file (as orchestrators mount them), or the text itself. */
export type SecretOrigin = string | Secret | { readonly env: string } | { readonly file: string };

/**
 * Fetches a secret, once. Of a file the line break at its end is no part.
 *
 * @throws {SecretError} when there is none, or an empty one: the message says where it was looked for
 */
export function secretFrom(origin: SecretOrigin): Secret {
  if (origin instanceof Secret) return origin;
  if (typeof origin === 'string') return checked(origin, 'the secret');
  if (typeof origin !== 'object' || origin === null)
    throw new SecretError(`a secret is a text, { env: 'NAME' } or { file: 'path' }, got ${typeof origin}`);
  if ('env' in origin) {
    const text = process.env[origin.env];
    if (text === undefined) throw new SecretError(`the environment variable ${origin.env} is not set`);
    return checked(text, `the environment variable ${origin.env}`);
  }
  return checked(readSecret(origin.file), `the file ${origin.file}`);
}

function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new SecretError(`the file ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function checked(text: string, what: string): Secret {
  if (typeof text !== 'string' || text.trim() === '') throw new SecretError(`${what} is empty; a secret is expected`);
  if (Buffer.byteLength(text) > SECRET_BYTES_MAX)
    throw new SecretError(`${what} has more than ${SECRET_BYTES_MAX} bytes: is it the right one?`);
  return new Secret(text);
}

/** One secret, or several while one takes the place of another: what any of them has signed is accepted. */
export type Secrets = SecretOrigin | readonly SecretOrigin[];

/** @throws {SecretError} when there is none */
export function secretsFrom(secrets: Secrets): readonly Secret[] {
  const list = (Array.isArray(secrets) ? secrets : [secrets]) as readonly SecretOrigin[];
  if (list.length === 0) throw new SecretError('the list of secrets is empty; a secret is expected');
  return list.map(secretFrom);
}
