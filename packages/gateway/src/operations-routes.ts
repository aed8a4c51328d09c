// What operators and probes ask.

// Inlined by the build: whoever bundles us further has no package.json of ours beside the code.
import manifest from '../package.json' with { type: 'json' };
import { jsonResponse, type HttpCall } from './http-call.ts';
import type { RequestMetrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import { Problem } from './problem.ts';
import { RETRY_AFTER_S } from './limits.ts';
import type { Route } from './route.ts';

/** The version of this package. */
export const VERSION: string = manifest.version;

/** Probes, metrics and documents. `allRoutes` is asked when the OpenAPI document is first wanted. */
export function operationsRoutes(metrics: RequestMetrics, allRoutes: () => readonly Route[]): readonly Route[] {
  const open = { method: 'GET', group: 'operations', scope: undefined } as const;
  const healthy = (): Response => new Response(null, { status: 204 });
  return [
    {
      ...open,
      path: '/healthz',
      operationId: 'health',
      summary: 'Whether the process answers.',
      answers: { 200: 'It does.' },
      handle: () => jsonResponse(200, { status: 'ok' }),
    },
    {
      ...open,
      path: '/readyz',
      operationId: 'readiness',
      summary: 'Whether the host can take work.',
      answers: { 200: 'It can.', 503: 'It cannot; the message says why.' },
      handle: readiness,
    },
    // Dapr's clients wait for these before their first call.
    {
      ...open,
      path: '/v1.0/healthz',
      operationId: 'daprHealth',
      summary: "Dapr's health check.",
      answers: { 204: 'Healthy.' },
      handle: healthy,
    },
    {
      ...open,
      path: '/v1.0/healthz/outbound',
      operationId: 'daprOutboundHealth',
      summary: "Dapr's health check.",
      answers: { 204: 'Healthy.' },
      handle: healthy,
    },
    {
      ...open,
      scope: 'read',
      path: '/metrics',
      operationId: 'metrics',
      summary: "Counters and gauges in Prometheus' text format.",
      answers: { 200: 'The metrics.' },
      handle: async ({ environment: { host, triggers } }) =>
        new Response(metrics.text(host, (await triggers?.list()) ?? []), {
          headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
        }),
    },
    {
      ...open,
      scope: 'read',
      path: '/openapi.json',
      operationId: 'openApi',
      summary: 'This document.',
      answers: { 200: 'OpenAPI 3.1.' },
      handle: (call) => jsonResponse(200, openApiDocument(allRoutes(), VERSION, call.prefix)),
    },
    {
      ...open,
      scope: 'read',
      path: '/v1.0/metadata',
      operationId: 'metadata',
      summary: 'What this host is and runs.',
      answers: { 200: 'The host.' },
      handle: metadata,
    },
  ];
}

function readiness(call: HttpCall): Response {
  const { ready, reason } = call.environment.host.status();
  if (ready && !call.environment.draining) return jsonResponse(200, { status: 'ready' });
  throw new Problem(503, 'NOT_READY', {
    message: call.environment.draining ? 'the host is stopping' : (reason ?? 'the host is not ready'),
    headers: { 'retry-after': String(RETRY_AFTER_S) },
  });
}

function metadata(call: HttpCall): Response {
  const { host, appId, draining } = call.environment;
  const { workflows, activities } = host.registered();
  const activeActors = Object.entries(host.actors.status().activations).map(([type, count]) => ({ type, count }));
  return jsonResponse(200, {
    id: appId,
    runtimeVersion: VERSION,
    actorRuntime: { runtimeStatus: 'RUNNING', hostReady: host.status().ready && !draining, activeActors },
    // A host that has code is a worker too.
    workflows: { connectedWorkers: host.workers.connected + (workflows.length > 0 ? 1 : 0), registered: workflows },
    activities,
    cluster: { hostId: host.actors.hostId, members: host.actors.members().map(({ hostId }) => hostId) },
  });
}
