// A process with one SDK in it, as its users have one: `node program.mjs SDK HOST:PORT`. What the test asks for comes over
// the channel to the parent, and so does what the code that it runs tells (see sdk-process.ts).

import { activitiesOf, workflowsOf } from './code.mjs';

const [sdk, address] = process.argv.slice(2);
const { open, words } = await import(`./${sdk}.mjs`);

const held = new Map();
const free = new Set();
const tell = (notice) => process.send({ notice });
const hold = async (key) => {
  // Code that is run again over its history comes here again.
  if (free.has(key)) return;
  await new Promise((resolve) => {
    held.set(key, resolve);
    tell({ held: key });
  });
};

const verbs = {
  ...open(address, { workflows: workflowsOf({ ...words, hold }), activities: activitiesOf({ tell, hold }) }),
  letGo(key) {
    free.add(key);
    held.get(key)();
  },
};

async function answer({ question, verb, args }) {
  try {
    process.send({ question, value: await verbs[verb](...args) });
  } catch (error) {
    process.send({ question, error: { name: error.name, message: error.message, code: error.code } });
  }
}

process.on('message', (message) => void answer(message));
process.on('disconnect', () => process.exit());
process.send({ ready: true });
