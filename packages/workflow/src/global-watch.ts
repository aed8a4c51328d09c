// Notes where workflow code uses the clock, randomness, timers and the network of the process instead of those of its
// context. An async context tells workflow code from everything else that runs in the process meanwhile.

import { AsyncLocalStorage } from 'node:async_hooks';
import { callSite } from './call-site.ts';

/** Told what was used, such as `Date.now()`, and where: `file:line:column`. */
export type Noting = (what: string, at: string) => void;

type Globals = Record<string, (...args: unknown[]) => unknown>;

let storage: AsyncLocalStorage<Noting> | undefined;
let restore: (() => void)[] = [];
let users = 0;

/** Watches the code that it runs, and what that code leads to, until it is stopped. */
export class GlobalWatch {
  readonly #note: Noting;
  #stopped = false;

  constructor(noting: Noting) {
    this.#note = noting;
    users += 1;
    if (users > 1) return;
    storage = new AsyncLocalStorage();
    const globals = globalThis as unknown as Globals;
    for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'fetch']) watch(globals, name, name);
    watch(Math as unknown as Globals, 'random', 'Math.random()');
    watch(Date as unknown as Globals, 'now', 'Date.now()');
    watchNewDate();
  }

  run(code: () => void): void {
    if (this.#stopped) code();
    else storage!.run(this.#note, code);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    users -= 1;
    if (users > 0) return;
    for (const undo of restore) undo();
    restore = [];
    storage!.disable();
    storage = undefined;
  }
}

function note(what: string): void {
  const noting = storage?.getStore();
  if (noting === undefined) return;
  const at = callSite();
  // Libraries may use what they like, as long as the code does not wait for it.
  if (at !== undefined && !at.includes('/node_modules/')) noting(what, at);
}

function watch(owner: Globals, name: string, what: string): void {
  const original = owner[name]!;
  owner[name] = function watched(this: unknown, ...args: unknown[]): unknown {
    note(what);
    return original.apply(this, args);
  };
  // Node hangs a promisified form on its timers.
  for (const key of Reflect.ownKeys(original)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(original, key)!;
    if (key !== 'length' && key !== 'name' && key !== 'prototype') Object.defineProperty(owner[name], key, descriptor);
  }
  restore.push(() => (owner[name] = original));
}

/** `new Date()` reads the clock; with arguments it does not. */
function watchNewDate(): void {
  const original = Date;
  const watching = new Proxy(original, {
    construct: function watched(target, args, newTarget): object {
      if (args.length === 0) note('new Date()');
      return Reflect.construct(target, args, newTarget === watching ? target : newTarget) as object;
    },
  });
  original.prototype.constructor = watching;
  globalThis.Date = watching;
  restore.push(() => {
    original.prototype.constructor = original;
    globalThis.Date = original;
  });
}
