// The ends of an application's own instances: `endings({ workflow: order, on: ['completed'] })`.

import type { AnyWorkflow, Ending, EndStatus, Failure } from '@troupe/workflow';
import { EndingReader, type EndingRule } from './endings/ending-reader.ts';
import { SourceError } from './errors.ts';
import { isoTime } from './iso-time.ts';
import type { Source } from './source.ts';
import type { TriggerEvent } from './trigger-event.ts';

/** Which ends a trigger hears of. */
export interface EndingsOptions {
  /** Names or definitions of workflows. */
  readonly workflow: string | AnyWorkflow | readonly (string | AnyWorkflow)[];
  /** Default: all three. */
  readonly on?: readonly EndStatus[] | undefined;
  /**
   * Hear also of instances that this very trigger started. What starts the workflow that it hears of then goes on for ever
   * unless something else ends it. Default false: they are dropped and logged.
   */
  readonly ownInstances?: boolean | undefined;
}

/** The data of an ending. */
export interface EndedInstance {
  readonly instanceId: string;
  readonly workflowName: string;
  readonly version: string;
  readonly executionId: string;
  readonly status: EndStatus;
  /** Of a completed one, or what it was terminated with. */
  readonly output?: unknown;
  /** The output is too large for an event: read it from the instance. */
  readonly outputOmitted?: true;
  /** Of a failed one. */
  readonly failure?: Failure;
  readonly tags: Readonly<Record<string, string>>;
  /** RFC 3339 in UTC, with milliseconds. */
  readonly createdAt: string;
  readonly endedAt: string;
  /** Of a child that is not detached. */
  readonly parent?: { readonly instanceId: string; readonly workflowName: string };
}

const STATUSES: readonly EndStatus[] = ['completed', 'failed', 'terminated'];

/**
 * Ends of workflow instances, each told once. An event `workflow.completed`, `workflow.failed` or `workflow.terminated` of the
 * source `workflow:<name>`, whose subject is the instance id. The host is to be started with `endings: triggers.endings`.
 *
 * @throws {TypeError} when no workflow or no way to end is named
 */
export function endings(options: EndingsOptions): Source {
  const { on = STATUSES, ownInstances = false } = options;
  const names = namesOf(options.workflow);
  if (!Array.isArray(on) || on.length === 0 || !on.every((status) => STATUSES.includes(status)))
    throw new TypeError(`on is a list of ${STATUSES.join(', ')}, got ${JSON.stringify(on)}`);
  const rule: EndingRule = { ownInstances, eventOf };
  return {
    kind: 'endings',
    runsOn: 'every-host',
    listens: (workflowName, status) => names.has(workflowName) && on.includes(status),
    open(context) {
      const { endings: inbox } = context;
      if (inbox?.given !== true)
        throw new SourceError('no ending is told to this host: startHost({ …, endings: triggers.endings })');
      return Promise.resolve(new EndingReader(rule, context, inbox));
    },
  };
}

function namesOf(workflow: EndingsOptions['workflow']): ReadonlySet<string> {
  const list = (Array.isArray(workflow) ? workflow : [workflow]) as readonly (string | AnyWorkflow)[];
  const names = list.map((one) => (typeof one === 'string' ? one : one?.name));
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== ''))
    throw new TypeError('workflow is the name or the definition of a workflow, or a list of them');
  return new Set(names);
}

/** The same for the same end, whoever makes it. */
function eventOf({ createdAtMs, endedAtMs, traceparent, ...ending }: Ending): TriggerEvent {
  const { instanceId, executionId, workflowName, status } = ending;
  const endedAt = isoTime(endedAtMs);
  const data: EndedInstance = { ...ending, createdAt: isoTime(createdAtMs), endedAt };
  return {
    source: `workflow:${encodeURIComponent(workflowName)}`,
    id: `${instanceId}/${executionId}/${endedAtMs}`,
    type: `workflow.${status}`,
    subject: instanceId,
    time: endedAt,
    extensions: {},
    headers: {},
    data,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
