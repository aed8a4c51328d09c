import { describe, expect, test } from 'vitest';
import type { CallEnvelope, Envelope, HostId, Transport, TransportReceiver } from '../transport.ts';

/** One network for one test. */
export interface TransportHarness {
  /** A transport for a host that is not on the network yet. */
  transport(hostId: HostId): Transport;
  /** Takes a host off the network as a crash would. Without it the tests that need it are left out. */
  kill?(hostId: HostId): Promise<void>;
  /** Whether envelopes to a host that was never there are certain to come back. Default true. */
  readonly noticesStrangers?: boolean;
  /** Frees everything. */
  stop(): Promise<void>;
}

/** What a host was told. */
class Received implements TransportReceiver {
  readonly envelopes: { readonly from: HostId; readonly envelope: Envelope }[] = [];
  readonly undelivered: { readonly to: HostId; readonly envelope: Envelope }[] = [];
  onReceive: ((from: HostId, envelope: Envelope) => void) | undefined;

  receive(from: HostId, envelope: Envelope): void {
    this.envelopes.push({ from, envelope });
    this.onReceive?.(from, envelope);
  }

  undeliverable(to: HostId, envelope: Envelope): void {
    this.undelivered.push({ to, envelope });
  }
}

function callEnvelope(callId: number, fields: Partial<CallEnvelope> = {}): CallEnvelope {
  return {
    kind: 'call',
    callId,
    address: { type: 'counter', id: 'é/😀 "x"' },
    method: 'add',
    args: Uint8Array.of(0x91, callId & 0x7f),
    timeoutMs: 30_000,
    idempotencyKey: undefined,
    chain: [],
    traceparent: undefined,
    send: undefined,
    ...fields,
  };
}

const ENVELOPES: readonly Envelope[] = [
  callEnvelope(1),
  callEnvelope(2, {
    timeoutMs: undefined,
    idempotencyKey: 'k',
    chain: ['a/1#x.1', 'b/2#y.22'],
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    send: { sender: 'a/1#birth', sequence: 2 ** 40 },
  }),
  { kind: 'reply', callId: 1, outcome: 'done', body: Uint8Array.of(0xc0) },
  { kind: 'reply', callId: 2 ** 40, outcome: 'moved', body: new Uint8Array(0) },
  { kind: 'cancel', callId: 3 },
  { kind: 'forget', address: { type: 't', id: 'i' }, send: { sender: 's', sequence: 0 } },
];

