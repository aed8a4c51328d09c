import type { ActivityOptions } from './activity.ts';
import type { CommandEvent } from './history.ts';
import type { Failure } from './status.ts';

/** A closure of the workflow's code that is run as an activity. */
export type StepBody = (signal: AbortSignal) => unknown;

/** A closure of code that runs on another host: it can be run only there. */
export class SessionBody {
  readonly hostId: string;
  readonly sessionId: string;

  constructor(hostId: string, sessionId: string) {
    this.hostId = hostId;
    this.sessionId = sessionId;
  }
}

/** What the workflow's code asked for in one drain. The event is what the history records. */
export type Command =
  | {
      readonly type: 'ScheduleActivity';
      readonly event: CommandEvent & { type: 'ActivityScheduled' };
      readonly options: ActivityOptions;
      readonly body: StepBody | SessionBody | undefined;
      readonly at: string | undefined;
    }
  | {
      readonly type: 'CreateTimer';
      readonly event: CommandEvent & { type: 'TimerCreated' };
      readonly at: string | undefined;
    }
  | {
      readonly type: 'StartChild';
      readonly event: CommandEvent & { type: 'ChildScheduled' };
      readonly version: string | undefined;
      readonly tags: Readonly<Record<string, string>> | undefined;
      /** Not before. */
      readonly startAtMs?: number | undefined;
      readonly at: string | undefined;
    }
  | {
      readonly type: 'SendEvent';
      readonly event: CommandEvent & { type: 'EventSent' };
      readonly at: string | undefined;
    }
  | {
      readonly type: 'SendMessage';
      readonly event: CommandEvent & { type: 'MessageSent' };
      readonly at: string | undefined;
    }
  | Effect;

/** What is not recorded: it follows from the history, and doing it again does no harm. */
export type Effect =
  | { readonly type: 'CancelTimer'; readonly sequence: number }
  | { readonly type: 'SetCustomStatus'; readonly value: unknown }
  | { readonly type: 'Undoing' }
  | {
      readonly type: 'TerminateOther';
      readonly instanceId: string;
      readonly output: unknown;
      readonly recursive: boolean;
    };

/** An event that nobody has taken. */
export interface BufferedEvent {
  readonly name: string;
  readonly payload: unknown;
  readonly at: number;
}

/** How the workflow's code ended. */
export type Outcome =
  | { readonly type: 'completed'; readonly output: unknown }
  | { readonly type: 'failed'; readonly failure: Failure }
  | { readonly type: 'terminated'; readonly output: unknown }
  | {
      readonly type: 'continued';
      readonly input: unknown;
      readonly kept: readonly BufferedEvent[];
      /** The next execution's, if the code chose one. */
      readonly version?: string | undefined;
    };

/** … when nothing comes after it. */
export type EndOutcome = Exclude<Outcome, { type: 'continued' }>;

/** Whether a command is recorded in the history. */
export function isRecorded(command: Command): command is Exclude<Command, Effect> {
  return 'event' in command;
}
