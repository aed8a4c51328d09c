// What a worker answers is checked before anything of it is taken in: what an instance cannot record or carry out fails the
// workflow with an error that says so. If it failed the turn, the worker would answer the same again for ever.

import { LimitError } from '@troupe/actors';
import type { Command, Outcome } from '../command.ts';
import { failureOf } from '../failure.ts';
import { CUSTOM_STATUS_BYTES_MAX, TURN_BYTES_MAX, TURN_COMMANDS_MAX } from '../limits.ts';
import { checkInstanceId, checkName, checkTags } from '../name.ts';
import { checkedBytes } from '../payload.ts';
import type { WorkerTurn } from './worker-port.ts';

/** The turn, or that the workflow has failed. */
export function acceptable(turn: WorkerTurn): WorkerTurn {
  try {
    check(turn);
    return turn;
  } catch (error) {
    return { commands: [], outcome: { type: 'failed', failure: failureOf(error) }, details: turn.details };
  }
}

/** @throws {TypeError} | {InstanceIdError} | {PayloadError} | {LimitError} */
function check({ commands, outcome }: WorkerTurn): void {
  if (commands.length > TURN_COMMANDS_MAX)
    throw new LimitError(`a turn asks for at most ${TURN_COMMANDS_MAX} things, this one for ${commands.length}`);
  const numbers = new Set<number>();
  let bytes = outcome === undefined ? 0 : checkedBytes(valueOf(outcome), 'the output');
  for (const command of commands) {
    bytes += checkCommand(command);
    if (!('event' in command)) continue;
    const { sequence } = command.event;
    if (numbers.has(sequence)) throw new TypeError(`a turn asks for two things under the number ${sequence}`);
    numbers.add(sequence);
  }
  if (bytes > TURN_BYTES_MAX)
    throw new LimitError(`the payloads of one turn are at most ${TURN_BYTES_MAX} bytes together, these are ${bytes}`);
}

/** @returns about as many bytes as its payload has */
function checkCommand(command: Command): number {
  switch (command.type) {
    case 'ScheduleActivity':
      checkName('activity', command.event.name);
      return checkedBytes(command.event.input, `the input of activity ${command.event.name}`);
    case 'StartChild':
      checkName('workflow', command.event.name);
      checkInstanceId(command.event.instanceId);
      if (command.version !== undefined) checkName('version', command.version);
      if (command.tags !== undefined) checkTags(command.tags);
      return checkedBytes(command.event.input, `the input of workflow ${command.event.name}`);
    case 'SendEvent':
      checkName('event', command.event.name);
      checkInstanceId(command.event.instanceId);
      return checkedBytes(command.event.payload, `the payload of event ${command.event.name}`);
    case 'TerminateOther':
      checkInstanceId(command.instanceId);
      return checkedBytes(command.output, 'the output of another workflow');
    case 'SetCustomStatus':
      return checkedStatus(command.value);
    case 'SendMessage':
      return checkedBytes(command.event.body, 'a message');
    case 'CreateTimer':
    case 'CancelTimer':
    case 'Undoing':
      return 0;
  }
}

/** It is stored again with each change of the instance's state. */
function checkedStatus(status: unknown): number {
  const bytes = checkedBytes(status, 'the custom status');
  if (bytes > CUSTOM_STATUS_BYTES_MAX)
    throw new LimitError(`a custom status is at most ${CUSTOM_STATUS_BYTES_MAX} bytes, this one is ${bytes}`);
  return bytes;
}

function valueOf(outcome: Outcome): unknown {
  if (outcome.type === 'failed') return undefined;
  return outcome.type === 'continued' ? [outcome.input, outcome.kept.map(({ payload }) => payload)] : outcome.output;
}
