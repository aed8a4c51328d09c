// The public surface of @troupe/level.

export { levelStore } from './level-store.ts';
export type { LevelStoreOptions } from './opening.ts';
