// Starts: which instance of the id gives way, and when the code may begin.

import { isTerminal, WORKFLOW_STATUSES, type IfExists, type StartOptions } from '@troupe/workflow';
import { checkName } from '../request-query.ts';
import { invalid } from './grpc-failure.ts';
import type { GrpcCall } from './rpc.ts';
import { unknownFields, type Dialect } from './schema.ts';
import { STATUS, statusesOf } from './status.ts';
import { traceparentOf, type DecodedTrace } from './trace.ts';
import { payloadOf, textOf, timeMsFrom, type DecodedTime, type WireText } from './wire-value.ts';

/** CreateInstanceRequest. */
export interface DecodedStart {
  readonly instanceId: string;
  readonly name: string;
  readonly version: WireText;
  readonly input: WireText;
  readonly scheduledStartTimestamp: DecodedTime | null;
  readonly orchestrationIdReusePolicy: DecodedReusePolicy | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly parentTraceContext: DecodedTrace | null;
  readonly router: object | null;
  /** Dapr's meaning of field 10; in Microsoft's it is a message, and unread here. */
  readonly enforceUniqueInstanceId: boolean;
}

/** OrchestrationIdReusePolicy. */
export interface DecodedReusePolicy {
  readonly replaceableStatus: readonly number[];
  /** Of older clients. */
  readonly action: number;
}

const ACTION = { ignore: 1, terminate: 2 } as const;
const REQUEST_TIME_FIELD = 10;

/**
 * @throws {GrpcFailure} for what cannot be started
 * @throws {Problem} for a name that none can have
 */
export function startOptionsOf(request: DecodedStart, call: GrpcCall): StartOptions {
  checkName('workflow', request.name);
  const version = textOf(request.version);
  const input = payloadOf(request.input);
  const startAt = startTimeOf(request.scheduledStartTimestamp, call.nowMs);
  checkTags(request.tags);
  return {
    instanceId: request.instanceId === '' ? undefined : request.instanceId,
    ...(input === undefined ? {} : { input }),
    ifExists: ifExistsOf(request, call.dialect),
    startAt,
    tags: { ...request.tags },
    version: version === '' ? undefined : version,
    // As there: it stays pending until somebody has the code.
    allowUnregistered: true,
    traceparent: traceparentOf(request.parentTraceContext) ?? call.traceparent,
  };
}

/** Clients that mean "now" send no time, or the epoch. */
function startTimeOf(time: DecodedTime | null, nowMs: number): Date | undefined {
  if (time === null) return undefined;
  const timeMs = timeMsFrom(time);
  return timeMs > nowMs ? new Date(timeMs) : undefined;
}

/** Microsoft's clients take no id twice unless they say so; Dapr's replace what has ended unless they say not to. */
function ifExistsOf(request: DecodedStart, dialect: Dialect): IfExists {
  const { orchestrationIdReusePolicy: policy } = request;
  if (policy !== null) return replacingOf(policy);
  if (request.enforceUniqueInstanceId) return 'fail';
  if (dialect === 'dapr' || request.router !== null) return 'restart-if-terminal';
  const isMicrosoft =
    dialect === 'microsoft' || unknownFields(request).some(({ number }) => number === REQUEST_TIME_FIELD);
  return isMicrosoft ? 'fail' : 'restart-if-terminal';
}

function replacingOf({ replaceableStatus, action }: DecodedReusePolicy): IfExists {
  const statuses = statusesOf(replaceableStatus);
  if (statuses.length === 0) return 'fail';
  if (action === ACTION.ignore) return 'attach';
  if (statuses.some((status) => !isTerminal(status)) && !replaceableStatus.includes(STATUS.terminated)) {
    if (action === ACTION.terminate) return { replace: [...statuses, 'terminated'] };
    throw invalid(
      'a reuse policy that replaces instances that are going must replace terminated ones too: they are terminated first',
    );
  }
  return statuses.length === WORKFLOW_STATUSES.length ? 'terminate-and-restart' : { replace: statuses };
}

const TAG_LENGTH_MAX = 256;
const TAGS_MAX = 32;

function checkTags(tags: Readonly<Record<string, string>>): void {
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX) throw invalid(`an instance has at most ${TAGS_MAX} tags, got ${entries.length}`);
  for (const [name, value] of entries) {
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    const fits = (text: string): boolean => text.length <= TAG_LENGTH_MAX && !/[\u0000-\u001f\u007f]/.test(text);
    if (name === '' || name === '__proto__' || !fits(name) || !fits(value))
      throw invalid(`a tag is a name and a text of at most ${TAG_LENGTH_MAX} printable characters each`);
  }
}
