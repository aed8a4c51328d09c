// Files of triggers, for people who do not write code: read, checked as a whole, and made into triggers.
//
// C1. Everything that is wrong in a file is told at once, each with its line and column.
// C2. Reading has no effect, and needs neither the secrets nor the brokers: a file can be checked anywhere.
// C3. No message has a secret in it.

import { open } from 'node:fs/promises';
import { SecretError, SourceError } from '../errors.ts';
import { TRIGGER_FILE_BYTES_MAX } from '../limits.ts';
import type { Source } from '../source.ts';
import { checkedRule, type TriggerOptions } from '../trigger.ts';
import { Triggers } from '../triggers.ts';
import { meant, TriggerFileError, type Finding } from './finding.ts';
import { RuleCompiler } from './rule-compiler.ts';
import { ACTIONS, fileSchema } from './rule-schema.ts';
import { isMap, schemaFindings, valueAt } from './schema-issues.ts';
import { sourceKinds } from './source-kinds.ts';
import { textFindings, withSecrets } from './source-secrets.ts';
import { YamlTree, type Path } from './yaml-tree.ts';

/** A file of triggers that was read and is right, as far as it can be known without its brokers. */
export interface TriggerFile {
  /** As it was named. */
  readonly name: string;
  /** Of the triggers, in their order. */
  readonly triggers: readonly string[];
  /** What is allowed, but may not be meant. */
  readonly warnings: readonly Finding[];
}

export interface TriggerFileOptions {
  /** Names of the workflows that are here. Another one that the file names is a warning: other hosts may have it. */
  readonly workflows?: readonly string[];
}

interface FileRule {
  readonly name: string;
  readonly kind: string;
  readonly path: Path;
  readonly sourceOptions: unknown;
  readonly options: TriggerOptions;
}

/** What stands behind the file that people see. */
const contents = new WeakMap<TriggerFile, { readonly tree: YamlTree; readonly rules: readonly FileRule[] }>();

/**
 * Reads a file of triggers, in YAML or JSON.
 *
 * @throws {TriggerFileError} with everything that is wrong in it
 */
export async function readTriggerFile(path: string, options: TriggerFileOptions = {}): Promise<TriggerFile> {
  return parseTriggerFile(decoded(path, await readBytes(path)), path, options);
}

/**
 * The same from a text.
 *
 * @throws {TriggerFileError}
 */
export function parseTriggerFile(text: string, name: string, options: TriggerFileOptions = {}): TriggerFile {
  const tree = new YamlTree(text);
  const findings: Finding[] = [...tree.findings];
  const { value } = tree;
  if (!tree.usable || value === null) {
    const hint = 'It begins with "triggers:", and under it a name, a source and what to do.';
    if (findings.length === 0)
      findings.push({ severity: 'error', line: 1, column: 1, message: 'the file is empty', hint });
    throw new TriggerFileError(name, findings);
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) findings.push(...schemaFindings(fileSchema, tree, parsed.error.issues));
  // The values that passed have durations in milliseconds; of those that did not, what is computed is checked all the same.
  const triggers = parsed.success ? parsed.data.triggers : valueAt(value, ['triggers']);
  const compiler = new RuleCompiler(tree, findings, parsed.success);
  const rules: FileRule[] = [];
  for (const [ruleName, rule] of Object.entries(isMap(triggers) ? triggers : {})) {
    const path = ['triggers', ruleName];
    const kind = kindOf(valueAt(value, path), path, tree, findings);
    findings.push(...plainTextFindings(valueAt(value, path), path, tree, options.workflows));
    const compiled = compiler.options(rule, path);
    if (kind === undefined || compiled === undefined) continue;
    const sourceOptions = valueAt(rule, ['source', kind]);
    rules.push({ name: ruleName, kind, path, sourceOptions, options: compiled });
  }
  const sorted = findings.sort((a, b) => a.line - b.line || a.column - b.column);
  const errors = sorted.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new TriggerFileError(name, errors);
  const file: TriggerFile = { name, triggers: rules.map((rule) => rule.name), warnings: sorted };
  contents.set(file, { tree, rules });
  return file;
}

/**
 * The triggers of a file, to be started with a host. Their secrets are fetched and the packages of their brokers loaded.
 *
 * @throws {TriggerFileError} when a secret, or a package, is not there, or an option can never work
 */
