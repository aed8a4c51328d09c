/** Runs a generator that yields what it would await to its end. */
export async function driven(started: AsyncGenerator<unknown, unknown, unknown>): Promise<unknown> {
  let step = await started.next();
  while (step.done !== true) {
    let value: unknown;
    try {
      value = await step.value;
    } catch (error) {
      step = await started.throw(error);
      continue;
    }
    step = await started.next(value);
  }
  return step.value;
}

/** Whether a workflow's body is one; else it has returned a promise, or what it would resolve with. */
export function isGenerator(value: unknown): value is AsyncGenerator<unknown, unknown, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'next' in value &&
    'throw' in value &&
    typeof value.next === 'function'
  );
}
