// Who may ask what. Without auth only programs of this machine may: a web page (foreign Origin) and a name that was rebound
// to loopback (foreign Host) are refused. With auth a request shows a token, or the `authenticate` hook knows its caller.

import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { Problem } from './problem.ts';

/** What a caller may do: look, steer instances, start them. */
export type Scope = 'read' | 'operate' | 'start';

const ALL_SCOPES: readonly Scope[] = ['read', 'operate', 'start'];

/** A token that opens only some routes. */
export interface TokenGrant {
  readonly token: string;
  readonly scopes: readonly Scope[];
}

/** Who asks, as the `authenticate` hook knows them. Default scopes: all. */
export interface Caller {
  readonly scopes?: readonly Scope[] | undefined;
}

export interface AccessOptions {
  /** Accepted as `Authorization: Bearer …` and as `dapr-api-token: …`. A plain string opens everything. */
  readonly token?: string | readonly TokenGrant[] | undefined;
  /** Asked when no token fits: who the caller is, or undefined to refuse (401). */
  readonly authenticate?: ((request: Request) => Caller | undefined | Promise<Caller | undefined>) | undefined;
  /** Without auth: take any `Host`. For servers that check it themselves, or that check callers before the gateway. */
  readonly trustHost?: boolean | undefined;
}

/** Decides over each request. */
export class Access {
  readonly #grants: readonly { readonly digest: Buffer; readonly scopes: readonly Scope[] }[];
  readonly #authenticate: AccessOptions['authenticate'];
  readonly #trustHost: boolean;
  readonly #allowsOrigin: (origin: string) => boolean;

  /** @throws {TypeError} for tokens that would be no protection */
  constructor(options: AccessOptions, allowsOrigin: (origin: string) => boolean) {
    const grants =
      typeof options.token === 'string' ? [{ token: options.token, scopes: ALL_SCOPES }] : (options.token ?? []);
    if (options.token !== undefined && grants.length === 0)
      throw new TypeError('token is an empty list: leave it out for no auth');
    for (const { token } of grants) {
      if (typeof token !== 'string' || token.trim() === '')
        throw new TypeError('a token is a string that is not empty (is its variable set?)');
    }
    this.#grants = grants.map(({ token, scopes }) => ({ digest: digestOf(token), scopes }));
    this.#authenticate = options.authenticate;
    this.#trustHost = options.trustHost ?? false;
    this.#allowsOrigin = allowsOrigin;
  }

  /** Whether callers must show who they are. */
  get required(): boolean {
    return this.#grants.length > 0 || this.#authenticate !== undefined;
  }

  /**
   * Checks where a request comes from; nothing to check when there is auth.
   *
   * @throws {Problem} 403
   */
  checkOrigin(request: Request): void {
    if (this.required) return;
    const urlHost = new URL(request.url).host;
    const host = request.headers.get('host') ?? urlHost;
    if (!this.#trustHost && !(isLoopbackHost(host) && isLoopbackHost(urlHost))) {
      throw new Problem(403, 'HOST_REFUSED', {
        message: `the host ${JSON.stringify(host.slice(0, 255))} is not this machine's loopback`,
        hint: 'Without auth only loopback is answered. Set a token or authenticate; or trustHost behind a server that checks callers.',
        closes: true,
      });
    }
    const origin = request.headers.get('origin');
    if (origin !== null && !isSameHost(origin, host) && !this.#allowsOrigin(origin)) {
      throw new Problem(403, 'ORIGIN_REFUSED', {
        message: `the origin ${JSON.stringify(origin.slice(0, 255))} is foreign`,
        hint: 'Allow it with the cors option, or set a token.',
        closes: true,
      });
    }
  }

  /**
   * Checks that the caller has a scope, or `any` at all.
   *
   * @throws {Problem} 401, 403
   */
  async checkCaller(request: Request, scope: Scope | 'any'): Promise<void> {
    if (!this.required) return;
    const scopes = this.#scopesOfToken(request) ?? (await this.#scopesOfCaller(request));
    if (scopes === undefined) {
      throw new Problem(401, 'UNAUTHENTICATED', {
        message: 'the request shows no token that is known here',
        hint: 'Send it as "Authorization: Bearer …" or "dapr-api-token: …".',
        headers: { 'www-authenticate': 'Bearer' },
        closes: true,
      });
    }
    if (scope !== 'any' && !scopes.includes(scope)) {
      throw new Problem(403, 'SCOPE_MISSING', {
        message: `this needs the scope "${scope}"`,
        members: { scope },
        closes: true,
      });
    }
  }

  #scopesOfToken(request: Request): readonly Scope[] | undefined {
    const bearer = /^Bearer +(.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
    const shown = [bearer, request.headers.get('dapr-api-token') ?? undefined].filter((token) => token !== undefined);
    let scopes: readonly Scope[] | undefined;
    // Digests have one length and every pair is compared: the time tells nothing of a token.
    for (const token of shown) {
      const digest = digestOf(token);
      for (const grant of this.#grants) if (timingSafeEqual(grant.digest, digest)) scopes ??= grant.scopes;
    }
    return scopes;
  }

  async #scopesOfCaller(request: Request): Promise<readonly Scope[] | undefined> {
    const caller = await this.#authenticate?.(request);
    return caller === undefined || caller === null ? undefined : (caller.scopes ?? ALL_SCOPES);
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether an address to listen on is reached from this machine only. */
export function isLoopbackAddress(hostname: string): boolean {
  if (hostname.toLowerCase() === 'localhost') return true;
  const family = isIP(hostname);
  return family !== 0 && loopback.check(hostname, family === 6 ? 'ipv6' : 'ipv4');
}

/** Almost every request names the same host; this many others are remembered too. */
const HOSTS_KEPT = 64;
const hosts = new Map<string, boolean>();

/** Whether a Host header names this machine's loopback. Names under `localhost` cannot be rebound (RFC 6761). */
export function isLoopbackHost(host: string): boolean {
  let answer = hosts.get(host);
  if (answer === undefined) {
    answer = namesLoopback(host);
    if (hosts.size >= HOSTS_KEPT) hosts.clear();
    hosts.set(host, answer);
  }
  return answer;
}

function namesLoopback(host: string): boolean {
  const name = parsedHost(host)?.hostname;
  if (name === undefined) return false;
  return name.endsWith('.localhost') || isLoopbackAddress(name.replace(/^\[(.*)\]$/, '$1'));
}

function isSameHost(origin: string, host: string): boolean {
  const originHost = URL.canParse(origin) ? new URL(origin).host : '';
  return originHost !== '' && originHost === parsedHost(host)?.host;
}

function parsedHost(host: string): URL | undefined {
  if (!/^[A-Za-z0-9.\-_:[\]]+$/.test(host)) return undefined;
  return URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`) : undefined;
}
