// Has instances that workers ran run once more in part, by calls on their actors.

import { copyPayload, type ActorHost } from '@troupe/actors';
import { CommandNotFoundError, InstanceNotFoundError, NotRerunnableError } from './errors.ts';
import { InstanceCalls } from './instance-calls.ts';
import type { RerunRefusal } from './instance-request.ts';
import { refusalError } from './local-client.ts';
import { checkInstanceId } from './name.ts';
import { checkPayload } from './payload.ts';
import { rerunEvents } from './repeat.ts';
import type { InstanceRepeats, Rerun } from './workers/worker-port.ts';
import type { WorkflowActor } from './workflow-actor.ts';

export class RepeatedInstances implements InstanceRepeats {
  readonly #calls: InstanceCalls;

  constructor(host: ActorHost, actor: WorkflowActor, shared: boolean) {
    this.#calls = new InstanceCalls(host, actor, shared);
  }

  async rewind(
    instanceId: string,
    body: unknown,
    { traceparent }: { readonly traceparent?: string | undefined } = {},
  ): Promise<void> {
    checkPayload(body, 'what is told with a rewind');
    const reply = await this.#calls.ask(instanceId, 'rewind', [copyPayload(body)], { traceparent });
    if (reply !== undefined && 'refused' in reply) throw refusalError(reply, instanceId);
  }

  async rerun({ sourceId, sequence, newId, newChildId, input, details, traceparent }: Rerun): Promise<void> {
    checkInstanceId(sourceId);
    checkInstanceId(newId);
    if (newChildId !== undefined) checkInstanceId(newChildId);
    if (newId === sourceId) throw new NotRerunnableError(sourceId, 'the other instance needs another id');
    if (input !== undefined) checkPayload(input.value, 'the input of what is run again');
    const source = await this.#calls.ref(sourceId).rerunSource(sequence);
    if (source === undefined) throw new InstanceNotFoundError(sourceId);
    if ('refused' in source) throw errorOf(source, sourceId);
    const last = source.events.at(-1)!;
    if (newChildId !== undefined && last.type !== 'ChildScheduled')
      throw new NotRerunnableError(sourceId, `what has the number ${sequence} is no child, and takes no id`);
    if (input !== undefined && last.type === 'TimerCreated')
      throw new NotRerunnableError(sourceId, `what has the number ${sequence} is a timer, and takes no input`);
    const reply = await this.#calls.ask(
      newId,
      'rerun',
      [
        {
          ...source,
          events: rerunEvents(source.events, { newId, newChildId, input: copyPayload(input), details }),
          body: { sourceId, sequence },
        },
      ],
      { traceparent },
    );
    if (reply !== undefined && 'refused' in reply) throw refusalError(reply, newId);
  }
}

function errorOf(refusal: RerunRefusal, instanceId: string): Error {
  return refusal.refused === 'no-command'
    ? new CommandNotFoundError(instanceId, refusal.sequence)
    : new NotRerunnableError(instanceId, refusal.why);
}
