import { SourceError } from './errors.ts';

/**
 * The client of a broker, which whoever uses it has installed: `installed(import('mqtt'), '…: npm install mqtt')`.
 *
 * @throws {SourceError} that says what to do, when it is not there
 */
export async function installed<T>(client: Promise<T>, whatToDo: string): Promise<T> {
  try {
    return await client;
  } catch (cause) {
    throw new SourceError(whatToDo, { cause });
  }
}
