// Prometheus' text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/

import type { WorkflowHost } from '@troupe/workflow';
import type { TriggerView } from './trigger-port.ts';

type WriteMetric = (
  name: string,
  kind: string,
  help: string,
  samples: Iterable<readonly [suffix: string, value: number]>,
) => void;

/** Counts what the gateway answers. Labels are routes, never paths: their number is bounded. */
export class RequestMetrics {
  readonly #answered = new Map<string, number>();
  readonly #seconds = new Map<string, { sum: number; count: number }>();
  inFlight = 0;

  answered(route: string, method: string, status: number, seconds: number): void {
    const labels = `method="${method}",route="${escapeLabel(route)}"`;
    const key = `${labels},status="${status}"`;
    this.#answered.set(key, (this.#answered.get(key) ?? 0) + 1);
    const taken = this.#seconds.get(labels) ?? { sum: 0, count: 0 };
    taken.sum += seconds;
    taken.count++;
    this.#seconds.set(labels, taken);
  }

  /** Everything that is counted, of the gateway, of its host and of its triggers. */
  text(host: WorkflowHost, triggers: readonly TriggerView[]): string {
    const lines: string[] = [];
    const write: WriteMetric = (name, kind, help, samples) => {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
      for (const [suffix, value] of samples) lines.push(`${name}${suffix} ${value}`);
    };
    const counters = host.counters();
    const status = host.status();
    write('troupe_workflows_started_total', 'counter', 'Workflow instances started by this host.', [
      ['', counters.started],
    ]);
    write('troupe_workflows_ended_total', 'counter', 'Workflow instances that ended on this host.', [
      ['{status="completed"}', counters.completed],
      ['{status="failed"}', counters.failed],
      ['{status="terminated"}', counters.terminated],
    ]);
    write('troupe_activities_total', 'counter', 'Activities run by this host, by outcome.', [
      ['{outcome="completed"}', counters.activitiesCompleted],
      ['{outcome="failed"}', counters.activitiesFailed],
    ]);
    write('troupe_workflow_instances_active', 'gauge', 'Workflow instances in memory.', [['', status.activeInstances]]);
    write('troupe_activities_running', 'gauge', 'Activities that run now.', [['', status.runningActivities]]);
    write('troupe_activities_waiting', 'gauge', 'Activities that wait for room.', [['', status.waitingActivities]]);
    const { wakeUps, recovering, partitions } = host.actors.status();
    write('troupe_actor_wake_ups', 'gauge', 'Actors that are to be looked at within minutes.', [['', wakeUps]]);
    write('troupe_actors_recovering', 'gauge', 'Actors whose activation was lost and did not come back yet.', [
      ['', recovering],
    ]);
    write('troupe_host_partitions', 'gauge', 'Partitions that this host serves.', [['', partitions]]);
    write('troupe_cluster_members', 'gauge', 'Hosts that this host takes for alive, itself among them.', [
      ['', host.actors.members().length],
    ]);
    write('troupe_workers_connected', 'gauge', 'Workers of other languages that are connected to this host.', [
      ['', host.workers.connected],
    ]);
    write('troupe_host_ready', 'gauge', '1 when the host can take work.', [['', status.ready ? 1 : 0]]);
    write('troupe_http_requests_in_flight', 'gauge', 'HTTP requests that are being answered.', [['', this.inFlight]]);
    write(
      'troupe_http_requests_total',
      'counter',
      'HTTP requests answered.',
      [...this.#answered].map(([labels, count]) => [`{${labels}}`, count] as const),
    );
    write(
      'troupe_http_request_duration_seconds',
      'summary',
      'Time from the headers of a request to its answer; long polls included.',
      [...this.#seconds].flatMap(([labels, { sum, count }]) => [
        [`_sum{${labels}}`, sum] as const,
        [`_count{${labels}}`, count] as const,
      ]),
    );
    if (triggers.length > 0) writeTriggers(triggers, write);
    return `${lines.join('\n')}\n`;
  }
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** Names of triggers are letters, digits, "-" and "_". */
function writeTriggers(triggers: readonly TriggerView[], write: WriteMetric): void {
  write(
    'troupe_trigger_events_total',
    'counter',
    'Events that this host has settled, by what became of them.',
    triggers.flatMap(({ name, counts }) =>
      Object.entries(counts).map(
        ([outcome, count = 0]) => [`{trigger="${name}",outcome="${outcome}"}`, count] as const,
      ),
    ),
  );
  const each = (value: (trigger: TriggerView) => number | undefined) =>
    triggers.flatMap((trigger) => {
      const sample = value(trigger);
      return sample === undefined ? [] : [[`{trigger="${trigger.name}",kind="${trigger.kind}"}`, sample] as const];
    });
  const gauge = (name: string, help: string, value: (trigger: TriggerView) => number | undefined): void =>
    write(name, 'gauge', help, each(value));
  gauge('troupe_trigger_in_flight', 'Events that are worked at on this host.', ({ inFlight }) => inFlight);
  gauge('troupe_trigger_lag', 'Messages that wait at the origin, where it says so.', ({ lag }) => lag);
  gauge(
    'troupe_trigger_dead_letters',
    'Events of the application that could not be handled.',
    (one) => one.deadLetters,
  );
  gauge('troupe_trigger_failing', '1 while the source cannot be read on this host.', ({ state }) =>
    state === 'failing' ? 1 : 0,
  );
}
