import { cpus } from 'node:os';
import actors from '@troupe/actors/package.json' with { type: 'json' };
import level from '@troupe/level/package.json' with { type: 'json' };

/** What ran where: part of every line. */
export function machine(): Readonly<Record<string, string | number>> {
  const [cpu] = cpus();
  return {
    node: process.version,
    troupe: actors.version,
    // Dependencies are named by exact versions.
    classicLevel: level.dependencies['classic-level'],
    msgpackr: actors.dependencies.msgpackr,
    cores: cpus().length,
    cpu: cpu?.model.trim() ?? 'unknown',
    store: 'level',
    durability: 'fdatasync before each acknowledgement',
  };
}
