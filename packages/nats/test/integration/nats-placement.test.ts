import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock, type HostId, type PartitionId, type PlacementListener } from '@troupe/actors';
import { ClaimRecords } from '../../src/claim-records.ts';
import { JetStream } from '../../src/jetstream.ts';
import { HostMismatchError } from '../../src/errors.ts';
import { NatsPlacement } from '../../src/nats-placement.ts';
import { InboxRequests } from '../../src/requests.ts';
import { StuckStreams } from '../../src/stuck-streams.ts';
import { membersSubject } from '../../src/subjects.ts';
import { eventually } from './eventually.ts';
import { NatsServers } from './nats-servers.ts';
import { describeWithNats, natsServerProgram } from './needs-server.ts';
import { makeWire, type MadeWire } from './wires.ts';

const PARTITIONS = 64;

/** What a host was told, and when. */
class Told implements PlacementListener {
  readonly lines: string[] = [];
  readonly held = new Map<PartitionId, number>();
  changes = 0;
  drainMs = 0;
  /** Checked with each partition that is acquired. */
  onAcquired: (partition: PartitionId) => void = () => {};
  onLeaving: () => Promise<void> = async () => {};

  acquired(partition: PartitionId, epoch: number): void {
    this.lines.push(`acquired ${partition} ${epoch}`);
    this.held.set(partition, epoch);
    this.onAcquired(partition);
  }

  async drain(partition: PartitionId): Promise<void> {
    this.lines.push(`drain ${partition}`);
    await new Promise((resolve) => systemClock.setTimeout(() => resolve(undefined), this.drainMs));
    this.held.delete(partition);
  }

  lost(partition: PartitionId): void {
    this.lines.push(`lost ${partition}`);
    this.held.delete(partition);
  }

  ownerChanged(): void {
    this.changes++;
  }

  membersChanged(): void {
    this.lines.push('members');
  }

  async leaving(): Promise<void> {
    await this.onLeaving();
  }

  servingAgain(): void {
    this.lines.push('serving');
  }

  count(word: string): number {
    return this.lines.filter((line) => line.startsWith(word)).length;
  }
}

interface TestHost extends MadeWire {
  readonly id: HostId;
  readonly app: string;
  readonly placement: NatsPlacement;
  readonly told: Told;
  readonly gone: HostId[];
}

interface TestHostOptions {
  readonly actorTypes?: readonly string[];
  readonly drainMs?: number;
}

