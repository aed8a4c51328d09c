// From what a file says of a trigger to the functions that a rule is made of.

import type { Action, FromEvent } from '../action.ts';
import { drop, raiseEvent, resume, start, startOrRaise, suspend, terminate } from '../action.ts';
import type { TriggerOptions } from '../trigger.ts';
import type { TriggerEvent } from '../trigger-event.ts';
import { dataSchema, DataSchemaProblem } from './data-schema.ts';
import { Expression, ExpressionProblem, type Wanted } from './expression.ts';
import type { Finding } from './finding.ts';
import { ACTIONS, type ActionName, type ActionSpecs, type RuleSpec } from './rule-schema.ts';
import { isMap } from './schema-issues.ts';
import type { Path, YamlTree } from './yaml-tree.ts';

type Computed = Partial<Record<keyof typeof COMPUTED | 'eventName', FromEvent<unknown, unknown>>>;

/** Options of actions that are computed, and what of. */
const COMPUTED = {
  instanceId: 'text',
  input: 'any',
  payload: 'any',
  output: 'any',
  tags: 'text',
  startAt: 'time',
} as const satisfies Readonly<Record<string, Wanted>>;

/** Everything of a rule that is computed. What is wrong is found; what the file's schema finds wrong is passed over. */
export class RuleCompiler {
  readonly #tree: YamlTree;
  readonly #findings: Finding[];
  readonly #fits: boolean;

  /** `fits`: whether all has the types of the file's schema. */
  constructor(tree: YamlTree, findings: Finding[], fits: boolean) {
    this.#tree = tree;
    this.#findings = findings;
    this.#fits = fits;
  }

  /** Undefined when something is missing in it. To be used only if nothing was found. */
  options(rule: unknown, path: Path): TriggerOptions | undefined {
    if (!isMap(rule)) return undefined;
    const filter = this.#expression(rule['filter'], [...path, 'filter'], 'bool');
    const schema = isMap(rule['schema']) ? this.#schema(rule['schema'], [...path, 'schema']) : undefined;
    const action = this.#whatToDo(rule, path);
    if (action === undefined) return undefined;
    const { types, retry, deadLetter, concurrency, dedupForMs } = rule as unknown as RuleSpec;
    return {
      types,
      schema,
      filter: filter === undefined ? undefined : (filter as FromEvent<unknown, boolean>),
      do: action,
      retry,
      deadLetter,
      concurrency,
      dedupForMs,
    };
  }