/** The contract of `transport.ts`, for every implementation of it. */
export function transportSuite(name: string, start: () => TransportHarness | Promise<TransportHarness>): void {
  const onNetwork = async (body: (harness: TransportHarness) => Promise<void>): Promise<void> => {
    const harness = await start();
    try {
      await body(harness);
    } finally {
      await harness.stop();
    }
  };
  const join = async (
    harness: TransportHarness,
    hostId: HostId,
  ): Promise<{ transport: Transport; received: Received }> => {
    const transport = harness.transport(hostId);
    const received = new Received();
    await transport.start(received);
    return { transport, received };
  };

  describe(`${name} as a transport`, () => {
    test('envelopes of every kind arrive as they were sent, with the name of who sent them', () =>
      onNetwork(async (harness) => {
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        expect(one.transport.hostId).toBe('one');
        for (const envelope of ENVELOPES) one.transport.send('two', envelope);
        await expect.poll(() => two.received.envelopes.length).toBe(ENVELOPES.length);
        expect(two.received.envelopes.map(({ envelope }) => comparable(envelope))).toEqual(ENVELOPES.map(comparable));
        expect(new Set(two.received.envelopes.map(({ from }) => from))).toEqual(new Set(['one']));
        expect(one.received.envelopes).toEqual([]);
        await one.transport.stop();
        await two.transport.stop();
      }));

    test('envelopes of one host to another arrive in order, each once', () =>
      onNetwork(async (harness) => {
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        const three = await join(harness, 'three');
        const expected = Array.from({ length: 500 }, (_, index) => index + 1);
        for (const callId of expected) {
          one.transport.send('two', callEnvelope(callId));
          three.transport.send('two', callEnvelope(callId));
        }
        await expect.poll(() => two.received.envelopes.length).toBe(1_000);
        for (const host of ['one', 'three']) {
          const ids = two.received.envelopes
            .filter(({ from }) => from === host)
            .map(({ envelope }) => (envelope as CallEnvelope).callId);
          expect(ids).toEqual(expected);
        }
        for (const { transport } of [one, two, three]) await transport.stop();
      }));

    test('nobody is told anything before send has returned', () =>
      onNetwork(async (harness) => {
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        let sending = false;
        for (const { received } of [one, two]) received.onReceive = () => expect(sending).toBe(false);
        sending = true;
        one.transport.send('two', callEnvelope(1));
        two.transport.send('one', callEnvelope(2));
        expect(one.received.envelopes.length + two.received.envelopes.length).toBe(0);
        sending = false;
        await expect.poll(() => one.received.envelopes.length + two.received.envelopes.length).toBe(2);
        await one.transport.stop();
        await two.transport.stop();
      }));

    test('what the sender changes afterwards is not seen, nor what the receiver changes', () =>
      onNetwork(async (harness) => {
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        const args = Uint8Array.of(1, 2, 3);
        const chain = ['a/1#x.1'];
        one.transport.send('two', callEnvelope(1, { args, chain }));
        args[0] = 99;
        chain.push('later');
        await expect.poll(() => two.received.envelopes.length).toBe(1);
        const arrived = two.received.envelopes[0]!.envelope as CallEnvelope;
        expect([...arrived.args]).toEqual([1, 2, 3]);
        expect(arrived.chain).toEqual(['a/1#x.1']);
        arrived.args[1] = 99;
        expect(args[1]).toBe(2);
        await one.transport.stop();
        await two.transport.stop();
      }));

    test('a large envelope arrives', () =>
      onNetwork(async (harness) => {
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        const args = new Uint8Array(700_000).map((_, index) => index & 0xff);
        one.transport.send('two', callEnvelope(1, { args }));
        await expect.poll(() => two.received.envelopes.length).toBe(1);
        expect(Buffer.compare((two.received.envelopes[0]!.envelope as CallEnvelope).args, args)).toBe(0);
        await one.transport.stop();
        await two.transport.stop();
      }));

    test('a host may answer from inside its receiver', () =>
      onNetwork(async (harness) => {
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        two.received.onReceive = (from, envelope) => {
          if (envelope.kind === 'call')
            two.transport.send(from, { kind: 'reply', callId: envelope.callId, outcome: 'done', body: envelope.args });
        };
        for (let callId = 1; callId <= 20; callId++) one.transport.send('two', callEnvelope(callId));
        await expect.poll(() => one.received.envelopes.length).toBe(20);
        await one.transport.stop();
        await two.transport.stop();
      }));

    test('what was taken before a stop is delivered, and stopping twice is harmless', () =>
      onNetwork(async (harness) => {
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        for (let callId = 1; callId <= 20; callId++) one.transport.send('two', callEnvelope(callId));
        await one.transport.stop();
        await one.transport.stop();
        await expect.poll(() => two.received.envelopes.length).toBe(20);
        expect(() => one.transport.send('two', callEnvelope(21))).toThrow();
        await two.transport.stop();
      }));

    test('a transport that is not started refuses to send', () =>
      onNetwork(async (harness) => {
        const two = await join(harness, 'two');
        const one = harness.transport('one');
        expect(() => one.send('two', callEnvelope(1))).toThrow();
        await two.transport.stop();
      }));

    test('an envelope to a host that is not there comes back, as it was', () =>
      onNetwork(async (harness) => {
        if (harness.noticesStrangers === false) return;
        const one = await join(harness, 'one');
        const envelope = callEnvelope(7);
        one.transport.send('nobody', envelope);
        expect(one.received.undelivered).toEqual([]);
        await expect.poll(() => one.received.undelivered.length).toBe(1);
        expect(one.received.undelivered[0]!.to).toBe('nobody');
        expect(comparable(one.received.undelivered[0]!.envelope)).toEqual(comparable(envelope));
        await one.transport.stop();
      }));

    test('an envelope to a host that has stopped comes back and is not delivered', () =>
      onNetwork(async (harness) => {
        if (harness.noticesStrangers === false) return;
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        await two.transport.stop();
        one.transport.send('two', callEnvelope(1));
        await expect.poll(() => one.received.undelivered.length).toBe(1);
        expect(two.received.envelopes).toEqual([]);
        await one.transport.stop();
      }));

    test('a host that died is never said to have been sent to in vain and reached too', () =>
      onNetwork(async (harness) => {
        if (harness.kill === undefined) return;
        const one = await join(harness, 'one');
        const two = await join(harness, 'two');
        for (let callId = 1; callId <= 50; callId++) {
          if (callId === 25) await harness.kill('two');
          one.transport.send('two', callEnvelope(callId));
        }
        if (harness.noticesStrangers !== false)
          await expect.poll(() => one.received.undelivered.length).toBeGreaterThanOrEqual(26);
        const reached = new Set(two.received.envelopes.map(({ envelope }) => (envelope as CallEnvelope).callId));
        for (const { envelope } of one.received.undelivered)
          expect(reached.has((envelope as CallEnvelope).callId)).toBe(false);
        await one.transport.stop();
      }));
  });
}

/** Bytes may arrive as another kind of array. */
function comparable(envelope: Envelope): unknown {
  return Object.fromEntries(
    Object.entries(envelope)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, value instanceof Uint8Array ? Array.from(value) : (value as unknown)]),
  );
}
