import { recordActor, type RecordReadContext } from '@troupe/actors';
import type { ActivityResult } from './activity-runner.ts';
import { Instance } from './instance.ts';
import type { ChildLink, PurgeRequest, Reply, StartRequest, TerminateRequest } from './instance-request.ts';
import type { Context, InstanceServices } from './instance-services.ts';
import type { Failure } from './status.ts';

/** The actor type of workflow instances: the actor id is the instance id. */
export const WORKFLOW_ACTOR_TYPE = 'workflow';

type Reading = RecordReadContext<Instance>;

/** Defines the actor type; its methods are what instances understand. */
export function workflowActor(services: InstanceServices) {
  return recordActor(WORKFLOW_ACTOR_TYPE, {
    open: (opening) => new Instance(opening, services),
    snapshot: (instance) => instance.state?.snapshot(),
    close: (instance) => instance.close(),
    onWork: (ctx) => ctx.local.proceed(ctx),
    onReminder: (ctx, reminder) => ctx.local.reminder(ctx, reminder),
    methods: {
      start: (ctx, request: StartRequest) => ctx.local.start(ctx, request),
      startChild: (ctx, request: StartRequest) => ctx.local.startChild(ctx, request),
      raiseEvent: (ctx, name: string, payload: unknown, workflowName: string | undefined, hash: string | undefined) =>
        kept(ctx, ctx.local.raiseEvent(ctx, name, payload, workflowName, hash)),
      suspend: (ctx, workflowName: string | undefined, hash: string | undefined) =>
        kept(ctx, ctx.local.suspend(ctx, workflowName, hash)),
      resume: (ctx, workflowName: string | undefined, hash: string | undefined) =>
        kept(ctx, ctx.local.resume(ctx, workflowName, hash)),
      terminate: (ctx, request: TerminateRequest) => kept(ctx, ctx.local.terminate(ctx, request)),
      // An async function, so that its calls of children do not wait for a commit that waits for this turn.
      purge: async (ctx, request: PurgeRequest) => kept(ctx, ctx.local.purge(ctx, request)),
      proceed: (ctx) => ctx.local.proceed(ctx),
      activityCompleted: (ctx, executionId: string, sequence: number, attempt: number, result: unknown) =>
        ctx.local.activityEnded(ctx, executionId, sequence, attempt, { ok: true, result }),
      activityFailed: (
        ctx,
        executionId: string,
        sequence: number,
        attempt: number,
        result: ActivityResult & { ok: false },
      ) => ctx.local.activityEnded(ctx, executionId, sequence, attempt, result),
      childEnded: (ctx, link: ChildLink, childId: string, output: unknown, failure: Failure | undefined) =>
        ctx.local.childEnded(ctx, link, childId, output, failure),
    },
    readOnly: {
      childIds: (ctx: Reading) => ctx.local.childIds(),
      describe: (ctx: Reading) => ctx.local.describe(ctx.nextEntry),
      async untilEnded(ctx: Reading, workflowName: string | undefined) {
        if (!isOf(ctx, workflowName)) return undefined;
        await ctx.local.untilEnded(ctx);
        return ctx.local.describe(ctx.nextEntry);
      },
      async untilOutcome(ctx: Reading, workflowName: string | undefined) {
        if (!isOf(ctx, workflowName)) return undefined;
        await ctx.local.untilEnded(ctx);
        return ctx.local.outcome(ctx.nextEntry);
      },
      history: (ctx: Reading, from: number, limit: number) => ctx.local.history(from, limit),
    },
  });
}

export type WorkflowActor = ReturnType<typeof workflowActor>;

function isOf(ctx: Reading, workflowName: string | undefined): boolean {
  return ctx.local.state?.isOf(workflowName) ?? false;
}

/** Only what was done is answered again to the same idempotency key; a refusal may be another one next time. */
async function kept(ctx: Context, answering: Reply | Promise<Reply>): Promise<Reply> {
  const reply = await answering;
  if ('refused' in reply) ctx.dropReply();
  return reply;
}
