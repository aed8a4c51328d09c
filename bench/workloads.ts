// The workloads of docs/performance.md.

import { w6 } from './actor-calls.ts';
import { w12 } from './gateway.ts';
import { w7 } from './idle-instances.ts';
import type { Workload } from './line.ts';
import { w10 } from './nats-hosts.ts';
import { w3, w4 } from './one-workflow.ts';
import { w5 } from './parked-workflows.ts';
import { w9 } from './repeated-load.ts';
import { w1, w2 } from './sequences.ts';
import { w11 } from './takeover.ts';
import { w13 } from './remote-worker.ts';
import { w8 } from './timers.ts';

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  W1: w1,
  W2: w2,
  W3: w3,
  W4: w4,
  W5: w5,
  W6: w6,
  W7: w7,
  W8: w8,
  W9: w9,
  W10: w10,
  W11: w11,
  W12: w12,
  W13: w13,
};
