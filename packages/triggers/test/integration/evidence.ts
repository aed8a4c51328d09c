// What the hosts of a test note down in its folder while they live, each life in files of its own: what their activities were
// run for, and how messages were settled. It outlives them, and owes nothing to what the engine says of itself.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EventOutcome } from '../../src/index.ts';
import { JsonLines } from './json-lines.ts';

/** An activity has run: at least once for each instance. */
export interface Run {
  readonly instanceId: string;
  /** Names the birth of the instance, too. */
  readonly executionId: string;
  readonly input: TakenInput;
  readonly traceparent?: string | undefined;
}

/** The input that the rules of the suite make of an event. */
export interface TakenInput {
  readonly source: string;
  readonly id: string;
  readonly value: unknown;
}

/** A message was settled, and its source has not heard of it yet. */
export interface Settled {
  readonly by: string;
  readonly outcome: EventOutcome;
  readonly instanceId?: string | undefined;
  /** Its source never hears of it: the host is killed. */
  readonly killed?: true;
}

/** The rule `try-later` was tried. */
export interface Attempt {
  readonly source: string;
  readonly id: string;
}

export class Evidence {
  readonly #folder: string;
  readonly #files = new Map<string, JsonLines<unknown>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  runs(): readonly Run[] {
    return this.#all('runs-') as readonly Run[];
  }

  attempts(): readonly Attempt[] {
    return this.#all('attempts-') as readonly Attempt[];
  }

  settled(): readonly Settled[] {
    return this.#all('settled-') as readonly Settled[];
  }

  #all(prefix: string): readonly unknown[] {
    return readdirSync(this.#folder)
      .filter((name) => name.startsWith(prefix))
      .sort()
      .flatMap((name) => {
        const file = this.#files.get(name) ?? new JsonLines(join(this.#folder, name));
        this.#files.set(name, file);
        return file.all();
      });
  }
}

/** Where a life of a host notes things down. */
export function evidenceOf(folder: string, by: string) {
  return {
    runs: new JsonLines<Run>(join(folder, `runs-${by}.jsonl`)),
    attempts: new JsonLines<Attempt>(join(folder, `attempts-${by}.jsonl`)),
    settled: new JsonLines<Settled>(join(folder, `settled-${by}.jsonl`)),
  };
}
