// Lists the objects of a resource, then watches. https://kubernetes.io/docs/reference/using-api/api-concepts/
//
// O1. An event is named by the object's uid and version, however it came: by a list after a gap or by the watch.
// O2. The watch goes on from the version read last; the durable cursor is behind it by what is not settled.
// O3. After a gap (the versions are gone) everything is listed, and what is newer than the version read last is handed over.
//     What was deleted in the gap is not told: the API server does not know it either.
// O4. A list that was broken off begins anew, but what it had settled is passed over: objects come in the order of their names.
// O5. A list that takes long is gone on with, though its snapshot is gone: the watch from its first page makes up for it.

import { SourceError, StaleReaderError } from '../errors.ts';
import { GrowingPause } from '../growing-pause.ts';
import { LIST_PAGE_LENGTH, WATCH_GOOD_MS, WATCH_OVERDUE_MS, WATCH_TIMEOUT_S } from '../limits.ts';
import type { SourceContext, SourceReader } from '../source.ts';
import type { TriggerEvent } from '../trigger-event.ts';
import { ApiError, ApiServer, GONE, messageOf, type ApiAccess } from './api-server.ts';
import { VersionCursor, type CursorValue, type Place } from './version-cursor.ts';

export interface ObjectRules {
  readonly path: string;
  readonly selectors: URLSearchParams;
  readonly source: string;
  readonly existing: 'deliver' | 'skip';
}

interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly creationTimestamp?: string;
  };
}

type Change = 'added' | 'modified' | 'deleted';

export class ObjectReader implements SourceReader {
  readonly #rules: ObjectRules;
  readonly #context: SourceContext;
  readonly #server: ApiServer;
  readonly #reconnect: GrowingPause;
  readonly #cursor: VersionCursor;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** The version read last. */
  #position: string | undefined;
  /** Creation of the newest object that was read: what is older and turns up after a gap was modified in it. */
  #newest: string;
  #mustList: boolean;

  constructor(rules: ObjectRules, access: ApiAccess, context: SourceContext) {
    if (context.cursor === undefined) throw new SourceError('kubernetes: a watch needs a cursor');
    this.#rules = rules;
    this.#context = context;
    this.#server = new ApiServer(access, context.clock);
    this.#reconnect = new GrowingPause(context.clock, context.random);
    const saved = readValue(context.cursor.value, rules.source);
    // Empty during the first list.
    this.#position = saved?.resourceVersion === '' ? undefined : saved?.resourceVersion;
    this.#newest = saved?.newest ?? '';
    this.#mustList = this.#position === undefined;
    const value = saved ?? { of: rules.source, resourceVersion: '', newest: '' };
    this.#cursor = new VersionCursor(context.cursor, context, value, () => this.#end());
    this.#running = this.#run();
  }

  async drain(): Promise<void> {
    this.#end();
    await this.#running;
  }

  async close(): Promise<void> {
    await this.drain();
    await this.#cursor.end();
    this.#server.close();
  }

