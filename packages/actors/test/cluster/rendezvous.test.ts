import { expect, test } from 'vitest';
import { proposedOwners, type Candidate } from '../../src/cluster/rendezvous.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';

const PARTITIONS = 256;

function hosts(count: number, random: SeededRandom, weigh: () => number = () => 1): Candidate[] {
  return Array.from({ length: count }, () => ({
    hostId: `host-${random.integer(0, 2 ** 31).toString(36)}`,
    weight: weigh(),
  }));
}

function counts(owners: readonly string[]): Map<string, number> {
  const result = new Map<string, number>();
  for (const owner of owners) result.set(owner, (result.get(owner) ?? 0) + 1);
  return result;
}

test('the order of the candidates does not matter', () => {
  const random = new SeededRandom(1);
  const candidates = hosts(7, random);
  const shuffled = [...candidates].sort(() => random.next() - 0.5);
  expect(proposedOwners(shuffled, PARTITIONS)).toEqual(proposedOwners(candidates, PARTITIONS));
});

test('every partition has an owner, and no host more than a fifth above its share, whatever the weights', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const candidates = hosts(random.integer(1, 10), random, () => random.pick([0.5, 1, 1, 2, 4]));
    const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
    const owned = counts(proposedOwners(candidates, PARTITIONS));
    expect([...owned.values()].reduce((sum, count) => sum + count, 0)).toBe(PARTITIONS);
    for (const { hostId, weight } of candidates)
      expect(owned.get(hostId) ?? 0).toBeLessThanOrEqual(Math.ceil((1.2 * PARTITIONS * weight) / weights));
  }
});

test('a host that joins or leaves moves at most 1.3 times the ideal number (I20)', () => {
  let moves = 0;
  let ideals = 0;
  for (let seed = 1; seed <= 40; seed++) {
    for (let count = 2; count <= 10; count++) {
      const candidates = hosts(count, new SeededRandom(1000 * seed + count));
      const after = proposedOwners(candidates, PARTITIONS);
      const before = proposedOwners(candidates.slice(1), PARTITIONS);
      const moved = after.filter((owner, partition) => owner !== before[partition]).length;
      // Shares are whole numbers.
      expect(moved, `${count} hosts, seed ${seed}`).toBeLessThanOrEqual(Math.ceil((1.3 * PARTITIONS) / count));
      moves += moved;
      ideals += PARTITIONS / count;
    }
  }
  expect(moves / ideals).toBeLessThan(1.05);
});

test('few partitions and many hosts, no hosts, one host', () => {
  expect(proposedOwners([], 4)).toEqual([]);
  expect(proposedOwners([{ hostId: 'a', weight: 1 }], 3)).toEqual(['a', 'a', 'a']);
  const owners = proposedOwners(hosts(10, new SeededRandom(3)), 2);
  expect(owners).toHaveLength(2);
  expect(owners.every((owner) => owner !== undefined)).toBe(true);
});
