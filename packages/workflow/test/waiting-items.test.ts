import { describe, expect, test } from 'vitest';
import { CoveredCode, type ListedCode } from '../src/workers/covered-code.ts';
import { ConnectedWorker, PooledItem } from '../src/workers/pooled-item.ts';
import type { ActivityRequest } from '../src/workers/pool-request.ts';
import { WaitingItems } from '../src/workers/waiting-items.ts';

/** Counts how often it is asked. */
class CountingCode extends CoveredCode {
  asked = 0;

  override covers(name: string, version: string): boolean {
    this.asked += 1;
    return super.covers(name, version);
  }
}

function anItem(instanceId: string, name: string, version = ''): PooledItem {
  const request: ActivityRequest = {
    kind: 'activity',
    instanceId,
    sequence: 0,
    executionId: 'e',
    name,
    version,
    length: undefined,
    item: () => expect.unreachable(),
    answered: () => expect.unreachable(),
    lost: () => expect.unreachable(),
  };
  return new PooledItem(request, instanceId);
}

const aWorker = (): ConnectedWorker =>
  new ConnectedWorker({
    filters: undefined,
    workflowsMax: 1,
    entitiesMax: 1,
    activitiesMax: 1,
    itemsMax: 1,
    keepsHistory: false,
    send: () => expect.unreachable(),
  });

function taken(waiting: WaitingItems, worker: ConnectedWorker, covered: CoveredCode, countMax = Infinity): string[] {
  const ids: string[] = [];
  while (ids.length < countMax) {
    const item = waiting.first(worker, covered);
    if (item === undefined) return ids;
    waiting.remove(item);
    ids.push(item.request.instanceId);
  }
  return ids;
}

const only = (...names: string[]): ListedCode => names.map((name) => ({ name, versions: [] }));

describe('the order', () => {
  test('is that in which they came, but for those in front, whatever their names', () => {
    const waiting = new WaitingItems();
    for (const id of ['a1', 'b2', 'a3', 'c4']) waiting.push(anItem(id, id[0]!));
    for (const id of ['b0', 'a0']) waiting.unshift(anItem(id, id[0]!));
    const worker = aWorker();
    expect(taken(waiting, worker, new CoveredCode(only('a', 'b')), 3)).toEqual(['a0', 'b0', 'a1']);
    expect(taken(waiting, worker, new CoveredCode('any'))).toEqual(['b2', 'a3', 'c4']);
    expect(waiting.length).toBe(0);
  });

  test('of several versions of a name is that of all that are covered', () => {
    const waiting = new WaitingItems();
    for (const version of ['2', '1', '', '3', '1']) waiting.push(anItem(version, 'a', version));
    expect(taken(waiting, aWorker(), new CoveredCode([{ name: 'a', versions: ['1', '3'] }]))).toEqual([
      '1',
      '',
      '3',
      '1',
    ]);
    expect(waiting.uncovered(new CoveredCode(only('b'))).map(({ request }) => request.version)).toEqual(['2']);
  });

  test('passes over those that avoid the worker', () => {
    const waiting = new WaitingItems();
    const [one, other] = [aWorker(), aWorker()];
    for (const [id, avoided] of [
      ['a', one],
      ['b', undefined],
      ['c', one],
      ['d', other],
    ] as const) {
      const item = anItem(id, 'n');
      item.avoided = avoided;
      waiting.push(item);
    }
    expect(waiting.avoiding().map(({ request }) => request.instanceId)).toEqual(['a', 'c', 'd']);
    expect(taken(waiting, one, new CoveredCode('any'))).toEqual(['b', 'd']);
    expect(taken(waiting, one, new CoveredCode('any'))).toEqual([]);
    expect(taken(waiting, other, new CoveredCode(only('n')))).toEqual(['a', 'c']);
  });
});

describe('the cost', () => {
  const many = (): WaitingItems => {
    const waiting = new WaitingItems();
    for (let index = 0; index < 20_000; index++) waiting.push(anItem(`i${index}`, `n${index % 200}`));
    return waiting;
  };

  test('of the next for one name does not depend on what waits for others', () => {
    const covered = new CountingCode(only('n199'));
    expect(taken(many(), aWorker(), covered)).toHaveLength(100);
    expect(covered.asked).toBe(100);
  });

  test('for a worker of thousands of names is that of the names that something waits for', () => {
    const covered = new CountingCode(only(...Array.from({ length: 5_000 }, (_, index) => `n${index}`)));
    expect(taken(many(), aWorker(), covered, 10)).toHaveLength(10);
    expect(covered.asked).toBe(10 * 200);
  });

  test('of the next for any name is none', () => {
    const covered = new CountingCode('any');
    expect(taken(many(), aWorker(), covered)).toHaveLength(20_000);
    expect(covered.asked).toBe(0);
  });
});
