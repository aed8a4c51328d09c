// The routes as data: one table decides what is answered, which methods are allowed, which scope is needed, what the
// metrics are labelled with and what stands in the OpenAPI document.

import type { Scope } from './access.ts';
import type { HttpCall } from './http-call.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'OPTIONS';
  /** As in OpenAPI: `/v1.0/workflows/{workflowType}/{instanceId}`. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly group: 'workflows' | 'triggers' | 'dapr' | 'operations';
  /** Undefined for routes that anybody may ask. A function where it depends on what is asked. */
  readonly scope: Scope | undefined | ((call: HttpCall) => Scope | undefined);
  /** Query parameters and what they mean. */
  readonly query?: Readonly<Record<string, string>>;
  /** What the body means, for routes that read one. */
  readonly body?: string;
  /** Answers by status; errors that every route has are left out. */
  readonly answers: Readonly<Record<number, string>>;
  readonly handle: (call: HttpCall) => Promise<Response> | Response;
}

/** What a path leads to. */
export type RouteMatch =
  | { readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly route: undefined; readonly allowed: readonly string[] };

/** Finds routes by method and decoded path segments. Earlier routes win. */
export class RouteTable {
  readonly routes: readonly Route[];
  readonly #patterns: readonly { readonly route: Route; readonly segments: readonly string[] }[];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    this.#patterns = routes.map((route) => ({ route, segments: route.path.split('/').slice(1) }));
  }

  /** HEAD is answered as GET is. `allowed` is empty when no route has the path. */
  match(method: string, segments: readonly string[]): RouteMatch {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const path = isVersionAlias(segments[0]) ? ['v1.0', ...segments.slice(1)] : segments;
    const allowed = new Set<string>();
    for (const { route, segments: pattern } of this.#patterns) {
      const params = paramsOf(pattern, path);
      if (params === undefined) continue;
      if (route.method === wanted) return { route, params };
      allowed.add(route.method);
      if (route.method === 'GET') allowed.add('HEAD');
    }
    return { route: undefined, allowed: [...allowed] };
  }
}

/** Dapr's older prefixes. */
function isVersionAlias(segment: string | undefined): boolean {
  return segment === 'v1.0-alpha1' || segment === 'v1.0-beta1';
}

function paramsOf(pattern: readonly string[], path: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== path.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = path[index]!;
    if (!part.startsWith('{')) {
      if (part !== segment) return undefined;
      continue;
    }
    const name = part.slice(1, -1);
    // "dapr" where we have the workflow's type is Dapr's component: its routes are another shape.
    if (segment === '' || (name === 'workflowType' && segment === 'dapr')) return undefined;
    params[name] = segment;
  }
  return params;
}
