// A cluster whose hosts note in the ledger which partitions they hold and which commits were accepted. It stands at the
// ports, and so sees what any cluster does.

import {
  formatAddress,
  type Cluster,
  type ClusterParts,
  type Commit,
  type CommitSource,
  type Placement,
  type PlacementListener,
  type Store,
} from '@troupe/actors';
import type { Ledger } from './ledger.ts';

export interface Observation {
  readonly cluster: Cluster;
  /** The placement of the host, once it is connected. */
  placement(): Placement | undefined;
}

/** @param isNoted the actor types whose commits are noted: those of workflows would be many */
export function observed(cluster: Cluster, ledger: Ledger, isNoted: (type: string) => boolean): Observation {
  let placement: Placement | undefined;
  return {
    placement: () => placement,
    cluster: {
      async connect(context): Promise<ClusterParts> {
        const parts = await cluster.connect(context);
        placement = parts.placement;
        return {
          store: observedStore(parts.store, ledger, isNoted),
          transport: parts.transport,
          placement: observedPlacement(parts.placement, ledger),
        };
      },
    },
  };
}

/** The object with some of its methods replaced; it keeps its own `this`. */
function overlaid<T extends object>(target: T, overlay: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Object.hasOwn(overlay, name)
        ? overlay[name as keyof T]
        : Reflect.get(target, name, target);
      return typeof value === 'function' && !Object.hasOwn(overlay, name) ? value.bind(target) : value;
    },
  });
}

function observedPlacement(placement: Placement, ledger: Ledger): Placement {
  const held = new Map<number, number>();
  return overlaid(placement, {
    start: (listener) => {
      const note = (event: 'draining' | 'released' | 'lost', partition: number): void =>
        ledger.write({ kind: 'claim', event, partition, epoch: held.get(partition) ?? 0 });
      return placement.start(
        overlaid<PlacementListener>(listener, {
          acquired: (partition, epoch) => {
            held.set(partition, epoch);
            ledger.write({ kind: 'claim', event: 'acquired', partition, epoch });
            listener.acquired(partition, epoch);
          },
          drain: async (partition) => {
            note('draining', partition);
            await listener.drain(partition);
            note('released', partition);
          },
          lost: (partition) => {
            note('lost', partition);
            listener.lost(partition);
          },
        }),
      );
    },
  });
}

function observedStore(store: Store, ledger: Ledger, isNoted: (type: string) => boolean): Store {
  // Stores keep things at the source: it is always met as the same one.
  const sources = new WeakMap<CommitSource, CommitSource>();
  return overlaid(store, {
    commit: (source) => {
      if (!isNoted(source.address.type)) return store.commit(source);
      let noted = sources.get(source);
      if (noted === undefined) {
        noted = observedSource(source, ledger);
        sources.set(source, noted);
      }
      return store.commit(noted);
    },
  });
}

function observedSource(source: CommitSource, ledger: Ledger): CommitSource {
  const actor = formatAddress(source.address);
  let sealed: Commit | undefined;
  return {
    address: source.address,
    seal: () => (sealed = source.seal()),
    accepted: (revision) => {
      const { id, expectedRevision } = sealed!;
      ledger.write({ kind: 'commit', actor, commit: `${id.writer}.${id.sequence}`, expectedRevision, revision });
      source.accepted(revision);
    },
    refused: (error) => source.refused(error),
  };
}
