// The rpcs that are served. Whatever has no entry here is UNIMPLEMENTED, which clients know how to tell.

import { daprRpcs } from './dapr-rpcs.ts';
import { healthRpcs } from './health-rpcs.ts';
import { historyRpcs } from './history-rpcs.ts';
import { instanceRpcs } from './instance-rpcs.ts';
import { purgeRpcs } from './purge-rpcs.ts';
import { queryRpcs } from './query-rpcs.ts';
import { repeatRpcs } from './repeat-rpcs.ts';
import { restartRpcs } from './restart-rpcs.ts';
import type { Rpc } from './rpc.ts';
import { workerRpcs } from './worker-rpcs.ts';

export const RPCS: readonly Rpc[] = [
  ...instanceRpcs,
  ...purgeRpcs,
  ...queryRpcs,
  ...historyRpcs,
  ...restartRpcs,
  ...repeatRpcs,
  ...workerRpcs,
  ...daprRpcs,
  ...healthRpcs,
];
