import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, type Envelope, type HostId, type TransportReceiver } from '@troupe/actors';
import { transportSuite } from '@troupe/actors/conformance';
import { RequestError } from '../../src/errors.ts';
import { NatsTransport } from '../../src/nats-transport.ts';
import { encodeFrame, encodePart } from '../../src/frame.ts';
import { InboxRequests } from '../../src/requests.ts';
import { frameSubject } from '../../src/subjects.ts';
import { eventually } from './eventually.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';
import { CLIENT_KINDS, makeWire, type ClientKind, type MadeWire } from './wires.ts';

const APP = 'transport-test';

class Received implements TransportReceiver {
  readonly envelopes: { readonly from: HostId; readonly envelope: Envelope }[] = [];
  readonly undelivered: { readonly to: HostId; readonly envelope: Envelope }[] = [];

  receive(from: HostId, envelope: Envelope): void {
    this.envelopes.push({ from, envelope });
  }

  undeliverable(to: HostId, envelope: Envelope): void {
    this.undelivered.push({ to, envelope });
  }

  get callIds(): number[] {
    return this.envelopes.map(({ envelope }) => ('callId' in envelope ? envelope.callId : -1));
  }

  get returnedIds(): number[] {
    return this.undelivered.map(({ envelope }) => ('callId' in envelope ? envelope.callId : -1));
  }
}

interface TestHost extends MadeWire {
  readonly transport: NatsTransport;
  readonly received: Received;
  readonly noResponders: HostId[];
}

function reply(callId: number, bytes = 1): Envelope {
  return { kind: 'reply', callId, outcome: 'done', body: new Uint8Array(bytes).fill(callId & 0xff) };
}

function asFailure(error: unknown): string | undefined {
  return error instanceof RequestError ? error.failure : undefined;
}

const LAST = { wantsAck: false, isLastAck: true };

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

