// Secrets among the options of a source: fetched from where the file says that they are.

import { SecretError } from '../errors.ts';
import { secretFrom } from '../signatures/secret.ts';
import type { Finding } from './finding.ts';
import type { Path, YamlTree } from './yaml-tree.ts';

/** Options with each `{ env: NAME }` and `{ file: PATH }` replaced by the text that is there. */
export function withSecrets(options: unknown, path: Path, tree: YamlTree, findings: Finding[]): unknown {
  if (Array.isArray(options)) return options.map((item, index) => withSecrets(item, [...path, index], tree, findings));
  if (typeof options !== 'object' || options === null) return options;
  const [first, ...others] = Object.entries(options as Record<string, unknown>);
  if (
    first !== undefined &&
    others.length === 0 &&
    typeof first[1] === 'string' &&
    (first[0] === 'env' || first[0] === 'file')
  ) {
    try {
      return secretFrom(options as { env: string } | { file: string }).reveal();
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      findings.push({ severity: 'error', ...tree.at([...path, first[0]]), message: error.message });
      return undefined;
    }
  }
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, withSecrets(value, [...path, name], tree, findings)]),
  );
}

/** A secret that stands in the file itself, or a placeholder that nobody replaces. */
export function textFindings(value: unknown, path: Path, tree: YamlTree): Finding[] {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([name, item]) =>
      textFindings(item, [...path, Array.isArray(value) ? Number(name) : name], tree),
    );
  if (typeof value !== 'string') return [];
  const placeholder = /\$\{(?:env:)?(\w*)[^}]*\}/.exec(value);
  if (placeholder !== null)
    return [
      {
        severity: 'error',
        ...tree.within(path, placeholder.index),
        message: `${placeholder[0]} is not replaced by anything`,
        hint: `Where an option is a secret, { env: ${placeholder[1] || 'NAME'} } takes all of it from the environment.`,
      },
    ];
  const named = String(typeof path.at(-1) === 'number' ? path.at(-2) : path.at(-1));
  if (!/^(?:password|pass|passwd|secret|token)$/i.test(named) && !/^[a-z+]+:\/\/[^/@:]*:[^/@]+@/i.test(value))
    return [];
  return [
    {
      severity: 'warning',
      ...tree.at(path),
      message: `${JSON.stringify(named)} has a secret in it that everybody who reads this file sees`,
      hint: 'Use { env: NAME } or { file: PATH }.',
    },
  ];
}
