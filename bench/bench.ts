// Measures the workloads: `npm run bench -- --only W1,W3 --json`.

import { parseArgs } from 'node:util';
import type { Line } from './line.ts';
import { machine } from './machine.ts';
import { CpuProfile } from './profile.ts';
import { profileTable, rounded, table } from './report.ts';
import { WORKLOADS } from './workloads.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    profile: { type: 'boolean', default: false },
  },
});
const wanted = values.only?.split(',') ?? Object.keys(WORKLOADS);
const unknown = wanted.filter((name) => WORKLOADS[name] === undefined);
const settings = {
  runs: Number(values.runs),
  durationMs: Number(values.seconds) * 1_000,
  scale: Number(values.scale),
  profile: values.profile ? new CpuProfile() : undefined,
};
if (unknown.length > 0 || !(settings.runs >= 1) || !(settings.durationMs > 0) || !(settings.scale > 0)) {
  console.error(
    `--only takes some of ${Object.keys(WORKLOADS).join(',')}; --runs, --seconds and --scale take numbers above 0`,
  );
  process.exit(2);
}

const where = machine();
if (!values.json) for (const [name, value] of Object.entries(where)) console.log(`${name}: ${value}`);
for (const name of wanted) {
  const lines: Line[] = [];
  for await (const line of WORKLOADS[name]!(settings)) {
    lines.push(rounded(line));
    if (values.json) console.log(JSON.stringify({ ...where, ...rounded(line) }));
    // It may take minutes until the table is complete.
    else console.error(`${name}: line ${lines.length} is measured`);
  }
  if (!values.json) console.log(`\n${table(lines)}\n`);
  if (settings.profile !== undefined) {
    const text = profileTable(name, settings.profile.take());
    // Standard output has nothing but lines then.
    if (values.json) console.error(text);
    else console.log(`${text}\n`);
  }
}