describeWithNats('NatsTransport', () => {
  let servers: NatsServers;
  const open: TestHost[] = [];

  beforeAll(async () => {
    servers = await NatsServers.start(1, { program: natsServerProgram() });
  });

  afterAll(async () => {
    for (const host of open.splice(0)) await host.end();
    await servers.end();
  });

  async function prepared(hostId: HostId, kind: ClientKind = 'own'): Promise<TestHost> {
    const made = await makeWire(kind, { servers: servers.urls, name: hostId });
    const noResponders: HostId[] = [];
    const transport = new NatsTransport({
      app: APP,
      hostId,
      wire: made.wire,
      clock: systemClock,
      logger: made.log,
      onNoResponders: (host) => noResponders.push(host),
    });
    const host = { ...made, transport, received: new Received(), noResponders };
    open.push(host);
    return host;
  }

  let hosts = 0;
  async function started(kind: ClientKind = 'own'): Promise<TestHost> {
    const host = await prepared(`host-${++hosts}`, kind);
    await host.transport.start(host.received);
    return host;
  }

  for (const kind of CLIENT_KINDS) {
    transportSuite(`NatsTransport over ${kind}`, async () => {
      const wires: MadeWire[] = [];
      for (let index = 0; index < 3; index++) wires.push(await makeWire(kind, { servers: servers.urls }));
      const free = [...wires];
      const byHost = new Map<HostId, MadeWire>();
      return {
        transport(hostId) {
          const made = free.pop()!;
          byHost.set(hostId, made);
          const { wire, log } = made;
          return new NatsTransport({
            app: APP,
            hostId,
            wire,
            clock: systemClock,
            logger: log,
            onNoResponders: () => {},
          });
        },
        async kill(hostId) {
          await byHost.get(hostId)!.kill();
          // What the server still hands to a host that is gone is lost, and nobody can say so.
          const requests = new InboxRequests(wires.find((made) => made !== byHost.get(hostId))!.wire, systemClock);
          await eventually('the server has noticed', async () => {
            const failure = await requests.ask(frameSubject(APP, hostId), new Uint8Array(0), 100).catch(asFailure);
            return failure === 'no-responders';
          });
          requests.stop();
        },
        async stop() {
          for (const made of wires) await made.end();
        },
      };
    });
  }

  test('nobody is there: everything comes back in order, and placement hears of it', async () => {
    const one = await started();
    for (const callId of upTo(5)) one.transport.send('nobody', reply(callId));
    await expect.poll(() => one.received.returnedIds).toEqual(upTo(5));
    expect(one.noResponders).toEqual(['nobody']);
  });

  test('a small and a large envelope and a small one arrive in order, each as it was', async () => {
    const [one, two] = [await started(), await started('nats')];
    const large = new Uint8Array(5_000_000).map((_, index) => (index * 7) & 0xff);
    one.transport.send(two.transport.hostId, reply(1));
    one.transport.send(two.transport.hostId, { kind: 'reply', callId: 2, outcome: 'failed', body: large });
    one.transport.send(two.transport.hostId, reply(3));
    await eventually('all three', () => two.received.envelopes.length === 3);
    expect(two.received.callIds).toEqual([1, 2, 3]);
    const { envelope } = two.received.envelopes[1]!;
    expect(envelope.kind === 'reply' && Buffer.compare(envelope.body, large)).toBe(0);
  });

  test('one that is larger than any commit is refused and nothing of it is sent', async () => {
    const [one, two] = [await started(), await started()];
    expect(() => one.transport.send(two.transport.hostId, reply(1, 65 * 1024 * 1024))).toThrow(/ENVELOPE_BYTES_MAX/);
    one.transport.send(two.transport.hostId, reply(2));
    await expect.poll(() => two.received.callIds).toEqual([2]);
  });

  test('a host that nobody can have is refused', async () => {
    const one = await started();
    for (const hostId of ['', 'a.b', 'a b', '*', '>', 'é', 'x'.repeat(129)])
      expect(() => one.transport.send(hostId, reply(1))).toThrow(TypeError);
  });

  test('what is not a frame is logged and dropped, and those that are still arrive', async () => {
    const [one, two] = [await started(), await started()];
    const to = two.transport.hostId;
    const subject = frameSubject(APP, to);
    const place = { stream: 1, sequence: 1 };
    const frame = encodeFrame({ from: 'enemy', place, ack: undefined, wantsAck: true, isLastAck: false }, [
      Uint8Array.of(3, 9),
    ]);
    for (const length of frame.keys()) one.wire.publish(subject, frame.slice(0, length));
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const bent = new Uint8Array(frame);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      one.wire.publish(subject, bent);
    }
    const head = { from: 'enemy', place, ack: undefined, wantsAck: false, isLastAck: false };
    // Checksums that are right, and nothing else.
    for (const envelope of [[], [0], [99], [1], [1, 0xff, 0xff, 0xff, 0xff], [2, 1, 9, 0], [3], [3, 1, 1], [4, 200]])
      one.wire.publish(subject, encodeFrame(head, [Uint8Array.from(envelope)]));
    one.wire.publish(subject, encodeFrame({ ...head, from: 'not a host' }, []));
    one.wire.publish(subject, encodePart(head, { index: 0, last: true, bytes: Uint8Array.of(77) }));
    const later = { ...place, sequence: 2 };
    one.wire.publish(subject, encodePart({ ...head, place: later }, { index: 9, last: false, bytes: frame }));
    one.transport.send(to, reply(1));
    await expect.poll(() => two.received.callIds).toEqual([1]);
    expect(two.log.has('warn', 'no frame')).toBe(true);
    // A power of two at a time: nobody fills the log.
    expect(two.log.lines.length).toBeLessThan(15);
  });

  test('a frame that comes again, or after a later one, is not taken again', async () => {
    const [one, two] = [await started(), await started()];
    const subject = frameSubject(APP, two.transport.hostId);
    const part = (sequence: number, index: number, last: boolean, bytes: Uint8Array): void =>
      one.wire.publish(
        subject,
        encodePart(
          { from: 'sender', place: { stream: 4, sequence }, ack: undefined, wantsAck: false, isLastAck: false },
          { index, last, bytes },
        ),
      );
    const whole = (stream: number, sequence: number, callId: number): void =>
      one.wire.publish(
        subject,
        encodeFrame(
          { from: 'sender', place: { stream, sequence }, ack: undefined, wantsAck: false, isLastAck: false },
          [Uint8Array.of(3, callId)],
        ),
      );
    whole(4, 1, 1);
    whole(4, 1, 1);
    part(2, 0, false, Uint8Array.of(3));
    part(2, 0, false, Uint8Array.of(3));
    part(3, 1, true, Uint8Array.of(2));
    part(3, 1, true, Uint8Array.of(2));
    whole(4, 5, 3);
    whole(4, 4, 99);
    whole(3, 9, 98);
    // A part is missing: the envelope is not put together of the others.
    part(6, 0, false, Uint8Array.of(3));
    part(8, 2, true, Uint8Array.of(97));
    part(9, 0, false, Uint8Array.of(3));
    whole(4, 10, 4);
    part(11, 1, true, Uint8Array.of(96));
    whole(5, 1, 5);
    await expect.poll(() => two.received.callIds).toContain(5);
    expect(two.received.callIds).toEqual([1, 2, 3, 4, 5]);
  });

  test('what a host says that it will not take comes back, and no more than that', async () => {
    const one = await started();
    const [peer] = [await makeWire('own', { servers: servers.urls })];
    const seen: Uint8Array[] = [];
    peer.wire.subscribe(frameSubject(APP, 'peer'), ({ data }) => seen.push(data));
    await peer.wire.flush();
    for (const callId of upTo(6)) {
      one.transport.send('peer', reply(callId));
      await eventually(`frame ${callId}`, () => seen.length === callId);
    }
    const acknowledge = (sequence: number, lost: [number, number][], stream = 1): void =>
      peer.wire.publish(
        frameSubject(APP, one.transport.hostId),
        encodeFrame(
          { from: 'peer', place: undefined, ack: { stream, sequence, lost }, wantsAck: false, isLastAck: false },
          [],
        ),
      );
    acknowledge(6, [[1, 6]], 2);
    acknowledge(1_000, [[1, 6]]);
    acknowledge(4, [[2, 3]]);
    acknowledge(4, [[1, 6]]);
    await expect.poll(() => one.received.returnedIds).toEqual([2, 3]);
    acknowledge(5, [[6, 6]]);
    one.transport.send('peer', reply(7));
    await eventually('frame 7', () => seen.length === 7);
    await peer.wire.flush();
    expect(one.received.returnedIds).toEqual([2, 3]);
    await peer.end();
  });

  test('what a host that stops does not say it has taken comes back, and nothing else', async () => {
    const one = await started();
    const peer = await makeWire('own', { servers: servers.urls });
    const seen: Uint8Array[] = [];
    peer.wire.subscribe(frameSubject(APP, 'stopping'), ({ data }) => seen.push(data));
    await peer.wire.flush();
    const lastAck = (sequence: number, lost: [number, number][], stream: number): void =>
      peer.wire.publish(
        frameSubject(APP, one.transport.hostId),
        encodeFrame({ from: 'stopping', place: undefined, ack: { stream, sequence, lost }, ...LAST }, []),
      );
    for (const callId of upTo(6)) {
      one.transport.send('stopping', reply(callId));
      await eventually(`frame ${callId}`, () => seen.length === callId);
    }
    lastAck(6, [], 2);
    lastAck(1_000, [[1, 6]], 1);
    lastAck(4, [[2, 2]], 1);
    await expect.poll(() => one.received.returnedIds).toEqual([2, 5, 6]);
    // Its stream was ended: this one is another, of which it has taken nothing.
    one.transport.send('stopping', reply(7));
    await eventually('frame 7', () => seen.length === 7);
    lastAck(4, [], 1);
    await expect.poll(() => one.received.returnedIds).toEqual([2, 5, 6, 7]);
    // Of one that goes in parts, some were taken, some were sent, and some were not.
    one.transport.send('stopping', reply(8, 5_000_000));
    one.transport.send('stopping', reply(9));
    await eventually('some parts', () => seen.length > 10);
    lastAck(2, [], 3);
    await expect.poll(() => one.received.returnedIds).toEqual([2, 5, 6, 7, 8, 9]);
    await peer.end();
  });

  test('a host that stops takes nothing more, says so, and waits until it was heard itself', async () => {
    const [one, two, three] = [await started(), await started(), await started()];
    const to = two.transport.hostId;
    const peer = await makeWire('own', { servers: servers.urls });
    let arrived = 0;
    peer.wire.subscribe(frameSubject(APP, 'hesitant'), () => void arrived++);
    await peer.wire.flush();
    for (const callId of upTo(3)) one.transport.send(to, reply(callId));
    two.transport.send('hesitant', reply(1));
    await eventually('both have come', () => two.received.envelopes.length === 3 && arrived > 0);
    let isStopped = false;
    const stopped = two.transport.stop().then(() => (isStopped = true));
    for (const callId of [4, 5]) one.transport.send(to, reply(callId));
    // Nobody has heard of this one before.
    three.transport.send(to, reply(6));
    await expect.poll(() => [one.received.returnedIds, three.received.returnedIds]).toEqual([[4, 5], [6]]);
    one.transport.send(to, reply(7, 5_000_000));
    await expect.poll(() => one.received.returnedIds).toEqual([4, 5, 7]);
    expect([two.received.callIds, one.noResponders, isStopped]).toEqual([[1, 2, 3], [], false]);
    const ack = { stream: 1, sequence: 1, lost: [] };
    const head = { from: 'hesitant', place: undefined, ack, wantsAck: false, isLastAck: false };
    peer.wire.publish(frameSubject(APP, to), encodeFrame(head, []));
    await stopped;
    expect(two.received.undelivered).toEqual([]);
    await peer.end();
  });

  test('what is on its way to a host that is forgotten may still come back', async () => {
    const one = await started();
    one.transport.send('leaver', reply(1));
    // After the frame has gone, and before the server can have answered.
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        one.transport.send('leaver', reply(2));
        one.transport.forget('leaver');
        resolve();
      }),
    );
    expect(one.received.returnedIds).toEqual([2]);
    await expect.poll(() => one.received.returnedIds).toEqual([2, 1]);
  });

  test('a silent host costs a bounded queue, and others do not notice', async () => {
    const [one, two] = [await started(), await started()];
    // Listens and never says that anything came, as a frozen process does.
    const silent = await makeWire('own', { servers: servers.urls });
    let arrived = 0;
    silent.wire.subscribe(frameSubject(APP, 'silent'), ({ data }) => (arrived += data.length));
    await silent.wire.flush();
    let taken = 0;
    expect(() => {
      for (;;) {
        one.transport.send('silent', reply(taken + 1, 100_000));
        taken++;
      }
    }).toThrow(/does not keep up/);
    expect(taken).toBeLessThan(400);
    for (const callId of upTo(200)) one.transport.send(two.transport.hostId, reply(callId, 1_000));
    await expect.poll(() => two.received.callIds).toEqual(upTo(200));
    await silent.wire.flush();
    expect(arrived).toBeGreaterThan(1_000_000);
    expect(arrived).toBeLessThan(4_000_000);
    one.transport.forget('silent');
    // All that was not sent, in order; what was sent stays unknown.
    const sent = taken - one.received.returnedIds.length;
    expect(sent).toBeGreaterThan(10);
    expect(one.received.returnedIds).toEqual(upTo(taken).slice(sent));
    await silent.end();
  });

  test('everything arrives at a host that is slower than its senders', async () => {
    const [one, two] = [await started(), await started('nats')];
    let taken = 0;
    await eventually('20 MB', async () => {
      try {
        while (taken < 200) {
          one.transport.send(two.transport.hostId, reply(taken + 1, 100_000));
          taken++;
        }
      } catch {
        // Refused for now.
      }
      return two.received.envelopes.length === 200;
    });
    expect(two.received.callIds).toEqual(upTo(200));
    expect(one.received.undelivered).toEqual([]);
  });

  describe('while the connection is lost', () => {
    for (const kind of CLIENT_KINDS) {
      test(`over ${kind}: what is sent meanwhile arrives once, in order, and what was on its way at most once`, async () => {
        const [one, two] = [await started(kind), await started(kind)];
        const to = two.transport.hostId;
        const sent = new Set<number>();
        let callId = 0;
        const send = (): void => {
          one.transport.send(to, reply(++callId));
          sent.add(callId);
        };
        for (let count = 0; count < 200; count++) send();
        await servers.servers[0]!.kill();
        for (let count = 0; count < 200; count++) send();
        await eventually('both have noticed', () => [one, two].every(({ wire }) => wire.status === 'disconnected'));
        const firstAfter = callId + 1;
        for (let count = 0; count < 200; count++) send();
        await servers.servers[0]!.start();
        await eventually('every envelope sent while it was lost has arrived or come back', () => {
          const known = new Set([...two.received.callIds, ...one.received.returnedIds]);
          for (let id = firstAfter; id <= callId; id++) if (!known.has(id)) return false;
          return true;
        });
        const { callIds } = two.received;
        expect(callIds).toEqual([...new Set(callIds)].sort((a, b) => a - b));
        for (const id of one.received.returnedIds) expect(callIds).not.toContain(id);
        // It is as good as new.
        await eventually('the other one is connected too', () => two.wire.status === 'connected');
        await two.wire.flush();
        send();
        await eventually('it arrives', () => two.received.callIds.includes(callId));
      });
    }
  });

  test('a stop hands on what the others had sent, and what waits for a dead host comes back', async () => {
    const [one, two] = [await started(), await started()];
    for (const callId of upTo(100)) one.transport.send(two.transport.hostId, reply(callId));
    one.transport.send('nobody', reply(1));
    await one.transport.stop();
    await two.transport.stop();
    expect(two.received.callIds).toEqual(upTo(100));
    expect(one.received.returnedIds).toEqual([1]);
  });
});
