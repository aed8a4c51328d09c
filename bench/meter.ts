import type { Commit } from '@troupe/actors';
import type { CpuProfile } from './profile.ts';

/** What stretches of work take together: time, CPU time of the whole process, commits and the writes they were put into. */
export class Meter {
  readonly #counts: Readonly<Counts>;
  readonly #profile: CpuProfile | undefined;
  #totalMs = 0;
  #cpuMs = 0;
  #commits = 0;
  #syncs = 0;

  constructor(counts: Readonly<Counts>, profile: CpuProfile | undefined) {
    this.#counts = counts;
    this.#profile = profile;
  }

  /** Adds one stretch. */
  async measure<T>(work: () => Promise<T>): Promise<T> {
    this.#profile?.resume();
    const { commits, syncs } = this.#counts;
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    const result = await work();
    this.#totalMs += performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpu);
    this.#cpuMs += (user + system) / 1_000;
    this.#commits += this.#counts.commits - commits;
    this.#syncs += this.#counts.syncs - syncs;
    this.#profile?.pause();
    return result;
  }

  get totalMs(): number {
    return this.#totalMs;
  }

  figures(steps: number) {
    return {
      stepsPerSecond: (steps / this.#totalMs) * 1_000,
      msPerStep: this.#totalMs / steps,
      totalMs: this.#totalMs,
      cpuMsPerStep: this.#cpuMs / steps,
      commitsPerStep: this.#commits / steps,
      syncsPerStep: this.#syncs / steps,
    };
  }
}

/** Commits, and the writes that they were put into. */
export interface Counts {
  commits: number;
  syncs: number;
  /** Told of each commit, if somebody wants to see them. */
  onCommit?: ((commit: Commit) => void) | undefined;
}
