import { expect, test } from 'vitest';
import type { ClusterEffect } from '../../src/cluster/cluster-state.ts';
import { ProtocolCluster } from './protocol-cluster.ts';

/** A cluster at rest. */
function started(ids: readonly string[], partitionCount = 32): ProtocolCluster {
  const cluster = new ProtocolCluster(partitionCount);
  for (const id of ids) cluster.add(id);
  cluster.until(() => cluster.settled, 10_000);
  return cluster;
}

function effectsOf<Kind extends ClusterEffect['kind']>(
  cluster: ProtocolCluster,
  id: string,
  kind: Kind,
): (ClusterEffect & { kind: Kind })[] {
  return cluster.host(id).effects.filter((effect) => effect.kind === kind) as (ClusterEffect & { kind: Kind })[];
}

test('a lone host serves everything within a third of a second', () => {
  const cluster = new ProtocolCluster(256);
  cluster.add('a');
  expect(cluster.until(() => cluster.settled, 5_000)).toBeLessThanOrEqual(350);
  expect(cluster.owned('a')).toHaveLength(256);
});

test('hosts that start together take their shares without a drain', () => {
  const cluster = started(['a', 'b', 'c']);
  for (const id of ['a', 'b', 'c']) {
    expect(cluster.owned(id).length).toBeGreaterThan(0);
    expect(effectsOf(cluster, id, 'drain')).toEqual([]);
  }
  expect(cluster.history).toHaveLength(32);
});

test('a second host gets its share by drain, and each partition it takes was released for it', () => {
  const cluster = started(['a'], 256);
  cluster.history.length = 0;
  cluster.add('b');
  cluster.until(() => cluster.settled, 10_000);
  const share = cluster.owned('b').length;
  expect(share).toBeGreaterThan(80);
  expect(effectsOf(cluster, 'a', 'drain')).toHaveLength(share);
  expect(effectsOf(cluster, 'a', 'lost')).toEqual([]);
  expect(cluster.history.filter(([, { successor }]) => successor === 'b')).toHaveLength(share);
  expect(cluster.history).toHaveLength(2 * share);
});

test('a bounded number of partitions is drained at a time, and the holder owns them until it releases', () => {
  const cluster = started(['a'], 256);
  cluster.host('a').slowDrains = true;
  cluster.add('b');
  cluster.run(5_000);
  const drains = effectsOf(cluster, 'a', 'drain');
  expect(drains).toHaveLength(16);
  expect(cluster.owned('b')).toEqual([]);
  const { partition, epoch } = drains[0]!;
  cluster.input('a', { kind: 'drained', partition, epoch: epoch - 1 });
  expect(cluster.claims[partition]!.holder).toBe('a');
  cluster.input('a', { kind: 'drained', partition, epoch });
  expect(cluster.claims[partition]!.holder).toBe('b');
  expect(effectsOf(cluster, 'a', 'drain')).toHaveLength(17);
});

test('a partition whose newcomer is gone again before it was drained is kept', () => {
  const cluster = started(['a']);
  cluster.host('a').slowDrains = true;
  cluster.add('b');
  cluster.until(() => effectsOf(cluster, 'a', 'drain').length > 0, 5_000);
  cluster.kill('b');
  cluster.run(5_000);
  cluster.host('a').slowDrains = false;
  for (const { partition, epoch } of effectsOf(cluster, 'a', 'drain'))
    cluster.input('a', { kind: 'drained', partition, epoch });
  expect(cluster.settled).toBe(true);
  expect(cluster.history).toHaveLength(32);
});

test('a host that leaves hands everything over and is gone at once', () => {
  const cluster = started(['a', 'b', 'c']);
  cluster.input('a', { kind: 'stopAsked' });
  expect(cluster.until(() => cluster.settled, 5_000)).toBeLessThanOrEqual(500);
  expect(effectsOf(cluster, 'a', 'left')).toHaveLength(1);
  expect([...cluster.host('b').state.peers.keys()]).toEqual(['c']);
  expect(effectsOf(cluster, 'b', 'probe')).toEqual([]);
});

test('the last host releases everything', () => {
  const cluster = started(['a']);
  cluster.input('a', { kind: 'stopAsked' });
  cluster.run(100);
  expect(cluster.host('a').state.phase).toBe('left');
  expect(cluster.claims.every(({ holder }) => holder === undefined)).toBe(true);
});

