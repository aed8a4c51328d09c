// `npm run mutants`: breaks one rule of the production code at a time and lets the simulations look for it. Each package
// that has a `test/mutants/mutants.ts` says which rules, and in `runs.ts` which simulations. It fails when a mutant is not
// found, or does not fit the source any more.
//
//   npm run mutants -- packages/actors     the mutants of one package
//   npm run mutants -- --only NAME         one mutant
//   npm run mutants -- --known             begins with the seed that is known to find each: quick
//
// TROUPE_SEEDS: how many seeds a mutant has to escape (200).

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { packageFolders, root } from './repository.mjs';

const SEEDS = Number(process.env.TROUPE_SEEDS ?? 200);
/** For all seeds of one mutant. */
const TIMEOUT_MS = 10 * 60 * 1_000;

/** What runs a simulation with one seed after another, in a process of its own. Prints what was found as JSON. */
const DRIVER = `
import { runs } from './runs.ts';
const [name, ...seeds] = process.argv.slice(2);
let current;
const found = (error) => {
  console.log(JSON.stringify({ seed: Number(current), complaint: String(error?.message ?? error).slice(0, 1_000) }));
  process.exit(0);
};
process.on('unhandledRejection', found);
for (current of seeds) await runs[name](Number(current)).catch(found);
console.log(JSON.stringify({ seed: undefined }));
process.exit(0);
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { known: { type: 'boolean', default: false }, only: { type: 'string' } },
});

/** Bundles an entry of a package's mutants; `mutant` changes one of the sources on the way. */
async function bundle(folder, outfile, input, mutant) {
  const plugin = {
    name: 'mutant',
    setup({ onLoad }) {
      if (mutant === undefined) return;
      const path = join(root, folder, mutant.file);
      onLoad({ filter: /\.ts$/ }, (args) =>
        args.path === path ? { contents: mutated(readFileSync(path, 'utf8'), mutant), loader: 'ts' } : undefined,
      );
    },
  };
  await build({
    ...input,
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@troupe/source'],
    logLevel: 'error',
    plugins: [plugin],
  });
}

function mutated(source, { name, file, find, replace }) {
  const count = source.split(find).length - 1;
  if (count !== 1) throw new Error(`mutant ${name}: its text stands ${count} times in ${file}, not once:\n${find}`);
  return source.replace(find, () => replace);
}

/** Bundles the simulations, with one mutant or as they are. */
async function simulations(folder, work, mutant) {
  const outfile = join(work, `${mutant?.name ?? 'unchanged'}.mjs`);
  const stdin = { contents: DRIVER, resolveDir: join(root, folder, 'test/mutants'), loader: 'ts' };
  await bundle(folder, outfile, { stdin }, mutant);
  return outfile;
}

/** Runs one simulation with these seeds. Gives the first that fails and what it says. */
async function search(outfile, run, seeds) {
  const output = await outputOf(process.execPath, [outfile, run, ...seeds.map(String)]);
  return JSON.parse(output.trim().split('\n').at(-1));
}

function outputOf(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], timeout: TIMEOUT_MS });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${args[0]} ended with ${signal ?? `code ${code}`}`));
    });
  });
}

/** Runs the tasks, a few at a time, and gives their results in order. */
async function inParallel(tasks) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < tasks.length) {
      const index = next++;
      results[index] = await tasks[index]();
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
  return results;
}

/** The mutants of one package, looked for; gives what is wrong. */
async function checkPackage(folder) {
  const work = join(root, '.cache/mutants', `${process.pid}`, folder);
  mkdirSync(work, { recursive: true });
  const table = join(work, 'table.mjs');
  await bundle(folder, table, { entryPoints: [join(root, folder, 'test/mutants/mutants.ts')] });
  const { mutants } = await import(pathToFileURL(table).href);
  const chosen = mutants.filter(({ name }) => values.only === undefined || name === values.only);
  const all = Array.from({ length: SEEDS }, (_, index) => index + 1);

  const unchanged = await simulations(folder, work, undefined);

  /** What finds mutants must not complain of the code as it is. */
  const sound = [...new Set(chosen.map(({ run }) => run))].map((run) => async () => {
    const seeds = chosen.filter((mutant) => mutant.run === run).map(({ seed }) => seed);
    const { seed, complaint } = await search(unchanged, run, [...new Set(seeds)]);
    return seed === undefined ? [] : [`${run} fails with seed ${seed} although nothing is changed: ${complaint}`];
  });
  const found = chosen.map((mutant) => async () => {
    const seeds = values.known ? [mutant.seed, ...all] : all;
    const { seed, complaint } = await search(await simulations(folder, work, mutant), mutant.run, seeds);
    if (seed === undefined) {
      console.log(`${mutant.name}: NOT FOUND by ${seeds.length} seeds of ${mutant.run} (${mutant.rule})`);
      return [`${mutant.name} is not found`];
    }
    console.log(`${mutant.name}: ${mutant.run} ${seed}: ${complaint.split('\n')[0].slice(0, 160)}`);
    return [];
  });
  try {
    return (await inParallel([...sound, ...found])).flat();
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const withMutants = packageFolders().filter((folder) => existsSync(join(root, folder, 'test/mutants/mutants.ts')));
const folders = positionals.length > 0 ? positionals : withMutants;
for (const folder of folders) {
  for (const problem of await checkPackage(folder)) {
    console.error(problem);
    process.exitCode = 1;
  }
}
