// Branches of a workflow that fail while nobody awaits them. Durable waits are long, so a branch that is awaited late, or
// never, is usual in workflow code; to Node it is an unhandled rejection, which would end the process, and after a restart
// end it again at the same place.
//
// Only rejections that are surely a workflow's are taken: of errors that the engine threw into the code, or of errors that
// were made in a file that defines workflows and came while workflow code was being run.

import type { Logger } from '@troupe/actors';
import { drainedJustNow } from './quiescence.ts';

const thrownIn = new WeakSet<object>();
const files = new Set<string>();
const loggers: Logger[] = [];

/** Says that the engine throws this error into workflow code. */
export function noteThrownIn(error: Error): void {
  thrownIn.add(error);
}

/** Says that whoever called `definer` defines a workflow. */
export function noteDefinition(definer: (...args: never[]) => unknown): void {
  const trace: { stack?: string } = {};
  Error.captureStackTrace(trace, definer);
  const file = fileOf(trace.stack?.split('\n')[1] ?? '');
  if (file !== undefined) files.add(file);
}

/** Keeps stray rejections of workflows from ending the process until the result is called. */
export function catchStrayRejections(logger: Logger): () => void {
  loggers.push(logger);
  if (loggers.length === 1) process.on('unhandledRejection', onUnhandledRejection);
  return () => {
    const index = loggers.indexOf(logger);
    if (index === -1) return;
    loggers.splice(index, 1);
    if (loggers.length === 0) process.off('unhandledRejection', onUnhandledRejection);
  };
}

function onUnhandledRejection(reason: unknown): void {
  if (isOfWorkflow(reason)) {
    loggers[0]!.warn({ err: reason }, 'a branch of a workflow failed and nobody awaits it yet');
    return;
  }
  // As if there were no listener here: another one takes care of it, or it ends the process.
  if (process.listenerCount('unhandledRejection') === 1) throw reason;
}

function isOfWorkflow(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false;
  if (thrownIn.has(reason)) return true;
  if (!drainedJustNow() || typeof reason.stack !== 'string') return false;
  return reason.stack.split('\n').some((frame) => {
    const file = fileOf(frame);
    return file !== undefined && files.has(file);
  });
}

/** The file of a stack frame. */
function fileOf(frame: string): string | undefined {
  return /((?:file:\/\/|\/|[A-Za-z]:\\)[^()]+?):\d+:\d+\)?$/.exec(frame.trim())?.[1];
}
