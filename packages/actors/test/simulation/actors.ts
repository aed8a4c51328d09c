// The actors that simulations call: one of each kind, which write the same things into a log of their own, and one that
// takes durable sends. Made for each host, since what they wait for passes with its clock.

import {
  actor,
  formatAddress,
  journalActor,
  recordActor,
  type AnyActorDefinition,
  type Clock,
  type ReadContext,
  type RecordReadContext,
  type Reminder,
  type TurnContext,
  type WritingContext,
} from '../../src/index.ts';
import type { SeededRandom } from '../../src/testing.ts';
import type { History } from './history.ts';

/** What an actor has done, a line each: `add 7`, `send 9 inbox/a 2`, `fire r3 1893456000000`. */
export type Log = readonly string[];

/** Actors that write into a log. */
export const LOG_TYPES = ['ledger', 'book', 'diary'] as const;
export type LogType = (typeof LOG_TYPES)[number];

/** Where the actors run, and whom they tell. */
export interface ActorWorld {
  readonly history: History;
  readonly random: SeededRandom;
  readonly hostId: string;
  readonly clock: Clock;
}

/** Parts of definitions that are only called, never run. */
const INBOX = actor('inbox', {
  methods: { take: (_ctx, _from: string, _sequence: number) => {}, hear: (_ctx, _from: string, _line: string) => {} },
});
const inner = (type: string) => actor(type, { methods: { inner: (_ctx, _operation: number) => {} } });

/** A call made from inside a turn waits no longer than this. */
const INNER_CALL_MS = 2_000;

/** How often something was sent to a receiver, by the log of the sender. */
export function sentTo(log: Log, receiver: string): number {
  let sent = 0;
  for (const line of log) {
    const [what, , to, count] = line.split(' ');
    if (what === 'send' && to === receiver) sent += Number(count);
  }
  return sent;
}

/** The methods of every actor with a log. `write` adds a line and gives how many there are; `lines` are those so far. */
function methodsOf<C extends WritingContext>(
  world: ActorWorld,
  write: (ctx: C, line: string) => number,
  lines: (ctx: C) => Log,
) {
  const { history, hostId } = world;
  const turn = <T>(ctx: TurnContext, operation: number, body: () => T): T =>
    history.turn(formatAddress(ctx.address), hostId, 'turn', operation, body);
  return {
    add: (ctx: C, operation: number) => turn(ctx, operation, () => write(ctx, `add ${operation}`)),
    addSlowly: (ctx: C, operation: number) =>
      turn(ctx, operation, async () => {
        await pause(world);
        const position = write(ctx, `add ${operation}`);
        await pause(world);
        return position;
      }),
    addAndFail: (ctx: C, operation: number) =>
      turn(ctx, operation, async () => {
        write(ctx, `add ${operation}`);
        ctx.send(INBOX, 'a').take(formatAddress(ctx.address), -1);
        ctx.setReminder(`r${operation}`, { delayMs: 1 });
        await pause(world);
        throw new RangeError('as asked');
      }),
    ask: (ctx: C, operation: number, other: string) =>
      turn(ctx, operation, async () => {
        const before = lines(ctx).at(-1);
        const position = write(ctx, `add ${operation}`);
        // What earlier turns did may be told; it has to last.
        await ctx.actor(INBOX, other, { timeoutMs: INNER_CALL_MS }).hear(formatAddress(ctx.address), before ?? '');
        return position;
      }),
    askSelf: (ctx: C, operation: number) =>
      turn(ctx, operation, async () => {
        const position = write(ctx, `add ${operation}`);
        await ctx.actor(inner(ctx.address.type), ctx.actorId, { timeoutMs: INNER_CALL_MS }).inner(operation);
        return position;
      }),
    inner: (ctx: C, operation: number) =>
      history.turn(formatAddress(ctx.address), hostId, 'nested', undefined, async () => {
        await pause(world);
        write(ctx, `inner ${operation}`);
        await pause(world);
      }),
    send: (ctx: C, operation: number, to: string, count: number) =>
      turn(ctx, operation, () => {
        const from = formatAddress(ctx.address);
        const sent = sentTo(lines(ctx), `inbox/${to}`);
        for (let sequence = sent + 1; sequence <= sent + count; sequence++) ctx.send(INBOX, to).take(from, sequence);
        return write(ctx, `send ${operation} inbox/${to} ${count}`);
      }),
    remind: (ctx: C, operation: number, name: string, delayMs: number, periodMs: number | undefined) =>
      turn(ctx, operation, () => {
        ctx.setReminder(name, { delayMs, ...(periodMs === undefined ? {} : { periodMs }) });
        return write(ctx, `set ${operation} ${name} ${ctx.nowMs() + delayMs}`);
      }),
    cancel: (ctx: C, operation: number, name: string) =>
      turn(ctx, operation, () => {
        ctx.cancelReminder(name);
        return write(ctx, `cancel ${operation} ${name}`);
      }),
    time: (ctx: C, operation: number, delayMs: number) =>
      turn(ctx, operation, () => {
        ctx.setTimer(`t${operation}`, delayMs);
        return write(ctx, `add ${operation}`);
      }),
    leave: (ctx: C) => ctx.deactivate(),
  };
}

