// The gateway in front of several hosts: every request may go to any of them, whoever owns the instance, and while its
// owner changes.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { LocalNetwork, MemoryContents, MemoryStore, partitionOf } from '@troupe/actors';
import { startHost, type WorkflowHost } from '@troupe/workflow';
import { SharedPlacement } from '../../actors/test/shared-placement.ts';
import { activitiesOfTests, Caller, TestLogger, workflowsOfTests, type Answer } from './harness.ts';

const PARTITIONS = 6;
const HOSTS = ['one', 'two', 'three'] as const;
const W = '/v1.0/workflows';
type HostName = (typeof HOSTS)[number];

interface Member {
  readonly host: WorkflowHost;
  readonly store: MemoryStore;
  readonly caller: Caller;
  /** Hears and says nothing any more. */
  dead: boolean;
}

let placement: SharedPlacement;
let members: ReadonlyMap<HostName, Member>;

beforeEach(async () => {
  placement = new SharedPlacement(PARTITIONS);
  const network = new LocalNetwork();
  const contents = new MemoryContents();
  const started = new Map<HostName, Member>();
  for (const name of HOSTS) {
    const store = new MemoryStore({ contents });
    const transport = network.transport(name);
    const host = await startHost({
      store,
      transport: {
        hostId: name,
        start: (receiver) =>
          transport.start({
            receive: (from, envelope) => {
              if (started.get(name)?.dead !== true) receiver.receive(from, envelope);
            },
            undeliverable: (to, envelope) => receiver.undeliverable(to, envelope),
          }),
        stop: () => transport.stop(),
        send: (to, envelope) => {
          if (started.get(name)?.dead !== true) transport.send(to, envelope);
        },
      },
      placement: placement.of(name),
      partitionCount: PARTITIONS,
      workflows: workflowsOfTests,
      activities: activitiesOfTests,
      logger: new TestLogger(),
    });
    started.set(name, { host, store, caller: new Caller(host), dead: false });
  }
  members = started;
  for (let partition = 0; partition < PARTITIONS; partition++)
    await placement.move(partition, HOSTS[partition % HOSTS.length]);
});

afterEach(async () => {
  for (const { host, dead } of members.values()) if (!dead) await host.stop();
});

const on = (name: HostName): Caller => members.get(name)!.caller;
const partitionOfInstance = (id: string): number => partitionOf({ type: 'workflow', id }, PARTITIONS);
const ownerOf = (id: string): string | undefined => placement.ownerOf(partitionOfInstance(id));

/** Ends a host as a killed process would: nothing more is written or answered. */
function kill(name: HostName): void {
  const member = members.get(name)!;
  member.dead = true;
  member.store.crash();
}

/** An id of an instance that lives there. */
function idOn(name: HostName, prefix = 'i'): string {
  for (let index = 0; ; index++) if (ownerOf(`${prefix}${index}`) === name) return `${prefix}${index}`;
}

/** Begins a long poll that certainly waits at the owner when this resolves. */
async function polling(name: HostName, id: string, query = 'wait=50s'): Promise<{ answer: Promise<Answer> }> {
  const answer = on(name).get(`${W}/waiter/${id}?${query}`);
  // The poll reads first, then waits; a read that began later is answered later.
  for (let round = 0; round < 5; round++) await on(name).get(`${W}/waiter/${id}`);
  return { answer };
}

test('each step may go to another host than the owner', async () => {
  for (const owner of HOSTS) {
    const id = idOn(owner);
    expect(await on('one').post(`${W}/waiter/${id}/start`, 1)).toMatchObject({ status: 202 });
    const { answer } = await polling('two', id);
    expect((await on('three').post(`${W}/waiter/${id}/raiseEvent/go`, { from: 'three' })).status).toBe(202);
    expect(await answer).toMatchObject({
      status: 200,
      json: { runtimeStatus: 'COMPLETED', output: { from: 'three' } },
    });
    for (const name of HOSTS) {
      expect((await on(name).get(`${W}/waiter/${id}/history`)).json.events.length).toBeGreaterThan(2);
      expect((await on(name).post(`${W}/waiter/${id}/start`, 1)).status).toBe(409);
    }
    expect((await on('two').call('DELETE', `${W}/waiter/${id}`)).status).toBe(204);
    for (const name of HOSTS) expect((await on(name).get(`${W}/waiter/${id}`)).status).toBe(404);
  }
});