  #whatToDo(rule: Readonly<Record<string, unknown>>, path: Path): TriggerOptions['do'] | undefined {
    const names = [...ACTIONS, 'do' as const].filter((name) => Object.hasOwn(rule, name));
    // All of them, so that what is wrong in them is found too.
    const actions = ACTIONS.filter((name) => Object.hasOwn(rule, name)).map((name) =>
      this.#action(name, rule[name], [...path, name]),
    );
    const choices = Object.hasOwn(rule, 'do') ? this.#choices(rule['do'], [...path, 'do']) : undefined;
    return this.#isOne(names, path, 'or "do" with a list of them') ? (actions[0] ?? choices) : undefined;
  }

  #choices(choices: unknown, path: Path): TriggerOptions['do'] | undefined {
    if (!Array.isArray(choices)) return undefined;
    const compiled = choices.map((choice: unknown, index) =>
      this.#choice(choice, [...path, index], index === choices.length - 1),
    );
    return async (event) => {
      for (const choice of compiled) {
        if (choice !== undefined && (choice.when === undefined || (await choice.when(event)) === true))
          return choice.action;
      }
      return drop();
    };
  }

  #choice(choice: unknown, path: Path, last: boolean) {
    if (!isMap(choice)) return undefined;
    const when = this.#expression(choice['when'], [...path, 'when'], 'bool');
    if (!last && choice['when'] === undefined)
      this.#find(this.#tree.at(path), 'what comes after this is never done', 'It needs a "when", or to be the last.');
    const names = ACTIONS.filter((name) => Object.hasOwn(choice, name));
    if (!this.#isOne(names, path, '')) return undefined;
    const action = this.#action(names[0]!, choice[names[0]!], [...path, names[0]!]);
    return action === undefined ? undefined : { when, action };
  }

  #isOne(names: readonly string[], path: Path, orElse: string): boolean {
    const known = [ACTIONS.join(', '), orElse].filter((text) => text !== '').join(', ');
    if (names.length === 0) this.#find(this.#tree.keyAt(path), 'nothing says what to do', `It needs one of ${known}.`);
    for (const name of names.slice(1))
      this.#find(
        this.#tree.keyAt([...path, name]),
        `there is ${JSON.stringify(names[0])} already, and one thing to do`,
        'Several are a list in "do", each with a "when".',
      );
    return names.length === 1;
  }

  #action(name: ActionName, given: unknown, path: Path): Action | undefined {
    if (!isMap(given)) return undefined;
    const computed: Computed = {};
    for (const [option, wanted] of Object.entries(COMPUTED) as [keyof typeof COMPUTED, Wanted][]) {
      if (given[option] === undefined) continue;
      const made = this.#value(given[option], [...path, option], wanted);
      if (made !== undefined) computed[option] = made;
    }
    const { eventName } = given;
    if (isMap(eventName) && typeof eventName['cel'] === 'string') {
      const made = this.#expression(eventName['cel'], [...path, 'eventName', 'cel'], 'text');
      if (made !== undefined) computed.eventName = made;
    }
    return this.#fits ? actionOf({ [name]: given }, computed) : drop();
  }

  /** Of a map or a list with expressions in it, or of one expression. */
  #value(given: unknown, path: Path, wanted: Wanted): FromEvent<unknown, unknown> | undefined {
    if (typeof given === 'string') return this.#expression(given, path, wanted);
    if (Array.isArray(given)) {
      const items = given.map((item: unknown, index) => this.#value(item, [...path, index], wanted));
      return (event) => Promise.all(items.map((item) => item?.(event)));
    }
    if (isMap(given)) {
      const entries = Object.entries(given).map(
        ([key, item]) => [key, this.#value(item, [...path, key], wanted)] as const,
      );
      return async (event) =>
        Object.fromEntries(await Promise.all(entries.map(async ([key, item]) => [key, await item?.(event)] as const)));
    }
    const constant = wanted === 'text' ? String(given) : given;
    return () => constant;
  }

  #expression(text: unknown, path: Path, wanted: Wanted): FromEvent<unknown, unknown> | undefined {
    if (typeof text !== 'string') return undefined;
    try {
      const expression = new Expression(text, wanted);
      return (event: TriggerEvent) => expression.valueFor(event, wanted);
    } catch (error) {
      if (!(error instanceof ExpressionProblem)) throw error;
      this.#find(this.#tree.within(path, error.index), error.message, error.hint);
      return undefined;
    }
  }

  #schema(given: object, path: Path): TriggerOptions['schema'] {
    try {
      return dataSchema(given);
    } catch (error) {
      if (!(error instanceof DataSchemaProblem)) throw error;
      this.#find(this.#tree.at([...path, ...error.path]), error.message);
      return undefined;
    }
  }

  #find(place: Pick<Finding, 'line' | 'column'>, message: string, hint?: string): void {
    this.#findings.push({ severity: 'error', ...place, message, ...(hint === undefined ? {} : { hint }) });
  }
}

function actionOf(specs: ActionSpecs, computed: Computed): Action {
  // Each is checked when its value is made: texts are texts, times are times.
  const made = computed as never as Record<keyof Computed, never>;
  const { start: starts, raiseEvent: raises, startOrRaise: startsOrRaises, terminate: terminates } = specs;
  if (starts !== undefined)
    return start(starts.workflow, { ...plainName(starts), ...made, onConflict: starts.onConflict });
  if (raises !== undefined) return raiseEvent({ ...plainName(raises), ...made });
  if (startsOrRaises !== undefined)
    return startOrRaise(startsOrRaises.workflow, { ...plainName(startsOrRaises), ...made });
  if (terminates !== undefined) return terminate({ ...made, recursive: terminates.recursive, undo: terminates.undo });
  if (specs.suspend !== undefined) return suspend(made);
  return specs.resume === undefined ? drop() : resume(made);
}

function plainName({ eventName }: { readonly eventName?: unknown }) {
  return typeof eventName === 'string' ? { eventName } : {};
}
