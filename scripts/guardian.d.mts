import type { ChildProcess } from 'node:child_process';

/** Takes a child process into care until it has exited: it is killed when this process ends in any way before. */
export function guardProcess(child: ChildProcess): void;

/** Takes a folder into care: it is removed when this process ends. Gives what removes it at once. */
export function guardFolder(path: string): () => void;
