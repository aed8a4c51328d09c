// A host of W10 in a process of its own: it makes its load by itself, as the services of one application would, and also
// runs the floor, which is a program that does nothing but publish on a condition.

import { actor, systemClock } from '@troupe/actors';
import { nats } from '@troupe/nats';
import { startHost } from '@troupe/workflow';
import { connectWire } from '../packages/nats/src/connection.ts';
import { InboxRequests, type RequestReceiver } from '../packages/nats/src/requests.ts';
import { WireHeaders } from '../packages/nats/src/wire-headers.ts';
import { closedLoop, forEachIndex } from './closed-loop.ts';
import { CpuProfile, type ProfileRow } from './profile.ts';
import { fanOut, nothing, parked, sequence } from './service.ts';
import { percentile } from './statistics.ts';

/** What a host is asked to do. */
export type HostTask =
  | { readonly kind: 'sequences'; readonly steps: number; readonly inFlight: number; readonly durationMs: number }
  | { readonly kind: 'publishes'; readonly inFlight: number; readonly durationMs: number }
  | { readonly kind: 'calls'; readonly inFlight: number; readonly durationMs: number }
  | { readonly kind: 'sequence'; readonly steps: number }
  | { readonly kind: 'fanOut'; readonly width: number }
  | { readonly kind: 'parked'; readonly instances: number; readonly senders: number };

/** What came of it. */
export interface HostFigures {
  readonly rounds: number;
  readonly totalMs: number;
  readonly cpuMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly profile: readonly ProfileRow[];
}

export interface HostSetup {
  readonly servers: readonly string[];
  readonly replicas: number;
  readonly profile: boolean;
}

export type HostMessage =
  | { readonly ready: true; readonly partitions: number }
  | { readonly id: number; readonly figures: HostFigures }
  | { readonly failed: string };

const FLOOR_STREAM = 'TROUPE_BENCH_FLOOR';
/** What an engine's record weighs, more or less. */
const RECORD_BYTES = 300;
const PUBLISH_TIMEOUT_MS = 30_000;

/** Answers with what it is given. */
const echo = actor('echo', { hostBound: true, methods: { echo: (_ctx, value: string) => value } });
const CALL_BODY = 'x'.repeat(200);

function tell(message: HostMessage): void {
  process.send!(message);
}

async function main({ servers, replicas, profile: profiled }: HostSetup): Promise<void> {
  const host = await startHost({
    cluster: nats({ servers, replicas }),
    workflows: [sequence, fanOut, parked],
    activities: [nothing],
    actors: [echo],
  });
  const publisher = await Publisher.connect(servers, replicas);
  const profile = profiled ? new CpuProfile() : undefined;
  let instances = 0;

  async function work(task: HostTask): Promise<{ rounds: number; latenciesMs: readonly number[] }> {
    switch (task.kind) {
      case 'sequences':
        return closedLoop(task.inFlight, task.durationMs, (done) => void runSequence(task.steps).then(done));
      case 'publishes':
        return publisher.loop(task.inFlight, task.durationMs);
      case 'calls': {
        const other = host.actors.members().find(({ hostId }) => hostId !== host.actors.hostId);
        if (other === undefined) throw new Error('there is no other host to call');
        const ref = host.actors.actor(echo, other.hostId);
        return closedLoop(task.inFlight, task.durationMs, (done) => void ref.echo(CALL_BODY).then(done));
      }
      case 'sequence':
        await runSequence(task.steps);
        break;
      case 'fanOut':
        await (await host.workflows.start(fanOut, { input: task.width })).result();
        break;
      case 'parked': {
        const batch = ++instances;
        const id = (index: number): string => `parked-${process.pid}-${batch}-${index}`;
        await forEachIndex(task.instances, task.senders, (index) =>
          host.workflows.start(parked, { instanceId: id(index) }),
        );
        const startedAt = performance.now();
        const results = Array.from({ length: task.instances }, (_, index) => host.workflows.result(id(index)));
        await forEachIndex(task.instances, task.senders, (index) => host.workflows.raiseEvent(id(index), 'go', 1));
        await Promise.all(results);
        return { rounds: task.instances, latenciesMs: [performance.now() - startedAt] };
      }
    }
    return { rounds: 1, latenciesMs: [] };
  }

  async function runSequence(steps: number): Promise<void> {
    await (await host.workflows.start(sequence, { input: steps })).result();
  }

  process.on('message', ({ id, task }: { id: number; task: HostTask }) => {
    void (async () => {
      profile?.resume();
      const cpu = process.cpuUsage();
      const startedAt = performance.now();
      const { rounds, latenciesMs } = await work(task);
      const totalMs = performance.now() - startedAt;
      const { user, system } = process.cpuUsage(cpu);
      profile?.pause();
      tell({
        id,
        figures: {
          rounds,
          totalMs: task.kind === 'parked' ? latenciesMs[0]! : totalMs,
          cpuMs: (user + system) / 1_000,
          p50Ms: percentile(latenciesMs, 0.5),
          p99Ms: percentile(latenciesMs, 0.99),
          profile: profile?.take() ?? [],
        },
      });
    })().catch(fail);
  });
  process.on('disconnect', () => process.exit());
  tell({ ready: true, partitions: host.actors.status().partitions });
}

/** Publishes records, each on the condition that the one before it is the last of its subject. */
class Publisher {
  readonly #requests: InboxRequests;
  readonly #sequences: number[] = [];

  private constructor(requests: InboxRequests) {
    this.#requests = requests;
  }

  static async connect(servers: readonly string[], replicas: number): Promise<Publisher> {
    const wire = await connectWire({ servers: [...servers] }, { clock: systemClock, logger: console });
    const requests = new InboxRequests(wire, systemClock);
    const stream = {
      name: FLOOR_STREAM,
      subjects: [`${FLOOR_STREAM}.>`],
      num_replicas: replicas,
      max_msgs_per_subject: 1,
    };
    const asked = Buffer.from(JSON.stringify(stream));
    await requests.ask(`$JS.API.STREAM.CREATE.${FLOOR_STREAM}`, asked, PUBLISH_TIMEOUT_MS);
    return new Publisher(requests);
  }

  async loop(inFlight: number, durationMs: number) {
    let loops = 0;
    const body = Buffer.alloc(RECORD_BYTES, 1);
    const taken: number[] = [];
    for (let index = 0; index < inFlight; index++) taken.push(index);
    return closedLoop(inFlight, durationMs, (done) => {
      const lane = taken.shift() ?? ++loops;
      const receiver: RequestReceiver = {
        answered: ({ data }) => {
          const { seq } = JSON.parse(Buffer.from(data).toString()) as { seq?: number };
          if (seq === undefined) fail(new Error(`a publish was refused: ${Buffer.from(data).toString()}`));
          else {
            this.#sequences[lane] = seq;
            taken.push(lane);
            done();
          }
        },
        failed: (failure) => fail(new Error(`a publish failed: ${failure}`)),
      };
      const headers = new WireHeaders({ 'Nats-Expected-Last-Subject-Sequence': String(this.#sequences[lane] ?? 0) });
      this.#requests.send(`${FLOOR_STREAM}.${process.pid}.${lane}`, body, receiver, PUBLISH_TIMEOUT_MS, headers);
    });
  }
}

function fail(error: unknown): void {
  tell({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

process.once('message', (setup: HostSetup) => void main(setup).catch(fail));
