// The public surface of @troupe/triggers. Each kind of source is an entry point of its own.

export type { RawMessage, TriggerEvent } from './trigger-event.ts';
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
export {
  DeadLetterNotFoundError,
  EventFormatError,
  InstanceConflictError,
  SourceError,
  StaleReaderError,
  TriggerNotFoundError,
  TryLaterError,
} from './errors.ts';
// Events as CloudEvents, for those who export dead letters or bring a source of their own.
export { isBatch, readBatch, readEvent, type BatchElement } from './cloud-event.ts';
export { writeBatch, writeBinary, writeStructured, type BinaryEvent } from './cloud-event-writer.ts';
export { defaultInstanceId, eventTags } from './event-id.ts';
