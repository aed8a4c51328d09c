/**
 * The path of a Node that is new enough for clients that need Node 22.
 *
 * @throws {Error} when this one is not, and none could be fetched
 */
export function findNewerNode(): Promise<string>;
