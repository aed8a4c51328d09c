// The public surface of @troupe/actors.

// For those who write actors.
export { actor, journalActor, recordActor } from './actor.ts';
export type {
  ActorDefinition,
  AnyActorDefinition,
  JournalContext,
  ReadContext,
  RecordContext,
  RecordOpening,
  RecordReadContext,
  ReminderTime,
  StateContext,
  TurnContext,
  WritingContext,
} from './actor.ts';
export type { Reminder } from './record.ts';
export type { ActorRef, ArgumentsOf, SendRef } from './reference.ts';
export type { CallOptions, CallReceiver } from './call.ts';

// For those who run them.
export { startActorHost, type ActorHost, type ActorHostOptions, type ActorHostStatus } from './host.ts';
export { consoleLogger, type Logger } from './logger.ts';
export {
  asError,
  ActorAddressError,
  ConflictError,
  CorruptRecordError,
  DeadlockError,
  InnerCallError,
  LayoutMismatchError,
  LimitError,
  NotDefinedError,
  NotExecutedError,
  OutcomeUnknownError,
  PayloadError,
  StoreLockedError,
  StoreUnavailableError,
  TroupeError,
  type CallOutcome,
} from './errors.ts';
export { RemoteActorError } from './wire-error.ts';

// The ports, for those who bring their own store, transport, placement, clock or codec.
export { checkAddress, formatAddress, parseAddress, partitionOf } from './address.ts';
export type { ActorAddress, ActorId, ActorType, PartitionId } from './address.ts';
export { commitOnce, NOTHING_LOADED } from './store.ts';
export type {
  Commit,
  CommitId,
  CommitSource,
  DueEntry,
  DuePage,
  EntryRun,
  Layout,
  ListedActor,
  ListFilter,
  ListPage,
  Loaded,
  LoadedRecord,
  Store,
  Summary,
  Tombstone,
} from './store.ts';
export { COMMIT_BYTES_MAX, COMMIT_IDS_KEPT } from './limits.ts';
export { checkCommit, checkLayout, compareUtf8, matchesFilter, parseCursor, printCursor } from './store-rules.ts';
export type { CallEnvelope, Envelope, HostId, Transport, TransportReceiver } from './transport.ts';
export type { Cluster, ClusterContext, ClusterParts } from './cluster.ts';
// The protocol of a cluster, for those who provide one.
export { stepCluster } from './cluster/protocol.ts';
export { initialClusterState, isServing, membersOf, ownerOf } from './cluster/cluster-state.ts';
export type { Claim, ClusterEffect, ClusterInput, ClusterState, Heartbeat } from './cluster/cluster-state.ts';
export { CLUSTER_TIMINGS, type ClusterTimings } from './cluster/timings.ts';

export { singleHostPlacement } from './placement.ts';
export type { Announcement, Member, Placement, PlacementListener } from './placement.ts';
export { systemClock, waitAtMost, type CancelTimeout, type Clock } from './clock.ts';
export { checkPayload, copyPayload, plainCodec, type Codec } from './codec.ts';
export { payloadText, plainPayload, TextPayload } from './text-payload.ts';
// For edges that take JSON from strangers.
export { jsonDepth, jsonErrorPosition, repeatedKey, type TextPosition } from './json-scan.ts';

// The implementations that need no server and no disk.
export { MemoryContents, MemoryStore } from './memory-store.ts';
export type { MemoryStoreOptions, StoreFault, StoreFaults, StoreOperation } from './memory-store.ts';
export { LocalNetwork } from './local-transport.ts';
