/** What happens to messages, to operations of the store and to hosts of a simulation. */
export interface SimulationFaults {
  /** Probabilities per message. */
  readonly messageDrop: number;
  /**
   * Not of calls that nothing but the transport keeps from running twice: the port promises that it does. Durable
   * sends, replies and the rest are doubled.
   */
  readonly messageDuplicate: number;
  /** It may come before earlier ones of its pair, or long after later ones. */
  readonly messageReorder: number;
  /** It is slow, and so are those behind it. */
  readonly messageDelay: number;
  /** Probabilities per operation of the store: it fails without having been carried out, */
  readonly storeTimeoutBefore: number;
  /** … although it was carried out, */
  readonly storeTimeoutAfter: number;
  /** … and is carried out afterwards, */
  readonly storeLateWrite: number;
  /** … or it, or its answer, is slow: what was read may be old when it is seen. */
  readonly storeSlow: number;
  /**
   * Hosts that stand still, or hear nothing, are taken for dead before they can know it, and go on serving until they
   * hear: more than placement may do. What is durable stays right all the same; reads may be old.
   */
  readonly unfenced: boolean;
  /** Mean time between two disturbances of the kinds below. Infinity: none. */
  readonly disturbanceEveryMs: number;
  /** How often each kind is chosen, against the others. */
  readonly disturbances: Readonly<Record<Disturbance, number>>;
}

/**
 * - `pause`: a host stands still for up to 100 s; what comes for it is held. It may lose its partitions meanwhile.
 * - `kill`: a host is gone, and comes back after up to 5 s.
 * - `move`: a partition is drained and given to another host.
 * - `cut`: messages from one host to another are lost for up to 10 s.
 * - `leader-loss`: no operation of the store is carried out for 4 to 20 s.
 * - `watch-gap`: a host hears nothing of placement, and placement nothing of it, for up to 30 s. It may lose its
 *   partitions meanwhile.
 * - `clock-jump`: a host's clock jumps by up to 10 s, either way.
 */
export type Disturbance = 'pause' | 'kill' | 'move' | 'cut' | 'leader-loss' | 'watch-gap' | 'clock-jump';

/** Nothing goes wrong; what happens at one instant is still ordered by the seed. */
export const NO_FAULTS: SimulationFaults = {
  messageDrop: 0,
  messageDuplicate: 0,
  messageReorder: 0,
  messageDelay: 0,
  storeTimeoutBefore: 0,
  storeTimeoutAfter: 0,
  storeLateWrite: 0,
  storeSlow: 0,
  unfenced: false,
  disturbanceEveryMs: Infinity,
  disturbances: { pause: 0, kill: 0, move: 0, cut: 0, 'leader-loss': 0, 'watch-gap': 0, 'clock-jump': 0 },
};

/** Everything goes wrong now and then. */
export const ALL_FAULTS: SimulationFaults = {
  messageDrop: 0.02,
  messageDuplicate: 0.05,
  messageReorder: 0.05,
  messageDelay: 0.05,
  storeTimeoutBefore: 0.02,
  storeTimeoutAfter: 0.02,
  storeLateWrite: 0.02,
  storeSlow: 0.05,
  unfenced: false,
  disturbanceEveryMs: 1_500,
  disturbances: { pause: 4, kill: 3, move: 4, cut: 2, 'leader-loss': 1, 'watch-gap': 2, 'clock-jump': 1 },
};
