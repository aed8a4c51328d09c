import { Optional } from '@marcbachmann/cel-js';
import { EVENT_BYTES_MAX, EXPRESSION_VALUES_MAX } from '../limits.ts';

/**
 * What an expression gave, as plain data: whole numbers are numbers, times are RFC 3339, durations are seconds with an `s`, as
 * CEL writes them in JSON; bytes stay bytes; something optional is itself or null.
 *
 * @param known what a value stands for that is no value of CEL
 * @throws {RangeError} for a whole number that JSON cannot hold, a number that is none, and more than a payload may be
 * @throws {TypeError} for a type
 */
export function plainData(value: unknown, known: (value: object) => unknown = () => undefined): unknown {
  let values = 0;
  let length = 0;
  const measured = (text: string): string => {
    length += text.length;
    if (length > EVENT_BYTES_MAX) throw new RangeError(`it gives more than ${EVENT_BYTES_MAX} characters`);
    return text;
  };
  const plain = (one: unknown): unknown => {
    if (++values > EXPRESSION_VALUES_MAX) throw new RangeError(`it gives more than ${EXPRESSION_VALUES_MAX} values`);
    if (typeof one === 'string') return measured(one);
    if (typeof one === 'bigint') return safe(one);
    if (typeof one === 'number') {
      if (!Number.isFinite(one)) throw new RangeError(`it gives ${one}, which is no number`);
      return one;
    }
    if (typeof one === 'boolean' || one === null || one === undefined) return one ?? null;
    if (typeof one !== 'object') throw new TypeError(`it gives ${typeof one}, which is no data`);
    const stands = known(one);
    if (stands !== undefined) return plain(stands);
    if (one instanceof Uint8Array) {
      length += one.byteLength;
      return one;
    }
    if (Array.isArray(one)) return one.map(plain);
    if (one instanceof Date) return one.toISOString();
    if (one instanceof Optional) return one.hasValue() ? plain(one.value()) : null;
    if (one instanceof Map)
      return Object.fromEntries([...one].map(([key, item]) => [measured(String(key)), plain(item)]));
    const prototype: unknown = Object.getPrototypeOf(one);
    if (prototype === null || prototype === Object.prototype)
      return Object.fromEntries(Object.entries(one).map(([key, item]) => [measured(key), plain(item)]));
    return special(one);
  };
  return plain(value);
}

function safe(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new RangeError(`it gives ${value}, which is too large for a number; string(…) makes a text of it`);
}

/** Unsigned numbers and durations, whose classes the library keeps to itself. */
function special(value: object): unknown {
  if ('nanos' in value && 'seconds' in value) {
    const nanos = String(value.nanos).padStart(9, '0').replace(/0+$/, '');
    return `${String(value.seconds)}${nanos === '' ? '' : `.${nanos}`}s`;
  }
  const primitive: unknown = value.valueOf();
  if (typeof primitive === 'bigint') return safe(primitive);
  throw new TypeError('it gives a type, which is no data');
}
