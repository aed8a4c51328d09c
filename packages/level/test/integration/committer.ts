// A process that commits as fast as it can and writes down what was accepted, until somebody kills it.
// Arguments: folder, file of acknowledgements, number of actors. An acknowledgement is a line "actor commit"; commit n of
// an actor has the state "n" and appends entry n. Prints "ready" when every actor has an acknowledgement.

import { openSync, writeSync } from 'node:fs';
import type { Commit, CommitSource } from '@troupe/actors';
import { levelStore } from '../../src/index.ts';

const [folder, acknowledgements, actorCount] = process.argv.slice(2) as [string, string, string];
const store = levelStore(folder, { writeBufferBytes: 256 * 1024 });
await store.start({ app: 'kill', partitionCount: 8, hash: 'fnv1a-fmix32', format: 1 });
const file = openSync(acknowledgements, 'a');
const acknowledged = new Set<string>();

class Committer implements CommitSource {
  readonly address: { readonly type: string; readonly id: string };
  readonly #writer: string;
  #count: number;
  #revision: number;

  constructor(id: string, count: number, revision: number) {
    this.address = { type: 'thing', id };
    this.#writer = `${process.pid}-${id}`;
    this.#count = count;
    this.#revision = revision;
  }

  seal(): Commit {
    const next = ++this.#count;
    return {
      id: { writer: this.#writer, sequence: next },
      expectedRevision: this.#revision,
      state: Buffer.from(String(next)),
      entries: { first: next, count: 1, bytes: Buffer.from(`entry ${next} of ${this.address.id}`) },
      // Superseded entries, moving due times and changing summaries, so that everything is on the way when the end comes.
      keepFrom: Math.max(1, next - 50),
      dueAtMs: next % 3 === 0 ? null : next,
      summary: next % 5 === 0 ? { name: 'n', status: String(next), createdAtMs: next, tags: {} } : 'same',
    };
  }

  accepted(revision: number): void {
    writeSync(file, `${this.address.id} ${this.#count}\n`);
    this.#revision = revision;
    if (acknowledged.size < Number(actorCount) && acknowledged.add(this.address.id).size === Number(actorCount))
      process.stdout.write('ready\n');
    store.commit(this);
  }

  refused(error: Error): void {
    console.error(error);
    process.exit(1);
  }
}

for (let index = 0; index < Number(actorCount); index++) {
  const id = `a${index}`;
  const { record } = await store.load({ type: 'thing', id });
  store.commit(new Committer(id, (record?.nextEntry ?? 1) - 1, record?.revision ?? 0));
}
