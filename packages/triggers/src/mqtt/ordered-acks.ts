// Acknowledgements of one connection. MQTT wants them in the order in which the messages came (MQTT-4.6.0-2), whatever order
// they are settled in; so one that is worked at for long holds back those after it, up to the broker's window.

/** A message that is out. */
export interface AckSlot {
  readonly messageId: number;
  settled: boolean;
}

export class OrderedAcks {
  readonly #send: (messageId: number) => void;
  readonly #out: AckSlot[] = [];

  constructor(send: (messageId: number) => void) {
    this.#send = send;
  }

  take(messageId: number): AckSlot {
    const slot = { messageId, settled: false };
    this.#out.push(slot);
    return slot;
  }

  settle(slot: AckSlot): void {
    slot.settled = true;
    while (this.#out[0]?.settled === true) this.#send(this.#out.shift()!.messageId);
  }
}
