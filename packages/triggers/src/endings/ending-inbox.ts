// Where endings of instances wait until the triggers that want them have settled them.
//
// N1  An ending is kept by an actor of its own, from the commit that takes it over from its instance until each trigger of
//     this host that wants it has settled it. Then nothing is left of it.
// N2  It is handed over again, with growing pauses, by a reminder: whoever stops, crashes, is paused or has no room between
//     loses nothing. Handing over twice is harmless, as the event is the same.
// N3  One that no trigger of this host wants was wanted by another host, whose triggers are newer or older. It is kept for as
//     long as such a roll-out may take, then dropped and logged.

import { createHash } from 'node:crypto';
import { actor, type ActorDefinition, type Logger, type StateContext } from '@troupe/actors';
import type { Ending, EndingListener, EndStatus } from '@troupe/workflow';
import { backOffMs } from '../back-off.ts';
import { ENDING_RETRY_MS_MAX, ENDING_RETRY_MS_MIN, ENDING_UNWANTED_MS } from '../limits.ts';
import type { Source } from '../source.ts';

/** What the actor of an ending holds. */
interface Held {
  ending: Ending | null;
  /** Triggers that have settled it. */
  settled: string[];
  /** How often it was handed over. */
  tries: number;
}

/** One per execution that has ended. */
type InboxActor = ActorDefinition<
  {
    readonly ended: (ctx: StateContext<Held>, ending: Ending) => void;
    readonly settled: (ctx: StateContext<Held>, trigger: string) => void;
  },
  Record<never, never>
>;

/** Takes an ending over while it has room; else, and when it does not settle it, the ending comes again. */
export type TakeEnding = (actorId: string, ending: Ending) => void;

/** The triggers that the inbox serves, whether they are started or not. */
export interface InboxRule {
  readonly name: string;
  readonly source: Source;
}

export class EndingInbox {
  readonly actor: InboxActor;
  readonly #rules: () => Iterable<InboxRule>;
  readonly #logger: () => Logger;
  readonly #readers = new Map<string, TakeEnding>();
  #given = false;

  constructor(rules: () => Iterable<InboxRule>, logger: () => Logger) {
    this.#rules = rules;
    this.#logger = logger;
    this.actor = actor('trigger-ending', {
      state: (): Held => ({ ending: null, settled: [], tries: 0 }),
      methods: {
        ended: (ctx, ending: Ending) => {
          ctx.state.ending = ending;
          this.#handOver(ctx);
        },
        settled: (ctx, trigger: string) => {
          const { ending, settled } = ctx.state;
          if (ending === null) return;
          if (!settled.includes(trigger)) settled.push(trigger);
          if (this.#wanting(ctx.state).length === 0) ctx.purge();
        },
      },
      onReminder: (ctx) => this.#handOver(ctx),
    });
  }

  /** What `startHost` is given. */
  get listener(): EndingListener {
    this.#given = true;
    return {
      listens: (workflowName, status) => this.#listens(workflowName, status),
      actor: this.actor,
      actorIdOf: ({ instanceId, executionId }) =>
        createHash('sha256').update(`${instanceId}\0${executionId}`).digest('hex').slice(0, 40),
    };
  }

  /** Whether anybody asked for the listener: without it no ending is told. */
  get given(): boolean {
    return this.#given;
  }

  /** Endings that a trigger wants go there from now on, until the returned function is called. */
  open(trigger: string, take: TakeEnding): () => void {
    this.#readers.set(trigger, take);
    return () => {
      if (this.#readers.get(trigger) === take) this.#readers.delete(trigger);
    };
  }

  #listens(workflowName: string, status: EndStatus): boolean {
    for (const { source } of this.#rules()) if (source.listens?.(workflowName, status) === true) return true;
    return false;
  }

  /** Triggers of this host that want an ending and have not settled it. */
  #wanting({ ending, settled }: Held): string[] {
    const { workflowName, status } = ending!;
    return Array.from(this.#rules())
      .filter(({ name, source }) => source.listens?.(workflowName, status) === true && !settled.includes(name))
      .map(({ name }) => name);
  }

  #handOver(ctx: StateContext<Held>): void {
    const { ending, settled } = ctx.state;
    if (ending === null) return;
    const wanting = this.#wanting(ctx.state);
    if (wanting.length === 0) {
      const { instanceId, workflowName, status, endedAtMs } = ending;
      const unwanted = settled.length === 0;
      if (!unwanted || ctx.nowMs() - endedAtMs > ENDING_UNWANTED_MS) {
        if (unwanted)
          this.#logger().warn(
            { instanceId, workflowName, status },
            'no trigger wants this ending any more; it is dropped',
          );
        return ctx.purge();
      }
    }
    ctx.state.tries++;
    const pause = { initialMs: ENDING_RETRY_MS_MIN, maxMs: ENDING_RETRY_MS_MAX };
    ctx.setReminder('hand over', { delayMs: backOffMs(ctx.state.tries, pause, () => ctx.random()) });
    const { actorId } = ctx;
    ctx.afterCommit(() => {
      for (const name of wanting) this.#readers.get(name)?.(actorId, ending);
    });
  }
}