test('a host that is killed is taken over within three seconds, and nothing else moves', () => {
  const cluster = started(['a', 'b', 'c']);
  const lost = cluster.owned('a').length;
  cluster.history.length = 0;
  cluster.kill('a');
  expect(cluster.until(() => cluster.settled, 10_000)).toBeLessThanOrEqual(3_500);
  const moved = new Set(cluster.history.map(([partition]) => partition)).size;
  expect(moved).toBeLessThanOrEqual(lost + 3);
});

test('a 503 on a call begins the probes at once', () => {
  const cluster = started(['a', 'b']);
  cluster.kill('a');
  cluster.input('b', { kind: 'noResponders', host: 'a' });
  expect(cluster.until(() => cluster.settled, 10_000)).toBeLessThanOrEqual(2_000);
});

test('a single 503 of a host that is heard afterwards harms nobody', () => {
  const cluster = started(['a', 'b']);
  cluster.input('b', { kind: 'noResponders', host: 'a' });
  cluster.run(30_000);
  expect(cluster.history).toHaveLength(32);
  expect(effectsOf(cluster, 'b', 'probe').length).toBeLessThan(8);
});

test('a frozen host keeps its partitions for fifteen seconds, has stopped before, and comes back as a newcomer', () => {
  const cluster = started(['a', 'b']);
  const owned = cluster.owned('a');
  cluster.freeze('a');
  cluster.run(9_000);
  expect(cluster.serving('a')).toBe(true);
  cluster.run(3_000);
  expect(cluster.serving('a')).toBe(false);
  expect(cluster.owned('a')).toEqual(owned);
  cluster.until(() => cluster.owned('a').length === 0, 6_000);
  cluster.thaw('a');
  expect(effectsOf(cluster, 'a', 'lost')).toHaveLength(owned.length);
  cluster.until(() => cluster.settled, 10_000);
  expect(cluster.owned('a')).toEqual(owned);
});

test('a host that thaws in time goes on when it has proved itself again', () => {
  const cluster = started(['a', 'b']);
  cluster.freeze('a');
  cluster.run(12_000);
  cluster.thaw('a');
  cluster.run(100);
  expect(cluster.serving('a')).toBe(true);
  expect(effectsOf(cluster, 'a', 'lost')).toEqual([]);
  expect(effectsOf(cluster, 'a', 'readClaim').length).toBeGreaterThanOrEqual(32 + cluster.owned('a').length);
  cluster.run(30_000);
  expect(cluster.history).toHaveLength(32);
});

test('NATS away for 30 s moves nothing (I19)', () => {
  const cluster = started(['a', 'b', 'c']);
  cluster.setNats(false);
  expect(cluster.serving('a')).toBe(false);
  cluster.run(30_000);
  expect(cluster.serving('a')).toBe(false);
  cluster.setNats(true);
  cluster.until(() => cluster.settled, 1_000);
  cluster.run(30_000);
  expect(cluster.history).toHaveLength(32);
  expect(effectsOf(cluster, 'a', 'servingAgain')).toHaveLength(2);
  expect(effectsOf(cluster, 'a', 'probe')).toEqual([]);
});

test('a host that died while NATS was away is taken over, and only it', () => {
  const cluster = started(['a', 'b', 'c']);
  const lost = cluster.owned('b').length;
  cluster.history.length = 0;
  cluster.setNats(false);
  cluster.kill('b');
  cluster.run(30_000);
  cluster.setNats(true);
  cluster.until(() => cluster.settled, 10_000);
  expect(new Set(cluster.history.map(([partition]) => partition)).size).toBeLessThanOrEqual(lost + 3);
});

test('a host that cannot prove itself does not answer, and judges nobody', () => {
  const cluster = started(['a', 'b', 'c']);
  cluster.passes = (from, to) => to !== 'a' || from === '';
  cluster.run(9_000);
  expect(cluster.serving('a')).toBe(true);
  cluster.run(3_000);
  expect(cluster.serving('a')).toBe(false);
  expect(effectsOf(cluster, 'a', 'probe').length).toBeLessThanOrEqual(12);
  expect(cluster.history).toHaveLength(32);
  cluster.passes = () => true;
  cluster.until(() => cluster.settled, 5_000);
  expect(cluster.history).toHaveLength(32);
});

