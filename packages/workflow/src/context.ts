import type { Logger } from '@troupe/actors';
import type { ActivityDefinition, ActivityOptions } from './activity.ts';
import { checkInstanceId, checkName, checkTags } from './name.ts';
import type { WorkflowRun } from './run.ts';
import type { AnyWorkflow, ChildOptions, StepOptions, WorkflowContext } from './workflow.ts';

/** The context that a workflow's code is called with. Checks what it is given and hands it to the run. */
export class RunContext implements WorkflowContext {
  readonly #run: WorkflowRun;
  readonly #hostLogger: Logger;
  #logger: Logger | undefined;

  constructor(run: WorkflowRun, logger: Logger) {
    this.#run = run;
    this.#hostLogger = logger;
  }

  get logger(): Logger {
    this.#logger ??= unlessReplaying(this.#run, this.#hostLogger);
    return this.#logger;
  }

  get instanceId(): string {
    return this.#run.identity.instanceId;
  }

  get executionId(): string {
    return this.#run.identity.executionId;
  }

  get workflowName(): string {
    return this.#run.definition.name;
  }

  get version(): string {
    return this.#run.definition.version;
  }

  get isReplaying(): boolean {
    return this.#run.replaying;
  }

  get parent(): { readonly instanceId: string } | undefined {
    return this.#run.identity.parent;
  }

  now(): Date {
    return new Date(this.#run.nowMs);
  }

  random(): number {
    return this.#run.random.number();
  }

  uuid(): string {
    return this.#run.random.uuid();
  }

  // The overloads of the interface give the types; this is what is under all of them.
  callActivity(
    activity: ActivityDefinition<unknown, unknown> | string,
    input?: unknown,
    options: ActivityOptions = {},
  ): Promise<never> {
    const name = typeof activity === 'string' ? activity : activity?.name;
    checkName('activity', name);
    return this.#run.activity(name, input, options) as Promise<never>;
  }

  step(name: string, body: (signal: AbortSignal) => unknown, options: StepOptions = {}): Promise<never> {
    checkName('step', name);
    if (typeof body !== 'function') throw new TypeError(`step ${name} needs a function`);
    return this.#run.step(name, body, options) as Promise<never>;
  }

  callChildWorkflow(workflow: AnyWorkflow | string, input?: unknown, options: ChildOptions = {}): Promise<never> {
    const name = typeof workflow === 'string' ? workflow : workflow?.name;
    checkName('workflow', name);
    if (options.instanceId !== undefined) checkInstanceId(options.instanceId);
    if (options.version !== undefined) checkName('version', options.version);
    if (options.tags !== undefined) checkTags(options.tags);
    return this.#run.child(name, input, options) as Promise<never>;
  }

  createTimer(delay: number | Date): Promise<void> {
    const dueAtMs = delay instanceof Date ? delay.getTime() : this.#run.nowMs + delay;
    return this.#run.timer(dueAtMs) as Promise<void>;
  }

  waitForExternalEvent(name: string, options: { readonly timeoutMs?: number } = {}): Promise<never> {
    checkName('event', name);
    const { timeoutMs } = options;
    if (timeoutMs !== undefined && (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs))) {
      throw new RangeError(`timeoutMs of waitForExternalEvent is a number of milliseconds, got ${String(timeoutMs)}`);
    }
    return this.#run.event(name, timeoutMs) as Promise<never>;
  }

  setCustomStatus(value: unknown): void {
    this.#run.customStatus(value);
  }

  continueAsNew(input?: unknown, options: { readonly keepEvents?: boolean } = {}): void {
    this.#run.continueAsNew(input, options.keepEvents ?? true);
  }

  raiseEvent(instanceId: string, name: string, payload?: unknown): void {
    checkInstanceId(instanceId);
    checkName('event', name);
    this.#run.sendEvent(instanceId, name, payload);
  }
}

function unlessReplaying(run: WorkflowRun, logger: Logger): Logger {
  const logged =
    (level: keyof Logger) =>
    (details: object, message: string): void => {
      if (!run.replaying) logger[level](details, message);
    };
  return { debug: logged('debug'), info: logged('info'), warn: logged('warn'), error: logged('error') };
}
