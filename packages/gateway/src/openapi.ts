// The OpenAPI 3.1 document of the routes: https://spec.openapis.org/oas/v3.1.1.html

import type { Route } from './route.ts';

type Json = Record<string, unknown>;

/** Describes the routes. `prefix` is where they are mounted. */
export function openApiDocument(routes: readonly Route[], version: string, prefix: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  return {
    openapi: '3.1.0',
    info: { title: 'Troupe workflows', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: prefix === '' ? '/' : prefix }],
    security: [{}, { bearer: [] }, { daprApiToken: [] }],
    tags: [
      { name: 'workflows', description: 'Type and id in the path. The type "-" stands for any, but not for start.' },
      { name: 'triggers', description: 'Events that start and drive workflows, and those that could not be handled.' },
      { name: 'dapr', description: "Dapr's workflow API; also under /v1.0-alpha1 and /v1.0-beta1." },
      { name: 'operations', description: 'Probes, metrics, documents.' },
    ],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        daprApiToken: { type: 'apiKey', in: 'header', name: 'dapr-api-token' },
      },
      schemas: { Problem: PROBLEM, Instance: INSTANCE },
      responses: {
        Problem: {
          description: 'An error.',
          content: { 'application/problem+json': { schema: ref('schemas', 'Problem') } },
        },
      },
    },
  };
}

function operationOf(route: Route): Json {
  const query = Object.entries(route.query ?? {}).map(([name, description]) => ({
    name,
    in: 'query',
    description,
    schema: { type: 'string' },
  }));
  const path = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const key = {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'takes effect once',
    schema: { type: 'string', maxLength: 255 },
  };
  return {
    operationId: route.operationId,
    summary: route.summary,
    tags: [route.group],
    ...(route.scope === undefined ? { security: [{}] } : {}),
    parameters: [...path, ...query, ...(route.method === 'POST' ? [key] : [])],
    ...(route.body === undefined
      ? {}
      : { requestBody: { description: route.body, required: false, content: { 'application/json': { schema: {} } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, description]) => [
          status,
          answerOf(route, Number(status), description),
        ]),
      ),
      default: ref('responses', 'Problem'),
    },
  };
}

function answerOf(route: Route, status: number, description: string): Json {
  if (status >= 400)
    return { description, content: { 'application/problem+json': { schema: ref('schemas', 'Problem') } } };
  if (status === 204) return { description };
  const schema = route.operationId === 'getInstance' ? ref('schemas', 'Instance') : {};
  return {
    description,
    content: { [route.operationId === 'metrics' ? 'text/plain' : 'application/json']: { schema } },
  };
}

function ref(kind: string, name: string): Json {
  return { $ref: `#/components/${kind}/${name}` };
}

const TEXT = { type: 'string' };
const TIME = { type: 'string', format: 'date-time' };

const PROBLEM: Json = {
  description: 'RFC 9457, with a code to switch on and a hint.',
  type: 'object',
  required: ['type', 'title', 'status', 'errorCode', 'message'],
  properties: {
    type: TEXT,
    title: TEXT,
    status: { type: 'integer' },
    detail: TEXT,
    errorCode: TEXT,
    message: TEXT,
    hint: TEXT,
    errors: { type: 'array', items: { type: 'object', properties: { pointer: TEXT, detail: TEXT } } },
  },
};

const INSTANCE: Json = {
  type: 'object',
  required: ['instanceId', 'workflowType', 'runtimeStatus', 'createdAt', 'lastUpdatedAt'],
  properties: {
    instanceId: TEXT,
    workflowType: TEXT,
    version: TEXT,
    executionId: TEXT,
    runtimeStatus: { enum: ['PENDING', 'RUNNING', 'SUSPENDED', 'STALLED', 'COMPLETED', 'FAILED', 'TERMINATED'] },
    createdAt: TIME,
    startedAt: TIME,
    lastUpdatedAt: TIME,
    completedAt: TIME,
    startAt: TIME,
    customStatus: {},
    input: {},
    output: {},
    failure: {
      type: 'object',
      required: ['type', 'message'],
      properties: { type: TEXT, message: TEXT, stack: TEXT, cause: {} },
    },
    tags: { type: 'object', additionalProperties: TEXT },
    parent: { type: 'object', properties: { instanceId: TEXT } },
    undoing: { type: 'boolean' },
  },
};
