// The public surface of @troupe/triggers. Each kind of source is an entry point of its own.

// For those who write triggers.
export { trigger, Triggers, type DryRun, type RetryReport, type TriggerStatus } from './triggers.ts';
export type { TriggerOptions } from './trigger.ts';
export type { BackOff } from './back-off.ts';
export type { TriggerState } from './source-runner.ts';
export {
  callActor,
  drop,
  raiseEvent,
  resume,
  start,
  startOrRaise,
  suspend,
  terminate,
  type Action,
  type ActionPlan,
  type CallActorOptions,
  type FromEvent,
  type RaiseActionOptions,
  type StartActionOptions,
  type StartOrRaiseActionOptions,
  type SteerActionOptions,
  type TerminateActionOptions,
} from './action.ts';
export { contentId, defaultInstanceId, eventTags } from './event-id.ts';
export type { TriggerEvent } from './trigger-event.ts';
export type { DeadLetter, DeadLetterError, DeadLetterPage, DeadLetterQuery } from './dead-letter.ts';
export {
  ActorFailedError,
  DeadLetterNotFoundError,
  EventFormatError,
  InstanceConflictError,
  SourceError,
  StaleReaderError,
  TriggerNotFoundError,
  TriggersNotStartedError,
  TryLaterError,
} from './errors.ts';

// For those who bring a source of their own.
export type { RawMessage } from './trigger-event.ts';
export type {
  EventOutcome,
  Settlement,
  Source,
  SourceContext,
  SourceCursor,
  SourceMessage,
  SourceReader,
} from './source.ts';
export type { HttpAnswer, HttpRequest } from './http-exchange.ts';
export { isBatch, readBatch, readEvent, type BatchElement } from './cloud-event.ts';
export { writeBatch, writeBinary, writeStructured, type BinaryEvent } from './cloud-event-writer.ts';
