/** One for all calls: making one for each costs more than what most of them do. */
const ENDED = new Error('the call has ended');

/** The end of a call, for those who have to hear of it. Most do not, and a signal is dear. */
export class CallEnd {
  #controller: AbortController | undefined;
  #ended = false;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended) this.#controller.abort(ENDED);
    }
    return this.#controller.signal;
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
    this.#controller?.abort(ENDED);
  }
}
