import type { ActorAddress, ActorId } from './address.ts';
import { checkId } from './address.ts';
import type { AnyActorDefinition, ActorDefinition } from './actor.ts';

// oxlint-disable-next-line typescript/no-explicit-any
type Caller<F> = F extends (ctx: any, ...args: infer A) => infer T ? (...args: A) => Promise<Awaited<T>> : never;
// oxlint-disable-next-line typescript/no-explicit-any
type Sender<F> = F extends (ctx: any, ...args: infer A) => unknown ? (...args: A) => void : never;

/** The typed proxy of an actor: its methods, each returning a promise of what the method returns. */
export type ActorRef<D> =
  D extends ActorDefinition<infer M, infer R>
    ? { readonly [K in keyof M]: Caller<M[K]> } & { readonly [K in keyof R]: Caller<R[K]> }
    : never;

/** The typed proxy for durable sends: methods that return nothing. */
export type SendRef<D> =
  D extends ActorDefinition<infer M, infer _R> ? { readonly [K in keyof M]: Sender<M[K]> } : never;

/** What a method of a reference takes. */
export type ArgumentsOf<F> = F extends (...args: infer A) => unknown ? A : never;

type Invoke = (address: ActorAddress, method: string, args: unknown[]) => unknown;

/** What is under every reference; the methods of a definition are on the prototype of a class of its own. */
class Reference {
  readonly #address: ActorAddress;
  readonly #invoke: Invoke;

  constructor(address: ActorAddress, invoke: Invoke) {
    this.#address = address;
    this.#invoke = invoke;
  }

  static call(ref: Reference, method: string, args: unknown[]): unknown {
    return ref.#invoke(ref.#address, method, args);
  }
}

const classes = new WeakMap<AnyActorDefinition, typeof Reference>();

/** Makes a reference whose methods call `invoke`. Throws for an id that cannot name an actor. */
export function reference(definition: AnyActorDefinition, id: ActorId, invoke: Invoke): object {
  checkId(definition.type, id);
  let defined = classes.get(definition);
  if (defined === undefined) {
    defined = class extends Reference {};
    const prototype = defined.prototype as unknown as Record<string, unknown>;
    for (const name of [...Object.keys(definition.methods), ...Object.keys(definition.readOnly)]) {
      prototype[name] = function (this: Reference, ...args: unknown[]) {
        return Reference.call(this, name, args);
      };
    }
    classes.set(definition, defined);
  }
  return new defined({ type: definition.type, id }, invoke);
}
