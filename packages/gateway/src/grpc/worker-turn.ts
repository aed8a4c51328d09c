// What a worker made of a turn, as the engine takes it.
//
// T1 An answer is taken whole or not at all. One that cannot be understood ends the workflow with a failure that says why:
//    given out again, the same code would answer the same.
// T2 Ids of what is recorded are at least 0, and each is used once in an execution; but an activity or a child that has failed
//    may be tried again under its own: workers in Python do. What is not recorded may have any.

import { InstanceIdError, type Failure } from '@troupe/workflow';
import {
  checkInstanceId,
  isCommandEvent,
  workerChildId,
  type BufferedEvent,
  type Command,
  type EntityMessageSent,
  type HistoryEvent,
  type Outcome,
  type WorkerTurn,
  type WorkflowItem,
} from '@troupe/workflow/worker';
import { sentToEntity, type DecodedEntityMessage } from './entity-message.ts';
import { failureFrom } from './failure-details.ts';
import { ForeignEventError, rewoundHistory } from './rewound-history.ts';
import { unknownFields } from './schema.ts';
import { STATUS } from './status.ts';
import { plainTrace } from './trace.ts';
import { payloadOf, plainTime, said, textOf, timeMsFrom } from './wire-value.ts';
import type {
  DecodedAction,
  DecodedComplete,
  DecodedCreateChild,
  DecodedCreateDetached,
  DecodedCreateTimer,
  DecodedEvent,
  DecodedScheduleTask,
  DecodedTurn,
} from './worker-answer.ts';

/** An answer that cannot be taken. */
class AnswerError extends Error {
  override readonly name = 'WorkerAnswerError';
}

/** The code has no version that can run the instance. */
export class VersionNotAvailableError extends Error {
  override readonly name = 'VersionNotAvailableError';
}

/** The turn; one that makes no sense is a failure of the workflow (T1). */
export function turnFrom(answer: DecodedTurn, item: WorkflowItem): WorkerTurn {
  try {
    return new TurnReader(item).read(answer);
  } catch (error) {
    if (!(error instanceof AnswerError || error instanceof ForeignEventError)) throw error;
    return failedTurn({ type: error.name, message: error.message, nonRetryable: true });
  }
}

/** A turn that fails the workflow, and does nothing else. */
export function failedTurn(failure: Failure): WorkerTurn {
  return { commands: [], outcome: { type: 'failed', failure } };
}

class TurnReader {
  readonly #item: WorkflowItem;
  readonly #atMs: number;
  readonly #commands: Command[] = [];
  readonly #ids = new Set<number>();
  #outcome: Outcome | undefined;
  #stalled: Error | undefined;
  #history: readonly HistoryEvent[] | undefined;

  constructor(item: WorkflowItem) {
    this.#item = item;
    this.#atMs = item.beganAtMs;
  }

  read(answer: DecodedTurn): WorkerTurn {
    for (const action of answer.actions) this.#take(action);
    if (this.#stalled !== undefined) return { commands: [], outcome: undefined, stalled: this.#stalled };
    if (this.#history !== undefined) {
      if (answer.actions.length > 1)
        throw new AnswerError('the worker rewound the workflow, and did something else too');
      return { commands: [], outcome: undefined, history: this.#history };
    }
    this.#checkUnused();
    const customStatus = payloadOf(answer.customStatus);
    if (customStatus !== undefined) this.#commands.push({ type: 'SetCustomStatus', value: customStatus });
    return { commands: this.#commands, outcome: this.#outcome, details: turnDetails(answer) };
  }

  #take(action: DecodedAction): void {
    switch (action.orchestratorActionType) {
      case 'scheduleTask':
        return this.#scheduleTask(this.#idOf(action), action.scheduleTask!);
      case 'createTimer':
        return this.#createTimer(this.#idOf(action), action.createTimer!);
      case 'createSubOrchestration':
        return this.#createChild(this.#idOf(action), action.createSubOrchestration!);
      case 'createDetachedWorkflow':
        return this.#createDetached(this.#idOf(action), action.createDetachedWorkflow!);
      case 'sendEvent': {
        const { instance, name, data } = action.sendEvent!;
        const event = {
          type: 'EventSent',
          at: this.#atMs,
          sequence: this.#idOf(action),
          instanceId: checkedTarget(instance?.instanceId ?? ''),
          name,
          payload: payloadOf(data),
        } as const;
        this.#commands.push({ type: 'SendEvent', event, at: undefined });
        return;
      }
      case 'sendEntityMessage':
        return this.#sendEntityMessage(this.#idOf(action), action.sendEntityMessage!);
      case 'terminateOrchestration': {
        const { instanceId, reason, recurse } = action.terminateOrchestration!;
        const target = checkedTarget(instanceId);
        this.#commands.push({
          type: 'TerminateOther',
          instanceId: target,
          output: payloadOf(reason),
          recursive: recurse,
        });
        return;
      }
      case 'completeOrchestration':
        if (this.#outcome !== undefined) throw new AnswerError('the worker completed the workflow twice in one turn');
        this.#outcome = this.#outcomeOf(action.completeOrchestration!);
        return;
      case 'rewindOrchestration':
        this.#history = rewoundHistory(action.rewindOrchestration!.newHistory, this.#item);
        return;
      case 'workflowVersionNotAvailable': {
        const { workflowName, version } = this.#item.origin;
        this.#stalled = new VersionNotAvailableError(
          `no worker has a version of workflow ${JSON.stringify(workflowName)} that can run an instance of version ${JSON.stringify(version)}`,
        );
        return;
      }
      default:
        throw new AnswerError(
          `the worker asked for something that is not known here: ${action.orchestratorActionType ?? describeUnknown(action)}`,
        );
    }
  }

