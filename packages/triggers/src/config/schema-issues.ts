// What zod has to say of a file, as findings.

import { z } from 'zod';
import { meant, type Finding } from './finding.ts';
import type { Path, YamlTree } from './yaml-tree.ts';

type Issue = z.core.$ZodIssue;

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of options',
  record: 'a map',
};

/** Everything that a schema finds wrong in the values of a file. */
export function schemaFindings(schema: z.ZodType, tree: YamlTree, issues: readonly Issue[]): Finding[] {
  const findings = issues.flatMap((issue) => findingsOf(schema, tree, issue, []));
  // What is misspelt is not missing too.
  const meantKeys = new Set(findings.map(({ hint }) => /^Is (".*") meant\?$/.exec(hint ?? '')?.[1]));
  return findings.filter(({ message }) => !meantKeys.has(/^(".*") is missing$/.exec(message)?.[1] ?? ''));
}

function findingsOf(schema: z.ZodType, tree: YamlTree, issue: Issue, within: Path): Finding[] {
  const path: Path = [...within, ...(issue.path as (string | number)[])];
  const found = valueAt(tree.value, path);
  const error = (message: string, hint?: string, place = tree.at(path)): Finding => ({
    severity: 'error',
    ...place,
    message,
    ...(hint === undefined ? {} : { hint }),
  });
  const named = nameOf(path);
  if (found === undefined && issue.code !== 'unrecognized_keys' && issue.code !== 'custom')
    return [error(`${named} is missing`, undefined, tree.keyAt(path.slice(0, -1)))];
  if (issue.code === 'unrecognized_keys') {
    const present = typeof found === 'object' && found !== null ? Object.keys(found) : [];
    const known = knownKeys(schema, path).filter((key) => !present.includes(key));
    return issue.keys.map((key) =>
      error(`there is no option ${JSON.stringify(key)}${ofWhat(path)}`, meant(key, known), tree.keyAt([...path, key])),
    );
  }
  if (issue.code === 'invalid_key')
    return [
      error(issue.issues[0]?.message ?? issue.message, `It is ${JSON.stringify(path.at(-1))}.`, tree.keyAt(path)),
    ];
  if (issue.code === 'invalid_union') return unionFindings(schema, tree, issue, path, error);
  if (issue.code === 'invalid_type')
    return [error(`${named} has to be ${KINDS[issue.expected] ?? issue.expected}, and is ${kindOf(found)}`)];
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const hint = typeof found === 'string' ? meant(found, values, false) : undefined;
    return [error(`${named} has to be ${orList(values)}, and is ${shownValue(found)}`, hint)];
  }
  if (issue.code === 'too_small' && issue.origin !== 'string' && issue.origin !== 'array')
    return [error(`${named} has to be at least ${issue.minimum}, and is ${shownValue(found)}`)];
  if (issue.code === 'too_big')
    return [error(`${named} has to be at most ${issue.maximum}, and is ${shownValue(found)}`)];
  return [error(`${named} ${issue.message}`)];
}

/** Of several that it could be, what is wrong with the one that it looks like; else which it could be. */
function unionFindings(
  schema: z.ZodType,
  tree: YamlTree,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: Path,
  error: (message: string, hint?: string) => Finding,
): Finding[] {
  const atTop = (one: Issue): boolean =>
    one.path.length === 0 && (one.code === 'invalid_type' || one.code === 'invalid_value');
  const like = alternatives(issue).filter((issues) => !issues.some(atTop));
  const best = like.sort((a, b) => a.length - b.length)[0];
  if (best !== undefined) return best.flatMap((one) => findingsOf(schema, tree, one, path));
  const could = new Set(issue.errors.flatMap((issues) => issues.flatMap(expectations)));
  return [error(`${nameOf(path)} has to be ${orList([...could])}, and is ${shownValue(valueAt(tree.value, path))}`)];
}

/** Of unions inside of unions too. */
function alternatives({ errors }: Extract<Issue, { code: 'invalid_union' }>): Issue[][] {
  return errors.flatMap((issues) => {
    const [only] = issues;
    return only?.code === 'invalid_union' && only.path.length === 0 ? alternatives(only) : [issues];
  });
}

function expectations(issue: Issue): string[] {
  if (issue.code === 'invalid_union') return issue.errors.flatMap((issues) => issues.flatMap(expectations));
  if (issue.code === 'invalid_value') return issue.values.map(String);
  return issue.code === 'invalid_type' ? [KINDS[issue.expected] ?? issue.expected] : [];
}

/** The keys that a schema knows at a path. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  let schemas: z.ZodType[] = flattened(schema);
  for (const step of path) schemas = schemas.flatMap((one) => inside(one, step)).flatMap(flattened);
  return [...new Set(schemas.flatMap((one) => (one instanceof z.ZodObject ? Object.keys(one.shape) : [])))];
}

function inside(schema: z.ZodType, step: string | number): z.ZodType[] {
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Record<string, z.ZodType>;
    return Object.hasOwn(shape, step) ? [shape[step]!] : [];
  }
  if (schema instanceof z.ZodRecord) return [schema.valueType as z.ZodType];
  return schema instanceof z.ZodArray ? [schema.element as z.ZodType] : [];
}

/** What a schema is made of, without what is wrapped around it. */
function flattened(schema: z.ZodType): z.ZodType[] {
  if (schema instanceof z.ZodOptional) return flattened(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodPipe) return flattened(schema.in as z.ZodType);
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(flattened);
  return [schema];
}

export function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Record<string | number, unknown>)[step];
  }
  return found;
}

/** Whether a value of a file is a map. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function nameOf(path: Path): string {
  if (path.length === 0) return 'the file';
  const [last, before] = [path.at(-1)!, path.at(-2)];
  return typeof last === 'number' ? `item ${last + 1} of ${JSON.stringify(before ?? '')}` : JSON.stringify(last);
}

function ofWhat(path: Path): string {
  const last = path.at(-1);
  return last === undefined ? '' : ` in ${nameOf(path)}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'a map';
}

/** A text may be a secret that stands in the wrong place. */
function shownValue(value: unknown): string {
  return typeof value === 'string' && value.length <= 32 && /^[\w.:/-]*$/.test(value)
    ? JSON.stringify(value)
    : kindOf(value);
}

function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
