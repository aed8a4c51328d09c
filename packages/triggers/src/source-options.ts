// Checks of the options that sources are made with, which may come from a file of settings as well as from code.

/** @throws {TypeError} when there is an option that nobody knows: most likely it is misspelt */
export function checkKnown(kind: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`${kind}: options are an object with ${known.join(', ')}`);
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new TypeError(`${kind}: there is no option ${name}; there are ${known.join(', ')}`);
  }
}

/** @throws {TypeError} when it is no text, or an empty one */
export function textOption(kind: string, name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0'))
    throw new TypeError(`${kind}: ${name} is a text, got ${value === '' ? 'an empty one' : typeof value}`);
  return value;
}

/** @throws {TypeError} when it is not a whole number in the range */
export function numberOption(
  kind: string,
  name: string,
  value: unknown,
  range: { readonly min: number; readonly max: number },
): number {
  if (!Number.isInteger(value) || (value as number) < range.min || (value as number) > range.max)
    throw new TypeError(`${kind}: ${name} is a whole number from ${range.min} to ${range.max}, got ${String(value)}`);
  return value as number;
}

/** @throws {TypeError} when it is none of those */
export function choiceOption<T extends string>(kind: string, name: string, value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined)
    throw new TypeError(`${kind}: ${name} is one of ${choices.join(', ')}, got ${String(value)}`);
  return found;
}
