// The JSON Schema that editors use: that it is the one that files are checked by.
//
// TROUPE_WRITE_SCHEMA=1 npx vitest run packages/triggers/test/file-schema.test.ts writes it.

import { readFile, writeFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { fileJsonSchema } from '../src/config/rule-schema.ts';

const file = new URL('../schema/troupe.schema.json', import.meta.url);

test('the schema that is published is up to date', async () => {
  const made = `${JSON.stringify(fileJsonSchema(), undefined, 2)}\n`;
  if (process.env['TROUPE_WRITE_SCHEMA'] === '1') await writeFile(file, made);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(JSON.parse(made));
});

test('it takes what is right, and refuses what is wrong', async () => {
  const fits = new Ajv2020({ strict: false }).compile(JSON.parse(await readFile(file, 'utf8')) as object);
  const source = 'source: { jetstream: { servers: nats://h, stream: S, ackWait: 30s } }';
  const doc = (rule: string): unknown => parse(`triggers: { one: { ${source}, ${rule} } }`);
  expect(fits(doc('start: { workflow: w, input: { a: [event.id, 1] } }, dedupFor: 7d'))).toBe(true);
  expect(fits(doc('do: [{ when: event.id == "", drop: {} }, { start: { workflow: w } }]'))).toBe(true);
  for (const wrong of ['', 'strat: {}', 'start: {}', 'drop: {}, dedupFor: 7', 'drop: {}, start: { workflow: w }'])
    expect(fits(doc(wrong)), wrong).toBe(false);
  expect(fits({ triggers: { one: { source: {}, drop: {} } } })).toBe(false);
});
