// A file of YAML, or of JSON which is YAML too, as plain values that know where they stand.
//
// Y1. All that is wrong with the YAML is found at once; values are only there when nothing is, or nothing but a key twice.
// Y2. Neither depth nor aliases nor size make more than a bounded piece of work of a file.

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseAllDocuments,
  type Document,
  type Node,
  type YAMLError,
} from 'yaml';
import { TRIGGER_FILE_DEPTH_MAX, TRIGGER_FILE_VALUES_MAX } from '../limits.ts';
import type { Finding } from './finding.ts';
import { scalarOffset, type ScalarStyle } from './scalar-offset.ts';

const TWICE = 'is there twice';
const TOO_DEEP = `this is nested more than ${TRIGGER_FILE_DEPTH_MAX} levels deep`;

export type Path = readonly (string | number)[];

/** A value and what it is made of. */
interface Branch {
  readonly value: unknown;
  readonly node: Node | undefined;
  readonly keyAt: number | undefined;
  readonly children: ReadonlyMap<string | number, Branch>;
}

export class YamlTree {
  readonly #text: string;
  readonly #lines = new LineCounter();
  readonly #findings: Finding[] = [];
  readonly #anchors = new Map<string, Node>();
  #values = 0;
  readonly #root: Branch | undefined;

  constructor(text: string) {
    this.#text = text;
    const tooDeep = tooDeepAt(text);
    if (tooDeep !== undefined) {
      this.#lines.addNewLine(0);
      for (let at = text.indexOf('\n'); at !== -1 && at < tooDeep; at = text.indexOf('\n', at + 1))
        this.#lines.addNewLine(at + 1);
      this.#find(tooDeep, TOO_DEEP);
      return;
    }
    const documents = parseAllDocuments(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      keepSourceTokens: true,
    });
    const [document, second] = Array.isArray(documents) ? (documents as Document.Parsed[]) : [];
    for (const one of Array.isArray(documents) ? documents : [])
      for (const problem of [...one.errors, ...one.warnings]) this.#findProblem(problem);
    if (second !== undefined)
      this.#find(second.range[0], 'there is a second document', 'Only one is read: take the line --- out.');
    const usable = this.#findings.length === 0 || document?.errors.every(({ code }) => code === 'DUPLICATE_KEY');
    if (usable && document?.contents) this.#root = this.#branch(document.contents, undefined, 0);
  }

  /** Whether it can be worked with: nothing is wrong with it but keys that are there twice. */
  get usable(): boolean {
    return this.#findings.every(({ message }) => message.endsWith(TWICE)) && this.#root !== undefined;
  }

  /** What is wrong with it as YAML. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** Undefined when there is none: the file is empty, or broken. */
  get value(): unknown {
    return this.#root?.value;
  }

  /** Of the value at a path, or of what should hold it. */
  at(path: Path): Pick<Finding, 'line' | 'column'> {
    let branch = this.#root;
    for (const step of path) {
      const child = branch?.children.get(step);
      if (child === undefined) return this.#place(branch?.keyAt ?? startOf(branch));
      branch = child;
    }
    return this.#place(startOf(branch));
  }

  /** Of the key that the value at a path has, if it has one. */
  keyAt(path: Path): Pick<Finding, 'line' | 'column'> {
    const keyAt = this.#branchAt(path)?.keyAt;
    return keyAt === undefined ? this.at(path) : this.#place(keyAt);
  }

  /** Of a character of a text. */
  within(path: Path, index: number): Pick<Finding, 'line' | 'column'> {
    const branch = this.#branchAt(path);
    const { node, value } = branch ?? {};
    if (!isScalar(node) || typeof value !== 'string' || !node.range) return this.at(path);
    const [from, to] = node.range;
    const style: ScalarStyle = node.type ?? 'PLAIN';
    return this.#place(from + scalarOffset(this.#text.slice(from, to), value, style, index));
  }

  #branchAt(path: Path): Branch | undefined {
    let branch = this.#root;
    for (const step of path) branch = branch?.children.get(step);
    return branch;
  }

  #branch(node: Node, keyAt: number | undefined, depth: number): Branch {
    if (depth > TRIGGER_FILE_DEPTH_MAX || ++this.#values > TRIGGER_FILE_VALUES_MAX) {
      // Once: what comes after it is left out.
      if (this.#values !== Number.POSITIVE_INFINITY)
        this.#find(
          keyAt ?? node.range?.[0] ?? 0,
          depth > TRIGGER_FILE_DEPTH_MAX
            ? TOO_DEEP
            : `there are more than ${TRIGGER_FILE_VALUES_MAX} values, aliases followed`,
        );
      this.#values = Number.POSITIVE_INFINITY;
      return { value: undefined, node, keyAt, children: new Map() };
    }
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target !== undefined) return this.#branch(target, keyAt ?? node.range?.[0], depth + 1);
      this.#find(node.range?.[0] ?? 0, `there is no anchor &${node.source} before this`);
      return { value: undefined, node, keyAt, children: new Map() };
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node);
    const children = new Map<string | number, Branch>();
    if (isSeq(node)) {
      node.items.forEach((item, index) => children.set(index, this.#branch(item as Node, undefined, depth + 1)));
      return { value: [...children.values()].map(({ value }) => value), node, keyAt, children };
    }
    if (!isMap(node)) return { value: isScalar(node) ? node.value : undefined, node, keyAt, children };
    for (const { key, value } of node.items) {
      const at = (key as Node).range?.[0] ?? 0;
      const name = this.#keyName(key as Node, at);
      if (name === undefined || children.has(name)) continue;
      const child = value as Node | null;
      children.set(name, child === null ? nothing(at) : this.#branch(child, at, depth + 1));
    }
    return {
      value: Object.fromEntries([...children].map(([name, { value }]) => [name, value])),
      node,
      keyAt,
      children,
    };
  }

  #keyName(key: Node, at: number): string | undefined {
    if (!isScalar(key)) this.#find(at, 'a key has to be a text');
    else if (key.value === '__proto__') this.#find(at, 'no key can be "__proto__"');
    else if (key.value === '<<')
      this.#find(at, 'maps are not merged here', 'Write the options out, or use an alias for all of a value.');
    else return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
    return undefined;
  }

  #findProblem({ code, message, pos }: YAMLError): void {
    const [at] = pos;
    const line = lineAround(this.#text, at);
    if (code === 'DUPLICATE_KEY') {
      const key = /^["']?([^"':\s]+)/.exec(this.#text.slice(at, at + 200))?.[1] ?? '';
      this.#find(at, `${JSON.stringify(key)} ${TWICE}`, 'Keep one of them.');
    } else if (/call stack/.test(message)) this.#find(at, TOO_DEEP);
    else if (code === 'TAB_AS_INDENT') this.#find(at, 'a tab cannot indent', 'Use spaces.');
    else this.#find(at, `this is not YAML: ${lowerFirst(message)}`, yamlHint(code, line));
  }

  #find(at: number, message: string, hint?: string): void {
    const place = this.#place(at);
    this.#findings.push({ severity: 'error', ...place, message, ...(hint === undefined ? {} : { hint }) });
  }

  #place(at: number): Pick<Finding, 'line' | 'column'> {
    const { line, col } = this.#lines.linePos(at);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

/** Tokens of the lexer that stand for nothing in the text. */
const LEXER_MARKS: ReadonlySet<string> = new Set(['\u0002', '\u0018', '\u001f', '\ufeff']);

/** The first place that is nested too deeply to be parsed, found without recursion. */
function tooDeepAt(text: string): number | undefined {
  let at = 0;
  let brackets = 0;
  let inLine = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === '\n' || token === '\r\n') inLine = 0;
    else if (token === '[' || token === '{') brackets++;
    else if (token === ']' || token === '}') brackets = Math.max(0, brackets - 1);
    else if (token === '-' || token === '?' || token === ':') inLine++;
    if (brackets > TRIGGER_FILE_DEPTH_MAX) return at;
    // In one line of maps in brackets there may be many more.
    if (brackets === 0 && inLine > TRIGGER_FILE_DEPTH_MAX) return at;
    if (!LEXER_MARKS.has(token)) at += token.length;
  }
  return undefined;
}

/** What people who write expressions stumble over. */
function yamlHint(code: YAMLError['code'], line: string): string | undefined {
  if (code === 'TAG_RESOLVE_FAILED') return 'A text that begins with "!" needs quotes around it.';
  if (code === 'UNEXPECTED_TOKEN' && /['"].*['"]/.test(line))
    return `An expression that begins with a quote needs quotes around all of it, as "'order-' + event.data.id".`;
  if ((code === 'BLOCK_AS_IMPLICIT_KEY' || code === 'BLOCK_IN_FLOW') && /\?.*:/.test(line))
    return 'An expression with "? :" needs quotes around it.';
  if (code === 'BAD_SCALAR_START') return 'Such a text needs quotes around it.';
  return undefined;
}

function lineAround(text: string, at: number): string {
  const end = text.indexOf('\n', at);
  return text.slice(text.lastIndexOf('\n', at - 1) + 1, end === -1 ? text.length : end);
}

function nothing(keyAt: number): Branch {
  return { value: null, node: undefined, keyAt, children: new Map() };
}

function startOf(branch: Branch | undefined): number {
  return branch?.node?.range?.[0] ?? branch?.keyAt ?? 0;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
