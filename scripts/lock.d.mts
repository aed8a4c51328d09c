/** Whether a process runs; `startedAt`, from `startOf`, tells it from a later one of the same id. */
export function isAlive(process: { readonly pid?: number; readonly startedAt?: string }): boolean;
