import type { AnyActorDefinition } from './actor.ts';
import type { TurnCause } from './turn.ts';

/** The user's function that a turn runs. */
export function bodyOf(definition: AnyActorDefinition, cause: TurnCause): object | undefined {
  const { hooks } = definition;
  switch (cause.kind) {
    case 'call':
      return definition.methods[cause.call.method];
    case 'reminder':
      return hooks.onReminder;
    case 'timer':
      return hooks.onTimer;
    case 'activate':
      return hooks.onActivate;
    case 'work':
      return definition.onWork;
  }
}

/** Whether a turn that runs it may still be running when the store seals. */
export function mayAwait(body: object): boolean {
  return body instanceof AsyncFunction || knownToAwait.has(body);
}

/** A turn of it was seen to run on. */
export function noteAwaiting(body: object): void {
  knownToAwait.add(body);
}

const AsyncFunction = (async () => {}).constructor;
/** Methods of record actors that ran on while their store wanted to seal, although they are not async functions. */
const knownToAwait = new WeakSet<object>();
