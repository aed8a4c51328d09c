import type { AnyActivity } from './activity.ts';
import type { RegisteredWorkflow } from './host-interface.ts';
import type { AnyWorkflow } from './workflow.ts';

/** The definitions that a host has code for. */
export class Registry {
  readonly #workflows = new Map<string, AnyWorkflow[]>();
  readonly #activities = new Map<string, AnyActivity>();

  /** @throws {TypeError} when two definitions have the same name (and version) */
  constructor(workflows: readonly AnyWorkflow[], activities: readonly AnyActivity[]) {
    for (const definition of workflows) {
      const versions = this.#workflows.get(definition.name) ?? [];
      if (versions.some(({ version }) => version === definition.version)) {
        throw new TypeError(`workflow ${definition.name} is registered twice in version ${definition.version}`);
      }
      versions.push(definition);
      versions.sort((a, b) => compareVersions(a.version, b.version));
      this.#workflows.set(definition.name, versions);
    }
    for (const definition of activities) {
      if (this.#activities.has(definition.name)) throw new TypeError(`activity ${definition.name} is registered twice`);
      this.#activities.set(definition.name, definition);
    }
  }

  /** The newest version, or the one named. */
  workflow(name: string, version?: string): AnyWorkflow | undefined {
    const versions = this.#workflows.get(name);
    return version === undefined ? versions?.at(-1) : versions?.find((definition) => definition.version === version);
  }

  activity(name: string): AnyActivity | undefined {
    return this.#activities.get(name);
  }

  /** Oldest first. */
  versionsOf(name: string): readonly string[] {
    return (this.#workflows.get(name) ?? []).map(({ version }) => version);
  }

  listed(): { readonly workflows: readonly RegisteredWorkflow[]; readonly activities: readonly string[] } {
    return {
      workflows: [...this.#workflows].map(([name, versions]) => ({
        name,
        versions: versions.map(({ version }) => version),
      })),
      activities: [...this.#activities.keys()],
    };
  }
}

/** Part by part at the dots, numbers as numbers. */
export function compareVersions(left: string, right: string): number {
  const a = left.split('.');
  const b = right.split('.');
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const x = a[index] ?? '';
    const y = b[index] ?? '';
    if (x === y) continue;
    const [m, n] = [Number(x), Number(y)];
    return x !== '' && y !== '' && !Number.isNaN(m) && !Number.isNaN(n) ? m - n : x < y ? -1 : 1;
  }
  return 0;
}
