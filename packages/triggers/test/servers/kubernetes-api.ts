// An API server of Kubernetes with one resource, as far as a watcher sees one: lists in pages of one snapshot, versions that
// are compacted, watches from a version with bookmarks, selectors, tokens. It writes in pieces of a few bytes.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface StoredObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly creationTimestamp: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: unknown;
}

interface Change {
  readonly version: number;
  readonly before: StoredObject | undefined;
  readonly after: StoredObject | undefined;
}

type Keeps = (object: StoredObject | undefined) => object is StoredObject;

const KIND = { apiVersion: 'batch/v1', kind: 'Job' };

export class KubernetesApi {
  readonly requests: URL[] = [];
  /** Refuses all with this status. */
  refusal: { readonly status: number; readonly body?: string } | undefined;
  token: string | undefined;
  /** Answers to watches have no more than that many bytes, and are then cut off. */
  cutAfterBytes = Number.POSITIVE_INFINITY;
  #version = 100;
  #compacted = 0;
  readonly #objects = new Map<string, StoredObject>();
  #changes: Change[] = [];
  readonly #snapshots = new Map<number, readonly StoredObject[]>();
  readonly #watches = new Set<{ readonly send: (change: Change) => void; readonly end: (line?: object) => void }>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #scheme: string;

  private constructor(tls: { readonly key: string; readonly cert: string } | undefined) {
    const answer = (request: IncomingMessage, response: ServerResponse): void => this.#answer(request, response);
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(tls?: { readonly key: string; readonly cert: string }): Promise<KubernetesApi> {
    const api = new KubernetesApi(tls);
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get watches(): number {
    return this.#watches.size;
  }

  get version(): string {
    return String(this.#version);
  }

  put(name: string, spec: unknown, labels: Readonly<Record<string, string>> = {}): StoredObject {
    const before = this.#objects.get(name);
    const version = ++this.#version;
    const after: StoredObject = {
      metadata: {
        name,
        namespace: 'shop',
        uid: before?.metadata.uid ?? `uid-${name}-${version}`,
        resourceVersion: String(version),
        // One a second.
        creationTimestamp:
          before?.metadata.creationTimestamp ?? new Date(1.9e12 + version * 1_000).toISOString().replace('.000', ''),
        labels,
      },
      spec,
    };
    this.#objects.set(name, after);
    this.#tell({ version, before, after });
    return after;
  }

  delete(name: string): void {
    const before = this.#objects.get(name)!;
    this.#objects.delete(name);
    this.#tell({ version: ++this.#version, before, after: undefined });
  }

  /** Forgets the changes, and the snapshots of lists that are under way. */
  compact(): void {
    this.#compacted = this.#version;
    this.#changes = [];
    this.#snapshots.clear();
  }

  /** As if restored from a backup: counts from an earlier version on. */
  restore(version: number): void {
    this.#version = version;
    this.#compacted = 0;
    this.#changes = [];
    this.#objects.clear();
  }

  bookmark(): void {
    this.#version++;
    const metadata = { resourceVersion: String(this.#version) };
    for (const watch of this.#watches) watch.end({ type: 'BOOKMARK', object: { ...KIND, metadata } });
  }

  /** Ends all watches: orderly, or with an error. */
  endWatches(status?: number): void {
    const object = { kind: 'Status', code: status, message: `ended with ${status}` };
    for (const watch of this.#watches) {
      if (status !== undefined) watch.end({ type: 'ERROR', object });
      watch.end();
    }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async end(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #tell(change: Change): void {
    this.#changes.push(change);
    for (const watch of this.#watches) watch.send(change);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, this.url);
    this.requests.push(url);
    if (this.refusal !== undefined) return void response.writeHead(this.refusal.status).end(this.refusal.body);
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`)
      return this.#status(response, 401, 'Unauthorized');
    if (url.pathname !== '/apis/batch/v1/namespaces/shop/jobs') return this.#status(response, 404, 'not found');
    const label = url.searchParams.get('labelSelector')?.split('=');
    const keeps = ((object) =>
      object !== undefined && (label === undefined || object.metadata.labels[label[0]!] === label[1])) as Keeps;
    if (url.searchParams.get('watch') === 'true') this.#watch(url, keeps, response);
    else this.#list(url, keeps, response);
  }

  #list(url: URL, keeps: Keeps, response: ServerResponse): void {
    const limit = Number(url.searchParams.get('limit') ?? '500');
    const [snapshotText, fromText] = (url.searchParams.get('continue') ?? '').split(':');
    const from = Number(fromText ?? '0');
    // A token without a snapshot goes on in what there is now.
    let version = snapshotText === undefined || snapshotText === '' ? this.#version : Number(snapshotText);
    if (version === -1) version = this.#version;
    let snapshot = this.#snapshots.get(version);
    if (snapshot === undefined) {
      if (version !== this.#version || version <= this.#compacted - 1)
        return this.#status(response, 410, 'The provided continue parameter is too old', { continue: `-1:${from}` });
      snapshot = [...this.#objects.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
      this.#snapshots.set(version, snapshot);
    }
    const items = snapshot.slice(from, from + limit).filter(keeps);
    const isMore = from + limit < snapshot.length;
    const metadata = { resourceVersion: String(version), continue: isMore ? `${version}:${from + limit}` : '' };
    this.#pieces(response.writeHead(200), JSON.stringify({ apiVersion: 'batch/v1', kind: 'JobList', metadata, items }));
    response.end();
  }

  #watch(url: URL, keeps: Keeps, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    let leftBytes = this.cutAfterBytes;
    const line = (object: object): void => {
      const text = `${JSON.stringify(object)}\n`;
      if (leftBytes < text.length) {
        this.#pieces(response, text.slice(0, leftBytes));
        this.#watches.delete(watch);
        response.end(() => response.destroy());
        return;
      }
      leftBytes -= text.length;
      this.#pieces(response, text);
    };
    const send = ({ version, before, after }: Change): void => {
      if (response.writableEnded) return;
      const was = keeps(before);
      // With a selector, an object that matches no more is as good as deleted.
      if (keeps(after)) line({ type: was ? 'MODIFIED' : 'ADDED', object: { ...KIND, ...after } });
      else if (was) {
        const metadata = { ...before.metadata, resourceVersion: String(version) };
        line({ type: 'DELETED', object: { ...KIND, ...before, metadata } });
      }
    };
    const watch = {
      send,
      end: (last?: object): void => {
        if (last !== undefined) return line(last);
        this.#watches.delete(watch);
        response.end();
      },
    };
    response.on('close', () => this.#watches.delete(watch));
    if (from < this.#compacted) {
      line({ type: 'ERROR', object: { kind: 'Status', code: 410, message: `too old resource version: ${from}` } });
      return void response.end();
    }
    for (const change of this.#changes) if (change.version > from) send(change);
    if (!response.writableEnded) this.#watches.add(watch);
  }

  /** Cut without regard to characters. */
  #pieces(response: ServerResponse, text: string): void {
    const bytes = Buffer.from(text);
    for (let from = 0; from < bytes.length; from += 61) response.write(bytes.subarray(from, from + 61));
  }

  #status(response: ServerResponse, code: number, message: string, metadata = {}): void {
    response.writeHead(code).end(JSON.stringify({ kind: 'Status', code, message, metadata }));
  }
}
