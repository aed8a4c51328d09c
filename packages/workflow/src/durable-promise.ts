// Promises that the engine settles, and a way to see whether anybody still listens to the wait for an event.
//
// `Promise.race` leaves its losers behind with a listener that does nothing any more. An event handed to such a wait would
// be lost, so the engine must tell it from a wait that matters. It can: a combinator listens with native resolving
// functions, and one of these has no effect once it, or its partner, has been called. What is called by promises that are
// not the engine's, such as those of async functions, it does not see: then the wait counts as one that matters.

import { noteThrownIn } from './stray-rejection.ts';

/** Native resolving functions that the engine's promises have called: what they belong to is decided. */
const called = new WeakSet<object>();

type Fulfilled<A> = ((value: unknown) => A | PromiseLike<A>) | null | undefined;
type Rejected<B> = ((reason: unknown) => B | PromiseLike<B>) | null | undefined;

/** A promise of the engine. `await` and the combinators take it as they take any native one. */
export class DurablePromise extends Promise<unknown> {
  static {
    // Else `await` would wrap it, and what is derived from it would be one, made anew with an executor.
    void Object.defineProperty(this.prototype, 'constructor', { value: Promise, configurable: true });
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  override then<A = unknown, B = never>(onFulfilled?: Fulfilled<A>, onRejected?: Rejected<B>): Promise<A | B> {
    if (isResolving(onFulfilled)) return super.then(marking(onFulfilled), marking(onRejected));
    const derived = super.then(onFulfilled, onRejected);
    Object.setPrototypeOf(derived, DurablePromise.prototype);
    return derived;
  }

  /** Its rejection may stay unheard. */
  ignoreRejection(): void {
    super.then(undefined, () => {});
  }
}

interface Listener {
  readonly onFulfilled: unknown;
  readonly onRejected: unknown;
  readonly derived: EventPromise;
}

/** The wait for an event, or what is derived from one. */
export class EventPromise extends DurablePromise {
  /** Told when somebody begins to listen. */
  waiter: { listened(): void } | undefined;
  /** How often it was awaited, or taken by `Promise.resolve` with nobody listening afterwards. */
  protected awaits = 0;
  protected listeners: Listener[] | undefined;

  static {
    // This is how an `await` is noticed: it looks the constructor up, and then listens without calling `then`.
    void Object.defineProperty(this.prototype, 'constructor', {
      configurable: true,
      get(this: EventPromise) {
        this.awaits += 1;
        this.waiter?.listened();
        return Promise;
      },
    });
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  override then<A = unknown, B = never>(onFulfilled?: Fulfilled<A>, onRejected?: Rejected<B>): Promise<A | B> {
    const awaits = this.awaits;
    const derived = super.then(onFulfilled, onRejected);
    // A combinator has looked the constructor up just before it calls this.
    this.awaits = isResolving(onFulfilled) && awaits > 0 ? awaits - 1 : awaits;
    const listener: Listener = { onFulfilled, onRejected, derived: EventPromise.observing(derived) };
    if (this.listeners === undefined) this.listeners = [listener];
    else this.listeners.push(listener);
    return derived;
  }

  /** The native promise itself, since one around it would settle later. */
  protected static observing(promise: Promise<unknown>): EventPromise {
    const observed = Object.setPrototypeOf(promise, EventPromise.prototype) as EventPromise;
    observed.awaits = 0;
    return observed;
  }

  override ignoreRejection(): void {
    const awaits = this.awaits;
    super.ignoreRejection();
    this.awaits = awaits;
  }

  /** False when all who listened have been decided otherwise: what it resolves with would be lost. */
  get matters(): boolean {
    if (this.awaits > 0 || this.listeners === undefined) return true;
    return this.listeners.some(({ onFulfilled, onRejected, derived }) =>
      isResolving(onFulfilled) ? !isCalled(onFulfilled) && !isCalled(onRejected) : derived.matters,
    );
  }
}

/** What `new Promise` and the combinators hand out is native and has no name; functions of users have source text. */
function isResolving(callback: unknown): boolean {
  return (
    typeof callback === 'function' && callback.name === '' && Function.prototype.toString.call(callback) === NATIVE_TEXT
  );
}

const NATIVE_TEXT = 'function () { [native code] }';

function isCalled(callback: unknown): boolean {
  return typeof callback === 'function' && called.has(callback);
}

function marking<F>(callback: F): F {
  if (typeof callback !== 'function' || !isResolving(callback)) return callback;
  const marked = (value: unknown): unknown => {
    called.add(callback);
    return callback(value) as unknown;
  };
  return marked as F;
}

type Resolve = (value: unknown) => void;
type Reject = (error: Error) => void;
type Kind<P> = new (executor: (resolve: Resolve, reject: Reject) => void) => P;

// One executor for all: a closure for each promise would be made for every step.
let made: { resolve: Resolve; reject: Reject };
const capture = (resolve: Resolve, reject: Reject): void => {
  made = { resolve, reject };
};

/** A promise that its maker settles. It may be left behind: its rejection need not be handled. */
export class Deferred<P extends DurablePromise = DurablePromise> {
  readonly promise: P;
  readonly #resolve: Resolve;
  readonly #reject: Reject;

  constructor(kind: Kind<P> = DurablePromise as unknown as Kind<P>) {
    this.promise = new kind(capture);
    this.#resolve = made.resolve;
    this.#reject = made.reject;
  }

  resolve(value: unknown): void {
    this.#resolve(value);
  }

  reject(error: Error): void {
    this.promise.ignoreRejection();
    noteThrownIn(error);
    this.#reject(error);
  }
}

/** For code that has ended. */
export function never(): Promise<never> {
  return new Promise(() => {});
}
