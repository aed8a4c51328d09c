import type { CodeFilter } from './worker-port.ts';

/** What code there is somebody for, as plain data: any, or what is listed. */
export type ListedCode = 'any' | readonly CodeFilter[];

/** What code of one kind a worker may be given, or any of several workers. */
export class CoveredCode {
  /** The versions of each name, none for all of them; undefined: any code. */
  readonly #versions: ReadonlyMap<string, ReadonlySet<string>> | undefined;

  constructor(listed: ListedCode) {
    if (listed === 'any') return;
    const merged = new Map<string, Set<string>>();
    for (const { name, versions } of listed) {
      const known = merged.get(name);
      if (known === undefined) merged.set(name, new Set(versions));
      else if (versions.length === 0) known.clear();
      else if (known.size > 0) for (const version of versions) known.add(version);
    }
    this.#versions = merged;
  }

  /** What at least one of them covers. */
  static merged(all: readonly CoveredCode[]): CoveredCode {
    const lists = all.map((one) => one.listed());
    return new CoveredCode(lists.includes('any') ? 'any' : lists.flatMap((list) => list as readonly CodeFilter[]));
  }

  get isAny(): boolean {
    return this.#versions === undefined;
  }

  get isNothing(): boolean {
    return this.#versions?.size === 0;
  }

  /** Empty when it is any. */
  get names(): ReadonlyMap<string, unknown> {
    return this.#versions ?? NO_NAMES;
  }

  /** An empty version stands for whichever there is. */
  covers(name: string, version: string): boolean {
    if (this.#versions === undefined) return true;
    const versions = this.#versions.get(name);
    return versions !== undefined && (version === '' || versions.size === 0 || versions.has(version));
  }

  /** In the same order, however it came about. */
  listed(): ListedCode {
    if (this.#versions === undefined) return 'any';
    return [...this.#versions]
      .map(([name, versions]) => ({ name, versions: [...versions].sort() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

const NO_NAMES: ReadonlyMap<string, unknown> = new Map();
