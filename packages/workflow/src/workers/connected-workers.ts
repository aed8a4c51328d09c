import { CoveredCode } from './covered-code.ts';
import { ofEachKind, WORK_KINDS, type ConnectedWorker, type PooledItem, type WorkKind } from './pooled-item.ts';

/** The workers of a pool: what they cover together, and which of them may have room for something that waits. */
export class ConnectedWorkers {
  readonly #workers = new Set<ConnectedWorker>();
  readonly #ready = new Set<ConnectedWorker>();
  /** Made when it is asked for. */
  #covered: Readonly<Record<WorkKind, CoveredCode>> | undefined;

  get size(): number {
    return this.#workers.size;
  }

  get covered(): Readonly<Record<WorkKind, CoveredCode>> {
    if (this.#covered === undefined) {
      const all = [...this.#workers];
      this.#covered = ofEachKind((kind) => CoveredCode.merged(all.map(({ covered }) => covered[kind])));
    }
    return this.#covered;
  }

  inHand(): Record<WorkKind, number> {
    const sum = ofEachKind(() => 0);
    for (const { inHandOf } of this.#workers) for (const kind of WORK_KINDS) sum[kind] += inHandOf[kind];
    return sum;
  }

  add(worker: ConnectedWorker): void {
    this.#workers.add(worker);
    this.#ready.add(worker);
    this.#covered = undefined;
  }

  remove(worker: ConnectedWorker): void {
    worker.connected = false;
    this.#workers.delete(worker);
    this.#ready.delete(worker);
    this.#covered = undefined;
  }

  clear(): void {
    for (const worker of this.#workers) this.remove(worker);
  }

  /** It may have room now. */
  ready(worker: ConnectedWorker): void {
    if (worker.connected) this.#ready.add(worker);
  }

  /** There is nothing for it, or it has no room. */
  rest(worker: ConnectedWorker): void {
    this.#ready.delete(worker);
  }

  /** Something waits: whoever has room for it is ready. */
  wake({ request, avoided }: PooledItem): void {
    for (const worker of this.#workers)
      if (worker !== avoided && worker.hasRoom(request.kind) && worker.mayTake(request)) this.#ready.add(worker);
  }

  /** Whether it can avoid this worker: another one may take it. */
  canAvoid({ request }: PooledItem, avoided: ConnectedWorker | undefined): boolean {
    if (avoided === undefined || !avoided.connected) return false;
    for (const worker of this.#workers) if (worker !== avoided && worker.mayTake(request)) return true;
    return false;
  }

  /** Of those that are ready; and of several the one that has not been given anything for the longest. */
  leastLoaded(): ConnectedWorker | undefined {
    let least: ConnectedWorker | undefined;
    for (const worker of this.#ready) {
      const more = least === undefined ? -1 : worker.inHand.size - least.inHand.size;
      if (more < 0 || (more === 0 && worker.lastDispatch < least!.lastDispatch)) least = worker;
    }
    return least;
  }
}
