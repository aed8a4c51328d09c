// One test: an origin, hosts, and all that was published between them.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually } from '../../../nats/test/integration/eventually.ts';
import type { Origin, Published, PublishOptions } from './source-kit.ts';
import type { FoundDeadLetter } from './trigger-host-settings.ts';
import type { TriggerHosts } from './trigger-hosts.ts';
import { documentedId, verdict } from './verdict.ts';

/** What is published to see whether anything arrives. */
const PROBES_MAX = 100;
const PROBE_PAUSE_MS = 200;

export class Scene {
  readonly origin: Origin;
  readonly hosts: TriggerHosts;
  readonly #published: Published[] = [];

  constructor(origin: Origin, hosts: TriggerHosts) {
    this.origin = origin;
    this.hosts = hosts;
  }

  async publish(numbers: readonly number[], options?: PublishOptions): Promise<readonly Published[]> {
    const published = await this.origin.publish(numbers, this.hosts, options);
    if (published.length !== numbers.length)
      throw new Error(`${published.length} events for ${numbers.length} numbers`);
    this.#published.push(...published);
    return published;
  }

  /** The instances that there are to be. */
  ids(): readonly string[] {
    return this.#published.map(({ id, source }) => documentedId(source, id)).sort();
  }

  /** Until every event that was published has an instance that has ended, and the origin holds nothing for us. */
  async done(timeoutMs?: number): Promise<void> {
    const events = this.#published.length;
    await this.#until(
      `${events} instances have ended`,
      async () => {
        // Counting asks more of a host than looking at what it noted.
        const ran = this.hosts.evidence.runs().length;
        if (ran < events) throw new Error(`${ran} activities of ${events} have run`);
        const { all, ended } = await this.hosts.running[0]!.ask.progress('take');
        if (all >= events && ended >= events) return true;
        throw new Error(`${all} instances of ${events}, ${ended} have ended`);
      },
      timeoutMs,
    );
    await this.acknowledged();
  }

  /** Until the origin holds nothing for us. */
  async acknowledged(): Promise<void> {
    await this.#until('all is acknowledged', async () => {
      const unacknowledged = (await this.origin.unacknowledged()) ?? 0;
      if (unacknowledged === 0) return true;
      throw new Error(`${unacknowledged} are not`);
    });
  }

  /** Until this many messages were settled, in all lives. */
  async settled(count: number): Promise<void> {
    await this.#until(`${count} messages are settled`, async () => {
      const settled = this.hosts.evidence.settled().length;
      if (settled >= count) return true;
      throw new Error(`${settled} are`);
    });
  }

  /** Until the rule `try-later` was tried on so many events. */
  async tried(count: number): Promise<void> {
    await this.#until(`${count} events are tried`, async () => {
      const tried = new Set(this.hosts.evidence.attempts().map(({ id, source }) => documentedId(source, id))).size;
      if (tried >= count) return true;
      throw new Error(`${tried} are`);
    });
  }

  /** Until each event that was published is a dead letter, in the order of publication. */
  async deadLetters(): Promise<readonly FoundDeadLetter[]> {
    return await this.#until('all are dead letters', async () => {
      const found = await this.hosts.running[0]!.ask.deadLetters();
      const letters = this.#published.map(({ id, source }) =>
        found.find(({ event }) => event?.id === id && event.source === source),
      );
      if (found.length === letters.length && letters.every((letter) => letter !== undefined)) return letters;
      throw new Error(`there are ${JSON.stringify(found)}`);
    });
  }

  /** After what an origin forgets while nobody listens: publishes new events, from this number, until one has arrived. */
  async publishUntilOneArrives(from: number): Promise<void> {
    for (let number = from; number < from + PROBES_MAX; number++) {
      const published = await this.origin.publish([number], this.hosts);
      await sleep(PROBE_PAUSE_MS);
      const arrived = this.hosts.evidence.runs().some(({ input }) => input.id === published[0]!.id);
      if (!arrived) continue;
      this.#published.push(...published);
      return;
    }
    throw new Error(`nothing of ${PROBES_MAX} events has arrived\n${await this.#logs()}`);
  }

  /** Exactly one instance of each event, started once, with what the event says. */
  async expectRight(): Promise<void> {
    const instances = await this.hosts.running[0]!.ask.instances('take');
    const judged = verdict(this.#published, instances, this.hosts.evidence, await this.origin.unacknowledged());
    expect(judged).toMatchObject({ instances: this.#published.length, lost: [], doubled: [] });
    expect(judged.unacknowledged ?? 0).toBe(0);
  }

  /** Looks again until `look` gives something else than `undefined`; not any longer when no host is left to change that. */
  async #until<T>(what: string, look: () => Promise<T>, timeoutMs?: number): Promise<T> {
    try {
      const seen = await eventually(
        what,
        async () => (this.hosts.running.length === 0 ? { seen: undefined } : { seen: await look() }),
        timeoutMs,
      );
      if (seen.seen === undefined) throw new Error(`${what}: no host runs any more`);
      return seen.seen;
    } catch (error) {
      const { cause } = error as Error;
      throw new Error(`${String(error)}\n${String(cause)}\n${await this.#logs()}`, { cause: error });
    }
  }

  async #logs(): Promise<string> {
    return (await Promise.all(this.hosts.hosts.map((host) => host.log()))).join('\n');
  }
}
