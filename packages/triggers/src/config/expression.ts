// Expressions of CEL over an event, compiled and type-checked when a file is read.
//
// E1. An expression sees the event and nothing else, and has no effect.
// E2. What it costs is bounded: its length, its nodes, the values that it makes, and, where it has loops or patterns, its time.
// E3. What it gives is plain data, as JSON has it, with bytes.
//
// CEL keeps whole numbers and others apart, and all numbers of JSON are others: `event.data.count + 1` would fail. So numbers of
// both kinds may be mixed here, and texts be joined with numbers.

import { createContext, Script } from 'node:vm';
import {
  Environment,
  EvaluationError,
  ParseError,
  TypeError as CelTypeError,
  type ParseResult,
} from '@marcbachmann/cel-js';
import { TryLaterError } from '../errors.ts';
import { EXPRESSION_LENGTH_MAX, EXPRESSION_NODES_MAX, EXPRESSION_TIME_MS_MAX } from '../limits.ts';
import type { TriggerEvent } from '../trigger-event.ts';
import { meant } from './finding.ts';
import { plainData } from './plain-data.ts';

/** What an expression is to give. */
export type Wanted = 'bool' | 'text' | 'time' | 'any';

/** Of the types that CEL finds out; `dyn` is only known when it is evaluated. */
const TYPES: Readonly<Record<Wanted, readonly string[] | undefined>> = {
  bool: ['bool', 'dyn'],
  text: ['string', 'int', 'uint', 'double', 'dyn'],
  time: ['google.protobuf.Timestamp', 'string', 'dyn'],
  any: undefined,
};
const NAMES: Readonly<Record<Wanted, string>> = {
  bool: 'true or false',
  text: 'a text',
  time: 'a time, as timestamp(event.time)',
  any: 'a value',
};

const EVENT_FIELDS = {
  source: 'string',
  id: 'string',
  type: 'string',
  subject: 'dyn',
  time: 'dyn',
  dataSchema: 'dyn',
  dataContentType: 'dyn',
  extensions: 'map<string, dyn>',
  headers: 'map<string, string>',
  data: 'dyn',
} as const;

/** What an expression knows as `event`. */
class EventValue {
  constructor(event: TriggerEvent) {
    for (const name of Object.keys(EVENT_FIELDS) as (keyof typeof EVENT_FIELDS)[])
      if (event[name] !== undefined) Object.assign(this, { [name]: event[name] });
    // An event without data has none that says so: expressions that all events pass through need not ask.
    if (event.data === undefined) Object.assign(this, { data: null });
  }

  plain(): object {
    return Object.fromEntries(Object.entries(this));
  }
}

/** Something is wrong with an expression; `index` says where in it. */
export class ExpressionProblem extends Error {
  override readonly name = 'ExpressionProblem';
  readonly index: number;
  readonly hint: string | undefined;

  constructor(message: string, index: number, hint?: string) {
    super(message);
    this.index = index;
    this.hint = hint;
  }
}

/** An expression, ready to be evaluated. */
export class Expression {
  readonly text: string;
  readonly #evaluate: ParseResult;
  readonly #bounded: boolean;

  /** @throws {ExpressionProblem} */
  constructor(text: string, wanted: Wanted) {
    this.text = text;
    if (text.trim() === '') throw new ExpressionProblem('the expression is empty', 0);
    if (text.length > EXPRESSION_LENGTH_MAX)
      throw new ExpressionProblem(
        `the expression has ${text.length} characters, and may have ${EXPRESSION_LENGTH_MAX}`,
        0,
        'Let a workflow compute it.',
      );
    try {
      this.#evaluate = environment.parse(text);
    } catch (error) {
      throw problemOf(error, text);
    }
    const checked = this.#evaluate.check();
    if (!checked.valid) throw problemOf(checked.error, text);
    const types = TYPES[wanted];
    const type = String(checked.type);
    if (types !== undefined && !types.includes(type))
      throw new ExpressionProblem(
        `the expression gives ${type}, and ${NAMES[wanted]} is expected`,
        0,
        typeHint(wanted, type),
      );
    this.#bounded = /\b(?:map|filter|all|exists|exists_one|bind|matches)\s*\(/.test(text);
  }

