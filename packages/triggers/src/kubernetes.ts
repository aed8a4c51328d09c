// Objects of Kubernetes, as the API server tells of them. One host in the cluster watches.

import { readFile } from 'node:fs/promises';
import { SourceError } from './errors.ts';
import { tokenFrom, type ApiAccess } from './kubernetes/api-server.ts';
import { ObjectReader } from './kubernetes/object-reader.ts';
import { checkKnown, choiceOption, textOption } from './source-options.ts';
import type { Source } from './source.ts';

export interface KubernetesOptions {
  /** API group, as `batch`; none for the core group. */
  readonly group?: string;
  /** As `v1`. */
  readonly version: string;
  /** The plural in lower case, as `jobs`. */
  readonly resource: string;
  /** Default: all namespaces. */
  readonly namespace?: string;
  /** As of `kubectl --selector`. */
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** What is there when the trigger first runs: an event for each (the default), or none. */
  readonly existing?: 'deliver' | 'skip';
  /** As `https://host:6443`. Default: that of the cluster in which the process runs, with its token and authority. */
  readonly apiServer?: string;
  readonly token?: string;
  /** File with the token, read again for each request. */
  readonly tokenFile?: string;
  /** Certificate authority of the API server in PEM; that of Node without. */
  readonly ca?: string;
}

const KNOWN = [
  'group',
  'version',
  'resource',
  'namespace',
  'labelSelector',
  'fieldSelector',
  'existing',
  'apiServer',
  'token',
  'tokenFile',
  'ca',
];
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Objects that are added, modified or deleted: events `kubernetes.added`, `kubernetes.modified` and `kubernetes.deleted`.
 *
 * @throws {TypeError} when the options can never work
 */
export function kubernetes(options: KubernetesOptions): Source {
  checkKnown('kubernetes', options, KNOWN);
  const part = (name: 'group' | 'version' | 'resource' | 'namespace', pattern: RegExp): string | undefined => {
    if (options[name] === undefined && (name === 'group' || name === 'namespace')) return undefined;
    const value = textOption('kubernetes', name, options[name]);
    if (!pattern.test(value)) throw new TypeError(`kubernetes: ${name} cannot be ${JSON.stringify(value)}`);
    return value;
  };
  const group = part('group', /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/);
  const version = part('version', /^v\d[a-z0-9]*$/);
  const resource = part('resource', /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
  const namespace = part('namespace', /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
  const selectors = new URLSearchParams();
  for (const name of ['labelSelector', 'fieldSelector'] as const) {
    if (options[name] !== undefined) selectors.set(name, textOption('kubernetes', name, options[name]));
  }
  const prefix = group === undefined ? `/api/${version}` : `/apis/${group}/${version}`;
  const rules = {
    path: `${prefix}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${resource}`,
    selectors,
    source: `kubernetes:${[group, version, resource, namespace].filter((value) => value !== undefined).join('/')}`,
    existing: choiceOption('kubernetes', 'existing', options.existing ?? 'deliver', ['deliver', 'skip']),
  };
  checkAccess(options);
  return {
    kind: 'kubernetes',
    runsOn: 'one-host',
    open: async (context) => new ObjectReader(rules, await accessOf(options), context),
  };
}

function checkAccess({ apiServer, token, tokenFile, ca }: KubernetesOptions): void {
  for (const [name, value] of Object.entries({ token, tokenFile, ca })) {
    if (value === undefined) continue;
    textOption('kubernetes', name, value);
    if (apiServer === undefined) throw new TypeError(`kubernetes: ${name} goes with apiServer`);
  }
  if (token !== undefined && tokenFile !== undefined) throw new TypeError('kubernetes: give token or tokenFile');
  if (apiServer === undefined) return;
  const url = URL.canParse(apiServer) ? new URL(apiServer) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '')
    throw new TypeError('kubernetes: apiServer is as https://host:6443');
  const isLoopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' && !isLoopback && (token ?? tokenFile) !== undefined)
    throw new TypeError('kubernetes: a token is not sent over http; let apiServer be https');
}

/** @throws {SourceError} when nothing says where the API server is */
async function accessOf({ apiServer, token, tokenFile, ca }: KubernetesOptions): Promise<ApiAccess> {
  if (apiServer !== undefined) {
    const fromFile = tokenFile === undefined ? undefined : tokenFrom(tokenFile);
    return { url: new URL(apiServer), token: fromFile ?? (() => Promise.resolve(token)), ca };
  }
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (host === undefined || port === undefined) {
    throw new SourceError(
      'kubernetes: this process runs in no cluster; give apiServer and token, or apiServer of a `kubectl proxy`',
    );
  }
  try {
    return {
      url: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
      token: tokenFrom(`${SERVICE_ACCOUNT}/token`),
      ca: await readFile(`${SERVICE_ACCOUNT}/ca.crt`, 'utf8'),
    };
  } catch (cause) {
    throw new SourceError('kubernetes: this pod has no token of a service account mounted', { cause });
  }
}