/** The hooks of every actor with a log. */
function hooksOf<C extends WritingContext>(world: ActorWorld, write: (ctx: C, line: string) => number) {
  const { history, hostId, random } = world;
  const turn = (ctx: TurnContext, body: () => Promise<void>): Promise<void> =>
    history.turn(formatAddress(ctx.address), hostId, 'turn', undefined, body);
  return {
    reentrant: true,
    onActivate: (ctx: C) => history.activated(formatAddress(ctx.address), hostId),
    onReminder: (ctx: C, { name, dueAtMs, failedAttempts }: Reminder) =>
      turn(ctx, async () => {
        await pause(world);
        write(ctx, `fire ${name} ${dueAtMs}`);
        if (failedAttempts === 0 && random.chance(0.2)) throw new RangeError('a reminder fails');
      }),
    onTimer: (ctx: C, name: string) =>
      turn(ctx, async () => {
        await pause(world);
        write(ctx, `timer ${name}`);
      }),
  };
}

/** Reads, slow or not. */
function readsOf<C extends TurnContext>(world: ActorWorld, lines: (ctx: C) => Log) {
  const { history, hostId } = world;
  return {
    log: (ctx: C, _operation: number) =>
      history.turn(formatAddress(ctx.address), hostId, 'read', undefined, () => [...lines(ctx)]),
    logSlowly: (ctx: C, _operation: number) =>
      history.turn(formatAddress(ctx.address), hostId, 'read', undefined, async () => {
        await pause(world);
        return [...lines(ctx)];
      }),
  };
}

/** The definitions for one host. */
export function actorsOf(world: ActorWorld) {
  type StateOf<T> = WritingContext & { state: T };
  const writeState = (ctx: StateOf<{ log: string[] }>, line: string): number => ctx.state.log.push(line);
  const stateLines = (ctx: { readonly state: { readonly log: Log } }): Log => ctx.state.log;
  const ledger = actor('ledger', {
    state: () => ({ log: [] as string[] }),
    ...hooksOf(world, writeState),
    methods: methodsOf(world, writeState, stateLines),
    readOnly: readsOf<ReadContext<{ log: string[] }>>(world, stateLines),
  });

  type BookContext = WritingContext & { readonly state: { log: string[] }; append(line: string): void };
  const writeEntry = (ctx: BookContext, line: string): number => {
    ctx.append(line);
    return ctx.state.log.length;
  };
  const book = journalActor('book', {
    state: () => ({ log: [] as string[] }),
    apply: (state, line: string) => void state.log.push(line),
    ...hooksOf(world, writeEntry),
    methods: methodsOf(world, writeEntry, stateLines),
    readOnly: readsOf<ReadContext<{ log: string[] }>>(world, stateLines),
  });

  type DiaryContext = WritingContext & { readonly local: string[]; append(line: string): void; changed(): void };
  const writeBoth = (ctx: DiaryContext, line: string): number => {
    ctx.local.push(line);
    ctx.append(line);
    ctx.changed();
    return ctx.local.length;
  };
  const localLines = (ctx: { readonly local: Log }): Log => ctx.local;
  const diary = recordActor('diary', {
    async open({ read, snapshot, address, nextEntry }): Promise<string[]> {
      // No more than was loaded: another owner may have written since.
      const entries = await read(1, nextEntry - 1);
      const lines = (snapshot as string[] | undefined) ?? [];
      if (entries.join() !== lines.join())
        throw new Error(`snapshot ${lines.join()} and entries ${entries.join()} of ${formatAddress(address)} differ`);
      return lines;
    },
    snapshot: (local: string[]) => local,
    ...hooksOf(world, writeBoth),
    methods: methodsOf(world, writeBoth, localLines),
    readOnly: readsOf<RecordReadContext<string[]>>(world, localLines),
  });

  const inbox = actor('inbox', {
    state: () => ({ taken: {} as Record<string, number[]>, heard: {} as Record<string, string[]> }),
    methods: {
      async take(ctx, from: string, sequence: number) {
        if (world.random.chance(0.2)) await pause(world);
        (ctx.state.taken[from] ??= []).push(sequence);
      },
      hear: (ctx, from: string, line: string) => {
        if (line !== '') (ctx.state.heard[from] ??= []).push(line);
      },
    },
    readOnly: { all: (ctx) => ctx.state },
  });
  return { ledger, book, diary, inbox };
}

export type Actors = ReturnType<typeof actorsOf>;

export function listed(actors: Actors): readonly AnyActorDefinition[] {
  return Object.values(actors);
}

/** Waits for a while, or not, on the clock of the host. */
async function pause({ clock, random }: ActorWorld): Promise<void> {
  const delayMs = random.pick([0, 0, 1, 3, 30, 300]);
  if (delayMs > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, random.integer(1, delayMs)));
}
