interface Waiter {
  readonly ctx: { readonly abandoned: boolean };
  readonly resolve: () => void;
}

/** Below this length a list is not worth looking through. */
const PRUNED_LENGTH_MIN = 16;

/** Who waits for the end of an instance. Those who gave up are taken out when the list has doubled. */
export class EndWaiters {
  #waiting: Waiter[] = [];
  #prunedAt = PRUNED_LENGTH_MIN;

  wait(ctx: { readonly abandoned: boolean }): Promise<void> {
    if (this.#waiting.length >= this.#prunedAt) {
      this.#waiting = this.#waiting.filter((waiter) => !waiter.ctx.abandoned);
      this.#prunedAt = Math.max(PRUNED_LENGTH_MIN, this.#waiting.length * 2);
    }
    return new Promise<void>((resolve) => this.#waiting.push({ ctx, resolve }));
  }

  release(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}
