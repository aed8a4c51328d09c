// A worker of another language in small: workflows are generators that are replayed from the beginning in every turn.

import { payloadText, plainPayload, TextPayload } from '@troupe/actors';
import { isCommandEvent } from '../src/history.ts';
import type { WorkflowHost } from '../src/index.ts';
import type {
  ActivityItem,
  Command,
  HistoryEvent,
  Outcome,
  WorkerConnection,
  WorkerFilters,
  WorkerTurn,
  WorkflowItem,
  WorkItem,
} from '../src/worker.ts';

/** What a program waits for: results by their numbers, or an event. */
type Wait = { readonly all: readonly number[] } | { readonly event: string };

export interface ProgramContext {
  /** The time of the turn in which the program got here. */
  readonly nowMs: number;
  activity(name: string, input?: unknown): number;
  timer(delayMs: number): number;
  child(name: string, instanceId: string, input?: unknown): number;
  send(instanceId: string, name: string, payload?: unknown): void;
  /** What is asked for again under the same number when it fails, so often in all. */
  stubborn(ask: () => number, tries: number): number;
  status(value: unknown): void;
  continueAsNew(input: unknown): void;
}

// oxlint-disable-next-line typescript/no-explicit-any -- what a program gets depends on what it waits for
export type Program = (ctx: ProgramContext, input: never) => Generator<Wait, unknown, any>;

const text = (value: unknown): TextPayload | undefined =>
  value === undefined ? undefined : new TextPayload(payloadText(value)!);

/** The history that a turn rewinds, as the SDKs make it: without what failed; children that failed are to run again. */
export function rewoundBy({ past, events, beganAtMs }: WorkflowItem): readonly HistoryEvent[] | undefined {
  const [event] = events;
  const hasEnded = past.some(({ type }) => type === 'WorkflowFailed');
  if (event?.type !== 'MessageReceived' || event.kind !== 'executionRewound' || !hasEnded) return undefined;
  if (events.length > 1) throw new Error('a rewind comes alone');
  const failed = new Set(past.flatMap((one) => (one.type === 'ActivityFailed' ? [one.sequence] : [])));
  const kept = past.filter(
    (one) =>
      one.type !== 'ActivityFailed' &&
      one.type !== 'ChildFailed' &&
      one.type !== 'WorkflowFailed' &&
      !(one.type === 'ActivityScheduled' && failed.has(one.sequence)),
  );
  return [...kept, { type: 'TurnBegan', at: beganAtMs }, event];
}

/** Runs a program over what a turn brings. */
export function turnOf(program: Program, { past, events, beganAtMs }: WorkflowItem): WorkerTurn {
  const recorded = new Map<number, number>();
  for (const event of past)
    if (isCommandEvent(event)) recorded.set(event.sequence, (recorded.get(event.sequence) ?? 0) + 1);
  const retried = new Map<number, { readonly ask: () => number; left: number }>();
  const commands: Command[] = [];
  const results = new Map<number, { value: unknown; error?: Error }>();
  const raised: { name: string; payload: unknown; at: number }[] = [];
  let nowMs = beganAtMs;
  let numbers = 0;
  let outcome: Outcome | undefined;
  let continued: { input: unknown } | undefined;
  let again: number | undefined;
  const ask = (make: (sequence: number) => Command): number => {
    const sequence = again ?? ++numbers;
    const times = recorded.get(sequence) ?? 0;
    if (times === 0) commands.push(make(sequence));
    else recorded.set(sequence, times - 1);
    return sequence;
  };
  const context: ProgramContext = {
    get nowMs() {
      return nowMs;
    },
    activity: (name, input) =>
      ask((sequence) => ({
        type: 'ScheduleActivity',
        event: { type: 'ActivityScheduled', at: beganAtMs, sequence, name, input: text(input), kind: 'activity' },
        options: {},
        body: undefined,
        at: undefined,
      })),
    timer: (delayMs) =>
      ask((sequence) => ({
        type: 'CreateTimer',
        event: { type: 'TimerCreated', at: beganAtMs, sequence, dueAtMs: nowMs + delayMs, eventName: undefined },
        at: undefined,
      })),
    child: (name, instanceId, input) =>
      ask((sequence) => ({
        type: 'StartChild',
        event: {
          type: 'ChildScheduled',
          at: beganAtMs,
          sequence,
          name,
          instanceId,
          input: text(input),
          detached: false,
        },
        version: undefined,
        tags: undefined,
        at: undefined,
      })),
    send: (instanceId, name, payload) =>
      void ask((sequence) => ({
        type: 'SendEvent',
        event: { type: 'EventSent', at: beganAtMs, sequence, instanceId, name, payload: text(payload) },
        at: undefined,
      })),
    stubborn: (askFor, tries) => {
      const sequence = askFor();
      retried.set(sequence, { ask: askFor, left: tries - 1 });
      return sequence;
    },
    status: (value) => void commands.push({ type: 'SetCustomStatus', value: text(value) }),
    continueAsNew: (input) => void (continued = { input }),
  };
  let code: ReturnType<Program>;
  let waits: Wait | undefined;
  const resume = (value: unknown, error?: Error): void => {
    try {
      const step = error === undefined ? code.next(value) : code.throw(error);
      waits = step.done === true ? undefined : step.value;
      if (step.done !== true) return;
      outcome =
        continued === undefined
          ? { type: 'completed', output: text(step.value) }
          : { type: 'continued', input: text(continued.input), kept: raised.splice(0) };
    } catch (thrown) {
      waits = undefined;
      outcome = { type: 'failed', failure: { type: 'ProgramError', message: (thrown as Error).message } };
    }
  };
  const goOn = (): void => {
    for (let wait = waits; wait !== undefined; wait = waits === wait ? undefined : waits) {
      if ('event' in wait) {
        const { event } = wait;
        const index = raised.findIndex(({ name }) => name === event);
        if (index >= 0) resume(plainPayload(raised.splice(index, 1)[0]!.payload));
      } else if (wait.all.every((number) => results.has(number))) {
        const found = wait.all.map((number) => results.get(number)!);
        resume(
          found.map(({ value }) => value),
          found.find(({ error }) => error !== undefined)?.error,
        );
      }
    }
  };
  const meet = (event: HistoryEvent): void => {
    switch (event.type) {
      case 'TurnBegan':
        nowMs = event.at;
        return;
      case 'WorkflowStarted':
        code = program(context, plainPayload(event.input) as never);
        resume(undefined);
        break;
      case 'ActivityCompleted':
        results.set(event.sequence, { value: plainPayload(event.result) });
        break;
      case 'ChildCompleted':
        results.set(event.sequence, { value: plainPayload(event.output) });
        break;
      case 'ActivityFailed':
      case 'ChildFailed': {
        const retry = retried.get(event.sequence);
        if (retry !== undefined && retry.left > 0) {
          retry.left -= 1;
          again = event.sequence;
          retry.ask();
          again = undefined;
          break;
        }
        results.set(event.sequence, { value: undefined, error: new Error(event.failure.message) });
        break;
      }
      case 'TimerFired':
        results.set(event.sequence, { value: undefined });
        break;
      case 'EventRaised':
        raised.push({ name: event.name, payload: event.payload, at: event.at });
        break;
      default:
        return;
    }
    goOn();
  };
  // The clock of the turn counts from the beginning of what is replayed in it.
  for (const [index, event] of past.entries()) {
    const began = past[index + 1];
    if (event.type === 'WorkflowStarted' && began?.type === 'TurnBegan') nowMs = began.at;
    meet(event);
  }
  nowMs = beganAtMs;
  for (const event of events) meet(event);
  return { commands, outcome };
}

