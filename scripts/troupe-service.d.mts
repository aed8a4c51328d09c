/** A service that speaks gRPC on loopback. */
export interface TroupeService {
  readonly grpcPort: string;
  /** Stops it if it was started here. */
  stop(): Promise<void>;
}

/** The service that DAPR_GRPC_PORT names, else one that is started on free ports, with its state in a temporary folder. */
export function troupeService(): Promise<TroupeService>;
