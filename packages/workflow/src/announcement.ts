// What a host of workflows tells the others of itself, and how that is read. Hosts of other versions of this library may tell
// less, more, or something else: whatever cannot be read is as if it were not there.

import type { Announcement } from '@troupe/actors';
import type { Registry } from './registry.ts';
import type { Retention } from './workflow.ts';

/** The name that it is announced under. */
export const ANNOUNCED_AS = 'workflow';

/** A version of a workflow as a host announces it. */
export interface AnnouncedVersion {
  readonly version: string;
  /** Its input or one of its events has a schema: a host that has the code is asked to check them. */
  readonly checked: boolean;
  readonly retention: Retention | undefined;
}

/** What a host has code for. */
export interface AnnouncedCode {
  readonly workflows: ReadonlyMap<string, readonly AnnouncedVersion[]>;
  readonly activities: ReadonlySet<string>;
  /** Activity bodies that it runs at once. */
  readonly slots: number;
}

/** What this host announces: plain data. */
export function announcementOf(registry: Registry, slots: number): unknown {
  const workflows = registry.listed().workflows.map(({ name, versions }) => ({
    name,
    versions: versions.map((version) => {
      const { options } = registry.workflow(name, version)!;
      const checked =
        options.input !== undefined ||
        Object.values(options.events ?? {}).some((event) => (event as { schema?: unknown }).schema !== undefined);
      return { version, checked, ...(options.retention === undefined ? {} : { retention: { ...options.retention } }) };
    }),
  }));
  return { workflows, activities: registry.listed().activities, slots };
}

/** What another host announces. */
export function readAnnouncement(announcement: Announcement | undefined): AnnouncedCode {
  const told = fieldsOf(fieldsOf(announcement?.details)[ANNOUNCED_AS]);
  const workflows = new Map<string, readonly AnnouncedVersion[]>();
  for (const one of listOf(told['workflows'])) {
    const { name, versions } = fieldsOf(one);
    if (typeof name === 'string') workflows.set(name, listOf(versions).flatMap(readVersion));
  }
  const { slots } = told;
  return {
    workflows,
    activities: new Set(listOf(told['activities']).filter((name) => typeof name === 'string')),
    slots: typeof slots === 'number' && slots >= 1 ? slots : 1,
  };
}

function readVersion(told: unknown): AnnouncedVersion[] {
  const { version, checked, retention } = fieldsOf(told);
  if (typeof version !== 'string') return [];
  return [{ version, checked: checked === true, retention: readRetention(retention) }];
}

function readRetention(told: unknown): Retention | undefined {
  const kept = Object.entries(fieldsOf(told)).filter(
    ([status, ms]) => (status === 'completed' || status === 'failed' || status === 'terminated') && isDuration(ms),
  );
  return kept.length === 0 ? undefined : (Object.fromEntries(kept) as Retention);
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