describeWithNats('NatsPlacement', () => {
  let servers: NatsServers;
  const hosts: TestHost[] = [];
  /** Partitions that two hosts that may answer held at once. */
  const overlaps: string[] = [];
  let apps = 0;

  beforeAll(async () => {
    servers = await NatsServers.start(1, { program: natsServerProgram() });
  });

  afterEach(async () => {
    await Promise.all(hosts.map(({ placement }) => placement.stop()));
    await Promise.all(hosts.splice(0).map((host) => host.end()));
    expect(overlaps).toEqual([]);
  });

  afterAll(() => servers.end());

  /** A name of its own for each test, and its stream. */
  async function newApp(): Promise<string> {
    const app = `placement-${++apps}`;
    const made = await makeWire('own', { servers: servers.urls });
    const requests = new InboxRequests(made.wire, systemClock);
    const name = streamOf(app);
    const config = { name, subjects: [`tr.${app}.o.*`], storage: 'file', max_msgs_per_subject: 1 };
    await requests.ask(`$JS.API.STREAM.CREATE.${name}`, Buffer.from(JSON.stringify(config)), 10_000);
    requests.stop();
    await made.end();
    return app;
  }

  async function prepare(app: string, id: HostId, options: TestHostOptions = {}): Promise<TestHost> {
    const made = await makeWire('own', { servers: servers.urls });
    const told = new Told();
    told.drainMs = options.drainMs ?? 0;
    const gone: HostId[] = [];
    const requests = new InboxRequests(made.wire, systemClock);
    const placement = new NatsPlacement({
      app,
      hostId: id,
      partitionCount: PARTITIONS,
      announcement: { actorTypes: options.actorTypes ?? ['counter'], details: { id } },
      wire: made.wire,
      requests,
      stuck: new StuckStreams(requests, systemClock, made.log),
      names: namesOf(app),
      clock: systemClock,
      logger: made.log,
      onGone: (hostId) => gone.push(hostId),
    });
    const host: TestHost = { ...made, id, app, placement, told, gone };
    told.onAcquired = (partition) => {
      for (const other of hosts)
        if (other !== host && other.app === app && other.placement.serving && other.told.held.has(partition))
          overlaps.push(`${partition}: ${id} and ${other.id}`);
    };
    hosts.push(host);
    return host;
  }

  async function start(app: string, id: HostId, options?: TestHostOptions): Promise<TestHost> {
    const host = await prepare(app, id, options);
    await host.placement.start(host.told);
    return host;
  }

  /** Every partition has one owner of these, all of them say the same, and none holds more than its share. */
  async function settled(...members: TestHost[]): Promise<void> {
    const share = Math.ceil((1.2 * PARTITIONS) / members.length);
    await eventually('settled', () => {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const owner = members[0]!.placement.ownerOf(partition);
        if (!members.some(({ id, told }) => id === owner && told.held.has(partition))) return false;
        if (members.some(({ placement }) => placement.ownerOf(partition) !== owner)) return false;
      }
      return (
        members.every(({ placement, told }) => placement.serving && told.held.size <= share) &&
        members.reduce((sum, { told }) => sum + told.held.size, 0) === PARTITIONS
      );
    });
  }

  test('one host serves quickly, and the claims say so', async () => {
    const app = await newApp();
    const beganMs = performance.now();
    const host = await start(app, 'a');
    await settled(host);
    console.log(`one host serves after ${Math.round(performance.now() - beganMs)} ms`);
    const requests = new InboxRequests(host.wire, systemClock);
    const records = new ClaimRecords(new JetStream(requests), namesOf(app), () => {});
    for (const [partition, epoch] of host.told.held)
      expect(await records.read(partition)).toEqual({ epoch, holder: 'a', successor: undefined });
    requests.stop();
    expect(host.placement.members()).toEqual([
      { hostId: 'a', announcement: { actorTypes: ['counter'], details: { id: 'a' } } },
    ]);
  });

  test('a second host gets its half by drain', async () => {
    const app = await newApp();
    const a = await start(app, 'a', { drainMs: 20 });
    await settled(a);
    const beganMs = performance.now();
    const b = await start(app, 'b');
    await settled(a, b);
    console.log(`a second host has its half after ${Math.round(performance.now() - beganMs)} ms`);
    expect(b.told.held.size).toBeGreaterThan(PARTITIONS / 4);
    await eventually('what is drained is handed over', () => a.told.count('drain') === b.told.held.size);
    expect(a.told.count('lost')).toBe(0);
    expect(b.placement.members().map(({ hostId }) => hostId)).toEqual(['b', 'a']);
  });

  test('a host that stops hands everything over', async () => {
    const app = await newApp();
    const [a, b, c] = await Promise.all([start(app, 'a'), start(app, 'b'), start(app, 'c')]);
    await settled(a, b, c);
    const beganMs = performance.now();
    await c.placement.stop();
    await settled(a, b);
    console.log(`handed over after ${Math.round(performance.now() - beganMs)} ms`);
    expect(c.told.held.size).toBe(0);
    expect(c.told.count('lost')).toBe(0);
    expect(a.gone).toEqual(['c']);
    expect(a.log.lines).toEqual([]);
  });

  test('a host that stops is a member until it has ended what it does for the others', async () => {
    const app = await newApp();
    const [a, b] = await Promise.all([start(app, 'a'), start(app, 'b')]);
    await settled(a, b);
    let leave = (): void => {};
    const left = new Promise<void>((resolve) => (leave = resolve));
    b.told.onLeaving = () => {
      expect([...b.told.held]).toEqual([]);
      return left;
    };
    const stopped = b.placement.stop();
    await settled(a);
    // Longer than any message takes that had been sent.
    await Promise.all([a.wire.flush(), b.wire.flush()]);
    expect([a.gone, a.placement.members().map(({ hostId }) => hostId)]).toEqual([[], ['a', 'b']]);
    leave();
    await stopped;
    await eventually('it is gone', () => a.gone.includes('b'));
  });

  test('a host that dies is taken over', async () => {
    const app = await newApp();
    const [a, b, c] = await Promise.all([start(app, 'a'), start(app, 'b'), start(app, 'c')]);
    await settled(a, b, c);
    const figuresMs: number[] = [];
    for (const victim of [c, b]) {
      const rest = victim === c ? [a, b] : [a];
      const kept = new Map(a.told.held);
      const beganMs = performance.now();
      await victim.kill();
      expect(victim.placement.serving).toBe(false);
      await settled(...rest);
      figuresMs.push(Math.round(performance.now() - beganMs));
      for (const [partition, epoch] of kept) expect(a.told.held.get(partition)).toBe(epoch);
    }
    console.log(`taken over after ${figuresMs.join(' and ')} ms`);
    expect(a.gone).toEqual(['c', 'b']);
  });

  test('a host that others were told nobody listens at is probed at once', async () => {
    const app = await newApp();
    const [a, b] = await Promise.all([start(app, 'a'), start(app, 'b')]);
    await settled(a, b);
    const beganMs = performance.now();
    await b.kill();
    await eventually('the server knows', () => b.wire.status === 'closed');
    a.placement.noResponders('b');
    await settled(a);
    console.log(`taken over after a 503 after ${Math.round(performance.now() - beganMs)} ms`);
  });

  test('the claims of hosts that all died are taken by the next', async () => {
    const app = await newApp();
    const [a, b] = await Promise.all([start(app, 'a'), start(app, 'b')]);
    await settled(a, b);
    await Promise.all([a.kill(), b.kill()]);
    const beganMs = performance.now();
    const c = await start(app, 'c');
    await settled(c);
    console.log(`a new host has taken everything after ${Math.round(performance.now() - beganMs)} ms`);
  });

  test('a server that is restarted evicts nobody', async () => {
    const app = await newApp();
    const [a, b] = await Promise.all([start(app, 'a'), start(app, 'b')]);
    await settled(a, b);
    const held = [new Map(a.told.held), new Map(b.told.held)];
    const [server] = servers.servers;
    await server!.kill();
    await eventually('nobody serves', () => !a.placement.serving && !b.placement.serving);
    await new Promise((resolve) => systemClock.setTimeout(() => resolve(undefined), 5_000));
    const beganMs = performance.now();
    await server!.start();
    await settled(a, b);
    console.log(`serving again ${Math.round(performance.now() - beganMs)} ms after the server was started`);
    // Long enough for whoever was wrongly suspected to be dead.
    await new Promise((resolve) => systemClock.setTimeout(() => resolve(undefined), 6_000));
    expect([a.told.held, b.told.held]).toEqual(held);
    expect(a.told.count('lost') + b.told.count('lost') + a.told.count('drain') + b.told.count('drain')).toBe(0);
    expect(a.told.count('serving')).toBe(2);
    expect(a.gone).toEqual([]);
  });

  test('applications do not see each other', async () => {
    const [first, second] = [await newApp(), await newApp()];
    const [a, b] = await Promise.all([start(first, 'a'), start(second, 'b')]);
    await Promise.all([settled(a), settled(b)]);
    expect(a.placement.members().map(({ hostId }) => hostId)).toEqual(['a']);
    expect([a.told.held.size, b.told.held.size]).toEqual([PARTITIONS, PARTITIONS]);
  });

  test('a host that lacks an actor type of a member is not let in', async () => {
    const app = await newApp();
    const a = await start(app, 'a', { actorTypes: ['counter', 'ledger'] });
    await settled(a);
    const b = await prepare(app, 'b', { actorTypes: ['counter'] });
    const refusal = await b.placement.start(b.told).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(HostMismatchError);
    expect(String(refusal)).toContain('a has ledger');
    await eventually('it is gone again', () => a.gone.includes('b'));
    await settled(a);
    expect(a.told.count('drain')).toBe(0);
  });

  test('actor types that only a newcomer has are warned of', async () => {
    const app = await newApp();
    const a = await start(app, 'a');
    const b = await start(app, 'b', { actorTypes: ['counter', 'ledger'] });
    await settled(a, b);
    expect(b.log.has('warn', 'another host lacks actor types of this one')).toBe(true);
  });

  test('whatever an enemy says on the subject of all hosts is dropped', async () => {
    const app = await newApp();
    const a = await start(app, 'a');
    await settled(a);
    const held = new Map(a.told.held);
    const enemy = await makeWire('own', { servers: servers.urls });
    for (const text of ['', '{}', '\u0093', 'x'.repeat(1_000)])
      enemy.wire.publish(membersSubject(app), Buffer.from(text, 'latin1'));
    await enemy.wire.flush();
    await eventually('it was read', () => a.log.has('warn', 'not understood'));
    await settled(a);
    expect(a.told.held).toEqual(held);
    await enemy.end();
  });
});

function streamOf(app: string): string {
  return `TROUPE_${app}_0`;
}

function namesOf(app: string) {
  return { streamOf: () => streamOf(app), claim: (partition: PartitionId) => `tr.${app}.o.${partition}` };
}
