import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { TroupeError, type Logger } from '@troupe/actors';
import type { Triggers } from '@troupe/triggers';
import { banner } from './banner.ts';
import { UsageError } from './errors.ts';
import { exampleWorkflows } from './examples.ts';
import { serviceLogger } from './log.ts';
import { natsSettings, type NatsSettings } from './nats-settings.ts';
import { serve, type Service } from './serve.ts';
import { stopSignal } from './stop-signal.ts';

export const DEV_USAGE = `troupe dev [options]          serves workflows on 127.0.0.1, over HTTP
                              (in a clone: npm start -- [options])
  --port PORT                 default 3500; 0 takes a free one
  --grpc-port PORT            serves the SDKs of Dapr and Durable Task, which expect 50001
  --data FOLDER               default .troupe
  --app NAME                  default "default"; applications do not see each other
  --no-examples               without the example workflows
  --config FILE               triggers that the file (YAML or JSON) has, instead of the examples'
on several hosts, instead of a folder:
  --nats URL[,URL...]         servers of one cluster with JetStream, as nats://host:4222
  --replicas N                1, 3 or 5 copies; default 3 if the servers form a cluster, else 1
  --nats-sync always|default  what the servers' configuration says of sync_interval
  --nats-creds FILE           or NATS_CREDS; else NATS_USER with NATS_PASSWORD, or NATS_TOKEN
                              for TLS: NATS_CA, and NATS_CERT with NATS_KEY, name files`;

export interface DevArguments {
  readonly port: number;
  readonly grpcPort: number | undefined;
  /** Undefined with `nats`. */
  readonly dataFolder: string | undefined;
  readonly nats: NatsSettings | undefined;
  readonly app: string;
  readonly examples: boolean;
  /** A file of triggers. */
  readonly configFile: string | undefined;
}

/** A service that is told to stop before it serves is waited for this long. */
const START_GRACE_MS = 5_000;

/** @throws {UsageError} when the arguments make no sense */
export function parseDevArguments(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): DevArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '3500' },
      'grpc-port': { type: 'string' },
      data: { type: 'string' },
      nats: { type: 'string' },
      replicas: { type: 'string' },
      'nats-sync': { type: 'string' },
      'nats-creds': { type: 'string' },
      app: { type: 'string', default: 'default' },
      'no-examples': { type: 'boolean', default: false },
      config: { type: 'string' },
    },
  });
  const { nats, replicas, data, app, 'nats-sync': sync, 'nats-creds': credsFile } = values;
  if (data === '') throw new UsageError('--data names a folder');
  if (values.config === '') throw new UsageError('--config names a file');
  if (app === '') throw new UsageError('--app is a name');
  // It becomes part of subjects.
  if (nats !== undefined && !/^[\w-]{1,64}$/.test(app))
    throw new UsageError(`with --nats, --app is 1 to 64 letters, digits, "_" and "-", got ${JSON.stringify(app)}`);
  if (nats !== undefined && data !== undefined)
    throw new UsageError('--nats and --data exclude each other: the state is shared, or in a folder');
  const needsNats = Object.entries({ '--replicas': replicas, '--nats-sync': sync, '--nats-creds': credsFile });
  for (const [flag, value] of needsNats)
    if (nats === undefined && value !== undefined) throw new UsageError(`${flag} needs --nats`);
  return {
    port: parsePort('--port', values.port),
    grpcPort: values['grpc-port'] === undefined ? undefined : parsePort('--grpc-port', values['grpc-port']),
    dataFolder: nats === undefined ? (data ?? '.troupe') : undefined,
    nats: nats === undefined ? undefined : natsSettings({ nats, replicas, sync, credsFile }, environment),
    app,
    examples: !values['no-examples'],
    configFile: values.config,
  };
}

function parsePort(flag: string, text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`${flag} is a number from 0 to 65535, got ${JSON.stringify(text)}`);
}

/** Serves until it is told to stop; resolves with the exit code. */
export async function dev(args: readonly string[]): Promise<number> {
  const options = parseDevArguments(args);
  // Shown to those who find the data folder locked.
  process.title = 'troupe';
  const logger = serviceLogger();
  const stopped = stopSignal();
  const giveUp = new AbortController();
  const starting = fileTriggers(options, logger).then((triggers) =>
    serve({ ...options, triggers, logger, signal: giveUp.signal }),
  );
  let service: Service | undefined;
  try {
    service = await Promise.race([starting, stopped.then(() => undefined)]);
  } catch (error) {
    // Of our own errors the message says all; others are bugs, and their stack is wanted.
    if (!(error instanceof TroupeError)) console.error(error);
    else
      console.error(`troupe: ${error.code === 'trigger_file' ? 'the triggers cannot be used\n' : ''}${error.message}`);
    return 1;
  }
  if (service === undefined) {
    logger.info({ signal: await stopped }, 'stopping before it has served; signal again to force it');
    giveUp.abort();
    const ended = starting
      .then((late) => late.stop())
      .catch((error: unknown) => {
        const gaveUp = error instanceof Error && error.name === 'AbortError';
        if (!gaveUp) logger.warn({ err: error }, 'it would not have served');
      });
    await Promise.race([ended, sleep(START_GRACE_MS, undefined, { ref: false })]);
    return 0;
  }
  const command = process.env['npm_lifecycle_event'] === 'start' ? 'npm start --' : 'troupe dev';
  const another = startsAnother(args, service.port, command);
  const coloured = process.stdout.isTTY && process.stdout.hasColors();
  process.stdout.write(banner(service, { examples: options.examples, another }, coloured));
  logger.info(
    {
      url: service.url,
      grpcPort: service.grpcPort,
      dataFolder: service.dataFolder,
      nats: service.shared,
      app: service.app,
    },
    'serving',
  );
  logger.info({ signal: await stopped }, 'stopping; signal again to force it');
  await service.stop();
  logger.info({}, 'stopped');
  return 0;
}

/** The triggers of the file that was named, if one was. What may not be meant in it is logged. */
async function fileTriggers(options: DevArguments, logger: Logger): Promise<Triggers | undefined> {
  const { configFile, examples, grpcPort } = options;
  if (configFile === undefined) return undefined;
  // Only now: a service without a file starts without what reads it, which takes a third of a second to load.
  const { formatFinding, readTriggerFile, triggersFrom } = await import('@troupe/triggers/config');
  // Workers that come over gRPC bring workflows of their own.
  const known = examples && grpcPort === undefined ? { workflows: exampleWorkflows.map(({ name }) => name) } : {};
  const file = await readTriggerFile(configFile, known);
  for (const warning of file.warnings)
    logger.warn({ at: formatFinding(file.name, warning) }, 'a trigger may not be meant so');
  const triggers = await triggersFrom(file);
  logger.info({ file: file.name, triggers: file.triggers }, 'triggers are read');
  return triggers;
}

/** The command that starts another host as this one, on the next port. */
export function startsAnother(args: readonly string[], port: number, command: string): string {
  const isPort = (arg: string | undefined): boolean => /^--(?:grpc-)?port\b/.test(arg ?? '');
  const others = args.filter(
    (arg, index) => !isPort(arg) && !(isPort(args[index - 1]) && !args[index - 1]!.includes('=')),
  );
  return [command, ...others, '--port', port === 65_535 ? 0 : port + 1].join(' ');
}
