/**
 * Bundles a program that is to run in child processes, once for each process that asks, and gives the arguments of node that
 * run it. The bundle goes with this process.
 */
export function childProgram(path: string): Promise<readonly string[]>;
