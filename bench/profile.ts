// Where CPU time goes, by package and by function, from V8's own profiler. The bundle that runs says by comments which file
// each part of it is from.

import { readFileSync } from 'node:fs';
import { Session, type Profiler } from 'node:inspector';
import { fileURLToPath } from 'node:url';

/** Self time of one function, or of one package. */
export interface ProfileRow {
  readonly name: string;
  readonly package: string;
  readonly ms: number;
}

const SAMPLE_INTERVAL_US = 200;

/** Adds up the time of the main thread in the stretches between `resume` and `pause`. */
export class CpuProfile {
  readonly #session = new Session();
  readonly #sources = new Map<string, BundleSources | undefined>();
  readonly #rows = new Map<string, { name: string; package: string; ms: number }>();
  #running = false;

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.setSamplingInterval', { interval: SAMPLE_INTERVAL_US });
  }

  resume(): void {
    this.#session.post('Profiler.start');
    this.#running = true;
  }

  pause(): void {
    if (!this.#running) return;
    this.#running = false;
    // A session of the same thread answers before `post` returns.
    this.#session.post('Profiler.stop', (error, { profile }) => {
      if (error !== null) throw error;
      this.#add(profile);
    });
  }

  /** What was added up since the last time, largest first. */
  take(): ProfileRow[] {
    const rows = [...this.#rows.values()].toSorted((a, b) => b.ms - a.ms);
    this.#rows.clear();
    return rows;
  }

  #add({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): void {
    const usById = new Map<number, number>();
    // The time after a sample, until the next one, is the sample's.
    for (let index = 0; index < samples.length; index++) {
      const us = timeDeltas[index + 1] ?? 0;
      usById.set(samples[index]!, (usById.get(samples[index]!) ?? 0) + Math.max(0, us));
    }
    for (const { id, callFrame } of nodes) {
      const us = usById.get(id);
      if (us === undefined || callFrame.functionName === '(idle)') continue;
      const from = this.#packageOf(callFrame);
      const name = callFrame.functionName || '(anonymous)';
      const key = `${name} ${from} ${callFrame.lineNumber}`;
      const row = this.#rows.get(key);
      if (row === undefined) this.#rows.set(key, { name, package: from, ms: us / 1_000 });
      else row.ms += us / 1_000;
    }
  }

  #packageOf({ functionName, url, lineNumber }: Profiler.Profile['nodes'][number]['callFrame']): string {
    if (functionName === '(garbage collector)') return 'garbage collection';
    if (url === '') return 'native code';
    if (url.startsWith('node:')) return "Node's JavaScript";
    if (!this.#sources.has(url)) this.#sources.set(url, url.startsWith('file:') ? new BundleSources(url) : undefined);
    return packageOfPath(this.#sources.get(url)?.at(lineNumber) ?? url);
  }
}

/** Sums of self time by package, largest first. */
export function byPackage(rows: readonly ProfileRow[]): ProfileRow[] {
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(row.package, (sums.get(row.package) ?? 0) + row.ms);
  return [...sums].map(([name, ms]) => ({ name, package: name, ms })).toSorted((a, b) => b.ms - a.ms);
}

/** Which file each line of a bundle is from, by the comments that esbuild leaves. */
class BundleSources {
  /** By line, or undefined where no file has begun. */
  readonly #paths: (string | undefined)[] = [];

  constructor(url: string) {
    let path: string | undefined;
    for (const line of readFileSync(fileURLToPath(url), 'utf8').split('\n')) {
      path = /^(?: {2})?\/\/ (\S+\.[cm]?[jt]s)$/.exec(line)?.[1] ?? path;
      this.#paths.push(path);
    }
  }

  at(line: number): string | undefined {
    return this.#paths[line];
  }
}

function packageOfPath(path: string): string {
  const installed = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
  if (installed !== undefined) return installed;
  const ours = /(?:^|\/)packages\/([^/]+)\//.exec(path)?.[1];
  return ours === undefined ? 'bench' : `@troupe/${ours}`;
}