  #end(): void {
    this.#stop.abort();
    this.#reconnect.end();
    this.#cursor.release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && !this.#context.signal.aborted) {
      const sinceMs = this.#context.clock.nowMs();
      try {
        if (this.#mustList) await this.#list(signal);
        this.#mustList = false;
        await this.#watch(signal);
        if (this.#context.clock.nowMs() - sinceMs > WATCH_GOOD_MS) {
          this.#reconnect.reset();
          continue;
        }
      } catch (error) {
        if (signal.aborted || error instanceof StaleReaderError) return;
        if (error instanceof ApiError && error.status === GONE) this.#mustList = true;
        else this.#context.failing(explained(error, this.#rules.path));
      }
      await this.#reconnect.wait();
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const before = this.#position;
    const newestBefore = this.#newest;
    const begun = this.#cursor.listing;
    let last = '';
    let isOrdered = true;
    let from: string | undefined;
    let version: string | undefined;
    // Objects come by their names: what is new is told by what was the newest before.
    let newest = newestBefore;
    do {
      const query = new URLSearchParams(this.#rules.selectors);
      query.set('limit', String(LIST_PAGE_LENGTH));
      if (from !== undefined) query.set('continue', from);
      let page: Page;
      try {
        page = readPage(await this.#server.json(this.#rules.path, query, signal));
      } catch (error) {
        // The snapshot has gone; the server offers to go on from here without it.
        const again = error instanceof ApiError && error.status === GONE ? continueOf(error.body) : undefined;
        if (again === undefined || again === from) throw error;
        from = again;
        continue;
      }
      this.#context.working();
      version ??= page.resourceVersion;
      // A cluster that was restored from a backup counts from an earlier version on: nothing in it is known.
      const since = before === undefined || isAfter(before, version) ? undefined : before;
      const isSkipped = before === undefined && this.#rules.existing === 'skip';
      for (const object of isSkipped ? [] : page.items) {
        const { resourceVersion, creationTimestamp = '' } = object.metadata;
        if (since !== undefined && isUpTo(resourceVersion, since)) continue;
        const key = keyOf(object);
        isOrdered &&= key > last;
        last = key;
        const isPassed = begun !== undefined && key <= begun.upTo && isUpTo(resourceVersion, begun.version);
        if (isPassed && !isAfter(begun.version, version)) continue;
        const change = since === undefined || creationTimestamp >= newestBefore ? 'added' : 'modified';
        const listing = isOrdered ? { version, upTo: key } : undefined;
        if (!(await this.#handOver(object, change, { listing }))) return;
        if (creationTimestamp > newest) newest = creationTimestamp;
      }
      from = page.continue;
    } while (from !== undefined);
    this.#newest = newest;
    this.#position = version;
    this.#cursor.reach(version!);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const timeoutS = Math.ceil(WATCH_TIMEOUT_S * (1 + this.#context.random() / 4));
    const query = new URLSearchParams(this.#rules.selectors);
    query.set('watch', 'true');
    query.set('allowWatchBookmarks', 'true');
    query.set('timeoutSeconds', String(timeoutS));
    query.set('resourceVersion', this.#position!);
    await this.#server.lines(this.#rules.path, query, {
      timeoutMs: timeoutS * 1_000 + WATCH_OVERDUE_MS,
      signal,
      begun: () => this.#context.working(),
      line: async (text) => await this.#changed(JSON.parse(text) as { type: string; object: unknown }),
    });
  }

  async #changed({ type, object }: { readonly type: string; readonly object: unknown }): Promise<void> {
    if (type === 'ERROR') {
      const { code } = object as { readonly code?: number };
      throw new ApiError(code ?? 0, `the watch ended: ${messageOf(object) ?? `code ${code}`}`, object);
    }
    this.#reconnect.reset();
    if (type === 'BOOKMARK') {
      const { resourceVersion } = (object as KubernetesObject).metadata;
      this.#position = resourceVersion;
      this.#cursor.reach(resourceVersion);
      return;
    }
    const change = CHANGES[type];
    if (change === undefined) return;
    const read = readObject(object);
    const { resourceVersion, creationTimestamp = '' } = read.metadata;
    if (!(await this.#handOver(read, change, { resourceVersion }))) return;
    this.#position = resourceVersion;
    if (creationTimestamp > this.#newest) this.#newest = creationTimestamp;
  }

  /** False when it stops. */
  async #handOver(object: KubernetesObject, change: Change, place: Place): Promise<boolean> {
    const settled = await this.#cursor.take(place, object.metadata.creationTimestamp ?? '');
    if ((await this.#context.room()) === 0 || this.#stop.signal.aborted) {
      this.#end();
      return false;
    }
    void this.#deliver(this.#event(object, change), settled);
    return true;
  }

  /** One that was released is handed over again, until it stops: the origin does not send it again by itself. */
  async #deliver(event: TriggerEvent, settled: () => void): Promise<void> {
    do {
      const { outcome } = await this.#context.deliver({ event });
      if (outcome !== 'released') return settled();
    } while ((await this.#context.room()) > 0 && !this.#stop.signal.aborted);
  }

  #event(object: KubernetesObject, change: Change): TriggerEvent {
    const { uid, resourceVersion } = object.metadata;
    return {
      source: this.#rules.source,
      // Servers before 1.16 tell of a deletion with the object's last version.
      id: `${uid}/${resourceVersion}${change === 'deleted' ? '/deleted' : ''}`,
      type: `kubernetes.${change}`,
      subject: keyOf(object),
      dataContentType: 'application/json',
      extensions: {},
      headers: {},
      data: object,
    };
  }
}

const CHANGES: Readonly<Record<string, Change | undefined>> = {
  ADDED: 'added',
  MODIFIED: 'modified',
  DELETED: 'deleted',
};

/** As in the keys of etcd, and so in the order of lists. */
function keyOf({ metadata: { namespace, name } }: KubernetesObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

interface Page {
  readonly items: readonly KubernetesObject[];
  readonly resourceVersion: string;
  readonly continue: string | undefined;
}

function readPage(body: unknown): Page {
  const list = body as {
    readonly apiVersion?: string;
    readonly kind?: string;
    readonly items?: unknown;
    readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  } | null;
  if (!Array.isArray(list?.items) || typeof list.metadata?.resourceVersion !== 'string')
    throw new SourceError('kubernetes: the answer of the API server is no list that can be watched');
  // Objects of a list do not say what they are.
  const { apiVersion, kind } = list;
  const named = { ...(apiVersion !== undefined && { apiVersion }), ...(kind && { kind: kind.replace(/List$/, '') }) };
  return {
    items: list.items.map((item: unknown) => readObject({ ...named, ...(item as object) })),
    resourceVersion: list.metadata.resourceVersion,
    continue: list.metadata.continue === '' ? undefined : list.metadata.continue,
  };
}

function readObject(value: unknown): KubernetesObject {
  const object = value as Partial<KubernetesObject> | null;
  const { uid, resourceVersion, name } = object?.metadata ?? {};
  if (![uid, resourceVersion, name].every((part) => typeof part === 'string' && part !== ''))
    throw new SourceError(
      'kubernetes: the objects of this resource have no uid and version: they cannot be told apart',
    );
  return object as KubernetesObject;
}

function continueOf(status: unknown): string | undefined {
  const token = (status as { metadata?: { continue?: unknown } } | undefined)?.metadata?.continue;
  return typeof token === 'string' && token !== '' ? token : undefined;
}

function readValue(value: unknown, source: string): CursorValue | undefined {
  const saved = value as Partial<CursorValue> | null | undefined;
  // A trigger that watches something else now begins anew.
  return saved?.of === source && typeof saved.resourceVersion === 'string' ? (saved as CursorValue) : undefined;
}

/** Versions are numbers that grow wherever etcd is behind; what are none cannot be compared. */
function isAfter(a: string, b: string): boolean {
  return isNumber(a) && isNumber(b) && BigInt(a) > BigInt(b);
}

function isUpTo(a: string, b: string): boolean {
  return isNumber(a) && isNumber(b) && BigInt(a) <= BigInt(b);
}

function isNumber(version: string): boolean {
  return /^\d{1,30}$/.test(version);
}

const HINTS: Readonly<Record<number, string>> = {
  401: 'the API server does not accept the token',
  403: 'its role has to allow list and watch of this resource',
  404: 'the API server does not have this resource, or not in this version',
};

function explained(error: unknown, path: string): unknown {
  if (!(error instanceof ApiError)) return error;
  const hint = HINTS[error.status];
  return new SourceError(`kubernetes: ${path}: ${error.message}${hint === undefined ? '' : ` (${hint})`}`, {
    cause: error,
  });
}
