/** Of Dapr's own service: the workflow calls, and what its clients ask first. */
export const DAPR_SCHEMA = `
message GetWorkflowRequest {
  string instanceId = 1;
  string workflowComponent = 2;
}

message GetWorkflowResponse {
  string instanceId = 1;
  string workflowName = 2;
  google.protobuf.Timestamp createdAt = 3;
  google.protobuf.Timestamp lastUpdatedAt = 4;
  string runtimeStatus = 5;
  map<string, string> properties = 6;
}

message StartWorkflowRequest {
  string instanceId = 1;
  string workflowComponent = 2;
  string workflowName = 3;
  map<string, string> options = 4;
  bytes input = 5;
}

message StartWorkflowResponse {
  string instanceId = 1;
}

message TerminateWorkflowRequest {
  string instanceId = 1;
  string workflowComponent = 2;
}

message PauseWorkflowRequest {
  string instanceId = 1;
  string workflowComponent = 2;
}

message ResumeWorkflowRequest {
  string instanceId = 1;
  string workflowComponent = 2;
}

message RaiseEventWorkflowRequest {
  string instanceId = 1;
  string workflowComponent = 2;
  string eventName = 3;
  bytes eventData = 4;
}

message PurgeWorkflowRequest {
  string instanceId = 1;
  string workflowComponent = 2;
}

message GetMetadataRequest {}

message GetMetadataResponse {
  string id = 1;
  repeated ActiveActorsCount activeActorsCount = 2;
  string runtimeVersion = 8;
  ActorRuntime actorRuntime = 10;
  MetadataWorkflows workflows = 12;
}

message ActiveActorsCount {
  string type = 1;
  int32 count = 2;
}

message ActorRuntime {
  int32 runtimeStatus = 1;
  repeated ActiveActorsCount activeActors = 2;
  bool hostReady = 3;
  string placement = 4;
}

message MetadataWorkflows {
  int32 connectedWorkers = 1;
}
`;

/** Of the health service that load balancers and probes ask. */
export const HEALTH_SCHEMA = `
message HealthCheckRequest {
  string service = 1;
}

message HealthCheckResponse {
  int32 status = 1;
}
`;
