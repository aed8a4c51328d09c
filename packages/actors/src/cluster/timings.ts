/** How long things take. All hosts of an application use the same. */
export interface ClusterTimings {
  /** Between two heartbeats of a host. */
  readonly heartbeatMs: number;
  /** A member that is not heard of for this long is suspected. */
  readonly suspectMs: number;
  /** Between two probes of a suspect. */
  readonly probeMs: number;
  /** A suspect that nobody listens for, from one probe to another this much later, is dead. */
  readonly deadMs: number;
  /** A member that is silent for this long is dead though somebody listens for it: it is frozen or cut off. */
  readonly frozenMs: number;
  /** When many are suspected together, none is dead for this long. */
  readonly holdMs: number;
  /** After a connection was lost and made again nobody is suspected for this long. */
  readonly returnMs: number;
  /** A host judges others only while its own heartbeats come back, none older than this. */
  readonly judgeMs: number;
  /** Without a heartbeat that came back a host may answer for this long. */
  readonly proofMs: number;
  /** A newcomer that hears nobody for this long is alone. */
  readonly listenMs: number;
  /** Partitions move to a newcomer after this long, … */
  readonly settleMs: number;
  /** … put off by further newcomers, but no longer than this. */
  readonly settleMsMax: number;
  /** A named successor has this long to take what was released for it. */
  readonly successorMs: number;
  /** After this long without an answer, or after a failure, the claims are asked again. */
  readonly askAgainMs: number;
  readonly answerMsMax: number;
  /** A host that leaves and cannot release its claims goes after this long. */
  readonly leaveMsMax: number;
}

export const CLUSTER_TIMINGS: ClusterTimings = {
  heartbeatMs: 1_000,
  // One heartbeat, by as much as a busy event loop may be late.
  suspectMs: 1_200,
  probeMs: 250,
  // A client whose server died needs less than this to subscribe at another one.
  deadMs: 1_500,
  // Longer than an election of a stream leader (4 to 9 s), and than `proofMs`: who is taken for dead has stopped before.
  frozenMs: 15_000,
  holdMs: 10_000,
  // The others' clients may be slower to come back.
  returnMs: 3_000,
  // Two heartbeats and a half: who does not hear itself does not hear the others either.
  judgeMs: 2_500,
  proofMs: 10_000,
  // Many round trips; a lone host serves this long after its start.
  listenMs: 250,
  // Hosts that start together are counted together.
  settleMs: 1_000,
  settleMsMax: 3_000,
  successorMs: 1_000,
  askAgainMs: 500,
  // Longer than a store takes to say that it does not answer.
  answerMsMax: 10_000,
  leaveMsMax: 5_000,
};

/** Partitions that a host drains at a time: few calls wait at once, and a large host is still emptied within a second. */
export const DRAINS_MAX = 16;
/** The same for a host that leaves: its stop has a bound. */
export const DRAINS_MAX_LEAVING = 64;
/** Hosts that are gone are remembered, so that what is on its way from them is known for old: these many, the newest. */
export const GONE_MAX = 1_000;
