// The origin of `child-sources/log.ts`: publishes into its folder, and reads what is acknowledged there.

import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardFolder } from '../../../../scripts/guardian.mjs';
import type { TriggerEvent } from '../../src/index.ts';
import type { LogFault } from './child-sources/log.ts';
import { JsonLines } from './json-lines.ts';
import type { SourceKit } from './source-kit.ts';

const SOURCE = 'urn:troupe:log';

/** The kit of a source that works, or has this fault. */
export function logKit(fault?: LogFault): SourceKit {
  return {
    kind: 'log',
    runsOn: 'every-host',
    server: async () => ({ end: async () => {} }),
    async origin() {
      const folder = await mkdtemp(join(tmpdir(), 'troupe-log-'));
      const remove = guardFolder(folder);
      await mkdir(join(folder, 'claims'));
      const events = new JsonLines<TriggerEvent>(join(folder, 'events.jsonl'));
      const acknowledgements = new JsonLines<number>(join(folder, 'acks.jsonl'));
      const eventOf = (number: number, text?: string): TriggerEvent => ({
        source: SOURCE,
        id: `nr/${number}`,
        type: 'numbered',
        extensions: {},
        headers: {},
        data: { number, ...(text === undefined ? {} : { text }) },
      });
      return {
        options: { folder, fault },
        async publish(numbers, _, { paddingBytes, traceparent } = {}) {
          const text = paddingBytes === undefined ? undefined : 'x'.repeat(paddingBytes);
          for (const number of numbers) {
            events.append({ ...eventOf(number, text), ...(traceparent === undefined ? {} : { traceparent }) });
          }
          return numbers.map((number) => ({ source: SOURCE, id: `nr/${number}`, value: number }));
        },
        async publishAgain(numbers) {
          for (const number of numbers) events.append(eventOf(number));
        },
        async unacknowledged() {
          return events.all().length - new Set(acknowledgements.all()).size;
        },
        end: async () => remove(),
      };
    },
  };
}
