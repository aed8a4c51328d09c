import type { StandardSchemaV1 } from '@standard-schema/spec';
import { plainPayload } from '@troupe/actors';
import { ValidationError, type ValidationIssue } from './errors.ts';
import type { AnyWorkflow, EventDefinitions } from './workflow.ts';

/** Any Standard Schema: of zod, valibot, arktype and others. See https://standardschema.dev. */
export type Schema<I = unknown, O = I> = StandardSchemaV1<I, O>;

/**
 * Validates a value, or what a text says; resolves with what the schema makes of it. Without a schema everything is left
 * as it is.
 *
 * @throws {ValidationError} with one issue for each thing that is wrong
 */
export async function validated(schema: Schema | undefined, value: unknown, what: string): Promise<unknown> {
  if (schema === undefined) return value;
  const result = await schema['~standard'].validate(plainPayload(value));
  if (result.issues === undefined) return result.value;
  throw new ValidationError(what, result.issues.map(issueOf));
}

/** The schema of an event's payload, if its workflow gives one. */
export function eventSchema({ options }: AnyWorkflow, name: string): Schema | undefined {
  const events = options.events as EventDefinitions | undefined;
  if (events === undefined) return undefined;
  const wanted = name.toLowerCase();
  const key = Object.keys(events).find((candidate) => candidate.toLowerCase() === wanted);
  return key === undefined ? undefined : events[key]!.schema;
}

function issueOf(issue: StandardSchemaV1.Issue): ValidationIssue {
  const keys = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
  // RFC 6901: "~" and "/" inside a key are escaped.
  const pointer = keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return { pointer, message: issue.message };
}
