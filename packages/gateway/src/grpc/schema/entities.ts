/** Entities: what clients ask, what workers are given. See `../schema.ts` for the marks. */
export const ENTITY_SCHEMA = `
message SignalEntityRequest {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue input = 3;
  string requestId = 4;
  google.protobuf.Timestamp scheduledTime = 5;
  TraceContext parentTraceContext = 6;
  google.protobuf.Timestamp requestTime = 7;
}

message SignalEntityResponse {}

message GetEntityRequest {
  string instanceId = 1;
  bool includeState = 2;
}

message GetEntityResponse {
  bool exists = 1;
  EntityMetadata entity = 2;
}

message EntityQuery {
  google.protobuf.StringValue instanceIdStartsWith = 1;
  google.protobuf.Timestamp lastModifiedFrom = 2;
  google.protobuf.Timestamp lastModifiedTo = 3;
  bool includeState = 4;
  bool includeTransient = 5;
  google.protobuf.Int32Value pageSize = 6;
  google.protobuf.StringValue continuationToken = 7;
}

message QueryEntitiesRequest {
  EntityQuery query = 1;
}

message QueryEntitiesResponse {
  repeated EntityMetadata entities = 1;
  google.protobuf.StringValue continuationToken = 2;
}

message EntityMetadata {
  string instanceId = 1;
  google.protobuf.Timestamp lastModifiedTime = 2;
  int32 backlogQueueSize = 3;
  google.protobuf.StringValue lockedBy = 4;
  google.protobuf.StringValue serializedState = 5;
}

message CleanEntityStorageRequest {
  google.protobuf.StringValue continuationToken = 1;
  bool removeEmptyEntities = 2;
  bool releaseOrphanedLocks = 3;
}

message CleanEntityStorageResponse {
  google.protobuf.StringValue continuationToken = 1;
  int32 emptyEntitiesRemoved = 2;
  int32 orphanedLocksReleased = 3;
}

message OrchestratorEntityParameters {
  google.protobuf.Duration entityMessageReorderWindow = 1;
}

message EntityBatchRequest {
  string instanceId = 1;
  google.protobuf.StringValue entityState = 2;
  repeated OperationRequest operations = 3;
  map<string, google.protobuf.Value> properties = 4;
}

message EntityBatchResult {
  repeated OperationResult results = 1;
  repeated OperationAction actions = 2;
  google.protobuf.StringValue entityState = 3;
  TaskFailureDetails failureDetails = 4;
  string completionToken = 5;
  repeated OperationInfo operationInfos = 6;
  bool requiresState = 7;
}

message EntityRequest {
  string instanceId = 1;
  string executionId = 2;
  google.protobuf.StringValue entityState = 3;
  repeated HistoryEvent operationRequests = 4;
}

message OperationRequest {
  string operation = 1;
  string requestId = 2;
  google.protobuf.StringValue input = 3;
  TraceContext traceContext = 4;
}

message OperationResult {
  oneof resultType {
    OperationResultSuccess success = 1;
    OperationResultFailure failure = 2;
  }
}

message OperationInfo {
  string requestId = 1;
  OrchestrationInstance responseDestination = 2;
}

message OperationResultSuccess {
  google.protobuf.StringValue result = 1;
  google.protobuf.Timestamp startTimeUtc = 2;
  google.protobuf.Timestamp endTimeUtc = 3;
}

message OperationResultFailure {
  TaskFailureDetails failureDetails = 1;
  google.protobuf.Timestamp startTimeUtc = 2;
  google.protobuf.Timestamp endTimeUtc = 3;
}

message OperationAction {
  int32 id = 1;
  oneof operationActionType {
    SendSignalAction sendSignal = 2;
    StartNewOrchestrationAction startNewOrchestration = 3;
  }
}

message SendSignalAction {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue input = 3;
  google.protobuf.Timestamp scheduledTime = 4;
  google.protobuf.Timestamp requestTime = 5;
  TraceContext parentTraceContext = 6;
}

message StartNewOrchestrationAction {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue version = 3;
  google.protobuf.StringValue input = 4;
  google.protobuf.Timestamp scheduledTime = 5;
  google.protobuf.Timestamp requestTime = 6;
  TraceContext parentTraceContext = 7;
}

message AbandonEntityTaskRequest {
  string completionToken = 1;
}

message AbandonEntityTaskResponse {}
`;
