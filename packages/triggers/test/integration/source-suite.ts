// The suite of sources: what each kind has to do, against its real server, with hosts that are real processes. A kind's test
// file calls it with a kit (source-kit.ts).
//
// TROUPE_ROUNDS makes it as large as the acceptance asks; `npm run triggers` shows what it comes to (scripts/triggers.mjs). Without
// it, what takes long and hardly depends on the kind is run for one kind of each way to read.

import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { describeWithNats, natsServerProgram } from '../../../nats/test/integration/needs-server.ts';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import { NatsServers } from '../../../nats/test/integration/nats-servers.ts';
import { acceptance, isClean, range, type AcceptanceOptions } from './acceptance.ts';
import { boundedMemory, unsettledComesAgain } from './scenarios.ts';
import { Scene } from './scene.ts';
import type { OriginServer, SourceKit } from './source-kit.ts';
import type { FoundDeadLetter } from './trigger-host-settings.ts';
import { thorough as full } from './thorough.ts';
import { TriggerHosts, type TriggerHostsOptions } from './trigger-hosts.ts';

/** One that every host reads, and one that one host reads. */
const THOROUGH_KINDS = ['jetstream', 'files'];
/** Where results go as JSON lines, for a table. */
const results = process.env['TROUPE_TRIGGERS_RESULTS'];

const ACCEPTANCE: AcceptanceOptions = full
  ? { events: 1_000, duplicates: 100, kills: 5, seed: Number(process.env['TROUPE_SEED'] ?? 1) }
  : { events: 100, duplicates: 10, kills: 2, seed: 1 };
const BACKLOG = full ? { events: 10_000, paddingBytes: 16 * 1024 } : { events: 750, paddingBytes: 192 * 1024 };
const FEW = 4;
const ATTEMPTS = 3;
/** More than are made while a host runs. */
export const ATTEMPTS_MANY = 1_000;
const TIMEOUT_MS = full ? 900_000 : 120_000;

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

function tell(result: object): void {
  if (results !== undefined) appendFileSync(results, `${JSON.stringify(result)}\n`);
}

/** Runs all that is expected of a kind. */
export function sourceSuite<S extends OriginServer>(kit: SourceKit<S>): void {
  describe(`a source of kind ${kit.kind}`, { timeout: TIMEOUT_MS }, () => sourceTests(kit));
}

