/** The engine's own frames, by the names of its classes: they stay what they are when the code is bundled. */
const OWN_FRAME =
  /\bat (?:async )?(?:new )?(?:(?:callSite|note|driven|deferred)\b|(?:[\w$]+\.)?watched\b|WorkflowRun[.#]|RunContext[.#])/;

/** Where the workflow's code is that called into the engine: `file:line:column`, or undefined when it is not on the stack. */
export function callSite(): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 30;
  const stack = new Error('where').stack ?? '';
  Error.stackTraceLimit = stackTraceLimit;
  for (const frame of stack.split('\n').slice(1)) {
    if (OWN_FRAME.test(frame) || frame.includes('node:internal') || frame.includes('<anonymous>')) continue;
    const location = /\(?((?:file:\/\/|\/|[A-Za-z]:\\)[^()]+:\d+:\d+)\)?$/.exec(frame.trim());
    return location === null ? undefined : location[1];
  }
  return undefined;
}
