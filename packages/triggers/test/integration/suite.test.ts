// The suite of sources, tried on a source of its own: one that works passes, and each that is wrong is found.

import { expect, test } from 'vitest';
import { acceptance, isClean, type AcceptanceOptions } from './acceptance.ts';
import { logKit } from './log-origin.ts';
import { sourceSuite } from './source-suite.ts';

const OPTIONS: AcceptanceOptions = { events: 100, duplicates: 10, kills: 2, seed: 3, quietMs: 2_000 };

sourceSuite(logKit());

test('a source that acknowledges before the create is durable is found: it loses events', async () => {
  const result = await acceptance(logKit('acknowledges-early'), { end: async () => {} }, 'early', OPTIONS);
  expect(isClean(result)).toBe(false);
  expect(result.lost).not.toEqual([]);
});

test('a source that never acknowledges is found: its origin holds all of them', async () => {
  const result = await acceptance(logKit('never-acknowledges'), { end: async () => {} }, 'never', OPTIONS);
  expect(isClean(result)).toBe(false);
  expect(result).toMatchObject({ lost: [], unacknowledged: OPTIONS.events + OPTIONS.duplicates });
});

test('a source that names an event anew at each delivery is found: instances too many', async () => {
  const result = await acceptance(logKit('names-anew'), { end: async () => {} }, 'anew', OPTIONS);
  expect(isClean(result)).toBe(false);
  expect(result.doubled).not.toEqual([]);
});
