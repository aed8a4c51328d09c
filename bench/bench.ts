// Measures the workloads: `npm run bench -- --only W1,W3 --json`.

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { WORKLOADS, type Line } from './workloads.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
  },
});
const wanted = values.only?.split(',') ?? Object.keys(WORKLOADS);
const unknown = wanted.filter((name) => WORKLOADS[name] === undefined);
const settings = { runs: Number(values.runs), durationMs: Number(values.seconds) * 1_000 };
if (unknown.length > 0 || !(settings.runs >= 1) || !(settings.durationMs > 0)) {
  console.error(`--only takes some of ${Object.keys(WORKLOADS).join(',')}; --runs and --seconds take numbers`);
  process.exit(2);
}

const machine = {
  node: process.version,
  cores: cpus().length,
  store: 'level',
  durability: 'fdatasync before each acknowledgement',
};
for (const name of wanted) {
  for await (const line of WORKLOADS[name]!(settings)) print({ ...line, ...machine });
}

function print(line: Line): void {
  const rounded = Object.fromEntries(
    Object.entries(line).map(([name, value]) => [
      name,
      typeof value === 'number' ? Number(value.toPrecision(4)) : value,
    ]),
  );
  if (values.json) {
    console.log(JSON.stringify(rounded));
    return;
  }
  const { workload, node: _node, cores: _cores, store: _store, durability: _durability, ...figures } = rounded;
  console.log(
    `${String(workload)}  ${Object.entries(figures)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join('  ')}`,
  );
}