  /**
   * What it gives for an event: plain data, and what is wanted.
   *
   * @throws {ExpressionError} when it fails for this event
   * @throws {TryLaterError} when it took too long, which may be for want of a processor
   */
  valueFor(event: TriggerEvent, wanted: Wanted): unknown {
    try {
      const scene = { event: new EventValue(event) };
      const value: unknown = this.#bounded ? inTime(() => this.#evaluate(scene)) : this.#evaluate(scene);
      const plain =
        value === event.data ? value : plainData(value, (one) => (one instanceof EventValue ? one.plain() : undefined));
      return fitting(plain, wanted);
    } catch (error) {
      if (codeOf(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
        throw new TryLaterError(`the expression ${shown(this.text)} took longer than ${EXPRESSION_TIME_MS_MAX} ms`);
      throw new ExpressionError(this.text, error);
    }
  }
}

/** What CEL did not know before. */
function fitting(value: unknown, wanted: Wanted): unknown {
  if (wanted === 'any') return value;
  if (wanted === 'text' && (typeof value === 'string' || typeof value === 'number')) return String(value);
  if (wanted === 'bool' && typeof value === 'boolean') return value;
  if (wanted === 'time' && typeof value === 'string' && !Number.isNaN(Date.parse(value))) return new Date(value);
  const kind =
    value === null
      ? 'null'
      : Array.isArray(value)
        ? 'a list'
        : typeof value === 'object'
          ? 'a map'
          : `a ${typeof value}`;
  throw new RangeError(`it gives ${kind}, and ${NAMES[wanted]} is expected`);
}

/** An expression that fails for an event: it will fail for it again. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';

  constructor(text: string, cause: unknown) {
    super(`the expression ${shown(text)} fails: ${reasonOf(cause)}`, { cause });
  }
}

const environment = makeEnvironment();

function makeEnvironment(): Environment {
  const made = new Environment({
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: { maxAstNodes: EXPRESSION_NODES_MAX, maxDepth: 64 },
  })
    .registerType('Event', { ctor: EventValue, fields: EVENT_FIELDS })
    .registerVariable('event', 'Event');
  const operators: Readonly<Record<string, (a: number, b: number) => number>> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
    '%': (a, b) => a % b,
  };
  for (const [sign, compute] of Object.entries(operators)) {
    const mixed = (a: number | bigint, b: number | bigint): number => compute(Number(a), Number(b));
    made.registerOperator(`double ${sign} int: double`, mixed).registerOperator(`int ${sign} double: double`, mixed);
  }
  made.registerOperator('double % double: double', operators['%']!);
  const joined = (a: string | number | bigint, b: string | number | bigint): string => `${a}${b}`;
  for (const number of ['int', 'double'])
    made.registerOperator(`string + ${number}: string`, joined).registerOperator(`${number} + string: string`, joined);
  return made;
}

const FUNCTIONS = new Map<string, string>();
for (const { name, signature } of environment.getDefinitions().functions)
  if (!FUNCTIONS.has(name)) FUNCTIONS.set(name, signature);

/** Runs something that may take for ever. The same thread: it only ends sooner. */
function inTime<T>(run: () => T): T {
  sandbox.run = run;
  try {
    return watched.runInContext(sandbox, { timeout: EXPRESSION_TIME_MS_MAX }) as T;
  } finally {
    sandbox.run = undefined;
  }
}

const sandbox = createContext({ run: undefined as (() => unknown) | undefined }) as {
  run: (() => unknown) | undefined;
};
const watched = new Script('run()');

function problemOf(error: unknown, text: string): ExpressionProblem {
  if (!(error instanceof ParseError || error instanceof CelTypeError || error instanceof EvaluationError)) throw error;
  const { summary, range } = error;
  return new ExpressionProblem(
    `the expression is wrong: ${lowerFirst(summary)}`,
    range?.start ?? 0,
    hintFor(summary, text),
  );
}

function hintFor(summary: string, text: string): string | undefined {
  const variable = /^Unknown variable: (\S+)$/.exec(summary)?.[1];
  if (variable !== undefined) {
    if (Object.hasOwn(EVENT_FIELDS, variable)) return `Is "event.${variable}" meant?`;
    return (
      meant(variable, ['event'], false) ?? `Only "event" is known. A text needs quotes of its own: ${shownText(text)}.`
    );
  }
  const field = /^No such key: (\S+)$/.exec(summary)?.[1];
  if (field !== undefined)
    return meant(field, Object.keys(EVENT_FIELDS)) ?? 'What the sender made of it is in event.data.';
  const called = /^found no matching overload for '(?:[^.(]*\.)?(\w+)\(/.exec(summary)?.[1];
  if (called !== undefined) {
    const signature = FUNCTIONS.get(called);
    return signature === undefined ? meant(called, [...FUNCTIONS.keys()], false) : `It is ${signature}.`;
  }
  if (/===|!==/.test(text)) return 'Equal is "==", unequal is "!=".';
  if (/[^=!<>]=[^=]/.test(text)) return 'Equal is "==".';
  if (/Ternary branches/.test(summary)) return 'dyn(…) around both makes them one type.';
  return undefined;
}

/** A text that somebody forgot to quote, as YAML wants it. */
function shownText(text: string): string {
  return /^[\w .:/-]{1,40}$/.test(text) ? `"'${text}'"` : `"'text'"`;
}

function typeHint(wanted: Wanted, type: string): string | undefined {
  if (wanted === 'bool') return 'Compare it with something, as event.data.total > 0.';
  return type === 'bool' && wanted === 'text' ? 'string(…) makes a text of it.' : undefined;
}

function reasonOf(cause: unknown): string {
  const reason =
    cause instanceof EvaluationError
      ? lowerFirst(cause.summary)
      : cause instanceof Error
        ? cause.message
        : String(cause);
  const key = /^no such key: (\S+)$/.exec(reason)?.[1];
  return key === undefined ? reason : `${reason}; has(….${key}) says whether it is there`;
}

function codeOf(error: unknown): unknown {
  // Not an `Error` of this realm: it was thrown from the sandbox.
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

function shown(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length <= 200 ? line : `${line.slice(0, 200)}…`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
