// The public surface of @troupe/gateway/http.

export { httpGateway, type HttpGateway, type HttpGatewayOptions } from './gateway.ts';
export { serveHttp, type HttpServer, type ServeHttpOptions } from './server.ts';
export { toNodeHandler, type NodeHandler } from './node-handler.ts';
export type { AccessOptions, Caller, Scope, TokenGrant } from './access.ts';
export type { CorsOptions } from './cors.ts';
export type {
  DeadLetterView,
  HttpTriggers,
  TriggerAnswer,
  TriggerRawMessage,
  TriggerRequest,
  TriggerView,
} from './trigger-port.ts';