test('an idempotency key holds whichever host it comes to', async () => {
  const key = { 'idempotency-key': 'k' };
  const id = idOn('three');
  const first = await on('one').post(`${W}/waiter/${id}/start`, 1, key);
  const second = await on('two').post(`${W}/waiter/${id}/start`, 1, key);
  expect([first.status, second.status, second.text]).toEqual([202, 202, first.text]);
  expect([first, second].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
  expect((await on('three').post(`${W}/waiter/${id}/start`, 2, key)).status).toBe(422);
  for (const name of HOSTS)
    expect((await on(name).post(`${W}/waiter/${id}/raiseEvent/other`, 5, key)).status).toBe(202);
  const { json } = await on('one').get(`${W}/waiter/${id}/history`);
  expect(json.events.filter(({ type }: { type: string }) => type === 'EventRaised')).toHaveLength(1);
  // Without an id the key is the id: both find the same one.
  const unnamed = await Promise.all(
    HOSTS.map((name) => on(name).post(`${W}/echo/start`, 7, { 'idempotency-key': 'n' })),
  );
  expect(unnamed.map(({ status, json: { instanceId } }) => [status, instanceId])).toEqual(HOSTS.map(() => [202, 'n']));
});

test('of starts on all hosts at once, one wins', async () => {
  const id = idOn('two');
  const answers = await Promise.all(HOSTS.map((name) => on(name).post(`${W}/waiter/${id}/start`, name)));
  expect(answers.map(({ status }) => String(status)).sort()).toEqual(['202', '409', '409']);
});

test('a long poll goes on when the owner hands the instance over', async () => {
  const id = idOn('one');
  await on('one').started('waiter', id, 'RUNNING');
  const polls = await Promise.all(HOSTS.map((name) => polling(name, id)));
  for (const to of ['two', 'three', 'two'] as const) {
    await placement.move(partitionOfInstance(id), to);
    expect((await on('one').get(`${W}/waiter/${id}`)).json.runtimeStatus).toBe('RUNNING');
  }
  expect((await on('one').post(`${W}/waiter/${id}/raiseEvent/go`, 'at last')).status).toBe(202);
  for (const { answer } of polls)
    expect(await answer).toMatchObject({ status: 200, json: { runtimeStatus: 'COMPLETED', output: 'at last' } });
});

test('a long poll and a result go on when another host has the instance before its owner knows', async () => {
  const id = idOn('one');
  await on('one').started('waiter', id, 'RUNNING');
  const polls = await Promise.all(HOSTS.map((name) => polling(name, id)));
  const result = members.get('three')!.host.workflows.instance(id).result();
  placement.oust(partitionOfInstance(id), 'two');
  expect((await on('one').post(`${W}/waiter/${id}/raiseEvent/go`, 'at last')).status).toBe(202);
  for (const { answer } of polls) expect(await answer).toMatchObject({ status: 200, json: { output: 'at last' } });
  expect(await result).toBe('at last');
});

test('a long poll, a result and a read go on when the owner is killed', async () => {
  const id = idOn('one');
  await on('one').started('waiter', id, 'RUNNING');
  const polls = await Promise.all([polling('two', id), polling('three', id)]);
  const result = members.get('three')!.host.workflows.instance(id).result();
  kill('one');
  const read = on('two').get(`${W}/waiter/${id}`);
  placement.seize('one', 'three');
  expect((await read).json.runtimeStatus).toBe('RUNNING');
  expect((await on('two').post(`${W}/waiter/${id}/raiseEvent/go`, 'at last')).status).toBe(202);
  for (const { answer } of polls) expect(await answer).toMatchObject({ status: 200, json: { output: 'at last' } });
  expect(await result).toBe('at last');
});

test('a long poll and a result go on when the owner stops', async () => {
  const id = idOn('one');
  await on('one').started('waiter', id, 'RUNNING');
  const { answer } = await polling('two', id);
  const result = members.get('three')!.host.workflows.instance(id).result();
  await members.get('one')!.host.stop();
  expect(ownerOf(id)).not.toBe('one');
  expect((await on('two').post(`${W}/waiter/${id}/raiseEvent/go`, 'at last')).status).toBe(202);
  expect(await answer).toMatchObject({ status: 200, json: { output: 'at last' } });
  expect(await result).toBe('at last');
});

test('a long poll whose time is over is answered with what the owner knows, the same or a new one', async () => {
  const id = idOn('one');
  await on('one').started('waiter', id, 'RUNNING');
  const still = { status: 202, json: { runtimeStatus: 'RUNNING' } };
  for (const name of HOSTS) expect(await on(name).get(`${W}/waiter/${id}?wait=50ms`)).toMatchObject(still);
  const { answer } = await polling('two', id, 'wait=300ms');
  await placement.move(partitionOfInstance(id), 'three');
  expect(await answer).toMatchObject(still);
});

test('a list is the same on every host, and its pages may come from different ones', async () => {
  for (const owner of HOSTS) await on('one').started('waiter', idOn(owner, 'l'), 'RUNNING');
  const ids: string[] = [];
  let cursor = '';
  for (const name of HOSTS) {
    const { json } = await on(name).get(`${W}?limit=1${cursor}`);
    expect(json.counts.RUNNING).toBe(3);
    ids.push(...json.instances.map(({ instanceId }: { instanceId: string }) => instanceId));
    cursor = `&cursor=${encodeURIComponent(String(json.cursor))}`;
  }
  expect(new Set(ids)).toEqual(new Set(HOSTS.map((owner) => idOn(owner, 'l'))));
});

test('metadata and metrics are of one host, and name the others', async () => {
  const { json } = await on('two').get('/v1.0/metadata');
  expect(json.cluster).toEqual({ hostId: 'two', members: [...HOSTS] });
  const { text } = await on('two').get('/metrics');
  expect(text).toMatch(/^troupe_cluster_members 3$/m);
  expect(text).toMatch(/^troupe_host_partitions 2$/m);
});

test('a host that cannot prove what it owns says so, and answers when it can', async () => {
  const id = idOn('one');
  await on('one').started('waiter', id, 'RUNNING');
  placement.silent.add('one');
  expect(await on('one').get('/readyz')).toMatchObject({
    status: 503,
    json: { errorCode: 'NOT_READY', message: expect.stringContaining('cannot prove what it owns') },
  });
  expect((await on('one').get('/healthz')).status).toBe(200);
  expect((await on('one').get('/metrics')).text).toMatch(/^troupe_host_ready 0$/m);
  expect((await on('two').get('/readyz')).status).toBe(200);
  const answers = HOSTS.map((name) => on(name).post(`${W}/waiter/${id}/raiseEvent/go`, name));
  // Of what it does not own it tells: another host answers.
  expect((await on('one').get(`${W}/waiter/${idOn('two', 'none')}`)).status).toBe(404);
  placement.unsilence('one');
  for (const answer of await Promise.all(answers)) expect([202, 409]).toContain(answer.status);
  expect((await on('one').get('/readyz')).status).toBe(200);
  expect((await on('two').get(`${W}/waiter/${id}?wait=20s`)).json.runtimeStatus).toBe('COMPLETED');
});

test('a store that cannot serve is told by its own host', async () => {
  members.get('two')!.store.unavailable = true;
  expect(await on('two').get('/readyz')).toMatchObject({
    status: 503,
    json: { message: 'the store cannot serve; the log says why' },
  });
  expect((await on('one').get('/readyz')).status).toBe(200);
  members.get('two')!.store.unavailable = false;
  expect((await on('two').get('/readyz')).status).toBe(200);
});

test('a host without partitions is ready: it hands on; the last one is not', async () => {
  for (let partition = 0; partition < PARTITIONS; partition++) await placement.move(partition, 'one');
  expect((await on('two').get('/readyz')).status).toBe(200);
  const id = idOn('one');
  await on('two').started('waiter', id, 'RUNNING');
  await members.get('two')!.host.stop();
  await members.get('three')!.host.stop();
  expect((await on('one').get('/readyz')).status).toBe(200);
  for (let partition = 0; partition < PARTITIONS; partition++) await placement.move(partition, undefined);
  expect(await on('one').get('/readyz')).toMatchObject({
    status: 503,
    json: { errorCode: 'NOT_READY', message: 'the host holds no partitions' },
  });
});
