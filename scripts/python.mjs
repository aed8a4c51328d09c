// Finds a Python with the packages that an example needs: in an environment of its own, made once into `.cache/python` of the
// clone from the `requirements.txt` of the example, with the Python that PYTHON names, else `python3`.
//
//   node scripts/python.mjs examples/python/requirements.txt     prints the path, making the environment if needed

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { withLock } from './lock.mjs';
import { root } from './repository.mjs';

const OLDEST_MINOR = 10;
const FOLDER = join(root, '.cache/python');
const INSTALL_TIMEOUT_MS = 5 * 60_000;

export const HOW_TO_INSTALL_PYTHON = `Install Python 3.${OLDEST_MINOR} or newer with its venv and pip on the PATH, or set PYTHON \
to its path; its packages come from the index that pip is configured with.`;

const exec = promisify(execFile);

/**
 * The path of a Python that has what the file lists.
 *
 * @throws {Error} that says what was tried and how to install one, when there is none
 */
export async function findPython(requirementsFile) {
  const python = process.env.PYTHON || 'python3';
  const requirements = await readFile(requirementsFile);
  try {
    const { stdout } = await exec(python, ['-c', 'import sys; print(sys.version_info[1], sys.version)']);
    if (Number.parseInt(stdout, 10) < OLDEST_MINOR) throw new Error(`${python} is too old: ${stdout.trim()}`);
    const name = createHash('sha256').update(stdout).update(requirements).digest('hex').slice(0, 16);
    const folder = join(FOLDER, name);
    const onWait = (pid) => console.error(`Waiting for process ${pid}, which installs packages of Python …`);
    await withLock('python', onWait, () => makeUnlessThere(folder, python, requirementsFile));
    return join(folder, 'bin/python');
  } catch (error) {
    throw new Error(`there is no Python for ${requirementsFile}: ${error.message} ${HOW_TO_INSTALL_PYTHON}`, {
      cause: error,
    });
  }
}

/** An environment does not work elsewhere than where it was made: a file says that it is complete. */
async function makeUnlessThere(folder, python, requirementsFile) {
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return;
  console.error(`Installing ${requirementsFile} …`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  const options = { timeout: INSTALL_TIMEOUT_MS };
  await exec(python, ['-m', 'venv', folder], options);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirementsFile];
  await exec(join(folder, 'bin/python'), pip, options);
  await writeFile(complete, '');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    console.log(await findPython(resolve(process.argv[2])));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
