import { pack, unpack } from './codec.ts';
import type { Envelope, HostId, Transport, TransportReceiver } from './transport.ts';

/**
 * The reference transport: hosts of one process. Envelopes are packed and unpacked, so that nothing is shared, and
 * arrive in a later round of the event loop.
 */
export class LocalNetwork {
  readonly #receivers = new Map<HostId, TransportReceiver>();

  /** A transport for one host. Ids are taken once. */
  transport(hostId: HostId): Transport {
    return new LocalTransport(hostId, this.#receivers);
  }
}

class LocalTransport implements Transport {
  readonly hostId: HostId;
  readonly #receivers: Map<HostId, TransportReceiver>;

  constructor(hostId: HostId, receivers: Map<HostId, TransportReceiver>) {
    this.hostId = hostId;
    this.#receivers = receivers;
  }

  async start(receiver: TransportReceiver): Promise<void> {
    if (this.#receivers.has(this.hostId)) throw new TypeError(`host ${this.hostId} is already on this network`);
    this.#receivers.set(this.hostId, receiver);
  }

  async stop(): Promise<void> {
    this.#receivers.delete(this.hostId);
  }

  send(to: HostId, envelope: Envelope): void {
    const sender = this.#receivers.get(this.hostId);
    if (sender === undefined) {
      throw new TypeError(`the transport of host ${this.hostId} is not started`);
    }
    const bytes = pack(envelope);
    setImmediate(() => {
      const receiver = this.#receivers.get(to);
      if (receiver !== undefined) receiver.receive(this.hostId, unpack(bytes) as Envelope);
      else this.#receivers.get(this.hostId)?.undeliverable(to, envelope);
    });
  }
}
