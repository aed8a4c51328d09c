// An actor is state behind an address. Its turns run one at a time, and no answer leaves before what it says is on disk.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { actor, startActorHost } from '@troupe/actors';
import { levelStore } from '@troupe/level';

const counter = actor('counter', {
  state: () => ({ count: 0 }),
  methods: {
    add(ctx, amount: number) {
      ctx.state.count += amount;
      return ctx.state.count;
    },
  },
  readOnly: {
    get: (ctx) => ctx.state.count,
  },
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-counter-'));
console.log(`state is kept in ${folder}`);

{
  await using host = await startActorHost({ store: levelStore(folder), actors: [counter] });
  // Nobody creates an actor: the first call of an address activates it.
  const apples = host.actor(counter, 'apples');
  const pears = host.actor(counter, 'pears');
  await Promise.all(Array.from({ length: 100 }, () => apples.add(1)));
  await pears.add(7);
  console.log(`apples ${await apples.get()}, pears ${await pears.get()}`);
}

// Another host on the same folder finds what the first one left.
await using host = await startActorHost({ store: levelStore(folder), actors: [counter] });
console.log(`after a restart: apples ${await host.actor(counter, 'apples').get()}`);
