// Runs a program of a folder from the sources: `npm run example -- 03`.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { installIfNeeded, run } from './install.mjs';
import { root } from './repository.mjs';

const [folder, wanted = '', ...args] = process.argv.slice(2);
const programs = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts'));
const program = programs.find((name) => wanted !== '' && (name.startsWith(wanted) || name.startsWith(`0${wanted}`)));
if (program === undefined) {
  console.error(`Say how the name begins; there are\n${programs.map((name) => `  ${name}`).join('\n')}`);
  process.exitCode = 2;
} else {
  try {
    await installIfNeeded();
    const options = ['--import', 'tsx', '--conditions=@troupe/source'];
    const inherited = { stdio: 'inherit', env: process.env, shell: false };
    await run(process.execPath, [...options, join(folder, program), ...args], inherited);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
