/** What clients ask about instances. See `../schema.ts` for the marks. */
export const INSTANCE_SCHEMA = `
// Of older clients: what is to be done with an instance in one of the statuses.
enum CreateOrchestrationAction {
  ERROR = 0;
  IGNORE = 1;
  TERMINATE = 2;
}

message CreateInstanceRequest {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue version = 3;
  google.protobuf.StringValue input = 4;
  google.protobuf.Timestamp scheduledStartTimestamp = 5;
  OrchestrationIdReusePolicy orchestrationIdReusePolicy = 6;
  google.protobuf.StringValue executionId = 7;
  map<string, string> tags = 8;
  TraceContext parentTraceContext = 9;
  google.protobuf.Timestamp requestTime = 10; // M
  bool enforceUniqueInstanceId = 10; // D
  TaskRouter router = 11;
}

message OrchestrationIdReusePolicy {
  repeated OrchestrationStatus replaceableStatus = 1;
  CreateOrchestrationAction action = 2;
}

message CreateInstanceResponse {
  string instanceId = 1;
}

message GetInstanceRequest {
  string instanceId = 1;
  bool getInputsAndOutputs = 2;
}

message GetInstanceResponse {
  bool exists = 1;
  OrchestrationState orchestrationState = 2;
}

message RewindInstanceRequest {
  string instanceId = 1;
  google.protobuf.StringValue reason = 2;
}

message RewindInstanceResponse {}

message OrchestrationState {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue version = 3;
  OrchestrationStatus orchestrationStatus = 4;
  google.protobuf.Timestamp scheduledStartTimestamp = 5;
  google.protobuf.Timestamp createdTimestamp = 6;
  google.protobuf.Timestamp lastUpdatedTimestamp = 7;
  google.protobuf.StringValue input = 8;
  google.protobuf.StringValue output = 9;
  google.protobuf.StringValue customStatus = 10;
  TaskFailureDetails failureDetails = 11;
  google.protobuf.StringValue executionId = 12;
  google.protobuf.Timestamp completedTimestamp = 13;
  google.protobuf.StringValue parentInstanceId = 14;
  map<string, string> tags = 15;
  google.protobuf.StringValue parentAppId = 16;
  google.protobuf.Timestamp startedAt = 17;
}

message RaiseEventRequest {
  string instanceId = 1;
  string name = 2;
  google.protobuf.StringValue input = 3;
}

message RaiseEventResponse {}

message TerminateRequest {
  string instanceId = 1;
  google.protobuf.StringValue output = 2;
  bool recursive = 3;
}

message TerminateResponse {}

message SuspendRequest {
  string instanceId = 1;
  google.protobuf.StringValue reason = 2;
}

message SuspendResponse {}

message ResumeRequest {
  string instanceId = 1;
  google.protobuf.StringValue reason = 2;
}

message ResumeResponse {}

message QueryInstancesRequest {
  InstanceQuery query = 1;
}

message InstanceQuery {
  repeated OrchestrationStatus runtimeStatus = 1;
  google.protobuf.Timestamp createdTimeFrom = 2;
  google.protobuf.Timestamp createdTimeTo = 3;
  repeated google.protobuf.StringValue taskHubNames = 4;
  int32 maxInstanceCount = 5;
  google.protobuf.StringValue continuationToken = 6;
  google.protobuf.StringValue instanceIdPrefix = 7;
  bool fetchInputsAndOutputs = 8;
}

message QueryInstancesResponse {
  repeated OrchestrationState orchestrationState = 1;
  google.protobuf.StringValue continuationToken = 2;
}

message ListInstanceIdsRequest {
  repeated OrchestrationStatus runtimeStatus = 1;
  google.protobuf.Timestamp completedTimeFrom = 2;
  google.protobuf.Timestamp completedTimeTo = 3;
  int32 pageSize = 4;
  google.protobuf.StringValue lastInstanceKey = 5;
}

message ListInstanceIdsResponse {
  repeated string instanceIds = 1;
  google.protobuf.StringValue lastInstanceKey = 2;
}

message ListInstanceIDsRequest {
  optional string continuationToken = 1;
  optional uint32 pageSize = 2;
}

message ListInstanceIDsResponse {
  repeated string instanceIds = 1;
  optional string continuationToken = 2;
}

message PurgeInstancesRequest {
  oneof request {
    string instanceId = 1;
    PurgeInstanceFilter purgeInstanceFilter = 2;
    InstanceBatch instanceBatch = 4; // M
  }
  bool recursive = 3;
  optional bool force = 4; // D
  bool isOrchestration = 5; // M
  TaskRouter router = 5; // D
}

message PurgeInstanceFilter {
  google.protobuf.Timestamp createdTimeFrom = 1;
  google.protobuf.Timestamp createdTimeTo = 2;
  repeated OrchestrationStatus runtimeStatus = 3;
  google.protobuf.Duration timeout = 4;
}

message PurgeInstancesResponse {
  int32 deletedInstanceCount = 1;
  google.protobuf.BoolValue isComplete = 2;
}

message RestartInstanceRequest {
  string instanceId = 1;
  bool restartWithNewInstanceId = 2;
}

message RestartInstanceResponse {
  string instanceId = 1;
}

message CreateTaskHubRequest {
  bool recreateIfExists = 1;
}

message CreateTaskHubResponse {}

message DeleteTaskHubRequest {}

message DeleteTaskHubResponse {}

message SkipGracefulOrchestrationTerminationsRequest {
  InstanceBatch instanceBatch = 1;
  google.protobuf.StringValue reason = 2;
}

message SkipGracefulOrchestrationTerminationsResponse {
  repeated string unterminatedInstanceIds = 1;
}

message StreamInstanceHistoryRequest {
  string instanceId = 1;
  google.protobuf.StringValue executionId = 2;
  bool forWorkItemProcessing = 3;
}

message HistoryChunk {
  repeated HistoryEvent events = 1;
}

message InstanceBatch {
  repeated string instanceIds = 1;
}

message RerunWorkflowFromEventRequest {
  string sourceInstanceID = 1;
  uint32 eventID = 2;
  optional string newInstanceID = 3;
  google.protobuf.StringValue input = 4;
  bool overwriteInput = 5;
  optional string newChildWorkflowInstanceID = 6;
}

message RerunWorkflowFromEventResponse {
  string newInstanceID = 1;
}

message GetInstanceHistoryRequest {
  string instanceId = 1;
}

message GetInstanceHistoryResponse {
  repeated HistoryEvent events = 1;
}
`;
