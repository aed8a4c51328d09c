// The shape of an rpc: bytes in, bytes out, and what it may use. Each group of rpcs is a file that makes a list of them.

import type { Logger } from '@troupe/actors';
import type { WorkflowHost } from '@troupe/workflow';
import type { InstanceReader, InstanceRepeats, WorkerHub } from '@troupe/workflow/worker';
import type { Scope } from '../access.ts';
import { dialectOfCall, type PeerSigns } from './dialect.ts';
import type { CallEnd } from './call-end.ts';
import { GrpcFailure, stopping } from './grpc-failure.ts';
import { codecOf, type Codec, type Dialect } from './schema.ts';
import { status } from '@grpc/grpc-js';

/** What is the same for all calls of a server. */
export interface GatewayParts {
  readonly host: WorkflowHost;
  readonly logger: Logger;
  readonly appId: string;
  readonly messageBytesMax: number;
  readonly streamItemsMax: number;
  /** Aborts when the server stops. */
  readonly draining: AbortSignal;
}

/** One call. */
export class GrpcCall {
  readonly rpc: string;
  readonly parts: GatewayParts;
  readonly signs: PeerSigns;
  readonly traceparent: string | undefined;
  readonly #end: CallEnd;

  constructor(
    rpc: string,
    parts: GatewayParts,
    peer: { readonly signs: PeerSigns; readonly end: CallEnd; readonly traceparent: string | undefined },
  ) {
    this.rpc = rpc;
    this.parts = parts;
    this.signs = peer.signs;
    this.#end = peer.end;
    this.traceparent = peer.traceparent;
  }

  /** Aborts when the caller is gone or its deadline has passed, and when the server stops. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  get workflows(): WorkflowHost['workflows'] {
    return this.parts.host.workflows;
  }

  get stored(): InstanceReader {
    return this.parts.host.stored;
  }

  get repeats(): InstanceRepeats {
    return this.parts.host.repeats;
  }

  get workers(): WorkerHub {
    return this.parts.host.workers;
  }

  get nowMs(): number {
    return this.parts.host.actors.clock.nowMs();
  }

  get dialect(): Dialect {
    return dialectOfCall(this.rpc, this.signs);
  }

  get codec(): Codec {
    return codecOf(this.dialect);
  }

  /** @throws {GrpcFailure} when the call is over before it has an answer */
  checkGoing(): void {
    if (this.parts.draining.aborted) throw stopping();
    if (this.#end.ended) throw new GrpcFailure(status.CANCELLED, 'the caller is gone');
  }
}

/** The service that an rpc belongs to, and its name. */
export interface RpcName {
  readonly service: string;
  readonly rpc: string;
}

interface RpcBase extends RpcName {
  /** What its caller must be allowed; `any`: anything; undefined: nothing is asked. */
  readonly scope: Scope | 'any' | undefined;
}

/** A question with one answer. */
export interface UnaryRpc extends RpcBase {
  readonly kind: 'unary';
  handle(request: Buffer, call: GrpcCall): Promise<Buffer>;
}

/** What the answers of a stream are written to. */
export interface Answers {
  /** False: the reader is behind, and `drained` resolves when it has caught up, or is gone. */
  write(message: Buffer): boolean;
  drained(): Promise<void>;
}

/** A question with many answers, of which the last is followed by the end of `handle`. */
export interface StreamRpc extends RpcBase {
  readonly kind: 'stream';
  handle(request: Buffer, call: GrpcCall, answers: Answers): Promise<void>;
}

export type Rpc = UnaryRpc | StreamRpc;

export const TASK_HUB = 'TaskHubSidecarService';

/** A unary rpc whose messages are of the base: none of their fields is in dispute, or the wire type tells. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names what is decoded
export function unary<Request>(rpc: {
  readonly service?: string;
  readonly rpc: string;
  readonly scope: UnaryRpc['scope'];
  readonly request: string;
  /** Whose meaning of the request's fields is read. */
  readonly dialect?: Dialect;
  readonly response: string;
  handle(request: Request, call: GrpcCall): Promise<object>;
}): UnaryRpc {
  const base = codecOf('base');
  const reading = codecOf(rpc.dialect ?? 'base');
  return {
    kind: 'unary',
    service: rpc.service ?? TASK_HUB,
    rpc: rpc.rpc,
    scope: rpc.scope,
    handle: async (bytes, call) =>
      base.encode(rpc.response, await rpc.handle(reading.decode<Request>(rpc.request, bytes), call)),
  };
}
