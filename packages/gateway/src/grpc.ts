// The public surface of @troupe/gateway/grpc.

export { serveGrpc, type GrpcServer, type ServeGrpcOptions } from './grpc/grpc-server.ts';
export type { Caller, Scope, TokenGrant } from './access.ts';
