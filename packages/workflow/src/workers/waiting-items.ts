// Items of one kind that wait for a worker with room, in their order. A worker is given the first that it may take without a
// look at those that it may not take, however many they are: the items of each code are a chain of their own, and items that
// shall rather not go to some worker are apart from the others, in its lane.

import { Chain } from './chain.ts';
import type { CoveredCode } from './covered-code.ts';
import type { ConnectedWorker, PooledItem } from './pooled-item.ts';

export class WaitingItems {
  /** By the worker that their items avoid. None is empty. */
  readonly #lanes = new Map<ConnectedWorker | undefined, Lane>();
  #lastOrder = 0;
  #firstOrder = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: PooledItem): void {
    item.order = ++this.#lastOrder;
    this.#length += 1;
    this.#laneFor(item).add(item, false);
  }

  unshift(item: PooledItem): void {
    item.order = --this.#firstOrder;
    this.#length += 1;
    this.#laneFor(item).add(item, true);
  }

  remove(item: PooledItem): void {
    const lane = this.#lanes.get(item.avoided)!;
    lane.remove(item);
    if (lane.isEmpty) this.#lanes.delete(item.avoided);
    this.#length -= 1;
  }

  /** The first of those that need not avoid this worker and whose code is covered. */
  first(worker: ConnectedWorker, covered: CoveredCode): PooledItem | undefined {
    let first: PooledItem | undefined;
    for (const [avoided, lane] of this.#lanes) {
      if (avoided !== worker) first = earlier(first, lane.first(covered));
    }
    return first;
  }

  /** Those whose code is not covered. */
  uncovered(covered: CoveredCode): PooledItem[] {
    return [...this.#lanes.values()].flatMap((lane) => lane.uncovered(covered));
  }

  /** Those that avoid a worker. */
  avoiding(): PooledItem[] {
    return [...this.#lanes].flatMap(([avoided, lane]) => (avoided === undefined ? [] : [...lane.all]));
  }

  #laneFor({ avoided }: PooledItem): Lane {
    let lane = this.#lanes.get(avoided);
    if (lane === undefined) this.#lanes.set(avoided, (lane = new Lane()));
    return lane;
  }
}

class Lane {
  readonly all = new Chain<PooledItem>();
  /** By name, then by version. None is empty. */
  readonly #codes = new Map<string, Map<string, Chain<PooledItem>>>();

  get isEmpty(): boolean {
    return this.all.first === undefined;
  }

  add(item: PooledItem, inFront: boolean): void {
    const { name, version } = item.request;
    let versions = this.#codes.get(name);
    if (versions === undefined) this.#codes.set(name, (versions = new Map()));
    let chain = versions.get(version);
    if (chain === undefined) versions.set(version, (chain = new Chain()));
    if (inFront) {
      this.all.unshift(item.inLane);
      chain.unshift(item.inCode);
    } else {
      this.all.push(item.inLane);
      chain.push(item.inCode);
    }
  }

  remove(item: PooledItem): void {
    const { name, version } = item.request;
    const versions = this.#codes.get(name)!;
    const chain = versions.get(version)!;
    this.all.remove(item.inLane);
    chain.remove(item.inCode);
    if (chain.first !== undefined) return;
    versions.delete(version);
    if (versions.size === 0) this.#codes.delete(name);
  }

  first(covered: CoveredCode): PooledItem | undefined {
    if (covered.isAny) return this.all.first;
    let first: PooledItem | undefined;
    const names = covered.names.size < this.#codes.size ? covered.names : this.#codes;
    for (const name of names.keys()) {
      for (const [version, chain] of this.#codes.get(name) ?? [])
        if (covered.covers(name, version)) first = earlier(first, chain.first);
    }
    return first;
  }

  uncovered(covered: CoveredCode): PooledItem[] {
    const found: PooledItem[] = [];
    for (const [name, versions] of this.#codes) {
      for (const [version, chain] of versions)
        if (!covered.covers(name, version)) for (const item of chain) found.push(item);
    }
    return found;
  }
}

function earlier(a: PooledItem | undefined, b: PooledItem | undefined): PooledItem | undefined {
  return a === undefined || (b !== undefined && b.order < a.order) ? b : a;
}
