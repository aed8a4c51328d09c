/** What happens to an instance, as the protocol tells it. See `../schema.ts` for the marks. */
export const HISTORY_SCHEMA = `
enum OrchestrationStatus {
  ORCHESTRATION_STATUS_RUNNING = 0;
  ORCHESTRATION_STATUS_COMPLETED = 1;
  ORCHESTRATION_STATUS_CONTINUED_AS_NEW = 2;
  ORCHESTRATION_STATUS_FAILED = 3;
  ORCHESTRATION_STATUS_CANCELED = 4;
  ORCHESTRATION_STATUS_TERMINATED = 5;
  ORCHESTRATION_STATUS_PENDING = 6;
  ORCHESTRATION_STATUS_SUSPENDED = 7;
  ORCHESTRATION_STATUS_STALLED = 8;
}

enum StalledReason {
  PATCH_MISMATCH = 0;
  VERSION_NOT_AVAILABLE = 1;
  PAYLOAD_SIZE_EXCEEDED = 2;
}

enum HistoryPropagationScope {
  HISTORY_PROPAGATION_SCOPE_NONE = 0;
  HISTORY_PROPAGATION_SCOPE_OWN_HISTORY = 1;
  HISTORY_PROPAGATION_SCOPE_LINEAGE = 2;
}

message OrchestrationInstance {
  string instanceId = 1;
  google.protobuf.StringValue executionId = 2;
}

message TaskFailureDetails {
  string errorType = 1;
  string errorMessage = 2;
  google.protobuf.StringValue stackTrace = 3;
  TaskFailureDetails innerFailure = 4;
  bool isNonRetriable = 5;
  map<string, google.protobuf.Value> properties = 6;
}

message ParentInstanceInfo {
  int32 taskScheduledId = 1;
  google.protobuf.StringValue name = 2;
  google.protobuf.StringValue version = 3;
  OrchestrationInstance orchestrationInstance = 4;
  optional string appID = 5;
  optional string appNamespace = 6;
}

message TraceContext {
  string traceParent = 1;
  string spanID = 2;
  google.protobuf.StringValue traceState = 3;
}

message ExecutionStartedEvent {
  string name = 1;
  google.protobuf.StringValue version = 2;
  google.protobuf.StringValue input = 3;
  OrchestrationInstance orchestrationInstance = 4;
  ParentInstanceInfo parentInstance = 5;
  google.protobuf.Timestamp scheduledStartTimestamp = 6;
  TraceContext parentTraceContext = 7;
  google.protobuf.StringValue orchestrationSpanID = 8;
  map<string, string> tags = 9;
}

message ExecutionCompletedEvent {
  OrchestrationStatus orchestrationStatus = 1;
  google.protobuf.StringValue result = 2;
  TaskFailureDetails failureDetails = 3;
}

message ExecutionTerminatedEvent {
  google.protobuf.StringValue input = 1;
  bool recurse = 2;
}

message TaskScheduledEvent {
  string name = 1;
  google.protobuf.StringValue version = 2;
  google.protobuf.StringValue input = 3;
  TraceContext parentTraceContext = 4;
  map<string, string> tags = 5; // M
  string taskExecutionId = 5; // D
  RerunParentInstanceInfo rerunParentInstanceInfo = 6;
  HistoryPropagationScope historyPropagationScope = 7;
}

message TaskCompletedEvent {
  int32 taskScheduledId = 1;
  google.protobuf.StringValue result = 2;
  string taskExecutionId = 3;
}

message TaskFailedEvent {
  int32 taskScheduledId = 1;
  TaskFailureDetails failureDetails = 2;
  string taskExecutionId = 3;
}

message SubOrchestrationInstanceCreatedEvent {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue version = 3;
  google.protobuf.StringValue input = 4;
  TraceContext parentTraceContext = 5;
  map<string, string> tags = 6; // M
  RerunParentInstanceInfo rerunParentInstanceInfo = 6; // D
  HistoryPropagationScope historyPropagationScope = 7;
  RetryParentInstanceInfo retryParentInstanceInfo = 8;
}

message SubOrchestrationInstanceCompletedEvent {
  int32 taskScheduledId = 1;
  google.protobuf.StringValue result = 2;
}

message SubOrchestrationInstanceFailedEvent {
  int32 taskScheduledId = 1;
  TaskFailureDetails failureDetails = 2;
}

message TimerCreatedEvent {
  google.protobuf.Timestamp fireAt = 1;
  string name = 2;
  RerunParentInstanceInfo rerunParentInstanceInfo = 3;
  oneof origin {
    TimerOriginCreateTimer createTimer = 4;
    TimerOriginExternalEvent externalEvent = 5;
    TimerOriginActivityRetry activityRetry = 6;
    TimerOriginChildWorkflowRetry childWorkflowRetry = 7;
  }
}

message TimerFiredEvent {
  google.protobuf.Timestamp fireAt = 1;
  int32 timerId = 2;
}

message OrchestratorStartedEvent {
  WorkflowVersion version = 1;
}

message OrchestratorCompletedEvent {}

message EventSentEvent {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue input = 3;
}

message EventRaisedEvent {
  string name = 1;
  google.protobuf.StringValue input = 2;
}

message GenericEvent {
  google.protobuf.StringValue data = 1;
}

message HistoryStateEvent {
  OrchestrationState orchestrationState = 1;
}

message ContinueAsNewEvent {
  google.protobuf.StringValue input = 1;
}

message ExecutionSuspendedEvent {
  google.protobuf.StringValue input = 1;
}

message ExecutionResumedEvent {
  google.protobuf.StringValue input = 1;
}

message EntityOperationSignaledEvent {
  string requestId = 1;
  string operation = 2;
  google.protobuf.Timestamp scheduledTime = 3;
  google.protobuf.StringValue input = 4;
  google.protobuf.StringValue targetInstanceId = 5;
}

message EntityOperationCalledEvent {
  string requestId = 1;
  string operation = 2;
  google.protobuf.Timestamp scheduledTime = 3;
  google.protobuf.StringValue input = 4;
  google.protobuf.StringValue parentInstanceId = 5;
  google.protobuf.StringValue parentExecutionId = 6;
  google.protobuf.StringValue targetInstanceId = 7;
}

message EntityLockRequestedEvent {
  string criticalSectionId = 1;
  repeated string lockSet = 2;
  int32 position = 3;
  google.protobuf.StringValue parentInstanceId = 4;
}

message EntityOperationCompletedEvent {
  string requestId = 1;
  google.protobuf.StringValue output = 2;
}

message EntityOperationFailedEvent {
  string requestId = 1;
  TaskFailureDetails failureDetails = 2;
}

message EntityUnlockSentEvent {
  string criticalSectionId = 1;
  google.protobuf.StringValue parentInstanceId = 2;
  google.protobuf.StringValue targetInstanceId = 3;
}

message EntityLockGrantedEvent {
  string criticalSectionId = 1;
}

message ExecutionRewoundEvent {
  google.protobuf.StringValue reason = 1;
  google.protobuf.StringValue parentExecutionId = 2;
  google.protobuf.StringValue instanceId = 3;
  TraceContext parentTraceContext = 4;
  google.protobuf.StringValue name = 5;
  google.protobuf.StringValue version = 6;
  google.protobuf.StringValue input = 7;
  ParentInstanceInfo parentInstance = 8;
  map<string, string> tags = 9;
}

message HistoryEvent {
  int32 eventId = 1;
  google.protobuf.Timestamp timestamp = 2;
  oneof eventType {
    ExecutionStartedEvent executionStarted = 3;
    ExecutionCompletedEvent executionCompleted = 4;
    ExecutionTerminatedEvent executionTerminated = 5;
    TaskScheduledEvent taskScheduled = 6;
    TaskCompletedEvent taskCompleted = 7;
    TaskFailedEvent taskFailed = 8;
    SubOrchestrationInstanceCreatedEvent subOrchestrationInstanceCreated = 9;
    SubOrchestrationInstanceCompletedEvent subOrchestrationInstanceCompleted = 10;
    SubOrchestrationInstanceFailedEvent subOrchestrationInstanceFailed = 11;
    TimerCreatedEvent timerCreated = 12;
    TimerFiredEvent timerFired = 13;
    OrchestratorStartedEvent orchestratorStarted = 14;
    OrchestratorCompletedEvent orchestratorCompleted = 15;
    EventSentEvent eventSent = 16;
    EventRaisedEvent eventRaised = 17;
    GenericEvent genericEvent = 18;
    HistoryStateEvent historyState = 19;
    ContinueAsNewEvent continueAsNew = 20;
    ExecutionSuspendedEvent executionSuspended = 21;
    ExecutionResumedEvent executionResumed = 22;
    EntityOperationSignaledEvent entityOperationSignaled = 23;
    EntityOperationCalledEvent entityOperationCalled = 24;
    EntityOperationCompletedEvent entityOperationCompleted = 25;
    EntityOperationFailedEvent entityOperationFailed = 26;
    EntityLockRequestedEvent entityLockRequested = 27;
    EntityLockGrantedEvent entityLockGranted = 28;
    EntityUnlockSentEvent entityUnlockSent = 29;
    ExecutionRewoundEvent executionRewound = 30; // M
    ExecutionStalledEvent executionStalled = 31;
    DetachedWorkflowInstanceCreatedEvent detachedWorkflowInstanceCreated = 32;
  }
  TaskRouter router = 30; // D
}

message DetachedWorkflowInstanceCreatedEvent {
  string instanceId = 1;
}

message TimerOriginExternalEvent {
  string name = 1;
}

message ExecutionStalledEvent {
  StalledReason reason = 1;
  optional string description = 2;
}

message WorkflowVersion {
  repeated string patches = 1;
  optional string name = 2;
}

message TaskRouter {
  string sourceAppID = 1;
  optional string targetAppID = 2;
  optional string targetAppNamespace = 3;
}

message RerunParentInstanceInfo {
  string instanceID = 1;
}

message RetryParentInstanceInfo {
  string instanceID = 1;
}

message TimerOriginCreateTimer {}

message TimerOriginActivityRetry {
  string taskExecutionId = 1;
}

message TimerOriginChildWorkflowRetry {
  string instanceId = 1;
}
`;