export interface TestWorkerOptions {
  readonly workflows?: Readonly<Record<string, Program>>;
  readonly activities?: Readonly<Record<string, (input: never) => unknown>>;
  readonly filters?: WorkerFilters;
  readonly keepsHistory?: boolean;
}

/** Connects a worker to a host. */
export function startWorker(host: WorkflowHost, options: TestWorkerOptions): TestWorker {
  return new TestWorker(host, options);
}

class TestWorker {
  /** All that it was sent. */
  readonly items: WorkItem[] = [];
  readonly #host: WorkflowHost;
  readonly #options: TestWorkerOptions;
  readonly #connected: { close(): void };
  /** What it was sent while it holds its answers back. */
  readonly #held: WorkItem[] = [];
  #holds = false;

  constructor(host: WorkflowHost, options: TestWorkerOptions) {
    this.#host = host;
    this.#options = options;
    const connection: WorkerConnection = {
      filters: options.filters,
      workflowsMax: 100,
      activitiesMax: 100,
      itemsMax: 200,
      keepsHistory: options.keepsHistory ?? false,
      send: (item) => {
        this.items.push(item);
        if (this.#holds) this.#held.push(item);
        else void Promise.resolve().then(() => this.#work(item));
      },
    };
    this.#connected = host.workers.connect(connection);
  }

  /** Answers nothing until it is let go. */
  hold(): void {
    this.#holds = true;
  }

  release(): void {
    this.#holds = false;
    for (const item of this.#held.splice(0)) void this.#work(item);
  }

  close(): void {
    this.#connected.close();
  }

  get turns(): WorkflowItem[] {
    return this.items.filter((item) => item.kind === 'workflow');
  }

  get attempts(): ActivityItem[] {
    return this.items.filter((item) => item.kind === 'activity');
  }

  async #work(item: WorkItem): Promise<void> {
    const { workers } = this.#host;
    if (item.kind === 'workflow') {
      const program = this.#options.workflows?.[item.origin.workflowName];
      const history = rewoundBy(item);
      const turn: WorkerTurn =
        history !== undefined
          ? { commands: [], outcome: undefined, history }
          : program === undefined
            ? {
                commands: [],
                outcome: { type: 'failed', failure: { type: 'NotRegistered', message: 'no such workflow' } },
              }
            : turnOf(program, item);
      workers.completeTurn(item.instanceId, item.token, turn);
      return;
    }
    const body = this.#options.activities?.[item.name];
    try {
      if (body === undefined) throw new Error(`no activity ${item.name}`);
      const result = text(await body(plainPayload(item.input) as never));
      workers.completeActivity(item.instanceId, item.sequence, item.token, { ok: true, result });
    } catch (error) {
      const failure = { type: 'WorkerError', message: (error as Error).message };
      workers.completeActivity(item.instanceId, item.sequence, item.token, {
        ok: false,
        failure,
        retryable: true,
        heartbeat: undefined,
      });
    }
  }
}
