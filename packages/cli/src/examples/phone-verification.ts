import { randomInt } from 'node:crypto';
import { activity, event, EventTimeoutError, workflow } from '@troupe/workflow';
import { z } from 'zod';

const TIME_TO_ANSWER_MS = 90_000;
const ATTEMPT_COUNT_MAX = 3;

/** Four digits, the first of them not 0. What is random belongs into an activity: its result is recorded. */
export const makeCode = activity('makeCode', () => String(randomInt(1_000, 10_000)));

/**
 * Makes a code and waits until somebody sends it back: true if it comes in time and in few enough attempts. A real one
 * would send the code by SMS; this one shows it in the custom status.
 */
export const phoneVerification = workflow(
  'phoneVerification',
  { input: z.object({ phone: z.string().min(1) }), events: { smsChallengeResponse: event<string | number>() } },
  async (ctx) => {
    const code = await ctx.callActivity(makeCode);
    ctx.setCustomStatus({ code });
    const deadlineMs = ctx.now().getTime() + TIME_TO_ANSWER_MS;
    for (let attempt = 1; attempt <= ATTEMPT_COUNT_MAX; attempt++) {
      try {
        const timeoutMs = Math.max(0, deadlineMs - ctx.now().getTime());
        const answer = await ctx.waitForExternalEvent('smsChallengeResponse', { timeoutMs });
        // A number is taken too: that is what an unquoted code is in JSON.
        if (String(answer) === code) return true;
      } catch (error) {
        if (error instanceof EventTimeoutError) return false;
        throw error;
      }
    }
    return false;
  },
);
