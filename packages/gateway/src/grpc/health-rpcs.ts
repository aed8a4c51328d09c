// The health service. https://github.com/grpc/grpc/blob/master/doc/health-checking.md

import { status } from '@grpc/grpc-js';
import { HEALTH_WATCH_INTERVAL_MS } from '../limits.ts';
import { GrpcFailure } from './grpc-failure.ts';
import { TASK_HUB, unary, type GrpcCall, type Rpc } from './rpc.ts';
import { codecOf } from './schema.ts';

const SERVICE = 'grpc.health.v1.Health';
const HEALTH = { serving: 1, notServing: 2, serviceUnknown: 3 } as const;
/** The services that have a health: that of the whole server. */
const SERVED: ReadonlySet<string> = new Set(['', TASK_HUB, 'dapr.proto.runtime.v1.Dapr']);

interface DecodedCheck {
  readonly service: string;
}

export const healthRpcs: readonly Rpc[] = [
  unary<DecodedCheck>({
    service: SERVICE,
    rpc: 'Check',
    scope: undefined,
    request: 'HealthCheckRequest',
    response: 'HealthCheckResponse',
    handle: async ({ service }, call) => {
      if (!SERVED.has(service))
        throw new GrpcFailure(status.NOT_FOUND, `no service ${JSON.stringify(service)} is served`);
      return { status: healthOf(service, call) };
    },
  }),
  {
    kind: 'stream',
    service: SERVICE,
    rpc: 'Watch',
    scope: undefined,
    handle: async (bytes, call, answers) => {
      const base = codecOf('base');
      const { service } = base.decode<DecodedCheck>('HealthCheckRequest', bytes);
      let told: number | undefined;
      while (!call.signal.aborted) {
        const health = healthOf(service, call);
        if (health !== told && !answers.write(base.encode('HealthCheckResponse', { status: health })))
          await answers.drained();
        told = health;
        await pause(call);
      }
      if (call.parts.draining.aborted)
        answers.write(base.encode('HealthCheckResponse', { status: healthOf(service, call) }));
    },
  },
];

function healthOf(service: string, { parts }: GrpcCall): number {
  if (!SERVED.has(service)) return HEALTH.serviceUnknown;
  return parts.host.status().ready && !parts.draining.aborted ? HEALTH.serving : HEALTH.notServing;
}

function pause({ parts, signal }: GrpcCall): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = parts.host.actors.clock.setTimeout(done, HEALTH_WATCH_INTERVAL_MS);
    signal.addEventListener('abort', done);
  });
}
