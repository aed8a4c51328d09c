// Envelopes between hosts over core NATS: each host reads the frames that come to its subject. What is sent to a host
// within a round of the event loop is one frame. `outbound.ts` and `inbound.ts` keep what there is to know of each host;
// this file is between them and the wire.
//
// T1  Delivery is at most once and in order for each pair of hosts, over reconnects too: nothing is sent again.
// T2  `undeliverable` is certain (O2). What was on its way when a host or a connection died stays unknown, and nothing
//     is said of it.
// T3  A host that does not keep up, or is frozen, costs a bounded queue and slows nobody else down.
// T4  A stop loses nothing in silence: from its beginning no frame is taken, and whoever sends one, or has sent any
//     before, is told up to where they were. Who hears it knows of each envelope whether it was taken (O2).
// T5  Whatever comes over the wire is read as if an enemy had written it: what is no frame is logged and dropped.

import { LimitError, StoreUnavailableError, waitAtMost } from '@troupe/actors';
import type { CancelTimeout, Clock, Envelope, HostId, Logger, Transport, TransportReceiver } from '@troupe/actors';
import { ByteReader, BytesError, ByteWriter } from './bytes.ts';
import { readEnvelope, writeEnvelope } from './envelope-bytes.ts';
import { decodeFrame, encodeFrame, encodePart, frameOverheadBytes, type Acknowledgement, type Frame } from './frame.ts';
import { Inbound, PartsBudget } from './inbound.ts';
import {
  ACK_BYTES,
  ENVELOPE_BYTES_MAX,
  FRAME_BYTES_MAX,
  REFUSED_PROBES_MAX,
  SENDERS_MAX,
  TRANSPORT_FLUSH_MS,
  TRANSPORT_STOP_MS,
  TRANSPORT_TICK_MS,
} from './limits.ts';
import { Outbound, type Load } from './outbound.ts';
import { checkHostId, frameSubject, isHostId } from './subjects.ts';
import type { EndSubscription, Wire, WireMessage, WireStatus } from './wire.ts';

export interface NatsTransportOptions {
  readonly app: string;
  readonly hostId: HostId;
  readonly wire: Wire;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Nobody listened when something was sent to this host: it is dead, or about to connect again. Does not throw. */
  onNoResponders(hostId: HostId): void;
}

type State = 'new' | 'started' | 'stopped';

export class NatsTransport implements Transport {
  readonly hostId: HostId;
  readonly #options: NatsTransportOptions;
  readonly #wire: Wire;
  readonly #writer = new ByteWriter();
  readonly #outbound = new Map<HostId, Outbound>();
  readonly #outboundByStream = new Map<number, Outbound>();
  /** Probes of a host that nobody listened to, one after the other. */
  readonly #refusedProbes = new Map<HostId, number>();
  readonly #inbound = new Map<HostId, Inbound>();
  readonly #parts = new PartsBudget();
  /** Begins the subjects that servers answer to when nobody listens: then stream and sequence. */
  readonly #refusalPrefix: string;
  /** Hosts with something to send in this round. */
  readonly #dirty = new Set<Outbound>();
  /** Hosts that are told in this round what has come. */
  readonly #ackNow = new Set<HostId>();
  #round: NodeJS.Immediate | undefined;
  #cancelTick: CancelTimeout | undefined;
  #streams = 0;
  #strangeFrames = 0;
  #state: State = 'new';
  #receiver: TransportReceiver | undefined;
  #frames: EndSubscription | undefined;
  #endRefusals: () => void = () => {};
  #endStatus: () => void = () => {};
  /** Called when nothing waits and nothing is on its way any more; set while stopping. */
  #onSettled: (() => void) | undefined;
  /** No frame is taken any more. */
  #closed = false;
  #stopping: Promise<void> | undefined;

  constructor(options: NatsTransportOptions) {
    checkHostId(options.hostId);
    this.hostId = options.hostId;
    this.#options = options;
    this.#wire = options.wire;
    this.#refusalPrefix = `${options.wire.inboxPrefix}.f.`;
  }

