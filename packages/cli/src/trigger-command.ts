import { createReadStream } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { MemoryStore } from '@troupe/actors';
import { startHost } from '@troupe/workflow';
import { ServiceError, UsageError } from './errors.ts';

export const TRIGGER_USAGE = `troupe trigger COMMAND        talks to a running service and prints JSON
  list | show NAME
  test NAME --event FILE      what would be done with an event; nothing is done
       [--config FILE]        by the rules of a file, without a service
  dead-letters NAME [--limit N] [--cursor CURSOR]
  export NAME                 all dead letters, one in a line
  retry NAME ID | retry NAME --all
  drop NAME ID
  --url URL                   default http://127.0.0.1:3500
  --token TOKEN               or TROUPE_TOKEN, when the service asks for one
  FILE of an event is a CloudEvent in JSON, or the data of one; "-" is standard input`;

const OPTIONS = {
  url: { type: 'string', default: 'http://127.0.0.1:3500' },
  token: { type: 'string' },
  event: { type: 'string' },
  config: { type: 'string' },
  limit: { type: 'string' },
  cursor: { type: 'string' },
  all: { type: 'boolean' },
} as const;

const CLOUD_EVENT = 'application/cloudevents+json';

type Values = ReturnType<typeof parseValues>['values'];
type Verb = (names: readonly string[], values: Values) => Promise<unknown>;

const VERBS: Readonly<
  Record<string, { readonly names: readonly string[]; readonly flags: readonly string[]; readonly run: Verb }>
> = {
  list: { names: [], flags: [], run: (_names, values) => ask(values, 'GET', '') },
  show: { names: ['NAME'], flags: [], run: ([name], values) => ask(values, 'GET', pathOf(name!)) },
  test: {
    names: ['NAME'],
    flags: ['event', 'config'],
    async run([name], values) {
      if (values.event === undefined) throw new UsageError('troupe trigger test needs --event FILE, or --event -');
      const event = await readEvent(values.event);
      if (values.config !== undefined) return dryRun(values.config, name!, event);
      return ask(values, 'POST', `${pathOf(name!)}/dry-run`, event);
    },
  },
  'dead-letters': {
    names: ['NAME'],
    flags: ['limit', 'cursor'],
    run([name], values) {
      const query = new URLSearchParams();
      if (values.limit !== undefined) query.set('limit', values.limit);
      if (values.cursor !== undefined) query.set('cursor', values.cursor);
      return ask(values, 'GET', `${pathOf(name!)}/dead-letters?${query.toString()}`);
    },
  },
  export: {
    names: ['NAME'],
    flags: [],
    async run([name], values) {
      const { body } = await request(values, 'GET', `${pathOf(name!)}/dead-letters`, undefined, 'application/x-ndjson');
      for await (const chunk of body ?? []) {
        if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once('drain', resolve));
      }
    },
  },
  retry: {
    names: ['NAME', 'ID'],
    flags: ['all'],
    run([name, id], values) {
      const path = `${pathOf(name!)}/dead-letters`;
      return ask(values, 'POST', id === undefined ? `${path}/retry` : `${path}/${encodeURIComponent(id)}/retry`);
    },
  },
  drop: {
    names: ['NAME', 'ID'],
    flags: [],
    run: ([name, id], values) => ask(values, 'DELETE', `${pathOf(name!)}/dead-letters/${encodeURIComponent(id!)}`),
  },
};

/**
 * Runs `troupe trigger …`; resolves with the exit code.
 *
 * @throws {UsageError} when the arguments make no sense
 * @throws {ServiceError} what the service answered, or that it did not
 */
export async function triggerCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseValues(args);
  const [name, ...names] = positionals;
  const verb = name !== undefined && Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) throw new UsageError(`troupe trigger needs one of ${Object.keys(VERBS).join(', ')}`);
  const wanted = values.all === true ? verb.names.slice(0, 1) : verb.names;
  if (names.length !== wanted.length) throw new UsageError(`usage: troupe trigger ${[name, ...wanted].join(' ')}`);
  const strange = Object.keys(values).find((flag) => flag !== 'url' && flag !== 'token' && !verb.flags.includes(flag));
  if (strange !== undefined) throw new UsageError(`troupe trigger ${name} has no --${strange}`);
  const answer = await verb.run(names, values);
  if (answer !== undefined) process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
  return 0;
}

/** By the rules of a file, on a host that is empty and goes at once: no broker is asked, and nothing is kept. */
async function dryRun(configFile: string, name: string, event: string): Promise<unknown> {
  // Only now: all other commands do without.
  const { readTriggerFile, triggersFrom } = await import('@troupe/triggers/config');
  const triggers = await triggersFrom(await readTriggerFile(configFile), { sources: false });
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const host = await startHost({
    store: new MemoryStore(),
    workflows: [],
    actors: triggers.actors,
    endings: triggers.endings,
    logger: silent,
  });
  try {
    await triggers.start(host);
    const plain = { source: 'troupe:test', id: undefined, type: 'test' };
    const raw = { body: Buffer.from(event), contentType: CLOUD_EVENT, attributes: {}, headers: {}, plain };
    return await triggers.dryRun(name, { raw });
  } finally {
    await triggers.stop({ graceMs: 0 });
    await host.stop();
  }
}

/** A CloudEvent as JSON, which is what services try rules with. */
async function readEvent(path: string): Promise<string> {
  let value: unknown;
  try {
    value = JSON.parse(await text(path === '-' ? process.stdin : createReadStream(path)));
  } catch (error) {
    throw new UsageError(`--event ${path} is no JSON that can be read: ${(error as Error).message}`, { cause: error });
  }
  const isEvent = typeof value === 'object' && value !== null && 'specversion' in value;
  return JSON.stringify(
    isEvent ? value : { specversion: '1.0', source: 'troupe:test', id: 'test', type: 'test', data: value },
  );
}

function pathOf(name: string): string {
  return `/${encodeURIComponent(name)}`;
}

async function ask(values: Values, method: string, path: string, event?: string): Promise<unknown> {
  const answer = await request(values, method, path, event, 'application/json');
  const json = await answer.text();
  return json === '' ? undefined : (JSON.parse(json) as unknown);
}

async function request(
  { url, token = process.env['TROUPE_TOKEN'] }: Values,
  method: string,
  path: string,
  event: string | undefined,
  accept: string,
): Promise<Response> {
  const headers = new Headers({ accept });
  if (token !== undefined && token !== '') headers.set('authorization', `Bearer ${token}`);
  if (event !== undefined) headers.set('content-type', CLOUD_EVENT);
  const target = `${url.replace(/\/+$/, '')}/v1.0/triggers${path}`;
  const answer = await fetch(target, {
    method,
    headers,
    ...(event === undefined ? {} : { body: event }),
  }).catch((error: unknown) => {
    throw new ServiceError(`nobody answers at ${url}: is the service running?`, { cause: error });
  });
  if (answer.ok) return answer;
  throw new ServiceError(messageOf(await answer.text()) ?? `the service answered ${answer.status}`);
}

/** Of an error of the API. */
function messageOf(body: string): string | undefined {
  try {
    const { message, detail } = JSON.parse(body) as { readonly message?: string; readonly detail?: string };
    return message ?? detail;
  } catch {
    // It is not of the API: a proxy may stand between.
    return undefined;
  }
}

function parseValues(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}
