/** What workers are given and what they answer. See `../schema.ts` for the marks. */
export const WORK_SCHEMA = `
// By number: what 2 means depends on the field.
enum WorkerCapability {
  WORKER_CAPABILITY_UNSPECIFIED = 0;
  WORKER_CAPABILITY_HISTORY_STREAMING = 1;
  WORKER_CAPABILITY_SCHEDULED_TASKS_OR_STATEFUL_HISTORY = 2;
  WORKER_CAPABILITY_LARGE_PAYLOADS = 3;
}

message ActivityRequest {
  string name = 1;
  google.protobuf.StringValue version = 2;
  google.protobuf.StringValue input = 3;
  OrchestrationInstance orchestrationInstance = 4;
  int32 taskId = 5;
  TraceContext parentTraceContext = 6;
  map<string, string> tags = 7; // M
  string taskExecutionId = 7; // D
  PropagatedHistory propagatedHistory = 8;
}

message ActivityResponse {
  string instanceId = 1;
  int32 taskId = 2;
  google.protobuf.StringValue result = 3;
  TaskFailureDetails failureDetails = 4;
  string completionToken = 5;
}

message ScheduleTaskAction {
  string name = 1;
  google.protobuf.StringValue version = 2;
  google.protobuf.StringValue input = 3;
  map<string, string> tags = 4;
  TraceContext parentTraceContext = 5; // M
  string taskExecutionId = 5; // D
  HistoryPropagationScope historyPropagationScope = 6;
}

message CreateSubOrchestrationAction {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue version = 3;
  google.protobuf.StringValue input = 4;
  TraceContext parentTraceContext = 5;
  map<string, string> tags = 6; // M
  HistoryPropagationScope historyPropagationScope = 6; // D
  RetryParentInstanceInfo retryParentInstanceInfo = 7;
}

message CreateTimerAction {
  google.protobuf.Timestamp fireAt = 1;
  string name = 2;
  oneof origin {
    TimerOriginCreateTimer createTimer = 3;
    TimerOriginExternalEvent externalEvent = 4;
    TimerOriginActivityRetry activityRetry = 5;
    TimerOriginChildWorkflowRetry childWorkflowRetry = 6;
  }
}

message SendEventAction {
  OrchestrationInstance instance = 1;
  string name = 2;
  google.protobuf.StringValue data = 3;
}

message CompleteOrchestrationAction {
  OrchestrationStatus orchestrationStatus = 1;
  google.protobuf.StringValue result = 2;
  google.protobuf.StringValue details = 3;
  google.protobuf.StringValue newVersion = 4;
  repeated HistoryEvent carryoverEvents = 5;
  TaskFailureDetails failureDetails = 6;
  map<string, string> tags = 7;
}

message TerminateOrchestrationAction {
  string instanceId = 1;
  google.protobuf.StringValue reason = 2;
  bool recurse = 3;
}

message SendEntityMessageAction {
  oneof EntityMessageType {
    EntityOperationSignaledEvent entityOperationSignaled = 1;
    EntityOperationCalledEvent entityOperationCalled = 2;
    EntityLockRequestedEvent entityLockRequested = 3;
    EntityUnlockSentEvent entityUnlockSent = 4;
  }
}

message RewindOrchestrationAction {
  repeated HistoryEvent newHistory = 1;
}

message OrchestratorAction {
  int32 id = 1;
  oneof orchestratorActionType {
    ScheduleTaskAction scheduleTask = 2;
    CreateSubOrchestrationAction createSubOrchestration = 3;
    CreateTimerAction createTimer = 4;
    SendEventAction sendEvent = 5;
    CompleteOrchestrationAction completeOrchestration = 6;
    TerminateOrchestrationAction terminateOrchestration = 7;
    SendEntityMessageAction sendEntityMessage = 8;
    RewindOrchestrationAction rewindOrchestration = 9; // M
    WorkflowVersionNotAvailableAction workflowVersionNotAvailable = 10;
    CreateDetachedWorkflowAction createDetachedWorkflow = 11;
  }
  TaskRouter router = 9; // D
}

message OrchestrationTraceContext {
  google.protobuf.StringValue spanID = 1;
  google.protobuf.Timestamp spanStartTime = 2;
}

message OrchestratorRequest {
  string instanceId = 1;
  google.protobuf.StringValue executionId = 2;
  repeated HistoryEvent pastEvents = 3;
  repeated HistoryEvent newEvents = 4;
  OrchestratorEntityParameters entityParameters = 5;
  bool requiresHistoryStreaming = 6;
  map<string, google.protobuf.Value> properties = 7; // M
  TaskRouter router = 7; // D
  OrchestrationTraceContext orchestrationTraceContext = 8; // M
  PropagatedHistory propagatedHistory = 8; // D
  CachedHistory cachedHistory = 9;
}

message OrchestratorResponse {
  string instanceId = 1;
  repeated OrchestratorAction actions = 2;
  google.protobuf.StringValue customStatus = 3;
  string completionToken = 4;
  google.protobuf.Int32Value numEventsProcessed = 5;
  OrchestrationTraceContext orchestrationTraceContext = 6; // M
  WorkflowVersion version = 6; // D
  bool requiresHistory = 7;
  bool isPartial = 8;
  google.protobuf.Int32Value chunkIndex = 9;
}

message AbandonActivityTaskRequest {
  string completionToken = 1;
}

message AbandonActivityTaskResponse {}

message AbandonOrchestrationTaskRequest {
  string completionToken = 1;
}

message AbandonOrchestrationTaskResponse {}

message GetWorkItemsRequest {
  int32 maxConcurrentOrchestrationWorkItems = 1;
  int32 maxConcurrentActivityWorkItems = 2;
  int32 maxConcurrentEntityWorkItems = 3;
  repeated WorkerCapability statefulCapabilities = 4;
  repeated WorkerCapability capabilities = 10;
  WorkItemFilters workItemFilters = 11;
}

message WorkItemFilters {
  repeated OrchestrationFilter orchestrations = 1;
  repeated ActivityFilter activities = 2;
  repeated EntityFilter entities = 3;
}

message OrchestrationFilter {
  string name = 1;
  repeated string versions = 2;
}

message ActivityFilter {
  string name = 1;
  repeated string versions = 2;
}

message EntityFilter {
  string name = 1;
}

message WorkItem {
  oneof request {
    OrchestratorRequest orchestratorRequest = 1;
    ActivityRequest activityRequest = 2;
    EntityBatchRequest entityRequest = 3;
    HealthPing healthPing = 4;
    EntityRequest entityRequestV2 = 5;
  }
  string completionToken = 10;
}

message CompleteTaskResponse {}

message HealthPing {}

message CachedHistory {
  int32 eventCount = 1;
}

message PropagatedHistoryChunk {
  repeated bytes rawEvents = 1;
  string appId = 2;
  string instanceId = 3;
  string workflowName = 4;
  repeated bytes rawSignatures = 5;
  repeated bytes signingCertChains = 6;
}

message PropagatedHistory {
  HistoryPropagationScope scope = 1;
  repeated PropagatedHistoryChunk chunks = 2;
}

message CreateDetachedWorkflowAction {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue version = 3;
  google.protobuf.StringValue input = 4;
  google.protobuf.Timestamp scheduledStartTimestamp = 5;
  google.protobuf.StringValue executionId = 6;
  map<string, string> tags = 7;
  TraceContext parentTraceContext = 8;
}

message WorkflowVersionNotAvailableAction {}

// The same on the wire, of parts that are encoded already.
message EncodedOrchestratorRequest {
  string instanceId = 1;
  google.protobuf.StringValue executionId = 2;
  repeated bytes pastEvents = 3;
  repeated bytes newEvents = 4;
  OrchestratorEntityParameters entityParameters = 5;
  OrchestrationTraceContext orchestrationTraceContext = 8; // M
  CachedHistory cachedHistory = 9;
}

message EncodedWorkItem {
  EncodedOrchestratorRequest orchestratorRequest = 1;
  string completionToken = 10;
}

// HistoryChunk and GetInstanceHistoryResponse.
message EncodedHistory {
  repeated bytes events = 1;
}
`;
