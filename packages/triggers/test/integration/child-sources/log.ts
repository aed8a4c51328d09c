// A source of the suite's own: a folder with a log of events that the test appends to, one of acknowledgements that readers
// append to, and a claim for each event that is out. All of it outlives a killed process, as a broker does. The suite is
// tested by it, and by what `fault` makes of it: sources that are wrong as sources can be.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settlement, Source, SourceContext, SourceReader, TriggerEvent } from '../../../src/index.ts';
import { JsonLines } from '../json-lines.ts';

export interface LogOptions {
  readonly folder: string;
  readonly fault?: LogFault | undefined;
}

export type LogFault =
  /** Before the event is settled. */
  | 'acknowledges-early'
  | 'never-acknowledges'
  /** Each delivery of an event has an id of its own. */
  | 'names-anew'
  /** Hands over whatever is there, room or not. */
  | 'reads-ahead'
  /** Acknowledges what was released. */
  | 'ignores-release';

const POLL_INTERVAL_MS = 10;

export default function log(options: LogOptions): Source {
  return { kind: 'log', runsOn: 'every-host', open: async (context) => new LogReader(options, context) };
}

class LogReader implements SourceReader {
  readonly #fault: LogFault | undefined;
  readonly #claims: string;
  readonly #context: SourceContext;
  readonly #events: JsonLines<TriggerEvent>;
  readonly #acknowledgements: JsonLines<number>;
  readonly #acknowledged = new Set<number>();
  readonly #out = new Set<number>();
  readonly #loop: Promise<void>;
  #acknowledgementsSeen = 0;
  #draining = false;
  #closed = false;

  constructor({ folder, fault }: LogOptions, context: SourceContext) {
    this.#fault = fault;
    this.#context = context;
    this.#claims = join(folder, 'claims');
    this.#events = new JsonLines(join(folder, 'events.jsonl'));
    this.#acknowledgements = new JsonLines(join(folder, 'acks.jsonl'));
    this.#loop = this.#read();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await this.#loop;
  }

  async close(): Promise<void> {
    await this.drain();
    this.#closed = true;
    for (const line of this.#out) this.#unclaim(line);
  }

  async #read(): Promise<void> {
    while (!this.#draining) {
      const count = this.#events.count();
      for (let line = 0; line < count && !this.#draining;) {
        let room = this.#fault === 'reads-ahead' ? Infinity : await this.#context.room();
        for (; room > 0 && line < count && !this.#draining; line++) {
          if (this.#claim(line)) {
            this.#handOver(line, this.#events.read(line));
            room--;
          }
        }
      }
      await new Promise<void>((resolve) => this.#context.clock.setTimeout(resolve, POLL_INTERVAL_MS));
    }
  }

  #handOver(line: number, event: TriggerEvent): void {
    if (this.#fault === 'acknowledges-early') this.#acknowledgements.append(line);
    const named = this.#fault === 'names-anew' ? { ...event, id: `${event.id}-${process.pid}-${line}` } : event;
    void this.#context.deliver({ event: named }).then((settlement) => this.#settle(line, settlement));
  }

  #settle(line: number, { outcome }: Settlement): void {
    if (this.#closed || this.#fault === 'never-acknowledges') return;
    const settled = outcome !== 'released' || this.#fault === 'ignores-release';
    if (settled && this.#fault !== 'acknowledges-early') this.#acknowledgements.append(line);
    this.#out.delete(line);
    this.#unclaim(line);
  }

  /** Whether the event is ours now: it waits, and nobody has it but perhaps one who is gone. */
  #claim(line: number): boolean {
    if (this.#out.has(line) || this.#isAcknowledged(line)) return false;
    const path = join(this.#claims, String(line));
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (isLeft(path)) rmSync(path, { force: true });
      return false;
    }
    // Its last holder acknowledges before letting go of it.
    if (this.#isAcknowledged(line)) {
      this.#unclaim(line);
      return false;
    }
    this.#out.add(line);
    return true;
  }

  #isAcknowledged(line: number): boolean {
    if (this.#acknowledged.has(line)) return true;
    const all = this.#acknowledgements.all();
    for (; this.#acknowledgementsSeen < all.length; this.#acknowledgementsSeen++) {
      this.#acknowledged.add(all[this.#acknowledgementsSeen]!);
    }
    return this.#acknowledged.has(line);
  }

  #unclaim(line: number): void {
    rmSync(join(this.#claims, String(line)), { force: true });
  }
}

/** Whether who claimed it is gone. */
function isLeft(path: string): boolean {
  let holder: number;
  try {
    holder = Number(readFileSync(path, 'utf8'));
  } catch {
    // Let go of since.
    return false;
  }
  // Empty while it is being written.
  if (holder === 0) return false;
  try {
    process.kill(holder, 0);
    return false;
  } catch {
    // No such process.
    return true;
  }
}
