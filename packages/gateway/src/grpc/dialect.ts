// Which fork of the protocol a peer speaks. Nothing says so outright; the rpcs that it calls, the fields that it fills and the
// name that it goes by do.

import type { Dialect } from './schema.ts';

/** What a call shows of its peer. */
export interface PeerSigns {
  readonly userAgent: string;
  /** Whether there is a header that only clients of Microsoft's scheduler send. */
  readonly namesTaskHub: boolean;
}

/** Rpcs that one fork has and the other has not. */
const RPCS: Readonly<Record<string, Dialect>> = {
  CompleteWorkflowTask: 'dapr',
  ListInstanceIDs: 'dapr',
  GetInstanceHistory: 'dapr',
  RerunWorkflowFromEvent: 'dapr',
  QueryInstances: 'microsoft',
  ListInstanceIds: 'microsoft',
  StreamInstanceHistory: 'microsoft',
  RestartInstance: 'microsoft',
  RewindInstance: 'microsoft',
  SignalEntity: 'microsoft',
  GetEntity: 'microsoft',
  QueryEntities: 'microsoft',
  CleanEntityStorage: 'microsoft',
  CompleteEntityTask: 'microsoft',
  AbandonTaskActivityWorkItem: 'microsoft',
  AbandonTaskOrchestratorWorkItem: 'microsoft',
  AbandonTaskEntityWorkItem: 'microsoft',
};

export function dialectOfCall(rpc: string, signs: PeerSigns): Dialect {
  return RPCS[rpc] ?? dialectOfPeer(signs);
}

/** GetWorkItemsRequest, decoded. */
export interface DecodedGetWorkItems {
  readonly maxConcurrentOrchestrationWorkItems: number;
  readonly maxConcurrentActivityWorkItems: number;
  readonly maxConcurrentEntityWorkItems: number;
  readonly statefulCapabilities: readonly number[];
  readonly capabilities: readonly number[];
  readonly workItemFilters: {
    readonly orchestrations: readonly { readonly name: string; readonly versions: readonly string[] }[];
    readonly activities: readonly { readonly name: string; readonly versions: readonly string[] }[];
  } | null;
}

/** What a worker's stream speaks. */
export function dialectOfStream(request: DecodedGetWorkItems, signs: PeerSigns): Dialect {
  if (request.statefulCapabilities.length > 0) return 'dapr';
  if (
    request.maxConcurrentEntityWorkItems !== 0 ||
    request.capabilities.length > 0 ||
    request.workItemFilters !== null
  ) {
    return 'microsoft';
  }
  const dialect = dialectOfPeer(signs);
  if (request.maxConcurrentOrchestrationWorkItems !== 0 || request.maxConcurrentActivityWorkItems !== 0) {
    // Older Python workers of both forks name these two limits and nothing else.
    return dialect === 'base' && !isPython(signs) ? 'microsoft' : dialect;
  }
  // Microsoft's Python workers always name their limits; its Java workers cannot be told from Dapr's.
  if (dialect === 'base' && (isPython(signs) || signs.userAgent.startsWith('grpc-java'))) return 'dapr';
  return dialect;
}

function isPython({ userAgent }: PeerSigns): boolean {
  return userAgent.startsWith('grpc-python');
}

function dialectOfPeer({ userAgent, namesTaskHub }: PeerSigns): Dialect {
  if (namesTaskHub) return 'microsoft';
  if (/\bdapr\b/i.test(userAgent)) return 'dapr';
  if (/durabletask/i.test(userAgent)) return 'microsoft';
  return 'base';
}

/** Whether the peer's clients know of stalled instances. JavaScript's do not survive that status. */
export function knowsStalled(dialect: Dialect, { userAgent }: PeerSigns): boolean {
  return dialect === 'dapr' && !/-js-|grpc-node/i.test(userAgent);
}
