// The kinds of sources that a file can name, by the names that they have there.

import { z } from 'zod';
import { pubsubKinds } from './pubsub-kinds.ts';
import { queueKinds } from './queue-kinds.ts';
import { recordKinds } from './record-kinds.ts';
import type { SourceKind } from './source-kind.ts';
import { timedKinds } from './timed-kinds.ts';
import { webKinds } from './web-kinds.ts';

export const sourceKinds: Readonly<Record<string, SourceKind>> = {
  ...webKinds,
  ...pubsubKinds,
  ...queueKinds,
  ...recordKinds,
  ...timedKinds,
};

/** A source: one of the kinds with its options. */
export const sourceSchema = z
  .strictObject(Object.fromEntries(Object.entries(sourceKinds).map(([name, { schema }]) => [name, schema.optional()])))
  .meta({ description: 'Where the events come from: one of these.', minProperties: 1, maxProperties: 1 });
