// A reminder is a wake-up that survives everything: here the host is stopped before it is due, and the next one rings.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { actor, startActorHost } from '@troupe/actors';
import { levelStore } from '@troupe/level';

const alarm = actor('alarm', {
  state: () => ({ rings: [] as string[] }),
  methods: {
    // The reminder and the state change in one write: there is never one without the other.
    wake(ctx, who: string, delayMs: number) {
      ctx.setReminder(`wake ${who}`, { delayMs, payload: who });
    },
  },
  onReminder(ctx, reminder) {
    console.log(`ring: ${String(reminder.payload)}`);
    ctx.state.rings.push(String(reminder.payload));
  },
  readOnly: {
    rings: (ctx) => ctx.state.rings,
  },
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-reminder-'));
console.log(`state is kept in ${folder}`);

{
  await using host = await startActorHost({ store: levelStore(folder), actors: [alarm] });
  await host.actor(alarm, 'bedroom').wake('Ada', 500);
  await host.actor(alarm, 'bedroom').wake('Grace', 1_000);
  console.log('two reminders are set; the host stops');
}

await using host = await startActorHost({ store: levelStore(folder), actors: [alarm] });
console.log('another host has started');
while ((await host.actor(alarm, 'bedroom').rings()).length < 2) await sleep(50);
console.log(`rung for ${(await host.actor(alarm, 'bedroom').rings()).join(' and ')}`);
