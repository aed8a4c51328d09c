import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FilesOptions } from '../../src/files.ts';
import type { SourceKit } from './source-kit.ts';
import { sourceSuite } from './source-suite.ts';

const kit: SourceKit = {
  kind: 'files',
  runsOn: 'one-host',
  trace: false,
  server: () => Promise.resolve({ end: () => Promise.resolve() }),
  async origin(_, name) {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-inbox-'));
    const options: FilesOptions = { folder, name, settleMs: 0, scanIntervalMs: 500 };
    const contents = new Map<number, string>();
    const drop = async (number: number): Promise<void> => {
      await writeFile(join(folder, `.${number}`), contents.get(number)!);
      await rename(join(folder, `.${number}`), join(folder, `${number}.json`));
    };
    return {
      options,
      async publish(numbers, _hosts, { paddingBytes } = {}) {
        const text = paddingBytes === undefined ? {} : { text: 'x'.repeat(paddingBytes) };
        for (const number of numbers) {
          contents.set(number, JSON.stringify({ number, ...text }));
          await drop(number);
        }
        return numbers.map((number) => {
          const hash = createHash('sha256').update(contents.get(number)!).digest('hex').slice(0, 32);
          return { source: `file:${name}`, id: `${number}.json.${hash}`, value: number };
        });
      },
      async publishAgain(numbers) {
        for (const number of numbers) await drop(number);
      },
      unacknowledged: async () => (await readdir(folder)).filter((file) => file.endsWith('.json')).length,
      end: () => rm(folder, { recursive: true }),
    };
  },
};

sourceSuite(kit);