function sourceTests<S extends OriginServer>(kit: SourceKit<S>): void {
  const { durable = true, kind, oneByOne = false, padding = true, runsOn, trace = true, valueAt } = kit;
  const thorough = full || THOROUGH_KINDS.includes(kind);
  let server: S;
  let scenes = 0;

  beforeAll(async () => {
    server = await kit.server();
  }, 120_000);
  afterAll(async () => {
    await server?.end();
  }, 60_000);

  const newName = (): string => `${kind}-${process.pid}-${++scenes}`;

  /** A new origin and hosts that do not run yet, for one test. */
  async function scene(options: Partial<TriggerHostsOptions> & { readonly count?: number } = {}): Promise<Scene> {
    const trigger = newName();
    const origin = await kit.origin(server, trigger);
    const { count = 1, ...settings } = options;
    const hosts = await TriggerHosts.prepare(count, { kind, trigger, origin, valueAt, ...settings });
    onTestFinished(async () => {
      await hosts.end();
      await origin.end?.();
    });
    return new Scene(origin, hosts);
  }

  const tellPoison = (failure: string, { attempts, error }: FoundDeadLetter, retried: string): void => {
    tell({ kind, failure, configured: ATTEMPTS, attempts, error: `${error.name}: ${error.message}`, retried });
  };

  test('each event starts one instance, whatever is killed and published twice', async () => {
    const result = await acceptance(kit, server, newName(), ACCEPTANCE);
    tell({ ...result, clean: isClean(result) });
    expect(result).toMatchObject({ instances: ACCEPTANCE.events, lost: [], doubled: [] });
    expect(isClean(result), JSON.stringify(result)).toBe(true);
  });

  test('an event is delivered once, with its trace, and twice published it is a duplicate', async () => {
    const at = await scene();
    const { evidence, host } = at.hosts;
    await host.start();
    await at.hosts.ready();
    await at.publish(range(0, 20), trace ? { traceparent: TRACEPARENT } : {});
    await at.done();
    if (at.origin.publishAgain !== undefined) {
      await at.origin.publishAgain(range(0, 20), at.hosts);
      await at.done();
      await eventually('the duplicates are settled', () => evidence.settled().length >= 40 || runsOn === 'one-host');
    }
    await at.expectRight();
    const started = evidence.settled().filter(({ outcome }) => outcome === 'started');
    expect(started.map(({ instanceId }) => String(instanceId)).sort()).toEqual(at.ids());
    if (trace) {
      const traces = evidence.runs().map(({ traceparent }) => traceparent?.split('-')[1]);
      expect(new Set(traces)).toEqual(new Set([TRACE_ID]));
    }

    // A dry run sees what would be done, and does nothing.
    const unseen = { source: 'urn:dry', id: '1', type: 'run', extensions: {}, headers: {}, data: { number: 1 } };
    expect(await host.ask.dryRun({ ...unseen, time: new Date(0).toISOString() })).toMatch(/^(start|failure)$/);
    await at.expectRight();
    expect(await host.ask.deadLetters()).toEqual([]);
  });

  test.runIf(durable)('a host that is killed between create and acknowledge has started one instance', async () => {
    const at = await scene();
    const { evidence, host } = at.hosts;
    await host.start({ killAfter: 1 });
    const published = at.publish([7]);
    await host.ended();
    expect(evidence.settled()).toMatchObject([{ outcome: 'started', killed: true }]);
    await host.start();
    await published;
    await at.done();
    await at.settled(2);
    await at.expectRight();
    expect(evidence.settled().map(({ outcome }) => outcome)).toEqual(['started', 'duplicate']);
  });

  test('a failing event is a dead letter after exactly its attempts, and starts its instance once that is mended', async () => {
    const at = await scene({ attemptsMax: ATTEMPTS });
    const { evidence, host } = at.hosts;
    await host.start({ rule: 'try-later' });
    await at.hosts.ready();
    await at.publish([1]);
    const [letter] = await at.deadLetters();
    expect(letter).toMatchObject({
      reason: 'exhausted',
      attempts: ATTEMPTS,
      error: { name: 'TryLaterError', message: 'not now' },
    });
    expect(evidence.attempts()).toHaveLength(ATTEMPTS);
    await at.acknowledged();

    // Still failing: one more attempt, and it stays.
    expect(await host.ask.retry(letter!.id)).toBe('dead-lettered');
    expect(await host.ask.deadLetters()).toMatchObject([{ id: letter!.id, attempts: ATTEMPTS + 1 }]);
    expect(await host.ask.instances('take')).toEqual([]);

    await host.stop();
    await host.start({ rule: 'start' });
    expect(await host.ask.retry(letter!.id)).toBe('started');
    await at.done();
    await at.expectRight();
    expect(await host.ask.deadLetters()).toEqual([]);
    tellPoison('mapping', letter!, 'started');
  });

  test.runIf(durable).each(thorough ? (['stop', 'kill'] as const) : [])(
    'what is not settled at the %s of its host comes again',
    async (end) => {
      await unsettledComesAgain(await scene({ attemptsMax: ATTEMPTS_MANY }), { end, ...(oneByOne && { held: 1 }) });
    },
  );

  test('a graceful stop loses nothing, and leaves nothing to come again', async () => {
    const at = await scene({ concurrency: 8 });
    const { evidence, host } = at.hosts;
    await host.start();
    await at.hosts.ready();
    const published = at.publish(range(0, 200));
    await at.settled(20);
    if (durable) {
      expect(await host.stop()).toEqual({ code: 0, signal: null });
      await host.start();
    }
    await published;
    await at.done();
    await at.expectRight();
    expect(evidence.settled().filter(({ outcome }) => outcome === 'duplicate')).toEqual([]);
    expect(await host.stop()).toEqual({ code: 0, signal: null });
  });

  test('a restart of the server is lived through', async ({ skip }) => {
    if (server.restart === undefined) return skip('there is no server');
    const at = await scene({ concurrency: FEW });
    await at.hosts.host.start();
    await at.hosts.ready();
    await at.publish(range(0, 100));
    await at.settled(durable ? 10 : 100);
    await server.restart();
    if (!durable) await at.publishUntilOneArrives(100);
    await at.publish(range(200, 300));
    await at.done();
    await at.expectRight();
  });

  if (!thorough) return;

  test('an event that its schema refuses is a dead letter at once', async () => {
    const at = await scene({ attemptsMax: ATTEMPTS });
    const { host } = at.hosts;
    await host.start({ rule: 'refuse' });
    await at.hosts.ready();
    await at.publish([1, 2]);
    const letters = await at.deadLetters();
    for (const { attempts, error, reason } of letters) {
      expect({ attempts, error, reason }).toMatchObject({
        attempts: 1,
        error: { name: 'ValidationError' },
        reason: 'permanent',
      });
    }
    await at.acknowledged();
    // They outlive their host.
    await host.kill();
    await host.start({ rule: 'start' });
    expect(await at.deadLetters()).toEqual(letters);
    for (const { id } of letters) expect(await host.ask.retry(id)).toBe('started');
    await at.done();
    await at.expectRight();
    expect(await host.ask.deadLetters()).toEqual([]);
  });

  test('an event for an instance that is not there is a dead letter after its attempts, and raised once it is', async () => {
    const at = await scene({ attemptsMax: ATTEMPTS });
    const { host } = at.hosts;
    await host.start({ rule: 'raise' });
    await at.hosts.ready();
    const [event] = await at.publish([5]);
    const [letter] = await at.deadLetters();
    expect(letter).toMatchObject({ reason: 'exhausted', attempts: ATTEMPTS, error: { name: 'InstanceNotFoundError' } });
    await at.acknowledged();
    await host.ask.start('await-go', 'the-one', null);
    expect(await host.ask.retry(letter!.id)).toBe('raised');
    expect(await host.ask.result('the-one')).toEqual(event);
    expect(await host.ask.deadLetters()).toEqual([]);
    tellPoison('raise', letter!, 'raised');
  });

  test('a backlog goes through bounded memory, a few at a time', async () => {
    const at = await scene({ concurrency: FEW });
    const paddingBytes = padding ? BACKLOG.paddingBytes : undefined;
    await boundedMemory(at, {
      ...(padding ? BACKLOG : { events: 500 }),
      paddingBytes,
      concurrency: FEW,
      durable,
      timeoutMs: TIMEOUT_MS,
    });
  });

  describeWithNats('on two hosts', () => {
    let nats: NatsServers;

    beforeAll(async () => {
      nats = await NatsServers.start(1, { program: natsServerProgram() });
    });
    afterAll(async () => {
      await nats?.end();
    });

    test.runIf(runsOn === 'every-host')('they share the events', async () => {
      const at = await scene({ count: 2, nats: nats.urls, concurrency: FEW });
      const { evidence, hosts } = at.hosts;
      await Promise.all(hosts.map((host) => host.start()));
      await Promise.all(hosts.map((host) => host.waitUntilOpen()));
      await at.publish(range(0, 200));
      await at.done();
      await at.expectRight();
      for (const { by } of hosts) expect(evidence.settled().filter((settled) => settled.by === by)).not.toEqual([]);

      // What the killed one had goes to the other.
      if (!durable) return;
      const more = at.publish(range(200, 300));
      await at.settled(220);
      await hosts[0]!.kill();
      await more;
      await at.done();
      await at.expectRight();
    });

    test.runIf(runsOn === 'one-host')(
      'one reads, and when it is killed the other goes on',
      { timeout: TIMEOUT_MS },
      async () => {
        const at = await scene({ count: 2, nats: nats.urls, concurrency: FEW });
        const { hosts } = at.hosts;
        await Promise.all(hosts.map((host) => host.start()));
        await at.hosts.ready();
        await at.publish(range(0, 50));
        await at.done();
        const reports = await Promise.all(hosts.map(({ ask }) => ask.report()));
        expect(reports.filter(({ open }) => open)).toHaveLength(1);
        const more = at.publish(range(50, 100));
        await at.settled(60);
        await hosts[reports.findIndex(({ open }) => open)]!.kill();
        await more;
        await at.done();
        await at.expectRight();
      },
    );
  });
}
