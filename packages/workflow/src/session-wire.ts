// What travels between an instance and its code on another host, as plain data. Functions stay where the code is: of a
// closure and of a `retryIf` only goes over the wire that there is one.

import type { ActivityOptions } from './activity.ts';
import { SessionBody, type Command, type Outcome } from './command.ts';
import { NondeterminismError, NonDurableWaitError, OutsideTurnError } from './errors.ts';
import type { OpenWork, TurnAnswer } from './executor.ts';
import type { Waiting } from './workers/in-time.ts';
import type { RetryPolicy } from './retry.ts';
import type { RunIdentity } from './run.ts';
import { SmallMap } from './small-map.ts';
import type { Failure } from './status.ts';
import type { HistoryEvent, TurnBegan } from './history.ts';
import type { ExecutionOrigin } from './workers/worker-port.ts';

/** What is to be run for whom. */
export interface SessionOpening extends RunIdentity {
  readonly name: string;
  readonly version: string;
  /** Undefined: a definition of the host runs it, else its workers do. */
  readonly origin: ExecutionOrigin | undefined;
}

/** Options without their functions. `asked`: there is a `retryIf`. */
export type WireOptions = Omit<ActivityOptions, 'retry'> & {
  readonly retry?: Omit<RetryPolicy, 'retryIf'> & { readonly asked?: true };
};

type Plain<C> = C extends { type: 'ScheduleActivity' }
  ? Omit<C, 'options' | 'body'> & { readonly options: WireOptions; readonly closure: boolean }
  : C;

export interface WireFault {
  readonly name: string;
  readonly message: string;
}

/** How a session answers. */
export type WireAnswer =
  | { readonly kind: 'read' }
  | {
      readonly kind: 'replayed';
      readonly activities: readonly (Omit<WirePending, 'body' | 'options'> & {
        readonly options: WireOptions;
        readonly closure: boolean;
      })[];
      readonly children: readonly (readonly [number, OpenWork['children'] extends Map<number, infer C> ? C : never])[];
      readonly failed: readonly (readonly [number, number])[];
    }
  | {
      readonly kind: 'turn';
      readonly turnId: number;
      readonly commands: readonly Plain<Command>[];
      readonly outcome: Outcome | undefined;
      readonly fault: WireFault | undefined;
      readonly bufferedEvents: number;
      readonly began?: TurnBegan | undefined;
      readonly history?: readonly HistoryEvent[] | undefined;
    }
  | Waiting
  | { readonly kind: 'fault'; readonly fault: WireFault }
  /** There is no such session, or no such code. */
  | { readonly kind: 'lost' };

type WirePending = OpenWork['activities'] extends SmallMap<number, infer P> ? P : never;

/** In place of a `retryIf` that is on another host. */
export const askedElsewhere = (): boolean => true;

export function wireOptions({ retry, startToCloseTimeoutMs, heartbeatTimeoutMs }: ActivityOptions): WireOptions {
  return {
    ...(retry === undefined ? {} : { retry: wirePolicy(retry) }),
    ...(startToCloseTimeoutMs === undefined ? {} : { startToCloseTimeoutMs }),
    ...(heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs }),
  };
}

function wirePolicy({ retryIf, ...plain }: RetryPolicy): NonNullable<WireOptions['retry']> {
  return retryIf === undefined ? plain : { ...plain, asked: true };
}

function optionsOf({ retry, ...limits }: WireOptions): ActivityOptions {
  if (retry === undefined) return limits;
  const { asked, ...plain } = retry;
  return { ...limits, retry: asked === true ? { ...plain, retryIf: askedElsewhere } : plain };
}

export function wireFault(fault: Error): WireFault {
  return { name: fault.name, message: fault.message };
}

export function faultOf({ name, message }: WireFault): Error {
  if (name === 'NonDurableWaitError') return new NonDurableWaitError(message);
  return name === 'OutsideTurnError' ? new OutsideTurnError(message) : new NondeterminismError(message);
}

export function wireOpenWork({ activities, children, failed }: OpenWork): WireAnswer {
  return {
    kind: 'replayed',
    activities: [...activities.values()].map(({ body, options, ...plain }) => ({
      ...plain,
      options: wireOptions(options),
      closure: body !== undefined,
    })),
    children: [...children],
    failed: [...failed],
  };
}

export function openWorkOf(
  { activities, children, failed }: WireAnswer & { kind: 'replayed' },
  closure: SessionBody,
): OpenWork {
  const open: OpenWork = { activities: new SmallMap(), children: new Map(children), failed: new Map(failed) };
  for (const { closure: isClosure, options, ...plain } of activities) {
    const body = isClosure ? closure : undefined;
    open.activities.set(plain.sequence, { ...plain, options: optionsOf(options), body });
  }
  return open;
}

export function wireTurn({ turnId, commands, outcome, fault, bufferedEvents, began, history }: TurnAnswer): WireAnswer {
  return {
    kind: 'turn',
    turnId,
    commands: commands.map((command) => {
      if (command.type !== 'ScheduleActivity') return command;
      const { options, body, ...plain } = command;
      return { ...plain, options: wireOptions(options), closure: body !== undefined };
    }),
    outcome,
    fault: fault === undefined ? undefined : wireFault(fault),
    bufferedEvents,
    began,
    history,
  };
}

export function turnOf(
  { turnId, commands, outcome, fault, bufferedEvents, began, history }: WireAnswer & { kind: 'turn' },
  closure: SessionBody,
): TurnAnswer {
  return {
    turnId,
    commands: commands.map((command): Command => {
      if (command.type !== 'ScheduleActivity') return command;
      const { options, closure: isClosure, ...plain } = command;
      return { ...plain, options: optionsOf(options), body: isClosure ? closure : undefined };
    }),
    outcome,
    fault: fault === undefined ? undefined : faultOf(fault),
    bufferedEvents,
    began,
    history,
  };
}

/** What a host says of a value that it was asked to check. */
export type WireCheck =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: readonly { readonly pointer: string; readonly message: string }[] }
  /** It does not have the code. */
  | { readonly ok: undefined };

/** Whether an attempt is to be followed by another, as a function of the code says. */
export interface RetryQuestion {
  readonly sequence: number;
  readonly attempt: number;
  readonly failure: Failure;
}
