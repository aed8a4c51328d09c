import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { connect } from '@troupe/workflow/client';
import {
  exportHistory,
  InstanceNotFoundError,
  WORKFLOW_STATUSES,
  type WorkflowClient,
  type WorkflowStatus,
} from '@troupe/workflow';
import { UsageError } from './errors.ts';

export const WORKFLOW_USAGE = `troupe workflow COMMAND       talks to a running service and prints JSON
  list [--workflow NAME] [--status STATUS]… [--limit N] [--cursor CURSOR]
  start WORKFLOW [--id ID] [--input JSON]
  get ID
  raise ID EVENT [--payload JSON]
  suspend ID | resume ID
  terminate ID [--output JSON] [--recursive] [--undo]
  purge ID [--force] [--recursive]
  history ID                  all of it; with --from NUMBER or --limit N a page
  --url URL                   default http://127.0.0.1:3500
  JSON may be "-": then it is read from standard input`;

const OPTIONS = {
  url: { type: 'string', default: 'http://127.0.0.1:3500' },
  workflow: { type: 'string' },
  status: { type: 'string', multiple: true },
  limit: { type: 'string' },
  cursor: { type: 'string' },
  id: { type: 'string' },
  input: { type: 'string' },
  payload: { type: 'string' },
  output: { type: 'string' },
  from: { type: 'string' },
  recursive: { type: 'boolean' },
  undo: { type: 'boolean' },
  force: { type: 'boolean' },
} as const;

type Values = ReturnType<typeof parseValues>['values'];
type Verb = (client: WorkflowClient, names: readonly string[], values: Values) => Promise<unknown>;

/** Each with the names that it takes, and the flags. */
const VERBS: Readonly<
  Record<string, { readonly names: readonly string[]; readonly flags: readonly string[]; readonly run: Verb }>
> = {
  list: {
    names: [],
    flags: ['workflow', 'status', 'limit', 'cursor'],
    run: (client, _names, values) =>
      client.list({
        workflowName: values.workflow,
        status: values.status?.map(parseStatus),
        limit: parseCount('--limit', values.limit),
        cursor: values.cursor,
      }),
  },
  start: {
    names: ['WORKFLOW'],
    flags: ['id', 'input'],
    async run(client, [name], values) {
      const { instanceId } = await client.start(name!, {
        instanceId: values.id,
        input: await parseJson('--input', values.input),
      });
      return { instanceId };
    },
  },
  get: {
    names: ['ID'],
    flags: [],
    async run(client, [id]) {
      const metadata = await client.get(id!);
      if (metadata === undefined) throw new InstanceNotFoundError(id!);
      return metadata;
    },
  },
  raise: {
    names: ['ID', 'EVENT'],
    flags: ['payload'],
    run: async (client, [id, event], values) =>
      client.raiseEvent(id!, event!, await parseJson('--payload', values.payload)),
  },
  suspend: { names: ['ID'], flags: [], run: (client, [id]) => client.suspend(id!) },
  resume: { names: ['ID'], flags: [], run: (client, [id]) => client.resume(id!) },
  terminate: {
    names: ['ID'],
    flags: ['output', 'recursive', 'undo'],
    run: async (client, [id], { recursive, undo, output }) =>
      client.terminate(id!, { recursive, undo, output: await parseJson('--output', output) }),
  },
  purge: {
    names: ['ID'],
    flags: ['force', 'recursive'],
    run: (client, [id], { force, recursive }) => client.purge(id!, { force, recursive }),
  },
  history: {
    names: ['ID'],
    flags: ['from', 'limit'],
    async run(client, [id], { from, limit }) {
      if (from === undefined && limit === undefined) return exportHistory(client, id!);
      const page = { from: parseCount('--from', from), limit: parseCount('--limit', limit) };
      return { instanceId: id!, ...(await client.history(id!, page)) };
    },
  },
};

/**
 * Runs `troupe workflow …`; resolves with the exit code.
 *
 * @throws {UsageError} when the arguments make no sense
 */
export async function workflowCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseValues(args);
  const [name, ...names] = positionals;
  const verb = name !== undefined && Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) throw new UsageError(`troupe workflow needs one of ${Object.keys(VERBS).join(', ')}`);
  if (names.length !== verb.names.length)
    throw new UsageError(`usage: troupe workflow ${[name, ...verb.names].join(' ')}`);
  const strange = Object.keys(values).find((flag) => flag !== 'url' && !verb.flags.includes(flag));
  if (strange !== undefined) throw new UsageError(`troupe workflow ${name} has no --${strange}`);
  const answer = await verb.run(connect({ url: values.url }), names, values);
  if (answer !== undefined) process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
  return 0;
}

function parseValues(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

function parseStatus(status: string): WorkflowStatus {
  const known = WORKFLOW_STATUSES.find((one) => one === status.toLowerCase());
  if (known === undefined)
    throw new UsageError(`--status is one of ${WORKFLOW_STATUSES.join(', ')}, got ${JSON.stringify(status)}`);
  return known;
}

function parseCount(flag: string, digits: string | undefined): number | undefined {
  if (digits === undefined || /^\d{1,15}$/.test(digits)) return digits === undefined ? undefined : Number(digits);
  throw new UsageError(`${flag} is a number, got ${JSON.stringify(digits)}`);
}

async function parseJson(flag: string, json: string | undefined): Promise<unknown> {
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json === '-' ? await text(process.stdin) : json);
  } catch (error) {
    throw new UsageError(`${flag} is JSON (a string needs its quotes): ${(error as Error).message}`, { cause: error });
  }
}