  /** @throws {AnswerError} for an id that cannot be recorded (T2) */
  #idOf({ id }: DecodedAction): number {
    if (id < 0) throw new AnswerError(`the worker asked for something under the id ${id}; ids are at least 0`);
    if (this.#ids.has(id)) throw new AnswerError(`the worker used the id ${id} twice in one turn`);
    this.#ids.add(id);
    return id;
  }

  #checkUnused(): void {
    if (this.#ids.size === 0) return;
    const used = new Set<number>();
    for (const events of [this.#item.past, this.#item.events]) {
      for (const event of events) {
        if (isCommandEvent(event)) used.add(event.sequence);
        else if (event.type === 'ActivityFailed' || event.type === 'ChildFailed') used.delete(event.sequence);
      }
    }
    for (const id of this.#ids) {
      if (!used.has(id)) continue;
      throw new AnswerError(
        `the worker used the id ${id} once more: its code does not ask again for what the history holds`,
      );
    }
  }

  #scheduleTask(sequence: number, task: DecodedScheduleTask): void {
    const event = {
      type: 'ActivityScheduled',
      at: this.#atMs,
      sequence,
      name: task.name,
      input: payloadOf(task.input),
      kind: 'activity',
      details: said({
        version: textOf(task.version),
        tags: { ...task.tags },
        parentTraceContext: plainTrace(task.parentTraceContext ?? null),
        taskExecutionId: task.taskExecutionId,
        historyPropagationScope: task.historyPropagationScope,
      }),
    } as const;
    this.#commands.push({ type: 'ScheduleActivity', event, options: {}, body: undefined, at: undefined });
  }

