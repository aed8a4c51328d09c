// A host in a process of its own, with the workload of fault tests. Told what to be by its argument (HostSettings), asked by
// messages (HostQuestions), stopped by SIGTERM; whatever happens to it otherwise happens from outside.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@troupe/actors';
import { startHost, type WorkflowHost } from '@troupe/workflow';
import { nats } from '../../src/index.ts';
import { HostQuestions } from './host-questions.ts';
import { Ledger } from './ledger.ts';
import { observed } from './observed-cluster.ts';
import { workload } from './workload.ts';

export interface HostSettings {
  /** Names this life of the process. */
  readonly by: string;
  /** Of the ledger. */
  readonly folder: string;
  readonly servers: readonly string[];
  readonly app: string;
  readonly replicas: number;
}

export interface Question {
  readonly number: number;
  readonly question: string;
  readonly args: readonly unknown[];
}

export interface Reply {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}

const STOP_GRACE_MS = 20_000;

const { app, by, folder, replicas, servers } = JSON.parse(process.argv[2]!) as HostSettings;
const ledger = new Ledger(folder, by);
ledger.write({ kind: 'host', event: 'starting', pid: process.pid });

const logged = (level: string) => (details: object, message: string) => {
  const text = JSON.stringify(details, (_, value: unknown) => (value instanceof Error ? String(value.stack) : value));
  appendFileSync(join(folder, `${by}.log`), `${new Date().toISOString()} ${level} ${message} ${text}\n`);
};
const logger: Logger = { debug: () => {}, info: logged('info'), warn: logged('warn'), error: logged('error') };

// Nobody is left to ask or to stop it.
process.on('disconnect', () => process.exit(1));
// With the reason in the log, as a supervisor would have it.
process.on('uncaughtExceptionMonitor', (err) => logged('fatal')({ err }, 'uncaught'));

const work = workload(ledger, {
  raise: (instanceId, name, payload, idempotencyKey) =>
    host.workflows.raiseEvent(instanceId, name, payload, { idempotencyKey }),
});
const { cluster, placement } = observed(nats({ servers, replicas }), ledger, (type) => type !== 'workflow');
const host: WorkflowHost = await startHost({
  app,
  cluster,
  logger,
  workflows: [work.journey],
  activities: work.activities,
  actors: [work.counter, work.alarm],
});
const questions = new HostQuestions(host, work, ledger, placement);

const reply = (answer: Reply): void => void process.send!(answer);
process.on('message', ({ args, number, question }: Question) => {
  const method = questions[question as keyof HostQuestions] as (...args: readonly unknown[]) => unknown;
  Promise.resolve()
    .then(() => method.apply(questions, [...args]))
    .then(
      (value) => reply({ number, ...(value === undefined ? {} : { value }) }),
      (error: unknown) => reply({ number, error: String(error) }),
    );
});

process.once('SIGTERM', () => {
  void (async () => {
    ledger.write({ kind: 'host', event: 'stopping', pid: process.pid });
    await questions.stopLoad();
    await host.stop({ graceMs: STOP_GRACE_MS });
    ledger.write({ kind: 'host', event: 'stopped', pid: process.pid });
    process.exit(0);
  })();
});

ledger.write({ kind: 'host', event: 'ready', pid: process.pid });
process.send!({ ready: true });
