// `npm run triggers`: for every kind of source, 1,000 distinct events, 100 of them published twice, and the host killed five
// times in between, by the suite of sources at its full size (packages/triggers/test/integration/source-suite.ts). Shows what
// it came to; ends with 1 when an event was lost or started twice, when something is left unacknowledged, or a kind is missing.
// Then for every kind an event that cannot be handled: a dead letter after exactly its attempts, and what a retry after the
// mending came to.
//
//   npm run triggers [-- kind …]          these kinds alone
//   TROUPE_SEED=7 npm run triggers        kills elsewhere

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installIfNeeded, run } from './install.mjs';
import { root } from './repository.mjs';

const TESTS = 'packages/triggers/test/integration';
/** The tests of the suite that tell what they came to. */
const TOLD = 'each event starts one instance|is a dead letter after';
const COLUMNS = [
  'kind',
  'events',
  'duplicates',
  'kills',
  'instances',
  'lost',
  'doubled',
  'unacknowledged',
  'redelivered',
  'seconds',
];
const POISON_COLUMNS = ['kind', 'failure', 'configured', 'attempts', 'error', 'retried'];

/** Kinds are named by their files. */
function kinds(asked) {
  const all = readdirSync(join(root, TESTS, 'child-sources'))
    .map((name) => name.replace(/\.ts$/, ''))
    .filter((kind) => kind !== 'log')
    .sort();
  const unknown = asked.filter((kind) => !all.includes(kind));
  if (unknown.length > 0) throw new Error(`there is no kind ${unknown.join(', ')}; there are: ${all.join(', ')}`);
  return asked.length > 0 ? asked : all;
}

function resultRow({ directed, doubled, lost, redelivered, seconds, unacknowledged, ...result }) {
  return {
    ...result,
    lost: lost.length,
    doubled: doubled.length,
    // Some origins keep no account of what they have given out.
    unacknowledged: unacknowledged ?? '-',
    redelivered: `${redelivered} of ${directed}`,
    seconds: seconds.toFixed(1),
  };
}

function table(columns, rows) {
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => String(row[column]).length)));
  const line = (cells) =>
    cells
      .map((cell, at) => (at === 0 ? String(cell).padEnd(widths[at]) : String(cell).padStart(widths[at])))
      .join('  ');
  return [line(columns), ...rows.map((row) => line(columns.map((column) => row[column])))].join('\n');
}

async function main(asked) {
  await installIfNeeded();
  const wanted = kinds(asked);
  const folder = mkdtempSync(join(tmpdir(), 'troupe-triggers-'));
  const file = join(folder, 'results.jsonl');
  const env = {
    ...process.env,
    TROUPE_ROUNDS: process.env.TROUPE_ROUNDS ?? '1',
    TROUPE_REQUIRE_SERVERS: '1',
    TROUPE_TRIGGERS_RESULTS: file,
  };
  const files = wanted.map((kind) => `${TESTS}/${kind}.test.ts`);
  let failure;
  try {
    // One after the other: seconds are to be comparable.
    const args = ['run', '--project', 'integration', '--maxWorkers', '1', '-t', TOLD, ...files];
    const stdio = ['ignore', process.stderr, process.stderr];
    await run('vitest', args, { stdio, env }).catch((error) => (failure = error));
    const told = lines(file);
    const results = told.filter((result) => 'instances' in result);
    const poison = told.filter((result) => 'failure' in result);
    console.log(`${table(COLUMNS, results.map(resultRow))}\n\n${table(POISON_COLUMNS, poison)}`);
    const missing = wanted.filter((kind) => [results, poison].some((some) => !some.some((one) => one.kind === kind)));
    const wrong = results.filter(({ clean }) => !clean).map(({ kind }) => kind);
    for (const { doubled, kind, lost } of results) {
      for (const id of lost.slice(0, 10)) console.log(`${kind} has lost ${id}`);
      for (const id of doubled.slice(0, 10)) console.log(`${kind} has started ${id} too often`);
    }
    if (missing.length > 0) throw new Error(`no result of ${missing.join(', ')}`);
    if (wrong.length > 0) throw new Error(`not as promised: ${wrong.join(', ')}`);
    if (failure !== undefined) throw failure;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lines(file) {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
