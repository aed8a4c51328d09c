// The children of an execution, and the word to its parent. A detached child has no parent that hears of its end.

import type { Command } from './command.ts';
import type { StartedChild } from './executor.ts';
import type { InstanceHistory } from './instance-history.ts';
import type { ChildLink, StartRequest } from './instance-request.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import type { InstanceState, ParentLink } from './instance-state.ts';
import { openWorkIn } from './open-work.ts';
import type { Failure } from './status.ts';

export class InstanceChildren {
  readonly #instanceId: string;
  readonly #services: InstanceServices;
  /** Made with the first child: most instances have none. */
  #started: Map<number, StartedChild> | undefined;

  constructor(instanceId: string, services: InstanceServices) {
    this.#instanceId = instanceId;
    this.#services = services;
  }

  /** Takes over what a replay found started. */
  restore(started: Map<number, StartedChild>): void {
    this.#started = started.size === 0 ? undefined : started;
  }

  clear(): void {
    this.#started = undefined;
  }

  start(ctx: Context, state: InstanceState, command: Command & { type: 'StartChild' }): void {
    this.#start(ctx, state, command, 1 + (this.#started?.get(command.event.sequence)?.attempt ?? 0));
  }

  /** One that a history that was taken over asked for, so often. */
  startAdopted(
    ctx: Context,
    state: InstanceState,
    command: Command & { type: 'StartChild' },
    { attempt }: StartedChild,
  ): void {
    this.#start(ctx, state, command, attempt);
  }

  #start(ctx: Context, state: InstanceState, command: Command & { type: 'StartChild' }, attempt: number): void {
    const { sequence, instanceId, detached } = command.event;
    this.#started ??= new Map();
    this.#started.set(sequence, { instanceId, attempt, detached, ended: detached });
    ctx.send(this.#services.actor(), instanceId).startChild(this.#request(state, command, attempt));
  }

  /** One that was started by the execution before a rewind. */
  rewind(
    ctx: Context,
    state: InstanceState,
    command: Command & { type: 'StartChild' },
    { attempt }: StartedChild,
    body: unknown,
  ): void {
    const { instanceId } = command.event;
    ctx.send(this.#services.actor(), instanceId).rewindChild(this.#request(state, command, attempt), body);
  }

  #request(state: InstanceState, command: Command & { type: 'StartChild' }, attempt: number): StartRequest {
    const { sequence, name, input, detached } = command.event;
    return {
      workflowName: name,
      version: command.version,
      input,
      ifExists: 'fail',
      startAtMs: command.startAtMs,
      tags: command.tags,
      startKey: undefined,
      parent: {
        instanceId: detached ? '' : this.#instanceId,
        executionId: state.executionId,
        sequence,
        workflowName: state.workflowName,
        attempt,
      },
      patient: state.onWorkers,
    };
  }

  /** Whether this is news: the child was waited for, and had not ended. */
  take({ sequence, attempt }: ChildLink, childId: string): boolean {
    const child = this.#started?.get(sequence);
    if (child === undefined || child.ended || child.detached) return false;
    if (child.instanceId !== childId || child.attempt !== attempt) return false;
    child.ended = true;
    return true;
  }

  /** Whether its end is still to come, as far as the history tells. */
  isOpen(sequence: number): boolean {
    return this.#started?.get(sequence)?.ended === false;
  }

  /** Notes an end that is known already. */
  noteEnded(sequence: number): void {
    const child = this.#started?.get(sequence);
    if (child !== undefined) child.ended = true;
  }

  /** Those that were not detached, as far as they are in memory. */
  ids(onlyOpen: boolean): string[] {
    return idsOf(this.#started?.values() ?? [], onlyOpen);
  }

  get anyStarted(): boolean {
    return this.#started !== undefined;
  }

  terminate(ctx: Context, childId: string): void {
    ctx.send(this.#services.actor(), childId).terminate({
      output: undefined,
      recursive: true,
      undo: false,
      parentId: this.#instanceId,
      workflowName: undefined,
      hash: undefined,
    });
  }
}

/** Children of an execution that were not detached, from its history. */
export async function childIdsIn(history: InstanceHistory, state: InstanceState, onlyOpen: boolean): Promise<string[]> {
  return idsOf(openWorkIn(await history.past(state)).children.values(), onlyOpen);
}

function idsOf(children: Iterable<StartedChild>, onlyOpen: boolean): string[] {
  const ids: string[] = [];
  for (const child of children) if (!child.detached && !(onlyOpen && child.ended)) ids.push(child.instanceId);
  return ids;
}

/** Tells the parent how its child ended: with an output, or with a failure. */
export function tellParent(
  ctx: Context,
  services: InstanceServices,
  childId: string,
  parent: ParentLink,
  output: unknown,
  failure: Failure | undefined,
): void {
  if (parent.instanceId === '') return;
  const link = { executionId: parent.executionId, sequence: parent.sequence, attempt: parent.attempt };
  ctx.send(services.actor(), parent.instanceId).childEnded(link, childId, output, failure);
}
