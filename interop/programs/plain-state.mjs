/** How an instance stands, as both clients that grew out of the same one tell it, in words of the tests. */
export function plainState(state, statuses) {
  if (state === undefined) return undefined;
  const failure = state.failureDetails;
  return {
    name: state.name,
    instanceId: state.instanceId,
    status: statuses[state.runtimeStatus],
    createdAtMs: state.createdAt.getTime(),
    updatedAtMs: state.lastUpdatedAt.getTime(),
    input: state.serializedInput,
    output: state.serializedOutput,
    customStatus: state.serializedCustomStatus,
    failure: failure && { type: failure.errorType, message: failure.message, stack: failure.stackTrace },
  };
}