  #createTimer(sequence: number, timer: DecodedCreateTimer): void {
    const { fireAt, name, origin } = timer;
    const event = {
      type: 'TimerCreated',
      at: this.#atMs,
      sequence,
      // What was not said is the epoch, and that is over.
      dueAtMs: fireAt === null ? 0 : Math.max(timeMsFrom(fireAt), 0),
      eventName: undefined,
      details: said({
        fireAt: fireAt === null ? undefined : plainTime(fireAt),
        name,
        origin: origin === undefined ? undefined : { kind: origin, ...timer[origin] },
      }),
    } as const;
    this.#commands.push({ type: 'CreateTimer', event, at: undefined });
  }

  #createChild(sequence: number, child: DecodedCreateChild): void {
    const version = textOf(child.version);
    const tags = { ...child.tags };
    const event = {
      type: 'ChildScheduled',
      at: this.#atMs,
      sequence,
      name: child.name,
      instanceId: child.instanceId === '' ? workerChildId(this.#item.instanceId, sequence) : child.instanceId,
      input: payloadOf(child.input),
      detached: false,
      details: said({
        version,
        tags,
        parentTraceContext: plainTrace(child.parentTraceContext),
        historyPropagationScope: child.historyPropagationScope,
        retryParentInstanceId: child.retryParentInstanceInfo?.instanceID,
      }),
    } as const;
    this.#commands.push({ type: 'StartChild', event, version: named(version), tags: filled(tags), at: undefined });
  }

  #createDetached(sequence: number, started: DecodedCreateDetached): void {
    const version = textOf(started.version);
    const tags = { ...started.tags };
    const event = {
      type: 'ChildScheduled',
      at: this.#atMs,
      sequence,
      name: started.name,
      instanceId: started.instanceId === '' ? workerChildId(this.#item.instanceId, sequence) : started.instanceId,
      input: payloadOf(started.input),
      detached: true,
      details: said({
        version,
        tags,
        parentTraceContext: plainTrace(started.parentTraceContext),
        scheduledStartAt:
          started.scheduledStartTimestamp === null ? undefined : plainTime(started.scheduledStartTimestamp),
        executionId: textOf(started.executionId),
      }),
    } as const;
    this.#commands.push({ type: 'StartChild', event, version: named(version), tags: filled(tags), at: undefined });
  }

  #sendEntityMessage(sequence: number, message: DecodedEntityMessage): void {
    let sent: EntityMessageSent | undefined;
    try {
      sent = sentToEntity(message);
    } catch (error) {
      if (!(error instanceof InstanceIdError)) throw error;
      throw new AnswerError(`the worker sent a message to what can be no entity: ${error.message}`);
    }
    if (sent === undefined) throw new AnswerError('the worker sent an entity a message that is not known here');
    const event = { type: 'MessageSent', at: this.#atMs, sequence, ...sent } as const;
    this.#commands.push({ type: 'SendMessage', event, at: undefined });
  }

  #outcomeOf(complete: DecodedComplete): Outcome {
    const { orchestrationStatus: status, result, failureDetails } = complete;
    switch (status) {
      case STATUS.completed:
        return { type: 'completed', output: payloadOf(result) };
      case STATUS.failed:
        return {
          type: 'failed',
          failure:
            failureDetails === null
              ? { type: 'Error', message: textOf(result) ?? 'the workflow failed and did not say why' }
              : failureFrom(failureDetails),
        };
      case STATUS.terminated:
      case STATUS.canceled:
        return { type: 'terminated', output: payloadOf(result) };
      case STATUS.continuedAsNew: {
        const kept = complete.carryoverEvents.map((event) => this.#carried(event));
        return { type: 'continued', input: payloadOf(result), kept, version: named(textOf(complete.newVersion)) };
      }
      default:
        throw new AnswerError(`the worker completed the workflow with the status ${status}, which is no end`);
    }
  }

  #carried(event: DecodedEvent): BufferedEvent {
    if (event.eventType !== 'eventRaised') {
      throw new AnswerError(
        `the worker carries an event over to the next execution that is none from outside: ${event.eventType ?? describeUnknown(event)}`,
      );
    }
    const { name, input } = event.eventRaised!;
    return { name, payload: payloadOf(input), at: event.timestamp === null ? this.#atMs : timeMsFrom(event.timestamp) };
  }
}

function turnDetails({ version, orchestrationTraceContext: trace }: DecodedTurn): Record<string, unknown> | undefined {
  return said({
    version:
      version === undefined || version === null
        ? undefined
        : said({ patches: [...version.patches], name: version.name }),
    traceContext:
      trace === undefined || trace === null
        ? undefined
        : said({
            spanID: textOf(trace.spanID),
            spanStartTime: trace.spanStartTime === null ? undefined : plainTime(trace.spanStartTime),
          }),
  });
}

function named(version: string | undefined): string | undefined {
  return version === '' ? undefined : version;
}

function filled(tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  return Object.keys(tags).length === 0 ? undefined : tags;
}

/** @throws {AnswerError} for an id that no instance can have: what is meant for it could not even be dropped */
function checkedTarget(instanceId: string): string {
  try {
    checkInstanceId(instanceId);
    return instanceId;
  } catch (error) {
    if (!(error instanceof InstanceIdError)) throw error;
    throw new AnswerError(
      `the worker means an instance of an id that none can have: ${JSON.stringify(instanceId.slice(0, 64))}`,
    );
  }
}

function describeUnknown(message: object): string {
  const numbers = unknownFields(message).map(({ number }) => number);
  return numbers.length === 0 ? 'it is empty' : `field ${numbers.join(', ')}`;
}
