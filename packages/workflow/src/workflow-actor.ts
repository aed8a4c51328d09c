import { recordActor, type RecordReadContext } from '@troupe/actors';
import type { ActivityResult } from './activity-runner.ts';
import { Instance } from './instance.ts';
import type { ChildLink, PurgeRequest, StartRequest, TerminateRequest } from './instance-request.ts';
import type { InstanceServices } from './instance-services.ts';
import type { RerunRequest } from './repeat.ts';
import type { Failure } from './status.ts';

/** The actor type of workflow instances: the actor id is the instance id. */
export const WORKFLOW_ACTOR_TYPE = 'workflow';

type Reading = RecordReadContext<Instance>;

/** Defines the actor type; its methods are what instances understand. */
export function workflowActor(services: InstanceServices) {
  return recordActor(WORKFLOW_ACTOR_TYPE, {
    open: (opening): Instance => new Instance(opening, services),
    snapshot: (instance: Instance) => instance.state?.snapshot(),
    close: (instance: Instance) => instance.close(),
    onWork: (ctx) => ctx.local.proceed(ctx),
    // What instances show of themselves they copy.
    handsOver: true,
    onReminder: (ctx, reminder) => ctx.local.reminder(ctx, reminder),
    methods: {
      start: (ctx, request: StartRequest) => ctx.local.start(ctx, request),
      startChild: (ctx, request: StartRequest) => ctx.local.startChild(ctx, request),
      rerun: (ctx, request: RerunRequest) => ctx.local.rerun(ctx, request),
      rewind: (ctx, body: unknown) => ctx.local.rewind(ctx, body),
      rewindChild: (ctx, request: StartRequest, body: unknown) => ctx.local.rewindChild(ctx, request, body),
      raiseEvent: (ctx, name: string, payload: unknown, workflowName: string | undefined, hash: string | undefined) =>
        ctx.local.raiseEvent(ctx, name, payload, workflowName, hash),
      suspend: (ctx, workflowName: string | undefined, hash: string | undefined) =>
        ctx.local.suspend(ctx, workflowName, hash),
      resume: (ctx, workflowName: string | undefined, hash: string | undefined) =>
        ctx.local.resume(ctx, workflowName, hash),
      terminate: (ctx, request: TerminateRequest) => ctx.local.terminate(ctx, request),
      // An async function, so that its calls of children do not wait for a commit that waits for this turn.
      purge: async (ctx, request: PurgeRequest) => ctx.local.purge(ctx, request),
      proceed: (ctx) => ctx.local.proceed(ctx),
      codeAnswered: (ctx, sessionId: string) => ctx.local.codeAnswered(ctx, sessionId),
      closureLost: (ctx, sessionId: string) => ctx.local.closureLost(ctx, sessionId),
      activityEnded: (ctx, executionId: string, sequence: number, attempt: number, result: ActivityResult) =>
        ctx.local.activityEnded(ctx, executionId, sequence, attempt, result),
      childEnded: (ctx, link: ChildLink, childId: string, output: unknown, failure: Failure | undefined) =>
        ctx.local.childEnded(ctx, link, childId, output, failure),
    },
    readOnly: {
      childIds: (ctx: Reading) => ctx.local.childIds(),
      describe: (ctx: Reading) => ctx.local.describe(ctx.nextEntry),
      untilEnded: (ctx: Reading, workflowName: string | undefined) =>
        ctx.local.untilEnded(ctx, workflowName, () => ctx.local.describe(ctx.nextEntry)),
      untilOutcome: (ctx: Reading, workflowName: string | undefined) =>
        ctx.local.untilEnded(ctx, workflowName, () => ctx.local.outcome(ctx.nextEntry)),
      describeStored: (ctx: Reading) => ctx.local.describeStored(ctx.nextEntry),
      untilStartedStored: (ctx: Reading) => ctx.local.untilStarted(ctx, () => ctx.local.describeStored(ctx.nextEntry)),
      untilEndedStored: (ctx: Reading) =>
        ctx.local.untilEnded(ctx, undefined, () => ctx.local.describeStored(ctx.nextEntry)),
      rerunSource: (ctx: Reading, sequence: number) => ctx.local.rerunSource(sequence, ctx.nextEntry),
      events: (ctx: Reading, from: number, limit: number) => ctx.local.events(from, limit),
      history: (ctx: Reading, from: number, limit: number) => ctx.local.history(from, limit),
    },
  });
}

export type WorkflowActor = ReturnType<typeof workflowActor>;
