// A race between an answer and a deadline, with a bounded number of attempts.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { levelStore } from '@troupe/level';
import { activity, event, EventTimeoutError, startHost, workflow } from '@troupe/workflow';

// Randomness belongs into an activity: its result is recorded, so the code is the same whenever the workflow is replayed.
const sendCode = activity('sendCode', (_ctx, phone: string) => {
  const code = String(randomInt(1_000, 10_000));
  console.log(`  SMS to ${phone}: your code is ${code}`);
  return code;
});

const verifyPhone = workflow('verifyPhone', { events: { answer: event<string>() } }, async (ctx, phone: string) => {
  const code = await ctx.callActivity(sendCode, phone);
  ctx.setCustomStatus({ code });
  const deadlineMs = ctx.now().getTime() + 1_500;
  for (let attempt = 1; attempt <= 3; attempt++) {
    try {
      const answer = await ctx.waitForExternalEvent('answer', { timeoutMs: deadlineMs - ctx.now().getTime() });
      if (answer === code) return 'verified';
    } catch (error) {
      if (error instanceof EventTimeoutError) return 'too late';
      throw error;
    }
  }
  return 'too many attempts';
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-phone-'));
console.log(`state is kept in ${folder}`);
await using host = await startHost({ store: levelStore(folder), workflows: [verifyPhone], activities: [sendCode] });

const right = await host.workflows.start(verifyPhone, { input: '555-0100' });
const wrong = await host.workflows.start(verifyPhone, { input: '555-0101' });
const silent = await host.workflows.start(verifyPhone, { input: '555-0102' });

// An event that comes before anybody waits for it is kept.
await right.raiseEvent('answer', 'no idea');
const status = async () => (await right.get())?.customStatus as { code: string } | undefined;
while ((await status()) === undefined) await sleep(20);
await right.raiseEvent('answer', (await status())!.code);
for (const guess of ['one', 'two', 'three']) await wrong.raiseEvent('answer', guess);

console.log(`555-0100: ${await right.result()}`);
console.log(`555-0101: ${await wrong.result()}`);
console.log(`555-0102: ${await silent.result()}`);
