import { partitionOf, type HostId } from '@troupe/actors';

/** Rendezvous hashing: the host of the highest weight has it, and another one that comes or goes moves only its share. */
export function weightOf(hostId: HostId, key: string): number {
  return partitionOf({ type: hostId, id: key }, 2 ** 30);
}