export async function triggersFrom(file: TriggerFile, options: { readonly sources?: boolean } = {}): Promise<Triggers> {
  const content = contents.get(file);
  if (content === undefined) throw new TypeError('triggersFrom takes what readTriggerFile gave');
  const { tree, rules } = content;
  const findings: Finding[] = [];
  const triggers = new Triggers();
  for (const rule of rules) {
    const source = options.sources === false ? silent(rule.kind) : await sourceOf(rule, tree, findings);
    if (source === undefined) continue;
    try {
      triggers.add(checkedRule(rule.name, source, rule.options));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      findings.push({ severity: 'error', ...tree.keyAt(rule.path), message: error.message });
    }
  }
  if (findings.length > 0) throw new TriggerFileError(file.name, findings);
  return triggers;
}

async function sourceOf(rule: FileRule, tree: YamlTree, findings: Finding[]): Promise<Source | undefined> {
  const path = [...rule.path, 'source', rule.kind];
  const before = findings.length;
  const given = withSecrets(rule.sourceOptions, path, tree, findings);
  if (findings.length > before) return undefined;
  try {
    return await sourceKinds[rule.kind]!.make(given as never);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof SourceError || error instanceof SecretError)) throw error;
    findings.push({ severity: 'error', ...tree.keyAt(path), message: error.message });
    return undefined;
  }
}

/** For trying rules without their brokers: events come only from whoever hands them over. */
function silent(kind: string): Source {
  const reader = { drain: async () => {}, close: async () => {} };
  return { kind, runsOn: 'every-host', open: async () => reader };
}

/** Which kind of source a rule names. */
function kindOf(rule: unknown, path: Path, tree: YamlTree, findings: Finding[]): string | undefined {
  const source = valueAt(rule, ['source']);
  if (!isMap(source)) return undefined;
  const [kind, ...others] = Object.keys(source).filter((name) => Object.hasOwn(sourceKinds, name));
  const sourcePath = [...path, 'source'];
  if (kind === undefined && Object.keys(source).length === 0)
    findings.push({
      severity: 'error',
      ...tree.at(sourcePath),
      message: 'there is no source',
      hint: `It is one of ${Object.keys(sourceKinds).join(', ')}.`,
    });
  for (const other of others)
    findings.push({
      severity: 'error',
      ...tree.keyAt([...sourcePath, other]),
      message: `a trigger has one source, and there is ${JSON.stringify(kind)} already`,
      hint: 'Write another trigger.',
    });
  return kind;
}

/** What is to be said of texts that are not computed. */
function plainTextFindings(
  rule: unknown,
  path: Path,
  tree: YamlTree,
  workflows: readonly string[] | undefined,
): Finding[] {
  const found = ['source', 'types'].flatMap((name) => textFindings(valueAt(rule, [name]), [...path, name], tree));
  const choices = valueAt(rule, ['do']);
  const places = [path, ...(Array.isArray(choices) ? choices.map((_, index) => [...path, 'do', index]) : [])];
  for (const place of places.flatMap((one) => ACTIONS.map((action) => [...one, action]))) {
    for (const option of ['workflow', 'eventName']) {
      const text = valueAt(tree.value, [...place, option]);
      if (typeof text !== 'string') continue;
      found.push(...textFindings(text, [...place, option], tree));
      if (option !== 'workflow' || workflows === undefined || workflows.includes(text)) continue;
      const hint = meant(text, workflows);
      found.push({
        severity: 'warning',
        ...tree.at([...place, option]),
        message: `there is no workflow ${JSON.stringify(text)} on this host`,
        ...(hint === undefined ? {} : { hint }),
      });
    }
  }
  return found;
}

async function readBytes(path: string): Promise<Uint8Array> {
  const fault = (message: string): TriggerFileError =>
    new TriggerFileError(path, [{ severity: 'error', line: 1, column: 1, message }]);
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > TRIGGER_FILE_BYTES_MAX)
      throw fault(`the file has ${size} bytes, and may have ${TRIGGER_FILE_BYTES_MAX}`);
    return await file.readFile();
  } catch (error) {
    if (error instanceof TriggerFileError) throw error;
    throw fault(`the file cannot be read: ${(error as Error).message}`);
  }
}

function decoded(name: string, bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    return decoder.decode(bytes);
  } catch {
    throw new TriggerFileError(name, [
      {
        severity: 'error',
        line: badLine(bytes),
        column: 1,
        message: 'this line is not UTF-8',
        hint: 'Save the file as UTF-8.',
      },
    ]);
  }
}

/** The first line that is not UTF-8. */
function badLine(bytes: Uint8Array): number {
  const lines = Buffer.from(bytes).toString('latin1').split('\n');
  const bad = lines.findIndex((line) => {
    const encoded = Buffer.from(line, 'latin1');
    return !encoded.equals(Buffer.from(encoded.toString('utf8')));
  });
  return bad + 1;
}
