// What may stand in a file of triggers, but for the options of sources.
//
// One rule says what is an expression: what is computed from an event (`filter`, `when`, `instanceId`, `input`, `payload`,
// `output`, `startAt` and each of the `tags`) is, and names (`workflow`, `eventName`, `types`) are plain text. Of `input`,
// `payload`, `output` and `tags` a text is an expression wherever it stands in maps and lists; all else is itself.

import { z } from 'zod';
import {
  ATTEMPTS_DEFAULT,
  ATTEMPTS_MAX,
  CONCURRENCY_DEFAULT,
  CONCURRENCY_MAX,
  DEDUP_FOR_MS_MAX,
  TRIGGER_NAME_PATTERN,
} from '../limits.ts';
import { flag, options, passedThrough, text, texts, wholeNumber } from './option-schemas.ts';
import { sourceSchema } from './source-kinds.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

const expression = (description: string) => z.string().meta({ description: `${description} An expression of CEL.` });

/** `event.data`, or a map or list with expressions in it. */
const value = (description: string) =>
  z.unknown().meta({ description: `${description} A text is an expression of CEL, also inside of maps and lists.` });

const instanceId = expression('Which instance.');
const eventName = z
  .union([text('Its name.'), z.strictObject({ cel: expression('Its name.') })])
  .meta({ description: 'Name of the external event: a text, or { cel: EXPRESSION }. Default: the type of the event.' });
const payload = value('What the external event brings. Default: the data of the event.').optional();
const workflow = text('Name of the workflow.');
const startOptions = {
  workflow,
  input: value('What the instance is given. Default: the data of the event.').optional(),
  tags: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .meta({ description: 'Tags of the instance. A text is an expression of CEL.' })
    .optional(),
  startAt: expression('Not before this time.').optional(),
  eventName: eventName.optional(),
};

/** What can be done with an event, by the key that says so. */
export const actionShape = {
  start: z
    .strictObject({
      ...startOptions,
      instanceId: expression('Default: made of the source and id of the event.').optional(),
      onConflict: z
        .enum(['dead-letter', 'raise', 'ack'])
        .meta({ description: 'When another event has started the instance of this id. Default: dead-letter.' })
        .optional(),
    })
    .meta({ description: 'Starts an instance, once per event.' }),
  raiseEvent: z
    .strictObject({ instanceId, eventName: eventName.optional(), payload })
    .meta({ description: 'Raises an external event at an instance, once per event.' }),
  startOrRaise: z
    .strictObject({ ...startOptions, instanceId, payload })
    .meta({ description: 'Starts the instance if there is none of this id, else raises the event at it.' }),
  terminate: z
    .strictObject({
      instanceId,
      output: value('Saved as the output.').optional(),
      recursive: flag('Its children too, and theirs. Default: false.').optional(),
      undo: flag('Runs the undos of its steps first. Default: false.').optional(),
    })
    .meta({ description: 'Terminates an instance.' }),
  suspend: z.strictObject({ instanceId }).meta({ description: 'Suspends an instance.' }),
  resume: z.strictObject({ instanceId }).meta({ description: 'Resumes an instance that is suspended.' }),
  drop: z.strictObject({}).meta({ description: 'Does nothing: the event is acknowledged and counted.' }),
};

export type ActionName = keyof typeof actionShape;
export const ACTIONS = Object.keys(actionShape) as ActionName[];

const actions = z.object(actionShape).partial().shape;

const choice = z
  .strictObject({ when: expression('Whether this is it. Without it, it is.').optional(), ...actions })
  .meta({ description: 'One of the things to do.' });

const rule = options(
  {
    source: sourceSchema,
    types: texts('Types of events that are wanted; others are counted and left. Default: all.').optional(),
    filter: expression('Whether an event is wanted.').optional(),
    schema: passedThrough('JSON Schema (2020-12) of the data. What does not match becomes a dead letter.').optional(),
    ...actions,
    do: z
      .array(choice)
      .min(1, { error: 'has to be a list that is not empty' })
      .meta({
        description: 'Several things to do: the first whose "when" is true is done; if none is, the event is dropped.',
      })
      .optional(),
    retry: options(
      {
        maxAttempts: wholeNumber(
          `Attempts before an event becomes a dead letter. Default: ${ATTEMPTS_DEFAULT}.`,
          1,
          ATTEMPTS_MAX,
        ).optional(),
        initialMs: wholeNumber(
          'Pause after the first attempt; each is twice as long as the one before.',
          1,
          DAY_MS,
        ).optional(),
        maxMs: wholeNumber('Longest pause between attempts.', 1, DAY_MS).optional(),
      },
      'How often a failing event is tried.',
    ).optional(),
    deadLetter: flag('False: what cannot be handled is logged and dropped. Default: true.').optional(),
    concurrency: wholeNumber(
      `Events that are worked at at once on each host. Default: ${CONCURRENCY_DEFAULT}.`,
      1,
      CONCURRENCY_MAX,
    ).optional(),
    dedupForMs: wholeNumber(
      'How long the same event starts nothing after its instance is gone: longer than the source can redeliver. Default: 7 days.',
      1,
      DEDUP_FOR_MS_MAX,
    ).optional(),
  },
  'What is done with the events of a source.',
);

/** A file of triggers. */
export const fileSchema = z
  .strictObject({
    $schema: z.string().meta({ description: 'For editors.' }).optional(),
    triggers: z
      .record(
        z.string().regex(TRIGGER_NAME_PATTERN, {
          error: 'a name of a trigger is 1 to 64 letters, digits, "-" and "_", and begins with a letter or digit',
        }),
        rule,
      )
      .meta({ description: 'Triggers by their names.' }),
  })
  .meta({ title: 'Triggers of Troupe', description: 'What starts and drives workflows.' });

/** As it stands in a file that passed. */
export type RuleSpec = z.output<typeof rule>;
export type ActionSpecs = Partial<{ readonly [N in ActionName]: z.output<(typeof actionShape)[N]> }>;

/** The JSON Schema of a file, for editors. */
export function fileJsonSchema(): unknown {
  return z.toJSONSchema(fileSchema, {
    io: 'input',
    reused: 'ref',
    override({ zodSchema, jsonSchema }) {
      // Written for each object of options by `options`; the rule is the one with a source.
      if (zodSchema instanceof z.ZodObject && 'source' in zodSchema.shape)
        jsonSchema.oneOf = [...ACTIONS, 'do'].map((name) => ({ required: [name] }));
    },
  });
}
