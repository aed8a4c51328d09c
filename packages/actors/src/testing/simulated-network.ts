// The network between simulated hosts: a transport for each, whose envelopes are dropped, doubled, delayed and put out
// of order as the faults say.
//
// W1  `undeliverable` is said only of an envelope of which no copy was or will be delivered.
// W2  The envelopes of one pair of hosts stay in order, but for those that a fault delays on their own, and `mend`.

import { formatAddress } from '../address.ts';
import { pack, unpack } from '../codec.ts';
import type { Envelope, HostId, Transport, TransportReceiver } from '../transport.ts';
import type { Agenda, SimulatedProcess } from './agenda.ts';
import type { SimulationFaults } from './faults.ts';
import { mixed, type SeededRandom } from './seeded-random.ts';

/** What was sent, when, and whether it was lost on the way. */
export interface SentEnvelope {
  readonly atMs: number;
  readonly from: HostId;
  readonly to: HostId;
  readonly envelope: Envelope;
}

interface Station {
  readonly process: SimulatedProcess;
  receiver: TransportReceiver | undefined;
}

export class SimulatedNetwork {
  /** Everything that was sent, in order. */
  readonly sent: SentEnvelope[] = [];
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #faults: () => SimulationFaults;
  readonly #stations = new Map<HostId, Station>();
  /** When the last in-order envelope of a pair arrives. */
  readonly #lastArrivalMs = new Map<string, number>();
  readonly #cutUntilMs = new Map<string, number>();

  constructor(agenda: Agenda, random: SeededRandom, faults: () => SimulationFaults) {
    this.#agenda = agenda;
    this.#random = random;
    this.#faults = faults;
  }

  /** The transport of one process. */
  transport(process: SimulatedProcess): Transport {
    const station: Station = { process, receiver: undefined };
    this.#stations.set(process.id, station);
    return {
      hostId: process.id,
      start: async (receiver) => {
        station.receiver = receiver;
      },
      stop: async () => {
        station.receiver = undefined;
      },
      send: (to, envelope) => {
        if (station.receiver === undefined) throw new TypeError(`the transport of host ${process.id} is not started`);
        // Of a dead process nothing runs that could send, but for what frees its resources at the end.
        if (process.state !== 'dead') this.#send(process, to, envelope);
      },
    };
  }

  /** Loses what one host sends to another, for a time. */
  cut(from: HostId, to: HostId, forMs: number): void {
    this.#agenda.note(`${from}→${to} is cut for ${forMs} ms`);
    this.#cutUntilMs.set(`${from}→${to}`, this.#agenda.nowMs + forMs);
  }

  /** Ends every cut; what is sent from now on does not wait for what is slow. */
  mend(): void {
    this.#cutUntilMs.clear();
    this.#lastArrivalMs.clear();
  }

  #send(sender: SimulatedProcess, to: HostId, envelope: Envelope): void {
    const bytes = pack(envelope);
    const pair = `${sender.id}→${to}`;
    const label = `${pair} ${labelOf(envelope)}`;
    this.sent.push({ atMs: this.#agenda.nowMs, from: sender.id, to, envelope: unpack(bytes) as Envelope });
    const faults = this.#faults();
    const random = this.#random;
    if ((this.#cutUntilMs.get(pair) ?? 0) > this.#agenda.nowMs || random.chance(faults.messageDrop)) {
      this.#agenda.note(`lost ${label}`);
      return;
    }
    const { nowMs } = this.#agenda;
    const station = this.#stations.get(to)?.process;
    const arrive = (): void => this.#arrive(sender, to, bytes, label);
    const bounce = (): void => this.#bounce(sender, to, bytes, label);
    let arrivalMs = nowMs + random.integer(0, 2);
    if (random.chance(faults.messageDelay)) arrivalMs += random.integer(1, random.pick([20, 500, 5_000]));
    if (random.chance(faults.messageReorder)) {
      arrivalMs += random.integer(0, random.pick([5, 100, 5_000]));
      this.#agenda.add(station, arrivalMs - nowMs, label, arrive, { orphaned: bounce });
    } else {
      arrivalMs = Math.max(arrivalMs, this.#lastArrivalMs.get(pair) ?? 0);
      this.#lastArrivalMs.set(pair, arrivalMs);
      const stream = mixed(sender.tieSeed ^ (station?.tieSeed ?? 0));
      this.#agenda.add(station, arrivalMs - nowMs, label, arrive, { stream, orphaned: bounce });
    }
    if (station !== undefined && mayBeDoubled(envelope) && random.chance(faults.messageDuplicate)) {
      const laterMs = random.integer(1, random.pick([5, 500, 10_000]));
      this.#agenda.add(station, arrivalMs + laterMs - nowMs, `again ${label}`, () => {
        this.#stations.get(to)?.receiver?.receive(sender.id, unpack(bytes) as Envelope);
      });
    }
  }

  #arrive(sender: SimulatedProcess, to: HostId, bytes: Uint8Array, label: string): void {
    const receiver = this.#stations.get(to)?.receiver;
    if (receiver === undefined) this.#bounce(sender, to, bytes, label);
    else receiver.receive(sender.id, unpack(bytes) as Envelope);
  }

  #bounce(sender: SimulatedProcess, to: HostId, bytes: Uint8Array, label: string): void {
    this.#agenda.add(sender, this.#random.integer(0, 2), `undeliverable ${label}`, () =>
      this.#stations.get(sender.id)?.receiver?.undeliverable(to, unpack(bytes) as Envelope),
    );
  }
}

/** The transport's promise, at most once, is all that keeps a call without a stamp from running twice. */
function mayBeDoubled(envelope: Envelope): boolean {
  return envelope.kind !== 'call' || envelope.send !== undefined;
}

function labelOf(envelope: Envelope): string {
  switch (envelope.kind) {
    case 'call':
      return `call ${envelope.callId} ${formatAddress(envelope.address)}.${envelope.method}`;
    case 'reply':
      return `reply ${envelope.callId} ${envelope.outcome}`;
    case 'cancel':
      return `cancel ${envelope.callId}`;
    case 'forget':
      return `forget ${envelope.send.sender} ${envelope.send.sequence}`;
  }
}