  /** @throws {StoreUnavailableError} when the connection is lost meanwhile */
  async start(receiver: TransportReceiver): Promise<void> {
    if (this.#state !== 'new') throw new TypeError(`the transport of host ${this.hostId} was started before`);
    this.#receiver = receiver;
    this.#frames = this.#wire.subscribe(frameSubject(this.#options.app, this.hostId), (message) =>
      this.#read(message.data),
    );
    this.#endRefusals = this.#wire.subscribe(`${this.#refusalPrefix}*.*`, (message) => this.#refusal(message));
    this.#endStatus = this.#wire.onStatus((status) => this.#wireBecame(status));
    this.#state = 'started';
    await this.#wire.flush();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** @throws {LimitError} when the envelope is too large, or too much waits for that host */
  send(to: HostId, envelope: Envelope): void {
    if (this.#state !== 'started') throw new TypeError(`the transport of host ${this.hostId} is not started`);
    if (this.#wire.status === 'closed') {
      throw new StoreUnavailableError('the connection to NATS is closed', { wroteNothing: true });
    }
    const bytes = this.#encoded(envelope);
    const outbound = this.#outboundTo(to);
    outbound.push(envelope, bytes);
    this.#dirty.add(outbound);
    this.#armRound();
  }

  /**
   * The host is gone: what waits for it comes back, and all that is kept for it is freed, but for what is on its way: that
   * may still come back, within a second.
   */
  forget(hostId: HostId): void {
    const outbound = this.#outbound.get(hostId);
    if (outbound !== undefined) {
      outbound.isForgotten = true;
      this.#giveBack(hostId, outbound.takeQueue());
      this.#dropIdle(outbound);
    }
    this.#inbound.get(hostId)?.dropParts();
    this.#inbound.delete(hostId);
  }

  #encoded(envelope: Envelope): Uint8Array {
    this.#writer.clear();
    writeEnvelope(this.#writer, envelope);
    const bytes = this.#writer.length;
    if (bytes > ENVELOPE_BYTES_MAX) {
      throw new LimitError(`an envelope has ${bytes} bytes; ENVELOPE_BYTES_MAX is ${ENVELOPE_BYTES_MAX}`);
    }
    return this.#writer.taken();
  }

  #outboundTo(to: HostId): Outbound {
    let outbound = this.#outbound.get(to);
    if (outbound === undefined) {
      checkHostId(to);
      outbound = new Outbound(to, ++this.#streams);
      this.#outbound.set(to, outbound);
      this.#outboundByStream.set(outbound.stream, outbound);
    }
    outbound.isForgotten = false;
    return outbound;
  }

  /** Nothing is kept for a host that is not there, or is gone. */
  #dropIdle(outbound: Outbound): void {
    if (outbound.idle) this.#drop(outbound);
    this.#checkSettled();
  }

  #drop(outbound: Outbound): void {
    this.#outbound.delete(outbound.to);
    this.#outboundByStream.delete(outbound.stream);
    this.#refusedProbes.delete(outbound.to);
    this.#dirty.delete(outbound);
  }

  // What goes out.

