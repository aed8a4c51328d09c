// A source whose messages come from the test.

import type { Settlement, Source, SourceContext, SourceMessage, TriggerEvent } from '../src/index.ts';

/** What a test asks of it. */
export interface QueueSource extends Source {
  readonly context: SourceContext;
  readonly opened: number;
  readonly drained: boolean;
  readonly closed: boolean;
  /** Hands a message over at once, room or not. */
  deliver(message: SourceMessage): Promise<Settlement>;
}

export function queueSource(runsOn: Source['runsOn'] = 'every-host'): QueueSource {
  let context: SourceContext | undefined;
  let opened = 0;
  let drained = false;
  let closed = false;
  return {
    kind: 'queue',
    runsOn,
    get context() {
      return context!;
    },
    get opened() {
      return opened;
    },
    get drained() {
      return drained;
    },
    get closed() {
      return closed;
    },
    deliver: (message) => context!.deliver(message),
    open: async (given) => {
      context = given;
      opened++;
      drained = false;
      closed = false;
      return {
        drain: async () => void (drained = true),
        close: async () => void (closed = true),
        lag: async () => 7,
      };
    },
  };
}

export function eventOf(id: string, data: unknown, changes: Partial<TriggerEvent> = {}): TriggerEvent {
  return { source: '/shop', id, type: 'order.created', extensions: {}, headers: {}, data, ...changes };
}
