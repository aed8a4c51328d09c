// Finds the servers that tests need: each where its environment variable says, else on the path or where Debian puts it, else
// fetched once, with the libraries that it needs, into `.cache/servers` of the clone (scripts/debian-program.mjs).
//
//   node scripts/servers.mjs [name …]     prints the path of each, fetching if needed

import { execFile } from 'node:child_process';
import { readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { exists, fetchOnce, forgetFailure, unpackWithDependencies } from './debian-program.mjs';
import { findNatsServer, HOW_TO_INSTALL } from './nats-server.mjs';
import { root } from './repository.mjs';

const CACHE = join(root, '.cache/servers');
const VERSION_TIMEOUT_MS = 20_000;

/**
 * `program` is looked for on the path and in `folders`, which a star makes several, the newest first. It, or the program that
 * is to be `asked` instead, must say `says` when it is started with `version`; `besides` names what must be in its folder.
 */
const SERVERS = {
  mosquitto: {
    variable: 'MOSQUITTO',
    program: 'mosquitto',
    packages: ['mosquitto'],
    folders: ['/usr/local/sbin', '/usr/sbin'],
    version: ['-h'],
    says: /mosquitto version [2-9]/,
    least: 'mosquitto 2 or newer',
  },
  'redis-server': {
    variable: 'REDIS_SERVER',
    program: 'redis-server',
    packages: ['redis-server'],
    folders: ['/usr/local/bin', '/usr/bin'],
    version: ['--version'],
    says: /Redis server v=([7-9]|\d\d)/,
    least: 'Redis 7 or newer',
  },
  'rabbitmq-server': {
    variable: 'RABBITMQ_SERVER',
    program: 'rabbitmq-server',
    packages: ['rabbitmq-server'],
    folders: ['/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin', '/usr/local/sbin', '/usr/sbin'],
    // The script in /usr/sbin starts it as another user.
    besides: ['../plugins'],
    asked: 'erl',
    version: ['-noinput', '-boot', 'start_clean', '-eval', 'io:put_chars(erlang:system_info(otp_release)), halt().'],
    says: /^(2[3-9]|[3-9]\d)$/,
    least: 'RabbitMQ 3.10 or newer, with the erl that runs it on the PATH',
  },
  postgres: {
    variable: 'POSTGRES_BIN',
    program: 'postgres',
    packages: ['postgresql'],
    folders: ['/usr/lib/postgresql/*/bin', '/usr/local/bin'],
    version: ['--version'],
    says: /postgres \(PostgreSQL\) 1[3-9]/,
    besides: ['initdb'],
    least: 'PostgreSQL 13 or newer',
  },
  kcat: {
    variable: 'KCAT',
    program: 'kcat',
    packages: ['kcat'],
    folders: ['/usr/local/bin', '/usr/bin'],
    version: ['-V'],
    says: /librdkafka [2-9]/,
    least: 'kcat with librdkafka 2 or newer',
  },
};

export const SERVER_NAMES = ['nats-server', ...Object.keys(SERVERS)];

/** The environment variable that names the program, or its folder. */
export function variableOf(name) {
  return name === 'nats-server' ? 'NATS_SERVER' : SERVERS[name].variable;
}

/** What to tell a person who has none. */
export function howToInstall(name) {
  if (name === 'nats-server') return HOW_TO_INSTALL;
  const { least, variable, program } = SERVERS[name];
  const what = variable.endsWith('_BIN') ? `the folder of ${program}` : `the path of ${program}`;
  return `Install ${least}, or set ${variable} to ${what}.`;
}

/**
 * The path of a server's program that can be used, and the environment that it runs in.
 *
 * @throws {Error} that says what was tried and how to install one, when there is none
 */
export async function findServer(name) {
  if (name === 'nats-server') return { path: await findNatsServer(), env: process.env };
  const server = SERVERS[name];
  const given = process.env[server.variable];
  if (given !== undefined && given !== '') {
    const path = server.variable.endsWith('_BIN') ? join(given, server.program) : given;
    const problem = await problemOf(server, path, process.env);
    if (problem !== undefined) throw new Error(`${server.variable} is ${given}: ${problem}. ${howToInstall(name)}`);
    return { path, env: process.env };
  }
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const installed = await firstIn(server, [...path, ...server.folders], process.env);
  if (installed !== undefined) return installed;
  const folder = join(CACHE, name);
  const unpacked = join(folder, 'root');
  const find = async () => await findUnpacked(server, unpacked);
  return (
    (await find()) ??
    (await fetchOnce({
      name,
      folder,
      advice: howToInstall(name),
      find,
      fetch: async (work) => {
        const draft = join(work, 'root');
        await unpackWithDependencies(server.packages, join(CACHE, 'apt'), work, draft);
        await relocateErlang(draft);
        await rm(unpacked, { recursive: true, force: true });
        await rename(draft, unpacked);
      },
    }))
  );
}

async function findUnpacked(server, unpacked) {
  if (!(await exists(unpacked))) return undefined;
  return await firstIn(
    server,
    ['/usr/sbin', '/usr/bin', ...server.folders].map((folder) => join(unpacked, folder)),
    await environmentOf(unpacked),
  );
}

/** The environment in which programs that were unpacked find one another and their libraries, the system's last. */
async function environmentOf(unpacked) {
  const programs = ['usr/lib/erlang/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin'].map((folder) => join(unpacked, folder));
  const libraries = [];
  for (const folder of ['usr/lib', 'lib']) {
    const names = await readdir(join(unpacked, folder)).catch(() => []);
    libraries.push(...names.filter((name) => /-linux-/.test(name)).map((name) => join(unpacked, folder, name)));
  }
  const joined = (first, rest) => [...first, ...(rest === undefined || rest === '' ? [] : [rest])].join(delimiter);
  return {
    ...process.env,
    PATH: joined(programs, process.env.PATH),
    LD_LIBRARY_PATH: joined(libraries, process.env.LD_LIBRARY_PATH),
  };
}

/** Lets `erl` start the Erlang that lies around it: it names the folder that it was built for. */
async function relocateErlang(unpacked) {
  const script = join(unpacked, 'usr/lib/erlang/bin/erl');
  if (!(await exists(script))) return;
  const text = await readFile(script, 'utf8');
  await writeFile(
    script,
    text.replace(/\bROOTDIR=\/\S+$/gm, 'ROOTDIR="$(dirname "$(dirname "$(readlink -f "$0")")")"'),
  );
}

async function firstIn(server, folders, env) {
  for (const folder of folders) {
    for (const path of await matches(join(folder, server.program))) {
      if ((await problemOf(server, path, env)) === undefined) return { path, env };
    }
  }
  return undefined;
}

/** The files that a path with at most one star names, those with the highest number first. */
async function matches(pattern) {
  const [before, after] = pattern.split('*');
  if (after === undefined) return (await exists(pattern)) ? [pattern] : [];
  const start = before.slice(before.lastIndexOf('/') + 1);
  const names = await readdir(dirname(`${before}.`)).catch(() => []);
  const numbered = names.filter((name) => name.startsWith(start));
  const paths = numbered.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const there = await Promise.all(paths.map((name) => exists(join(dirname(`${before}.`), name + after))));
  return paths.filter((_, index) => there[index]).map((name) => join(dirname(`${before}.`), name + after));
}

/** What is wrong with a program as such a server; undefined when nothing is. */
async function problemOf({ asked, version, says, besides = [], least }, path, env) {
  if (!(await exists(path))) return 'there is no such file';
  const folder = dirname(await realpath(path));
  for (const name of besides) {
    if (!(await exists(join(folder, name)))) return `there is no ${name} beside it`;
  }
  const output = await outputOf(asked ?? path, version, env);
  return says.test(output) ? undefined : `it is not ${least} (it says ${JSON.stringify(output.slice(0, 160))})`;
}

async function outputOf(path, args, env) {
  try {
    const { stdout, stderr } = await promisify(execFile)(path, args, { timeout: VERSION_TIMEOUT_MS, env });
    return stdout + stderr;
  } catch (error) {
    // Some end with another code than 0 after they have said which they are.
    return `${error.stdout ?? ''}${error.stderr ?? ''}` || error.message;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const given = process.argv.slice(2);
  for (const name of given.length > 0 ? given : SERVER_NAMES) {
    try {
      if (!SERVER_NAMES.includes(name))
        throw new Error(`There is no server ${name} here, but ${SERVER_NAMES.join(', ')}.`);
      // Asked for by a person, it tries again.
      await forgetFailure(join(CACHE, name));
      console.log(`${name} ${(await findServer(name)).path}`);
    } catch (error) {
      console.error(error.message);
      process.exitCode = 1;
    }
  }
}
