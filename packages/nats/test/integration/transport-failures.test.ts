// What becomes of envelopes when the process at the other end dies, stands still, or is cut off by the server.

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { systemClock, type CallEnvelope, type Envelope, type HostId } from '@troupe/actors';
import { childProgram } from '../../../../scripts/bundled.mjs';
import { NatsTransport } from '../../src/nats-transport.ts';
import { frameSubject } from '../../src/subjects.ts';
import { Child } from './child.ts';
import { eventually } from './eventually.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';
import { makeWire } from './wires.ts';

const APP = 'failures';
const PROGRAM = fileURLToPath(new URL('transport-host.ts', import.meta.url));

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function startServer(configuration?: string): Promise<string> {
  const servers = await NatsServers.start(1, {
    program: natsServerProgram(),
    ...(configuration === undefined ? {} : { configuration }),
  });
  ends.push(() => servers.end());
  return servers.urls[0]!;
}

/** A host in a process of its own that answers every call. */
async function startAnswering(url: string, hostId: HostId): Promise<Child> {
  const args = [...(await childProgram(PROGRAM)), url, APP, hostId];
  const child = new Child(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  ends.push(() => child.kill());
  const [line] = (await once(child.process.stdout!, 'data')) as [Buffer];
  expect(line.toString()).toContain('ready');
  return child;
}

/** A host that calls, and knows what became of each call. */
class Caller {
  readonly transport: NatsTransport;
  readonly answered: number[] = [];
  readonly returned: number[] = [];
  readonly noResponders = new Set<HostId>();
  #callId = 0;

  constructor(transport: (noResponders: Set<HostId>) => NatsTransport) {
    this.transport = transport(this.noResponders);
  }

  static async start(url: string): Promise<Caller> {
    const { wire, log, end } = await makeWire('own', { servers: url });
    const caller = new Caller(
      (noResponders) =>
        new NatsTransport({
          app: APP,
          hostId: 'caller',
          wire,
          clock: systemClock,
          logger: log,
          onNoResponders: (hostId) => noResponders.add(hostId),
        }),
    );
    ends.push(end);
    const callIdOf = (envelope: Envelope): number => ('callId' in envelope ? envelope.callId : -1);
    await caller.transport.start({
      receive: (_, envelope) => caller.answered.push(callIdOf(envelope)),
      undeliverable: (_, envelope) => caller.returned.push(callIdOf(envelope)),
    });
    return caller;
  }

  /** @throws {LimitError} when too much waits */
  call(to: HostId, bytes = 100): number {
    const envelope: CallEnvelope = {
      kind: 'call',
      callId: this.#callId + 1,
      address: { type: 't', id: 'i' },
      method: 'm',
      args: new Uint8Array(bytes),
      timeoutMs: undefined,
      idempotencyKey: undefined,
      chain: [],
      traceparent: undefined,
      send: undefined,
    };
    this.transport.send(to, envelope);
    return ++this.#callId;
  }

  /** Calls until one is refused. Returns those that were taken. */
  callUntilRefused(to: HostId, bytes: number): number[] {
    const taken: number[] = [];
    expect(() => {
      for (;;) taken.push(this.call(to, bytes));
    }).toThrow(/does not keep up/);
    return taken;
  }
}

/** In order, each once. */
function expectOrdered(callIds: readonly number[]): void {
  expect(callIds).toEqual([...new Set(callIds)].sort((a, b) => a - b));
}

function expectDisjoint(some: readonly number[], others: readonly number[]): void {
  const set = new Set(some);
  expect(others.filter((callId) => set.has(callId))).toEqual([]);
}

describeWithNats('a host in another process', () => {
  test('that is killed: calls are answered or come back, never both, and later ones all come back', async () => {
    const url = await startServer();
    const [caller, child] = [await Caller.start(url), await startAnswering(url, 'victim')];
    let killed: Promise<void> | undefined;
    await eventually('it is seen to be dead', () => {
      for (let count = 0; count < 50; count++) caller.call('victim');
      if (caller.answered.length > 500) killed ??= child.kill();
      return caller.returned.length > 0;
    });
    await killed;
    const after = Array.from({ length: 20 }, () => caller.call('victim'));
    await eventually('they have come back', () => caller.returned.includes(after.at(-1)!));
    expect(caller.returned.slice(-after.length)).toEqual(after);
    expect([...caller.noResponders]).toEqual(['victim']);
    expectOrdered(caller.answered);
    expectDisjoint(caller.answered, caller.returned);
  });

  test('that stands still: it costs a bounded queue, others answer, and it answers all of it afterwards', async () => {
    const url = await startServer();
    const [caller, child] = [await Caller.start(url), await startAnswering(url, 'frozen')];
    await startAnswering(url, 'lively');
    caller.call('frozen');
    await eventually('it answers', () => caller.answered.length === 1);
    child.freeze();
    const taken = caller.callUntilRefused('frozen', 100_000);
    await eventually('the window is full', () => {
      try {
        taken.push(caller.call('frozen', 100_000));
        return false;
      } catch {
        return taken.length > 10;
      }
    });
    const lively = Array.from({ length: 500 }, () => caller.call('lively'));
    await eventually('the other one answers', () => caller.answered.includes(lively.at(-1)!));
    expectDisjoint(taken, caller.answered);
    expect(caller.returned).toEqual([]);
    child.thaw();
    await eventually('it answers all of it', () => caller.answered.includes(taken.at(-1)!));
    const answered = caller.answered.filter((callId) => !lively.includes(callId));
    expect(answered).toEqual([1, ...taken]);
    expect(caller.returned).toEqual([]);
  });

  test('that the server cuts off, since it is too slow: what it missed comes back', async () => {
    const url = await startServer('max_pending: 1200000');
    const [caller, child] = [await Caller.start(url), await startAnswering(url, 'slow')];
    // A window alone is less than what fits between the server and a process that stands still.
    const flooder = await makeWire('own', { servers: url });
    ends.push(flooder.end);
    const taken = [caller.call('slow')];
    await eventually('it answers', () => caller.answered.length === 1);
    child.freeze();
    await eventually('it is cut off', async () => {
      for (let count = 0; count < 10; count++) {
        taken.push(caller.call('slow'));
        flooder.wire.publish(frameSubject(APP, 'slow'), new Uint8Array(300_000));
      }
      await flooder.wire.flush();
      return caller.noResponders.has('slow');
    });
    const refused = caller.returned.length;
    child.thaw();
    await eventually(
      'each is answered or has come back',
      () => {
        try {
          // Whatever comes later tells what was lost before.
          taken.push(caller.call('slow'));
        } catch {
          // Refused, for now.
        }
        const known = new Set([...caller.answered, ...caller.returned]);
        return caller.answered.includes(taken.at(-2)!) && taken.slice(0, -1).every((callId) => known.has(callId));
      },
      40_000,
    );
    // More than those that nobody listened to: what the server had taken and threw away.
    expect(caller.returned.length).toBeGreaterThan(refused);
    // Answers too were lost, and given again where that was certain: none came twice.
    expect(new Set(caller.answered).size).toBe(caller.answered.length);
    expectDisjoint(caller.answered, caller.returned);
  });
});