  #armRound(): void {
    this.#round ??= setImmediate(() => {
      this.#round = undefined;
      this.#sendRound();
    });
  }

  #sendRound(): void {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const outbound of dirty) this.#pump(outbound);
    // Those that no frame has carried along.
    for (const hostId of this.#ackNow) this.#acknowledge(hostId);
    this.#ackNow.clear();
    this.#checkSettled();
  }

  #checkSettled(): void {
    if (this.#onSettled === undefined) return;
    for (const outbound of this.#outbound.values()) if (!outbound.idle) return;
    this.#onSettled();
  }

  #pump(outbound: Outbound): void {
    const bytesMax = Math.min(FRAME_BYTES_MAX, this.#wire.info.payloadBytesMax) - frameOverheadBytes(this.hostId);
    // While the connection is lost everything waits here, where it is certain that it was not sent.
    while (this.#wire.status === 'connected') {
      const load = outbound.next(bytesMax);
      if (load === undefined) break;
      this.#publish(outbound, load, false);
    }
    this.#armTick();
  }

  #publish(outbound: Outbound, { sequence, envelopes, part }: Load, wantsAck: boolean): void {
    const { stream, to } = outbound;
    const ack = this.#inbound.get(to)?.takeAcknowledgement();
    const isLastAck = this.#closed && ack !== undefined;
    const head = { from: this.hostId, place: { stream, sequence }, ack, wantsAck, isLastAck };
    const frame = part === undefined ? encodeFrame(head, envelopes) : encodePart(head, part);
    try {
      this.#wire.publish(frameSubject(this.#options.app, to), frame, {
        reply: `${this.#refusalPrefix}${stream}.${sequence}`,
      });
    } catch (error) {
      // A server with a smaller limit than a moment ago, or a connection that has just been closed.
      this.#options.logger.warn({ err: error, to }, 'a frame could not be sent');
      this.#giveBack(to, outbound.refused(sequence));
    }
  }

  #acknowledge(hostId: HostId): void {
    if (this.#wire.status !== 'connected') return;
    const ack = this.#inbound.get(hostId)?.takeAcknowledgement();
    if (ack === undefined) return;
    const head = { from: this.hostId, place: undefined, ack, wantsAck: false, isLastAck: this.#closed };
    const frame = encodeFrame(head, []);
    this.#wire.publish(frameSubject(this.#options.app, hostId), frame);
  }

  #giveBack(to: HostId, envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) this.#receiver!.undeliverable(to, envelope);
  }

  // What comes in.

  #read(bytes: Uint8Array): void {
    let frame: Frame;
    try {
      frame = decodeFrame(bytes);
      if (!isHostId(frame.from)) throw new BytesError('no host is named like its sender');
    } catch (error) {
      this.#strange(bytes, error);
      return;
    }
    const { from, place, ack } = frame;
    if (ack !== undefined) this.#acknowledged(from, ack, frame.isLastAck);
    if (place === undefined) return;
    const inbound = this.#inboundFrom(from);
    if (this.#closed) {
      inbound.late(place);
      this.#ackNow.add(from);
      this.#armRound();
      return;
    }
    if (!inbound.take(place, bytes.length)) {
      this.#options.logger.warn({ from, ...place }, 'a frame came twice or too late, and was dropped');
      return;
    }
    if (frame.wantsAck || inbound.owedBytes >= ACK_BYTES) {
      this.#ackNow.add(from);
      this.#armRound();
    }
    this.#armTick();
    if (frame.part !== undefined) {
      this.#readLarge(from, inbound.takePart(frame.part));
      return;
    }
    // A probe comes between parts, envelopes do not.
    if (frame.envelopes.length > 0) inbound.dropParts();
    for (const envelope of frame.envelopes) this.#receiver!.receive(from, envelope);
  }

  #readLarge(from: HostId, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return;
    let envelope: Envelope;
    try {
      envelope = readEnvelope(new ByteReader(bytes));
    } catch (error) {
      this.#strange(bytes, error);
      return;
    }
    this.#receiver!.receive(from, envelope);
  }

  #inboundFrom(from: HostId): Inbound {
    let inbound = this.#inbound.get(from);
    if (inbound === undefined) {
      if (this.#inbound.size >= SENDERS_MAX) {
        const [first] = this.#inbound.keys();
        this.#inbound.get(first!)!.dropParts();
        this.#inbound.delete(first!);
      }
      inbound = new Inbound(this.#parts);
      this.#inbound.set(from, inbound);
    }
    return inbound;
  }

  /** Whoever floods a host with rubbish does not fill its log too. */
  #strange(bytes: Uint8Array, error: unknown): void {
    if (!(error instanceof BytesError)) throw error;
    const count = ++this.#strangeFrames;
    if ((count & (count - 1)) !== 0) return;
    this.#options.logger.warn({ bytes: bytes.length, count, err: error }, 'something came that is no frame');
  }

  #acknowledged(from: HostId, ack: Acknowledgement, isLast: boolean): void {
    const outbound = this.#outbound.get(from);
    if (outbound === undefined) return;
    this.#refusedProbes.delete(from);
    this.#giveBack(from, isLast ? outbound.ended(ack) : outbound.acknowledged(ack));
    if (isLast || outbound.isForgotten) this.#dropIdle(outbound);
    else this.#checkSettled();
    if (outbound.empty) return;
    this.#dirty.add(outbound);
    this.#armRound();
  }

  /** What the server answers when nobody listens. */
  #refusal(message: WireMessage): void {
    if (message.status !== 503) return;
    const [stream, sequence] = message.subject.slice(this.#refusalPrefix.length).split('.').map(Number);
    const outbound = this.#outboundByStream.get(stream!);
    if (outbound === undefined) return;
    const { to } = outbound;
    this.#giveBack(to, outbound.refused(sequence!));
    this.#options.onNoResponders(to);
    this.#dropIdle(outbound);
  }

  // Time and the connection.

  #armTick(): void {
    this.#cancelTick ??= this.#options.clock.setTimeout(() => {
      this.#cancelTick = undefined;
      this.#tick();
    }, TRANSPORT_TICK_MS);
  }

  #tick(): void {
    let more = false;
    for (const [hostId, inbound] of this.#inbound) {
      this.#acknowledge(hostId);
      inbound.tick();
      more ||= inbound.pending;
    }
    for (const outbound of [...this.#outbound.values()]) {
      if (this.#wire.status === 'connected' && outbound.tick()) this.#probe(outbound);
      more ||= !outbound.idle;
    }
    if (more) this.#armTick();
  }

  #probe(outbound: Outbound): void {
    const { to } = outbound;
    const count = (this.#refusedProbes.get(to) ?? 0) + 1;
    if (outbound.isForgotten || count > REFUSED_PROBES_MAX) {
      this.#giveBack(to, outbound.takeQueue());
      this.#drop(outbound);
      this.#checkSettled();
      return;
    }
    this.#refusedProbes.set(to, count);
    this.#ask(outbound);
  }

  /** By a frame that carries nothing and is acknowledged at once. */
  #ask(outbound: Outbound): void {
    this.#publish(outbound, { sequence: outbound.probe(), envelopes: [], part: undefined }, true);
  }

  #wireBecame(status: WireStatus): void {
    if (status === 'disconnected') return;
    for (const outbound of [...this.#outbound.values()]) {
      if (status === 'closed') this.#giveBack(outbound.to, outbound.takeQueue());
      outbound.doubt();
      this.#dirty.add(outbound);
    }
    this.#armRound();
  }

  async #stop(): Promise<void> {
    if (this.#state === 'started') {
      this.#closed = true;
      for (const [hostId, inbound] of this.#inbound) {
        inbound.owe();
        this.#ackNow.add(hostId);
      }
      await this.#within(TRANSPORT_STOP_MS, () => this.#settled());
      this.#onSettled?.();
      await this.#within(TRANSPORT_FLUSH_MS, async () => {
        // What comes before this is told to be too late, what comes after it finds nobody.
        await this.#frames?.drain();
        this.#state = 'stopped';
        this.#sendRound();
        if (this.#wire.status === 'connected') await this.#wire.flush();
      });
    }
    this.#state = 'stopped';
    this.#endStatus();
    this.#frames?.();
    this.#endRefusals();
    this.#cancelTick?.();
    clearImmediate(this.#round);
    for (const outbound of [...this.#outbound.values()]) {
      this.#drop(outbound);
      this.#giveBack(outbound.to, outbound.takeQueue());
    }
    this.#inbound.clear();
  }

  /** Resolves when everything that was taken has come to where it goes, or nobody listens there, or nothing can be sent. */
  #settled(): Promise<void> {
    return new Promise((resolve) => {
      const end = this.#wire.onStatus(() => done());
      const done = (): void => {
        end();
        this.#onSettled = undefined;
        resolve();
      };
      this.#onSettled = done;
      if (this.#wire.status !== 'connected') {
        done();
        return;
      }
      this.#sendRound();
      for (const outbound of this.#outbound.values()) if (!outbound.idle) this.#ask(outbound);
    });
  }

  async #within(timeoutMs: number, work: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#options;
    const done = work().catch((error: unknown) =>
      logger.warn({ err: error }, 'the transport stopped while NATS was away'),
    );
    await waitAtMost(clock, timeoutMs, done);
  }
}