test('when many are suspected together none is dead for ten seconds', () => {
  const cluster = started(['a', 'b', 'c', 'd', 'e']);
  cluster.history.length = 0;
  cluster.kill('d');
  cluster.kill('e');
  cluster.run(10_000);
  expect(cluster.history).toEqual([]);
  cluster.until(() => cluster.settled, 10_000);
});

test('the claims of a cluster that died as a whole are taken by the next one', () => {
  const cluster = started(['a', 'b', 'c']);
  for (const id of ['a', 'b', 'c']) cluster.kill(id);
  cluster.add('d');
  expect(cluster.until(() => cluster.settled, 10_000)).toBeLessThanOrEqual(2_500);
});

test('a newcomer leaves the claims of a frozen host alone that it never heard of', () => {
  const cluster = started(['a']);
  cluster.freeze('a');
  cluster.add('b');
  cluster.run(12_000);
  expect(cluster.owned('b')).toEqual([]);
  cluster.thaw('a');
  cluster.until(() => cluster.settled, 10_000);
});

test('old and repeated heartbeats change nothing', () => {
  const cluster = started(['a', 'b']);
  const { heartbeat } = effectsOf(cluster, 'a', 'heartbeat').at(-3)!;
  const old = { ...heartbeat, claims: [], announcement: { actorTypes: [], details: {} } };
  cluster.input('a', { kind: 'stopAsked' });
  cluster.run(1_000);
  expect(cluster.host('b').state.peers.size).toBe(0);
  cluster.input('b', { kind: 'heartbeat', heartbeat: old });
  cluster.run(1_000);
  expect(cluster.host('b').state.peers.size).toBe(0);
  expect(cluster.settled).toBe(true);
});

for (const fault of ['lost-before', 'lost-after'] as const) {
  test(`a claim or release whose answer is lost is asked again until it is decided (${fault})`, () => {
    const cluster = new ProtocolCluster(32);
    const faults = new Map<string, number>();
    cluster.claimFault = (host, effect) => {
      const key = `${host} ${effect.kind === 'claim' ? `${effect.partition} ${effect.holder}` : ''}`;
      faults.set(key, (faults.get(key) ?? 0) + 1);
      return faults.get(key)! <= 2 ? fault : 'none';
    };
    cluster.add('a');
    cluster.until(() => cluster.settled, 10_000);
    cluster.add('b');
    cluster.until(() => cluster.settled, 20_000);
    expect(cluster.history.map(([, { epoch }]) => epoch)).toEqual(cluster.history.map((_, index) => index + 1));
  });
}

test('a claim that lands after its host was told of another one is found and served', () => {
  const cluster = started(['a']);
  const b = cluster.add('b');
  cluster.until(() => cluster.settled, 10_000);
  const partition = cluster.owned('a')[0]!;
  // As from a buffer: the record names b, which knows nothing of it.
  const claim = cluster.seize(partition, 'b');
  cluster.input('a', { kind: 'claimSeen', partition, claim });
  expect(effectsOf(cluster, 'a', 'lost')).toEqual([{ kind: 'lost', partition }]);
  cluster.until(() => b.effects.some((effect) => effect.kind === 'acquired' && effect.epoch === claim.epoch), 5_000);
  cluster.until(() => cluster.claims[partition]!.holder === 'a', 5_000);
});

test('a host whose claim was superseded by one that died since is told so', () => {
  const cluster = started(['a', 'b']);
  const partition = cluster.owned('a')[0]!;
  const claim = cluster.seize(partition, 'x');
  cluster.input('b', { kind: 'claimSeen', partition, claim });
  cluster.until(() => effectsOf(cluster, 'a', 'lost').length === 1, 3_000);
  cluster.until(() => cluster.claims[partition]!.holder === 'a', 10_000);
});

test('missed broadcasts are made up for by heartbeats', () => {
  const cluster = started(['a', 'b', 'c']);
  cluster.passes = (_from, _to, { kind }) => kind !== 'claimSeen';
  cluster.kill('a');
  cluster.until(() => cluster.settled, 10_000);
  cluster.input('b', { kind: 'stopAsked' });
  cluster.until(() => cluster.settled, 10_000);
});

test('weights share partitions out', () => {
  const cluster = new ProtocolCluster(256);
  cluster.add('a', 3);
  cluster.add('b', 1);
  cluster.until(() => cluster.settled, 10_000);
  expect(cluster.owned('b').length).toBeLessThanOrEqual(77);
});
