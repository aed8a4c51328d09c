// Schemas that those of options are made of. What they say of a wrong value is a part of a sentence: `"topic" has to be …`.

import { z } from 'zod';

/** One schema for each option of a source's TypeScript, so that none is forgotten here. */
export type OptionShape<O> = { readonly [K in keyof O]-?: z.ZodType };

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION_PATTERN = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;

export function text(description: string) {
  return z.string().min(1, { error: 'has to be a text that is not empty' }).meta({ description });
}

export function texts(description: string) {
  return z
    .array(z.string().min(1, { error: 'has to be a text that is not empty' }))
    .min(1, { error: 'has to be a list that is not empty' })
    .meta({ description });
}

export function textOrTexts(description: string) {
  return z.union([text(description), texts(description)]).meta({ description });
}

export function wholeNumber(description: string, min: number, max: number) {
  return z.int({ error: 'has to be a whole number' }).min(min).max(max).meta({ description });
}

export function flag(description: string) {
  return z.boolean().meta({ description });
}

/** A text that nobody is to see: itself, or where it is found. */
export function secret(description: string) {
  return z.union([text(description), foundText]).meta({ description });
}

const foundText = z.union([
  z.strictObject({ env: text('Name of the environment variable that it is in.') }),
  z.strictObject({ file: text('Path of the file that it is in; a line break at its end is no part of it.') }),
]);

/** Options of a client that are handed on as they are. */
export function passedThrough(description: string) {
  return z.record(z.string(), z.unknown()).meta({ description });
}

/**
 * An object of options. Each option of milliseconds, whose name ends in `Ms`, may be written as a text without that end too, as
 * `ackWait: 30s` for `ackWaitMs: 30000`; it comes out as the number.
 */
export function options<S extends z.ZodRawShape>(shape: S, description?: string) {
  const inMs = Object.keys(shape).filter((name) => /[a-z]Ms$/.test(name));
  const twins = inMs.map((name) => [name.slice(0, -2), duration(descriptionOf(shape[name])).optional()] as const);
  const object = z.strictObject({ ...Object.fromEntries(twins), ...shape });
  return (description === undefined ? object : object.meta({ description })).transform((given, context) => {
    const made: Record<string, unknown> = { ...given };
    for (const name of inMs) {
      const textName = name.slice(0, -2);
      const written = made[textName];
      if (typeof written !== 'string') continue;
      delete made[textName];
      if (made[name] === undefined) made[name] = durationMs(written);
      else
        context.issues.push({
          code: 'custom',
          path: [textName],
          input: given,
          message: `and "${name}" say the same: keep one of them`,
        });
    }
    return made as z.output<z.ZodObject<S>>;
  });
}

function duration(description: string) {
  return z
    .string()
    .regex(DURATION_PATTERN, { error: 'has to be a duration, as 500ms, 30s, 5m, 1h30m or 7d' })
    .meta({ description: `${description} As a text: 500ms, 30s, 5m, 1h30m, 7d.`.trim() });
}

function durationMs(written: string): number {
  let sum = 0;
  for (const [, number, unit] of written.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    sum += Number(number) * UNITS[unit!]!;
  return Math.round(sum);
}

function descriptionOf(schema: unknown): string {
  let inner = schema as z.ZodType | undefined;
  if (inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  return inner?.meta()?.description ?? '';
}
